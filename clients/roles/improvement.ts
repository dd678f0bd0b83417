// What the least improvement of a task must exceed, so that noise does not confirm updates.
import { keccak256Bytes } from "../model/keccak.ts";
import { decodeLeaves, encodeLeaves } from "../model/mxfp4.ts";
import { applyUpdate, makeUpdate } from "../model/update.ts";
import { createAdamWState } from "../training/adamw.ts";
import { copySequences, createSampler } from "../training/dataset.ts";
import { upperNormalQuantile } from "../training/normalQuantile.ts";
import { createOnnxEngine } from "../training/onnxEngine.ts";
import { sequenceLosses, trainRound } from "../training/trainer.ts";
import type { PreparedTask } from "./createTask.ts";
import { DEFAULT_TRAINING } from "./defaults.ts";

/** How likely a round may be to confirm an update without use. */
export const FALSE_CONFIRMATION = 0.01;

/** Of the evaluation range, as many at most: bounds the time. */
const SPREAD_SEQUENCES = 256;

/** @property spreadNats standard deviation, over sequences, of the change of a sequence's loss */
export type Noise = {
  readonly spreadNats: number;
  /** drawn a round, ≥ 1 */
  readonly sequences: number;
  /** that a round may hold, ≥ 1 */
  readonly proposals: number;
};

/**
 * The improvement that the best of a round's proposals seems to bring with a probability of at most
 * `FALSE_CONFIRMATION` where none brings any: z_{1 − α/c} · σ/√m. The mean over m drawn sequences is taken as normal, and
 * the c proposals may depend on each other (Bonferroni). Draws are with replacement, so m may exceed the range.
 */
export function leastImprovementNats({ spreadNats, sequences, proposals }: Noise): number {
  return (upperNormalQuantile(FALSE_CONFIRMATION / proposals) * spreadNats) / Math.sqrt(sequences);
}

/**
 * Spread of the loss's change over a task's evaluation sequences, from the initial model to that after one optimizer
 * step, at the task's precision. The step is one of late training, when updates bring least: at the default training's
 * final learning rate. Equal tasks give equal spreads.
 * @returns nats
 * @throws {GradworkError} `ENGINE_NOT_INSTALLED`, `TRAINING_DIVERGED`; the signal's reason when it aborts
 */
export async function measureSpread(task: PreparedTask, signal: AbortSignal): Promise<number> {
  const { tensors, evaluation } = task.manifest;
  const { dataset, parameters, graphs } = task.contents;
  const { batchSize, optimizer, schedule, seed } = DEFAULT_TRAINING;
  const file = (bytes: Uint8Array) => ({ bytes, hash: keccak256Bytes(bytes) });
  // One thread: sums in one order, however many cores there are.
  const engine = createOnnxEngine({
    tensors,
    loss: file(graphs.loss),
    gradient: file(graphs.gradient),
    threads: 1,
  });
  try {
    const { delta } = await trainRound({
      engine,
      tensors,
      parameters,
      optimizerState: createAdamWState(parameters.length),
      optimizer,
      schedule: { ...schedule, warmUpSteps: 0, totalSteps: 1 },
      dataset,
      steps: 1,
      batchSize,
      seed,
      signal,
    });
    const trained = applyUpdate(parameters, makeUpdate(delta, new Float32Array(parameters.length)));
    const count = Math.min(SPREAD_SEQUENCES, dataset.evaluation.count);
    const sequences = copySequences(dataset, createSampler(dataset.evaluation, seed)(count));
    const lossesOf = (model: Float32Array) => {
      const measured =
        evaluation.precision === "mxfp4" ? decodeLeaves(encodeLeaves(model), model.length) : model;
      return sequenceLosses({ engine, parameters: measured, sequences, signal });
    };
    const before = await lossesOf(parameters);
    const after = await lossesOf(trained);
    return standardDeviation(before.map((loss, i) => loss - after[i]!));
  } finally {
    await engine.release();
  }
}

/** Of whole populations: a range of one sequence, drawn ever again, has no spread. */
function standardDeviation(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
