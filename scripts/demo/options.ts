import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { Command } from "commander";
import { invalidOption, oneOf, wholeNumber } from "../../clients/cli/values.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import type { Adversary } from "../adversaries/adversary.ts";
import { ADVERSARIES } from "../adversaries/all.ts";

/** The halves of the demo: training, and asking what was trained. */
const HALVES = ["pogo", "poq"] as const;

/**
 * @property only one half; poq alone asks the embedded model
 * @property remote another chain to run on, in place of one in this process
 * @property adversary to play, in place of all else
 * @property listAdversaries print their names, in place of all else
 */
export type DemoOptions = {
  only?: (typeof HALVES)[number];
  rounds: number;
  seed: number;
  json?: string;
  keep?: string;
  remote?: { rpc: string; privateKeyEnv: string; privateKey: string };
  adversary?: Adversary;
  listAdversaries: boolean;
};

const MAX_ROUNDS = 100;

type RawOptions = Record<"rounds" | "seed", string> &
  Partial<Record<"only" | "json" | "keep" | "rpc" | "privateKeyEnv" | "adversary", string>> & {
    listAdversaries?: boolean;
  };

const EXAMPLES = `
Examples:
  npm run demo
  npm run demo -- --only poq
  npm run demo -- --rounds 5 --json report.json --keep demo-state
  KEY=0x… npm run demo -- --rpc http://127.0.0.1:8545 --private-key-env KEY
  npm run demo -- --adversary ${ADVERSARIES[0]!.name}
`;

/** Options that say what to do in place of a demo of some rounds. */
const ALONE = ["adversary", "listAdversaries"];

/**
 * Reads the demo's command line.
 * @throws {GradworkError} `INVALID_OPTION`, `MISSING_KEY`; commander ends the process for `--help` and unknown options
 */
export function readOptions(argv: string[], env: NodeJS.ProcessEnv): DemoOptions {
  const command = new Command("npm run demo --")
    .description(
      "Trains a language model on Moby Dick for rewards on a chain, one miner and three verifiers; then asks it: three responders, five assessors.",
    )
    .option("--only <half>", "pogo: the training; poq: the asking, of the embedded model")
    .option("--rounds <n>", "training rounds", "3")
    .option("--seed <n>", "of the initial model and the order of the training sequences", "1")
    .option("--json <file>", "write a report of the run")
    .option("--keep <dir>", "keep everybody's state and blobs in this folder, which must not exist yet")
    .option(
      "--rpc <url>",
      "run on this chain, and deploy the contracts there, instead of on one in this process",
    )
    .option("--private-key-env <name>", "environment variable with the key that pays on that chain")
    .option("--adversary <name>", "play somebody who breaks the rules, and compare what comes of it; alone")
    .option("--list-adversaries", "print the names that --adversary takes, one a line; alone")
    .addHelpText("after", EXAMPLES)
    .parse(argv, { from: "user" });
  const raw = command.opts<RawOptions>();
  requireAlone(command);

  const { json, keep, rpc, privateKeyEnv, adversary, listAdversaries = false } = raw;
  if (json !== undefined) requireWritable(json);
  if (keep !== undefined && existsSync(keep)) {
    throw invalidOption(
      "--keep",
      keep,
      "a folder that does not exist yet: nothing in it is to be overwritten",
    );
  }
  const options: DemoOptions = {
    ...(raw.only === undefined ? {} : { only: oneOf("--only", raw.only, HALVES) }),
    rounds: wholeNumber("--rounds", raw.rounds, 1, MAX_ROUNDS),
    seed: wholeNumber("--seed", raw.seed, 0, 2 ** 31),
    ...(json === undefined ? {} : { json }),
    ...(keep === undefined ? {} : { keep: resolve(keep) }),
    ...(adversary === undefined ? {} : { adversary: adversaryOf(adversary) }),
    listAdversaries,
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

/** @throws {GradworkError} `INVALID_OPTION` where an option that stands alone does not */
function requireAlone(command: Command): void {
  const given = command.options
    .map((option) => ({ name: option.attributeName(), flag: option.long! }))
    .filter(({ name }) => command.getOptionValueSource(name) === "cli");
  const alone = given.find(({ name }) => ALONE.includes(name));
  const other = given.find((option) => option !== alone);
  if (alone !== undefined && other !== undefined) {
    throw invalidOption(
      alone.flag,
      other.flag,
      "no other option beside it: it has a chain and a task of its own",
    );
  }
}

/** @throws {GradworkError} `INVALID_OPTION` with the names that share a word with an unknown one, else with all */
function adversaryOf(name: string): Adversary {
  const found = ADVERSARIES.find((adversary) => adversary.name === name);
  if (found !== undefined) return found;
  const words = new Set(name.split("-"));
  const names = ADVERSARIES.map((adversary) => adversary.name);
  const near = names.filter((one) => one.split("-").some((word) => words.has(word)));
  throw invalidOption("--adversary", name, (near.length === 0 ? names : near).join(" or "));
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
