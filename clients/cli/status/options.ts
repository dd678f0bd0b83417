import type { Command } from "commander";
import { getAddress, isAddress } from "ethers";
import { GradworkError } from "../../model/errors.ts";
import {
  addChainOptions,
  addKeyOption,
  type ChainOptions,
  prepareChain,
  prepareWallet,
  type RawChainOptions,
  type RawKeyOptions,
} from "../chainOptions.ts";
import { hideKeys } from "../errorLine.ts";
import { invalidOption } from "../values.ts";

export type RawStatusOptions = RawChainOptions & RawKeyOptions;

export type StatusOptions = ChainOptions & { account: string };

const HELP = `
Examples:
  gradwork status
  gradwork status 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266
`;

export function defineStatus(parent: Command): Command {
  const command = parent
    .command("status")
    .description("show what an account holds, and the tasks")
    .argument("[account]", "address (default: that of the private key)");
  return addKeyOption(addChainOptions(command)).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, `INVALID_KEY`, `MISSING_ACCOUNT` where there is neither address nor key */
export function prepareStatus(
  account: string | undefined,
  raw: RawStatusOptions,
  env: NodeJS.ProcessEnv,
): StatusOptions {
  if (account !== undefined && !isAddress(account)) {
    throw invalidOption("ACCOUNT", hideKeys(account), "an address: 20 bytes in hexadecimal");
  }
  const address = account === undefined ? prepareWallet(raw, env)?.address : getAddress(account);
  if (address === undefined) {
    throw new GradworkError(
      "MISSING_ACCOUNT",
      `status takes an address, or the private key of one in the environment variable ${raw.privateKeyEnv}`,
      { privateKeyEnv: raw.privateKeyEnv },
    );
  }
  return { account: address, ...prepareChain(raw) };
}
