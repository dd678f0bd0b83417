import { parseEther } from "ethers";
import type { INodeRegistry } from "../../types/NodeRegistry.ts";
import type { LlamaConfig } from "../model/manifest.ts";
import type { TaskParams } from "./createTask.ts";
import type { TrainingOptions } from "./miner.ts";

const [MINUTE, HOUR, DAY] = [60n, 3_600n, 86_400n];

/** A small decoder that a processor trains in seconds: on Moby Dick it falls from 6.96 to 4.25 nats in 450 steps. */
export const DEFAULT_MODEL: LlamaConfig = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: 1024,
  hidden_size: 160,
  intermediate_size: 576,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: false,
};

/** One token more than the model's positions: all but the first of a sequence are predicted. */
export const DEFAULT_DATA = {
  sequenceLength: DEFAULT_MODEL.max_position_embeddings + 1,
  evaluationShare: 0.05,
  evaluation: { sequences: 48, precision: "mxfp4" },
} as const;

/** Steps of one round; the schedule's `totalSteps` go over several. */
export const DEFAULT_TRAINING: TrainingOptions = {
  steps: 150,
  batchSize: 8,
  schedule: { peakLearningRate: 2e-3, finalLearningRate: 2e-4, warmUpSteps: 20, totalSteps: 450 },
  optimizer: { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.01, clipNorm: 1 },
  seed: 1,
};

/** Rounds of some hours, as the paper expects; docs/task-parameters.md says what each parameter does. */
export const DEFAULT_TASK_PARAMS: TaskParams = {
  minerReward: parseEther("100"),
  verifierReward: parseEther("30"),
  proposalFee: parseEther("3"),
  minerBond: parseEther("1000"),
  missedRevealPenalty: parseEther("50"),
  deviationPenalty: parseEther("10"),
  demandDeposit: parseEther("2"),
  answerRefund: parseEther("1"),
  verifierStake: parseEther("100"),
  openingSeconds: 30n * MINUTE,
  leafCheckSeconds: 30n * MINUTE,
  commitSeconds: 2n * HOUR,
  revealSeconds: HOUR,
  leafChecks: 4n,
  maxProposals: 4n,
  committeeSize: 16n,
  disputeSeconds: HOUR,
  answerSeconds: 30n * MINUTE,
  answerSlotSeconds: 2n * MINUTE,
  proposalSeconds: 30n * MINUTE,
  closeDelaySeconds: DAY,
  quorumBps: 5_000n,
  rejectionBps: 500n,
  minImprovementMicroNats: 12_000n,
  toleranceMicroNats: 2_000n,
};

/** `INodeRegistry.ModelParams`: amounts in token wei, times in seconds, shares, scores and trust in millionths. */
export type ModelParams = Record<keyof INodeRegistry.ModelParamsStruct, bigint>;

/** Queries of some minutes; docs/queries.md says what each parameter does. */
export const DEFAULT_MODEL_PARAMS: ModelParams = {
  nodeStake: parseEther("100"),
  stakeCap: parseEther("200"),
  answerSeconds: 10n * MINUTE,
  commitSeconds: 10n * MINUTE,
  revealSeconds: 10n * MINUTE,
  aggregate: 0n,
  trimShare: 0n,
  burnShare: 50_000n,
  assessorShare: 300_000n,
  qualityFactor: 1_000_000n,
  costFactor: 250_000n,
  toleranceScore: 50_000n,
  quorumShare: 666_667n,
  trustFloor: 500_000n,
  trustRate: 100_000n,
  leastFee: parseEther("0.1"),
  trustPrice: 1_000_000_000_000n,
  deviationMultiple: 3n,
};
