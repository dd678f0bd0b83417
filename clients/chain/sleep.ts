import { setTimeout as delay } from "node:timers/promises";

/** Resolves after `milliseconds`; rejects with the signal's reason when it is aborted before. */
export async function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  try {
    await delay(milliseconds, undefined, { signal });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}
