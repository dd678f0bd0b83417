import { GradworkError } from "./errors.ts";

/**
 * Weighted median: the smallest x with 2·Σ(weights of values ≤ x) ≥ Σ(weights), so the lower one of two.
 * @param weights one ≥ 0 for each value, not all 0
 * @throws {GradworkError} `INVALID_WEIGHTS`
 */
export function weightedMedian(values: readonly bigint[], weights: readonly bigint[]): bigint {
  const total = requireWeights(values, weights);
  const order = Array.from(values.keys());
  order.sort((a, b) => (values[a]! < values[b]! ? -1 : values[a]! > values[b]! ? 1 : 0));
  let below = 0n;
  for (const at of order) {
    below += weights[at]!;
    if (2n * below >= total) return values[at]!;
  }
  throw new Error("unreachable: all weights together are at least half of themselves");
}

/**
 * The weights' sum.
 * @throws {GradworkError} `INVALID_WEIGHTS`
 */
export function requireWeights(values: readonly bigint[], weights: readonly bigint[]): bigint {
  const total = weights.reduce((sum, weight) => sum + weight, 0n);
  if (values.length === weights.length && total > 0n && weights.every((weight) => weight >= 0n)) return total;
  throw new GradworkError(
    "INVALID_WEIGHTS",
    `Expected a weight ≥ 0 for each of ${values.length} values, not all 0, got [${weights.join(", ")}]`,
    { values, weights },
  );
}
