import { requireWeights } from "./weightedMedian.ts";

/**
 * The mean of what is left after a share of the weight is cut at each end of the sorted values, rounded down.
 * @param values at least 0
 * @param weights one ≥ 0 for each value, not all 0
 * @param shareMillionths below 500,000; 0 gives the plain mean
 * @throws {GradworkError} `INVALID_WEIGHTS`
 */
export function trimmedMean(
  values: readonly bigint[],
  weights: readonly bigint[],
  shareMillionths: bigint,
): bigint {
  const total = requireWeights(values, weights);
  const cut = (total * shareMillionths) / 1_000_000n;
  const sorted = Array.from(values.keys()).sort((a, b) => Number(values[a]! - values[b]!));
  let [sum, below] = [0n, 0n];
  for (const index of sorted) {
    const from = below > cut ? below : cut;
    below += weights[index]!;
    const to = below < total - cut ? below : total - cut;
    if (to > from) sum += values[index]! * (to - from);
  }
  return sum / (total - 2n * cut);
}
