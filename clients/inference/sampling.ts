import type { Random } from "../training/random.ts";
import type { Sampling } from "./generator.ts";

/**
 * Draws a token (nucleus sampling, Holtzman et al. 2020, arXiv 1904.09751). Of equally likely ones the first comes first,
 * so equal logits and equal random numbers give equal tokens.
 * @param logits of the whole vocabulary
 */
export function drawToken(logits: Float32Array, { temperature, topP }: Sampling, random: Random): number {
  const largest = logits.reduce((max, logit) => Math.max(max, logit), Number.NEGATIVE_INFINITY);
  if (temperature === 0) return logits.indexOf(largest);
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - largest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const order = Uint32Array.from(weights.keys()).sort((a, b) => weights[b]! - weights[a]! || a - b);
  let count = 0;
  let kept = 0;
  while (count < order.length && kept < topP * total) kept += weights[order[count++]!]!;
  let rest = random() * kept;
  for (const token of order.subarray(0, count)) {
    rest -= weights[token]!;
    if (rest < 0) return token;
  }
  // Rounding left a little.
  return order[count - 1]!;
}
