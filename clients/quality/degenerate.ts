// Answers that are worth nothing whatever a model says: a rule on tokens, so that it holds for every language.

/** Why an answer is degenerate. */
export type Degeneracy = "empty" | "loop" | "echo";

/** Neighbouring tokens that are compared. */
export const GRAM_TOKENS = 4;
/** An answer with a smaller share of distinct grams goes round in a loop. */
export const MIN_DISTINCT_SHARE = 0.6;
/** An answer with a larger share of grams that the prompt has says the prompt again. */
export const MAX_ECHO_SHARE = 0.5;

/**
 * Whether an answer says nothing of its own. Its grams are its runs of four tokens.
 *
 * - "empty": it has no token but unknown ones.
 * - "loop": less than 60 % of its grams are distinct, of at least two.
 * - "echo": more than 50 % of its grams are in the prompt too; of an answer without a gram, it is the prompt.
 * @param prompt tokens of the prompt
 * @param answer tokens of the answer, both as the model reads them
 * @param unknownToken what the tokenizer puts for what it does not know
 * @returns undefined for an answer of its own
 */
export function degeneracyOf(
  prompt: readonly number[],
  answer: readonly number[],
  unknownToken: number | undefined,
): Degeneracy | undefined {
  if (answer.every((token) => token === unknownToken)) return "empty";
  const grams = gramsOf(answer);
  if (grams.length === 0) return answer.join() === prompt.join() ? "echo" : undefined;
  if (grams.length > 1 && new Set(grams).size < MIN_DISTINCT_SHARE * grams.length) return "loop";
  const known = new Set(gramsOf(prompt));
  const echoed = grams.filter((gram) => known.has(gram)).length;
  return echoed > MAX_ECHO_SHARE * grams.length ? "echo" : undefined;
}

function gramsOf(tokens: readonly number[]): string[] {
  const count = Math.max(0, tokens.length - GRAM_TOKENS + 1);
  return Array.from({ length: count }, (_, i) => tokens.slice(i, i + GRAM_TOKENS).join());
}
