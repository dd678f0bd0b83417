import type { Command } from "commander";
import { RANDOMNESS_CONTRACTS, type RandomnessSource } from "../../chain/artifacts.ts";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "../chainOptions.ts";
import { oneOf } from "../values.ts";

const SOURCES = Object.keys(RANDOMNESS_CONTRACTS) as RandomnessSource[];
const DEFAULT_SOURCE: RandomnessSource = "block-hash";

export type RawDeployOptions = RawSenderOptions & { randomness: string };

export type DeployOptions = SenderOptions & { randomness: RandomnessSource };

const HELP = `
Writes the addresses to the --deployment file, which must not exist yet. Cut short, the same
command goes on where it stopped.
Seeds are block-hash, which whoever builds the block can choose, or drand, which nobody can choose;
drand needs a chain with EIP-2537. docs/randomness.md says when to use which.

Examples:
  GRADWORK_PRIVATE_KEY=0x… gradwork deploy
  KEY=0x… gradwork deploy --rpc https://rpc.example.org --deployment sepolia.json --private-key-env KEY
  gradwork deploy --randomness drand
`;

export function defineDeploy(parent: Command): Command {
  const command = addRandomnessOption(
    parent.command("deploy").description("deploy the contracts, with a token for test networks"),
  );
  return addSenderOptions(command).addHelpText("after", HELP);
}

export function addRandomnessOption(command: Command): Command {
  const what = `where seeds come from, for good: ${SOURCES.join(" or ")}`;
  return command.option("--randomness <source>", what, DEFAULT_SOURCE);
}

/** @throws {GradworkError} `INVALID_OPTION` */
export function prepareRandomness({ randomness }: { randomness: string }): RandomnessSource {
  return oneOf("--randomness", randomness, SOURCES);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareSender` does */
export function prepareDeploy(raw: RawDeployOptions, env: NodeJS.ProcessEnv): DeployOptions {
  return { randomness: prepareRandomness(raw), ...prepareSender(raw, env) };
}
