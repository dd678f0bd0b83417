import type { TaskOptions } from "../../clients/roles/createTask.ts";
import { DEFAULT_MODEL, DEFAULT_TASK_PARAMS, DEFAULT_TRAINING } from "../../clients/roles/defaults.ts";
import { mobyDickText } from "../../clients/training/dataset.ts";

export const DEMO_TRAINING = DEFAULT_TRAINING;

/** The default task in windows of seconds, for a chain that makes a block a second. */
export const DEMO_TASK: Omit<TaskOptions, "location"> = {
  text: mobyDickText(),
  model: DEFAULT_MODEL,
  sequenceLength: DEFAULT_MODEL.max_position_embeddings,
  evaluationShare: 0.1,
  evaluation: { sequences: 32, precision: "mxfp4" },
  seed: 1,
  params: {
    ...DEFAULT_TASK_PARAMS,
    proposalSeconds: 1n,
    openingSeconds: 4n,
    leafCheckSeconds: 6n,
    commitSeconds: 7n,
    revealSeconds: 5n,
    disputeSeconds: 1n,
  },
};
