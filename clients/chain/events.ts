import type { BaseContract, EventLog } from "ethers";
import { GradworkError } from "../model/errors.ts";

/** What public nodes commonly serve in one request. */
const BLOCKS_A_REQUEST = 5_000;

/**
 * A contract's events of one name, oldest first, in the blocks `from`…`to`, both included.
 * Halves its requests where a node refuses so many blocks.
 * @param topics values of the indexed arguments, `null` for any
 */
export async function queryEvents(
  contract: BaseContract,
  name: string,
  topics: unknown[],
  from: number,
  to: number,
  signal: AbortSignal,
): Promise<EventLog[]> {
  const filter = contract.filters[name]?.(...topics);
  if (filter === undefined) {
    throw new GradworkError("NO_SUCH_EVENT", `the contract has no event ${name}`, { name });
  }
  const events: EventLog[] = [];
  let span = BLOCKS_A_REQUEST;
  for (let start = from; start <= to; ) {
    signal.throwIfAborted();
    const end = Math.min(to, start + span - 1);
    try {
      events.push(...((await contract.queryFilter(filter, start, end)) as EventLog[]));
      start = end + 1;
    } catch (error) {
      if (span === 1) throw error;
      span = Math.ceil(span / 2);
    }
  }
  return events;
}
