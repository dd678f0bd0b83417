import type { Command } from "commander";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "../chainOptions.ts";
import { addAmountOptions, type RawAmountOptions } from "../moneyOptions.ts";
import { tokenAmount } from "../values.ts";

export type RawStakeDepositOptions = RawSenderOptions & RawAmountOptions;

/** @property amount token wei */
export type StakeDepositOptions = SenderOptions & { amount: bigint; faucet: boolean };

const HELP = `
A miner's stake backs the bond of each proposal, a verifier's is what it enrols with.

Examples:
  gradwork stake deposit --amount 1000
  gradwork stake deposit --amount 1000 --faucet
`;

export function defineStakeDeposit(parent: Command): Command {
  const command = parent.command("deposit").description("move tokens from the wallet into the stake vault");
  return addSenderOptions(addAmountOptions(command)).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareSender` does */
export function prepareStakeDeposit(
  raw: RawStakeDepositOptions,
  env: NodeJS.ProcessEnv,
): StakeDepositOptions {
  return {
    amount: tokenAmount("--amount", raw.amount),
    faucet: raw.faucet ?? false,
    ...prepareSender(raw, env),
  };
}
