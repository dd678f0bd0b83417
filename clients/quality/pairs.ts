import { GradworkError } from "../model/errors.ts";

/** How a prompt and an answer are cut to what a model reads, in tokens. */
export type PairLimits = {
  /** Of the whole pair, special tokens included. */
  readonly maxTokens: number;
  /** Of the prompt. */
  readonly maxPromptTokens: number;
};

/** `[CLS] prompt [SEP] answer [SEP]` */
const SPECIAL_TOKENS = 3;

/** No text that BERT reads is longer. */
const MAX_TOKENS = 512;

/**
 * Limits of a model: as many tokens as it has places, at most 512, of which the prompt takes no more than half of those
 * that are not special.
 * @param places tokens that the model can read
 * @throws {GradworkError} `MODEL_UNSUPPORTED` when a pair has no room
 */
export function pairLimits(places: number): PairLimits {
  const maxTokens = Math.min(places, MAX_TOKENS);
  const maxPromptTokens = Math.floor((maxTokens - SPECIAL_TOKENS) / 2);
  if (maxPromptTokens < 1) {
    throw new GradworkError(
      "MODEL_UNSUPPORTED",
      `Expected a model that reads at least 5 tokens, got ${places}`,
      {
        places,
      },
    );
  }
  return { maxTokens, maxPromptTokens };
}

/**
 * What a model reads of a pair: the prompt's last tokens, next to the answer, and the answer's first.
 * @returns tokens, without special ones
 */
export function cutPair(
  prompt: readonly number[],
  answer: readonly number[],
  { maxTokens, maxPromptTokens }: PairLimits,
): { prompt: readonly number[]; answer: readonly number[] } {
  const kept = prompt.slice(-maxPromptTokens);
  return { prompt: kept, answer: answer.slice(0, maxTokens - SPECIAL_TOKENS - kept.length) };
}
