import { parseEther } from "ethers";
import type { LlamaConfig } from "../model/manifest.ts";
import type { TaskParams } from "./createTask.ts";
import type { TrainingOptions } from "./miner.ts";

const [MINUTE, HOUR, DAY] = [60n, 3_600n, 86_400n];

/** A small decoder that trains on a processor in seconds, and on Moby Dick falls from 6.9 to below 4.9 nats. */
export const DEFAULT_MODEL: LlamaConfig = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: 1024,
  hidden_size: 128,
  intermediate_size: 352,
  num_hidden_layers: 5,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: true,
};

export const DEFAULT_TRAINING: TrainingOptions = {
  steps: 60,
  batchSize: 16,
  schedule: { peakLearningRate: 4e-3, finalLearningRate: 4e-4, warmUpSteps: 10, totalSteps: 180 },
  optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 },
  seed: 1,
};

/** Rounds of some hours, as the paper expects; docs/task-parameters.md says what each parameter does. */
export const DEFAULT_TASK_PARAMS: TaskParams = {
  minerReward: parseEther("100"),
  verifierReward: parseEther("30"),
  proposalFee: parseEther("3"),
  minerBond: parseEther("1000"),
  verifierStake: parseEther("100"),
  missedRevealPenalty: parseEther("40"),
  deviationPenalty: parseEther("10"),
  proposalSeconds: 30n * MINUTE,
  openingSeconds: 30n * MINUTE,
  leafCheckSeconds: 30n * MINUTE,
  commitSeconds: 2n * HOUR,
  revealSeconds: HOUR,
  disputeSeconds: HOUR,
  closeDelaySeconds: DAY,
  quorumBps: 5_000n,
  rejectionBps: 500n,
  leafChecks: 4n,
  minImprovementMicroNats: 5_000n,
  toleranceMicroNats: 2_000n,
};
