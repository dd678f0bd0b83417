// A miner's round: many optimizer steps whose sum is the update, as in DiLoCo (arXiv 2311.08105).
import { GradworkError } from "../model/errors.ts";
import type { TensorSpec } from "../model/parameters.ts";
import { type AdamWOptions, type AdamWState, adamWStep, learningRateAt, type Schedule } from "./adamw.ts";
import { copySequences, createSampler, type Dataset } from "./dataset.ts";
import type { Engine } from "./engine.ts";

/** Sequences that an evaluation computes at once: bounds its memory. */
const EVALUATION_BATCH = 16;

export type TrainingProgress = { readonly step: number; readonly steps: number; readonly lossNats: number };

export type TrainingRound = {
  readonly engine: Engine;
  readonly tensors: readonly TensorSpec[];
  /** θ at the round's start, P values; left as they are. */
  readonly parameters: Float32Array;
  /** Advanced in place, and so only fit for another try after an abort if the caller kept a copy. */
  readonly optimizerState: AdamWState;
  readonly optimizer: AdamWOptions;
  readonly schedule: Schedule;
  readonly dataset: Dataset;
  readonly steps: number;
  /** Sequences in a step. */
  readonly batchSize: number;
  /** Orders the sequences. */
  readonly seed: number;
  readonly signal: AbortSignal;
  /** No step begins after this time, in milliseconds since 1970. */
  readonly deadlineMilliseconds?: number;
  readonly onProgress?: (progress: TrainingProgress) => void;
};

export type TrainingResult = {
  /** Change of each parameter, P values. */
  readonly delta: Float32Array;
  /** Mean loss of the last step's batch. */
  readonly lossNats: number;
  readonly steps: number;
  readonly flops: number;
};

/**
 * Trains from θ on a dataset's training sequences.
 * @throws {GradworkError} `TRAINING_DIVERGED` at a loss or gradient that is not finite, `NO_TRAINING_STEP` when the
 * deadline left time for none; the signal's reason when it aborts
 */
export async function trainRound(round: TrainingRound): Promise<TrainingResult> {
  const { engine, tensors, dataset, optimizerState, steps, batchSize, signal, deadlineMilliseconds } = round;
  const parameters = round.parameters.slice();
  const gradient = new Float32Array(parameters.length);
  const nextIndices = createSampler(dataset.train, round.seed);
  let lossNats = Number.NaN;
  let step = 0;
  for (; step < steps && !(Date.now() > (deadlineMilliseconds ?? Number.POSITIVE_INFINITY)); step++) {
    signal.throwIfAborted();
    const batch = copySequences(dataset, nextIndices(batchSize));
    lossNats = await engine.gradient(parameters, batch, gradient);
    const learningRate = learningRateAt(round.schedule, optimizerState.step + 1);
    const norm = adamWStep(parameters, gradient, optimizerState, tensors, learningRate, round.optimizer);
    if (!Number.isFinite(lossNats + norm)) {
      throw new GradworkError(
        "TRAINING_DIVERGED",
        `Expected a finite loss and gradient, got ${lossNats} and norm ${norm} at step ${step}; lower the learning rate`,
        { step, lossNats, norm },
      );
    }
    round.onProgress?.({ step: step + 1, steps, lossNats });
  }
  if (step === 0) {
    throw new GradworkError("NO_TRAINING_STEP", "Expected time for at least one step before the deadline", {
      steps,
      deadlineMilliseconds,
    });
  }
  for (let i = 0; i < parameters.length; i++) parameters[i]! -= round.parameters[i]!;
  return { delta: parameters, lossNats, steps: step, flops: step * engine.gradientFlops(batchSize) };
}

export type Evaluation = {
  readonly engine: Engine;
  readonly parameters: Float32Array;
  /** Whole sequences, one after another. */
  readonly sequences: Uint32Array;
  readonly signal: AbortSignal;
};

/**
 * Mean loss over all predicted tokens of some sequences, summed in float64 (protocol §1).
 * @throws {GradworkError} `PARTIAL_SEQUENCE`; the signal's reason when it aborts
 */
export async function evaluate(evaluation: Evaluation): Promise<{ lossNats: number; flops: number }> {
  let sum = 0;
  let count = 0;
  let flops = 0;
  for await (const batch of tokenLossBatches(evaluation)) {
    for (const loss of batch.losses) sum += loss;
    count += batch.losses.length;
    flops += batch.flops;
  }
  return { lossNats: sum / count, flops };
}

/** Mean loss over the predicted tokens of each sequence, in nats. @throws as {@link evaluate} */
export async function sequenceLosses(evaluation: Evaluation): Promise<Float64Array> {
  const { engine, sequences } = evaluation;
  const predicted = engine.sequenceLength - 1;
  const means = new Float64Array(sequences.length / engine.sequenceLength);
  let token = 0;
  for await (const { losses } of tokenLossBatches(evaluation)) {
    for (const loss of losses) means[Math.floor(token++ / predicted)]! += loss / predicted;
  }
  return means;
}

/** The loss of each predicted token, some whole sequences at a time. */
async function* tokenLossBatches({ engine, parameters, sequences, signal }: Evaluation) {
  const batchLength = EVALUATION_BATCH * engine.sequenceLength;
  for (let start = 0; start === 0 || start < sequences.length; start += batchLength) {
    signal.throwIfAborted();
    const batch = sequences.subarray(start, start + batchLength);
    const losses = await engine.tokenLosses(parameters, batch);
    yield { losses, flops: engine.lossFlops(batch.length / engine.sequenceLength) };
  }
}
