import type { TaskOptions } from "../../clients/roles/createTask.ts";
import {
  DEFAULT_DATA,
  DEFAULT_MODEL,
  DEFAULT_TASK_PARAMS,
  DEFAULT_TRAINING,
} from "../../clients/roles/defaults.ts";
import type { TrainingOptions } from "../../clients/roles/miner.ts";
import { mobyDickText } from "../../clients/training/dataset.ts";

/** The default training, its learning rate lowered over all of the demo's rounds. */
export function demoTraining(rounds: number, seed: number): TrainingOptions {
  const { steps, schedule } = DEFAULT_TRAINING;
  return { ...DEFAULT_TRAINING, seed, schedule: { ...schedule, totalSteps: steps * rounds } };
}

/** The default task in windows of seconds, for a chain that makes a block a second. */
export const DEMO_TASK: Omit<TaskOptions, "location"> = {
  text: mobyDickText(),
  model: DEFAULT_MODEL,
  ...DEFAULT_DATA,
  seed: 1,
  params: {
    ...DEFAULT_TASK_PARAMS,
    proposalSeconds: 1n,
    openingSeconds: 4n,
    leafCheckSeconds: 6n,
    commitSeconds: 7n,
    revealSeconds: 5n,
    disputeSeconds: 1n,
    answerSeconds: 4n,
    answerSlotSeconds: 2n,
  },
};
