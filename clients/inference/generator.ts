import { GradworkError } from "../model/errors.ts";

/** Continues prompts, by a model in this process or behind a server. */
export type Generator = {
  /**
   * Refuses at once what `generate` would refuse before any work.
   * @param prompt UTF-8
   * @param maxTokens most tokens of an answer, ≥ 1
   * @throws {GradworkError} `PROMPT_EMPTY`, `PROMPT_NOT_UTF8`, `PROMPT_TOO_LONG` with the unit that is counted,
   * `INVALID_TOKEN_LIMIT`
   */
  readonly check: (prompt: Uint8Array, maxTokens: number) => void;

  /**
   * The answer to a prompt, without the prompt.
   * @throws {GradworkError} as `check`; others of its kind
   * @throws the signal's reason on abort
   */
  readonly generate: (prompt: Uint8Array, options: GenerateOptions) => Promise<Answer>;

  /** Frees what the generator holds; it must not be used afterwards. */
  readonly close: () => Promise<void>;
};

export type GenerateOptions = {
  /** ≥ 1 */
  readonly maxTokens: number;
  /** Equal seeds give equal answers, as far as the engine says; an integer ≥ 0. */
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Called with each piece of the answer as it comes; together they are its text. */
  readonly onText?: (piece: string) => void;
};

export type Answer = {
  readonly text: string;
  /** Whether the token limit ended it, not the model. */
  readonly truncated: boolean;
};

/** How a token is drawn from a model's probabilities. */
export type Sampling = {
  /** Divides the logits; 0 takes the likeliest token always. */
  readonly temperature: number;
  /** Share of the probability, of the likeliest tokens, that is drawn from (nucleus sampling), in (0, 1]. */
  readonly topP: number;
};

export const DEFAULT_SAMPLING: Sampling = { temperature: 0.8, topP: 0.95 };

/** Longest prompt in bytes, unless an engine is told another: bounds the work of refusing one. */
export const MAX_PROMPT_BYTES = 65_536;

/**
 * A prompt's text.
 * @param limit in bytes
 * @throws {GradworkError} `PROMPT_EMPTY`, `PROMPT_TOO_LONG`, `PROMPT_NOT_UTF8`
 */
export function promptText(prompt: Uint8Array, limit: number): string {
  if (prompt.length === 0) throw new GradworkError("PROMPT_EMPTY", "Expected a prompt of at least one byte");
  if (prompt.length > limit) throw promptTooLong("bytes", limit, prompt.length);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(prompt);
  } catch {
    throw new GradworkError(
      "PROMPT_NOT_UTF8",
      `Expected a prompt in UTF-8, its ${prompt.length} bytes are not`,
    );
  }
}

/** @throws {GradworkError} `INVALID_TOKEN_LIMIT` */
export function requireTokenLimit(maxTokens: number): void {
  if (Number.isSafeInteger(maxTokens) && maxTokens >= 1) return;
  throw new GradworkError("INVALID_TOKEN_LIMIT", `Expected a limit of at least one token, got ${maxTokens}`, {
    maxTokens,
  });
}

export function promptTooLong(unit: "bytes" | "tokens", limit: number, received: number): GradworkError {
  return new GradworkError(
    "PROMPT_TOO_LONG",
    `Expected a prompt of at most ${limit} ${unit}, got ${received}; shorten it`,
    { unit, limit, received },
  );
}
