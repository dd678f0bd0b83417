import { MAX_SCORE } from "../model/scores.ts";

/**
 * The score of a model's logit in millionths: 1,000,000 · 1/(1 + e^−z) in float64, rounded to the nearest integer, a
 * half up.
 * @param logit float32
 */
export function scoreOfLogit(logit: number): number {
  return Math.round(MAX_SCORE / (1 + Math.exp(-logit)));
}
