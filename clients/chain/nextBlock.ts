import type { Chain } from "./connection.ts";
import { sleep } from "./sleep.ts";

/** The newest block, once there is one after another. */
export async function nextBlock(
  { provider, pollMs }: Pick<Chain, "provider" | "pollMs">,
  after: number,
  signal: AbortSignal,
): Promise<number> {
  for (;;) {
    signal.throwIfAborted();
    const block = await provider.getBlockNumber();
    if (block > after) return block;
    await sleep(pollMs, signal);
  }
}
