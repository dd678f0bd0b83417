import { GradworkError } from "../model/errors.ts";
import type { Answer, GenerateOptions, Generator } from "./generator.ts";

export type QueueLimits = {
  /** Prompts that are answered at once, ≥ 1. */
  readonly concurrency: number;
  /** Prompts that wait beside those, ≥ 0. */
  readonly waiting: number;
};

/**
 * A generator that answers so many prompts at once, in the order in which they came. A prompt that could not be answered
 * is refused before it waits. After `close` those that wait are refused, and those under way are answered first.
 * @throws {GradworkError} from `generate` besides: `QUEUE_FULL`, `QUEUE_CLOSED`
 */
export function queueGenerator(generator: Generator, { concurrency, waiting }: QueueLimits): Generator {
  const queue: { start: () => void; refuse: (error: unknown) => void }[] = [];
  const asked = new Set<Promise<Answer>>();
  let places = concurrency;
  let closed = false;

  /** Resolves when there is a place, which is then the caller's. */
  function enter(signal: AbortSignal): Promise<void> {
    if (closed) throw queueClosed();
    if (places > 0) {
      places--;
      return Promise.resolve();
    }
    if (queue.length >= waiting) {
      throw new GradworkError(
        "QUEUE_FULL",
        `Expected fewer than ${concurrency + waiting} prompts at a time (${concurrency} under way, ${waiting} waiting); ` +
          "ask again later",
        { concurrency, waiting },
      );
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener("abort", cancel);
        const at = queue.indexOf(place);
        if (at !== -1) queue.splice(at, 1);
      };
      const cancel = () => place.refuse(signal.reason);
      const place = {
        start() {
          leave();
          resolve();
        },
        refuse(error: unknown) {
          leave();
          reject(error);
        },
      };
      signal.addEventListener("abort", cancel);
      queue.push(place);
    });
  }

  async function answerInTurn(prompt: Uint8Array, options: GenerateOptions): Promise<Answer> {
    await enter(options.signal);
    try {
      return await generator.generate(prompt, options);
    } finally {
      // The place goes to the next in line, if there is one.
      if (queue.length > 0) queue[0]!.start();
      else places++;
    }
  }

  return {
    check: generator.check,

    async generate(prompt, options) {
      options.signal.throwIfAborted();
      generator.check(prompt, options.maxTokens);
      const answer = answerInTurn(prompt, options);
      asked.add(answer);
      try {
        return await answer;
      } finally {
        asked.delete(answer);
      }
    },

    async close() {
      closed = true;
      for (const place of [...queue]) place.refuse(queueClosed());
      await Promise.allSettled(asked);
      await generator.close();
    },
  };
}

function queueClosed(): GradworkError {
  return new GradworkError("QUEUE_CLOSED", "Expected an open queue of prompts, it has been closed");
}
