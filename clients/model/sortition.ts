import { GradworkError } from "./errors.ts";

const MAX_DRAW = 2n ** 256n - 1n;

/**
 * What a verifier's votes count for in a committee drawn by stake (protocol §2.4), in wei of stake; 0 where it is not
 * drawn. The twin of contracts/libraries/Sortition.sol: admitted with probability p = min(1, stake · size / total), it
 * weighs stake / p, rounded down.
 * @param draw uniform over 256 bits
 * @param stake in wei, at most `total`
 * @param total of the pool, in wei
 * @param size expected number of drawn verifiers, at least 1
 * @throws {GradworkError} `INVALID_SORTITION`
 */
export function sortitionWeight(draw: bigint, stake: bigint, total: bigint, size: bigint): bigint {
  if (draw < 0n || draw > MAX_DRAW || stake < 0n || stake > total || size < 1n) {
    throw new GradworkError(
      "INVALID_SORTITION",
      `Expected a draw of 256 bits, 0 ≤ stake ≤ total and a size ≥ 1, got draw ${draw}, stake ${stake}, total ${total}, size ${size}`,
      { draw, stake, total, size },
    );
  }
  const share = stake * size;
  if (share >= total) return stake;
  return draw < (MAX_DRAW * share) / total ? total / size : 0n;
}
