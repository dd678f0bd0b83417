import type { LlamaConfig } from "../../clients/model/manifest.ts";
import type { TaskOptions } from "../../clients/roles/createTask.ts";
import { DEFAULT_MODEL, DEFAULT_TASK_PARAMS, DEFAULT_TRAINING } from "../../clients/roles/defaults.ts";
import type { TrainingOptions } from "../../clients/roles/miner.ts";
import { mobyDickText } from "../../clients/training/dataset.ts";

export const SMALL_MODEL: LlamaConfig = {
  ...DEFAULT_MODEL,
  vocab_size: 320,
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 16,
  max_position_embeddings: 32,
};

/** A task that trains a small model on two chapters, in windows of seconds. */
export const SMALL_TASK: Omit<TaskOptions, "location"> = {
  text: mobyDickText().slice(0, 60_000),
  model: SMALL_MODEL,
  sequenceLength: 32,
  evaluationShare: 0.1,
  evaluation: { sequences: 16, precision: "mxfp4" },
  seed: 7,
  params: {
    ...DEFAULT_TASK_PARAMS,
    proposalSeconds: 2n,
    openingSeconds: 4n,
    leafCheckSeconds: 6n,
    commitSeconds: 8n,
    revealSeconds: 5n,
    disputeSeconds: 2n,
    answerSeconds: 5n,
    answerSlotSeconds: 2n,
  },
};

export const SMALL_TRAINING: TrainingOptions = {
  ...DEFAULT_TRAINING,
  steps: 40,
  batchSize: 8,
  schedule: { peakLearningRate: 5e-3, finalLearningRate: 1e-3, warmUpSteps: 10, totalSteps: 80 },
};
