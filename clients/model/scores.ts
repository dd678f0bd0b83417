import { GradworkError } from "./errors.ts";

/** The best score, in millionths. */
export const MAX_SCORE = 1_000_000;

/** In the place of a score: the answer never came. */
export const UNAVAILABLE = 2 ** 20 - 1;

/** Most answers to a query. */
export const MAX_ANSWERS = 8;

const BITS = 20n;

/**
 * An assessor's scores in one word, that of answer j in bits 20j to 20j + 19: the twin of `Scores.sol`.
 * @param scores 0 to 1,000,000, or {@link UNAVAILABLE}, of at most 8 answers
 * @throws {GradworkError} `SCORE_OUT_OF_RANGE`
 */
export function packScores(scores: readonly number[]): bigint {
  if (scores.length > MAX_ANSWERS) {
    throw new GradworkError(
      "SCORE_OUT_OF_RANGE",
      `Expected scores of at most ${MAX_ANSWERS} answers, got ${scores.length}`,
      { count: scores.length },
    );
  }
  let word = 0n;
  for (const [index, score] of scores.entries()) {
    const isInRange = Number.isInteger(score) && score >= 0 && score <= MAX_SCORE;
    if (!isInRange && score !== UNAVAILABLE) {
      throw new GradworkError(
        "SCORE_OUT_OF_RANGE",
        `Expected an integer of 0 to ${MAX_SCORE} as the score of answer ${index}, got ${score}`,
        { index, score },
      );
    }
    word |= BigInt(score) << (BITS * BigInt(index));
  }
  return word;
}

/** The first `count` scores in a word. */
export function unpackScores(word: bigint, count: number): number[] {
  return Array.from({ length: count }, (_, index) =>
    Number((word >> (BITS * BigInt(index))) & BigInt(UNAVAILABLE)),
  );
}
