import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { Command } from "commander";
import { invalidOption, wholeNumber } from "../../clients/cli/values.ts";
import { GradworkError } from "../../clients/model/errors.ts";

/** @property remote another chain to run on, in place of one in this process */
export type DemoOptions = {
  rounds: number;
  seed: number;
  json?: string;
  keep?: string;
  remote?: { rpc: string; privateKeyEnv: string; privateKey: string };
};

const MAX_ROUNDS = 100;

const EXAMPLES = `
Examples:
  npm run demo
  npm run demo -- --rounds 5 --json report.json --keep demo-state
  KEY=0x… npm run demo -- --rpc http://127.0.0.1:8545 --private-key-env KEY
`;

/**
 * Reads the demo's command line.
 * @throws {GradworkError} `INVALID_OPTION`, `MISSING_KEY`; commander ends the process for `--help` and unknown options
 */
export function readOptions(argv: string[], env: NodeJS.ProcessEnv): DemoOptions {
  const raw = new Command("npm run demo --")
    .description("Trains a language model on Moby Dick for rewards on a chain: one miner, three verifiers.")
    .option("--rounds <n>", "training rounds", "3")
    .option("--seed <n>", "of the initial model and the order of the training sequences", "1")
    .option("--json <file>", "write a report of the run")
    .option("--keep <dir>", "keep everybody's state and blobs in this folder, which must not exist yet")
    .option(
      "--rpc <url>",
      "run on this chain, and deploy the contracts there, instead of on one in this process",
    )
    .option("--private-key-env <name>", "environment variable with the key that pays on that chain")
    .addHelpText("after", EXAMPLES)
    .parse(argv, { from: "user" })
    .opts<
      Record<"rounds" | "seed", string> & Partial<Record<"json" | "keep" | "rpc" | "privateKeyEnv", string>>
    >();

  const { json, keep, rpc, privateKeyEnv } = raw;
  if (json !== undefined) requireWritable(json);
  if (keep !== undefined && existsSync(keep)) {
    throw invalidOption(
      "--keep",
      keep,
      "a folder that does not exist yet: nothing in it is to be overwritten",
    );
  }
  const options: DemoOptions = {
    rounds: wholeNumber("--rounds", raw.rounds, 1, MAX_ROUNDS),
    seed: wholeNumber("--seed", raw.seed, 0, 2 ** 31),
    ...(json === undefined ? {} : { json }),
    ...(keep === undefined ? {} : { keep: resolve(keep) }),
  };
  if ((rpc === undefined) !== (privateKeyEnv === undefined)) {
    throw invalidOption("--rpc and --private-key-env", rpc ?? privateKeyEnv, "both, or none");
  }
  if (rpc === undefined || privateKeyEnv === undefined) return options;
  const privateKey = env[privateKeyEnv];
  if (privateKey === undefined || privateKey === "") {
    throw new GradworkError("MISSING_KEY", `the environment variable ${privateKeyEnv} is not set`, {
      privateKeyEnv,
    });
  }
  return { ...options, remote: { rpc, privateKeyEnv, privateKey } };
}

function requireWritable(file: string): void {
  const folder = dirname(resolve(file));
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw invalidOption("--json", file, `a file that can be written (${(error as Error).message})`);
  }
}
