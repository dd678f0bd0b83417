import { type TensorSpec, tensorPlaces } from "../model/parameters.ts";

/** AdamW's hyperparameters (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2). */
export type AdamWOptions = {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decay of matrices; vectors (the norms' weights) do not decay. */
  readonly weightDecay: number;
  /** Largest norm of the whole gradient; a longer one is scaled down to it. */
  readonly clipNorm: number;
};

/** Moments of the gradient, P values each, after `step` steps. */
export type AdamWState = { step: number; readonly mean: Float32Array; readonly variance: Float32Array };

/** Linear warm-up to `peakLearningRate`, then half a cosine down to `finalLearningRate` at `totalSteps`. */
export type Schedule = {
  readonly peakLearningRate: number;
  readonly finalLearningRate: number;
  readonly warmUpSteps: number;
  readonly totalSteps: number;
};

export function createAdamWState(parameterCount: number): AdamWState {
  return { step: 0, mean: new Float32Array(parameterCount), variance: new Float32Array(parameterCount) };
}

/** Learning rate of a step, the first of which is 1; after `totalSteps` it stays at the final one. */
export function learningRateAt(schedule: Schedule, step: number): number {
  const { peakLearningRate, finalLearningRate, warmUpSteps, totalSteps } = schedule;
  if (step <= warmUpSteps) return (peakLearningRate * step) / warmUpSteps;
  const progress = Math.min(1, (step - warmUpSteps) / Math.max(1, totalSteps - warmUpSteps));
  return (
    finalLearningRate + (peakLearningRate - finalLearningRate) * 0.5 * (1 + Math.cos(Math.PI * progress))
  );
}

/**
 * One AdamW step, in place, on all tensors.
 * @param parameters θ, P values, overwritten
 * @param gradient P values, left as they are
 * @param state overwritten
 * @returns norm of the gradient before clipping
 */
export function adamWStep(
  parameters: Float32Array,
  gradient: Float32Array,
  state: AdamWState,
  tensors: readonly TensorSpec[],
  learningRate: number,
  options: AdamWOptions,
): number {
  const { beta1, beta2, epsilon, clipNorm } = options;
  const { mean, variance } = state;
  state.step++;
  let squares = 0;
  for (let i = 0; i < gradient.length; i++) squares += gradient[i]! * gradient[i]!;
  const norm = Math.sqrt(squares);
  const clip = norm > clipNorm ? clipNorm / norm : 1;
  const stepSize = learningRate / (1 - beta1 ** state.step);
  const varianceScale = 1 / Math.sqrt(1 - beta2 ** state.step);
  for (const { shape, offset, length } of tensorPlaces(tensors)) {
    const keep = 1 - learningRate * (shape.length > 1 ? options.weightDecay : 0);
    for (let i = offset; i < offset + length; i++) {
      const g = clip * gradient[i]!;
      const m = beta1 * mean[i]! + (1 - beta1) * g;
      const v = beta2 * variance[i]! + (1 - beta2) * g * g;
      mean[i] = m;
      variance[i] = v;
      parameters[i] = keep * parameters[i]! - (stepSize * m) / (Math.sqrt(v) * varianceScale + epsilon);
    }
  }
  return norm;
}
