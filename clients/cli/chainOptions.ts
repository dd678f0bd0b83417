// The options that name a chain, a deployment and an account.
import type { Command } from "commander";
import type { Wallet } from "ethers";
import { walletFromKey } from "../chain/connection.ts";
import { GradworkError } from "../model/errors.ts";
import { hideKeys } from "./errorLine.ts";
import { invalidOption, wholeNumber } from "./values.ts";

export const DEFAULT_RPC = "http://127.0.0.1:8545";
export const DEFAULT_DEPLOYMENT_FILE = "gradwork.json";
export const DEFAULT_PRIVATE_KEY_ENV = "GRADWORK_PRIVATE_KEY";
const DEFAULT_DEPTH = 2;
const MAX_DEPTH = 10_000;

export type RawChainOptions = { rpc: string; deployment: string };
export type RawKeyOptions = { privateKeyEnv: string };
export type RawSenderOptions = RawChainOptions & RawKeyOptions & { depth: string };

/** Where to read. */
export type ChainOptions = { rpc: string; deploymentFile: string };
/** Where to act, and as whom. `depth`: blocks on top of a fact before it is acted on. */
export type SenderOptions = ChainOptions & { depth: number; wallet: Wallet };

export function addChainOptions(command: Command): Command {
  return command
    .option("--rpc <url>", "JSON-RPC endpoint of the chain", DEFAULT_RPC)
    .option("--deployment <file>", "file with the contracts' addresses", DEFAULT_DEPLOYMENT_FILE);
}

export function addKeyOption(command: Command): Command {
  return command.option(
    "--private-key-env <name>",
    "environment variable that holds the account's private key",
    DEFAULT_PRIVATE_KEY_ENV,
  );
}

export function addSenderOptions(command: Command): Command {
  return addKeyOption(addChainOptions(command)).option(
    "--depth <blocks>",
    "blocks on top of a fact before it counts; 0 for a chain that makes blocks only on demand",
    String(DEFAULT_DEPTH),
  );
}

export function prepareChain({ rpc, deployment }: RawChainOptions): ChainOptions {
  return { rpc, deploymentFile: deployment };
}

/** @throws {GradworkError} `INVALID_OPTION`, `MISSING_KEY`, `INVALID_KEY` */
export function prepareSender(raw: RawSenderOptions, env: NodeJS.ProcessEnv): SenderOptions {
  const depth = wholeNumber("--depth", raw.depth, 0, MAX_DEPTH);
  const wallet = prepareWallet(raw, env);
  if (wallet === undefined) {
    const name = raw.privateKeyEnv;
    throw new GradworkError(
      "MISSING_KEY",
      `the environment variable ${name} is not set: it should hold the account's private key`,
      { privateKeyEnv: name },
    );
  }
  return { ...prepareChain(raw), depth, wallet };
}

/**
 * The account of the key in the environment; undefined where there is none.
 * @throws {GradworkError} `INVALID_OPTION`, `INVALID_KEY`
 */
export function prepareWallet({ privateKeyEnv }: RawKeyOptions, env: NodeJS.ProcessEnv): Wallet | undefined {
  const shown = hideKeys(privateKeyEnv);
  if (shown !== privateKeyEnv || !/^\w+$/.test(privateKeyEnv)) {
    throw invalidOption("--private-key-env", shown, "the name of an environment variable");
  }
  const key = env[privateKeyEnv]?.trim();
  if (key === undefined || key === "") return undefined;
  return walletFromKey(key, `the environment variable ${privateKeyEnv}`);
}
