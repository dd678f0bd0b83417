import type { Command } from "commander";
import { DEFAULT_TRAINING } from "../../roles/defaults.ts";
import type { MinerOptions } from "../../roles/miner.ts";
import {
  addPartyOptions,
  addThreadsOption,
  DEFAULT_MINER_PORT,
  type PartyRunOptions,
  prepareParty,
  prepareThreads,
  type RawPartyOptions,
  type RawThreadsOptions,
} from "../partyOptions.ts";
import { addDrandOption, prepareDrand, type RawDrandOptions } from "../roleOptions.ts";
import { positiveNumber, wholeNumber } from "../values.ts";

const MAX_ROUNDS = 1_000_000;
const MAX_STEPS = 1_000_000_000;
const MAX_BATCH = 1_000_000;
const MAX_SEED = 2 ** 31;
const { steps, batchSize, schedule, seed } = DEFAULT_TRAINING;
/** Rounds over which the learning rate falls, where their number is not given. */
const DECAY_ROUNDS = Math.round(schedule.totalSteps / steps);

export type RawMinerRunOptions = RawPartyOptions &
  RawThreadsOptions &
  RawDrandOptions & {
    rounds?: string;
    steps: string;
    batchSize: string;
    learningRate: string;
    seed: string;
  };

export type MinerRunOptions = PartyRunOptions & Pick<MinerOptions, "training" | "rounds" | "threads">;

const HELP = `
The account needs free stake for the bond, tokens for the fee and the chain's currency for gas;
the task needs escrow. While one of them is missing it waits and says so. While its bond answers for
a proposal or the head, a demand for a leaf that it leaves unanswered costs the bond: keep it running.
Ctrl-C stops it with exit code 0; started again on the same --state it goes on.

Examples:
  gradwork miner run --task 0 --state miner --blobs blobs
  gradwork miner run --task 0 --state miner --host 0.0.0.0 --public-url https://miner.example.org --rounds 10
`;

export function defineMinerRun(parent: Command): Command {
  const command = parent
    .command("run")
    .description("train a task round by round and propose the updates")
    .option("--rounds <n>", "end after this many proposals (default: when the task closes)")
    .option("--steps <n>", "optimizer steps in a round", String(steps))
    .option("--batch-size <n>", "sequences in a step", String(batchSize))
    .option(
      "--learning-rate <x>",
      `peak; falls to a tenth over --rounds, or ${DECAY_ROUNDS} rounds`,
      String(schedule.peakLearningRate),
    )
    .option("--seed <n>", "orders the training sequences, together with the round", String(seed));
  addDrandOption(addThreadsOption(command));
  return addPartyOptions(command, { port: DEFAULT_MINER_PORT }).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareDrand` and `prepareParty` do */
export function prepareMinerRun(raw: RawMinerRunOptions, env: NodeJS.ProcessEnv): MinerRunOptions {
  const rounds = raw.rounds === undefined ? undefined : wholeNumber("--rounds", raw.rounds, 1, MAX_ROUNDS);
  const stepsARound = wholeNumber("--steps", raw.steps, 1, MAX_STEPS);
  const peakLearningRate = positiveNumber("--learning-rate", raw.learningRate);
  return {
    ...(rounds === undefined ? {} : { rounds }),
    training: {
      ...DEFAULT_TRAINING,
      steps: stepsARound,
      batchSize: wholeNumber("--batch-size", raw.batchSize, 1, MAX_BATCH),
      schedule: {
        peakLearningRate,
        finalLearningRate: peakLearningRate / 10,
        warmUpSteps: Math.min(schedule.warmUpSteps, stepsARound),
        totalSteps: stepsARound * (rounds ?? DECAY_ROUNDS),
      },
      seed: wholeNumber("--seed", raw.seed, 0, MAX_SEED),
    },
    ...prepareThreads(raw),
    ...prepareDrand(raw),
    ...prepareParty(raw, env),
  };
}
