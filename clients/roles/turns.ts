import { isError } from "ethers";
import { POLLS_A_BLOCK } from "../chain/connection.ts";
import { queryEvents } from "../chain/events.ts";
import { deadlines, endedAt, named, OUTCOMES, type Phase } from "../chain/phase.ts";
import { sleep } from "../chain/sleep.ts";
import { nextView, type TaskTerms, type TaskView } from "../chain/taskView.ts";
import { isRevert } from "../chain/transactions.ts";
import { GradworkError } from "../model/errors.ts";
import { act, type Party } from "./party.ts";

/** Blocks that each further party waits before it makes a call that another may make as well. */
const BLOCKS_A_RANK = 3;

/** Faults of the world around, after which a role tries again at the next block. */
const PASSING = new Set(["REVERTED", "BLOB_UNAVAILABLE", "TRANSACTION_STUCK", "RPC_NO_BLOCK"]);

function isPassing(error: unknown): error is Error {
  if (error instanceof GradworkError) return PASSING.has(error.code);
  return (
    isError(error, "TIMEOUT") ||
    isError(error, "SERVER_ERROR") ||
    isError(error, "NETWORK_ERROR") ||
    isError(error, "UNKNOWN_ERROR") ||
    (error instanceof Error && /ECONNREFUSED|ECONNRESET|socket hang up|fetch failed/.test(error.message))
  );
}

/**
 * A role's loop: one turn a block, until a turn returns true or the signal aborts.
 * @param turn acts on the view; a passing fault in it is reported and ends only this turn
 */
export async function takeTurns(
  party: Party,
  terms: TaskTerms,
  turn: (view: TaskView) => Promise<boolean>,
): Promise<void> {
  for (let block = -1; ; ) {
    try {
      const view = await nextView(party.gradwork, terms, block, party.signal);
      block = view.block;
      if (await turn(view)) return;
    } catch (error) {
      await rest(party, "turn", error);
    }
  }
}

/** Does what depends on others until it is done. */
export async function persist<T>(party: Party, action: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      await rest(party, action, error);
    }
  }
}

/** Reports a passing fault and waits for about a block; throws any other. */
async function rest(party: Party, action: string, error: unknown): Promise<void> {
  party.signal.throwIfAborted();
  if (!isPassing(error)) throw error;
  party.observe({ kind: "retrying", action, error });
  await sleep(party.gradwork.pollMs * POLLS_A_BLOCK, party.signal);
}

/**
 * Whether it is time for the party of a rank to make a call that anyone may make: so that the same call is not paid
 * for by all at once, and still made when some are gone.
 * @param rank 0 for who should make it
 * @param since seconds, when the call became possible
 */
export function isTurnOf(party: Party, view: TaskView, rank: number, since: bigint): boolean {
  const waitMs = rank * BLOCKS_A_RANK * party.gradwork.blockMs;
  return Number(view.timestamp - since) * 1000 >= waitMs;
}

/** Errors of a call that somebody else made first, or whose time is over. */
const DONE = [
  "WrongPhase",
  "SeedStillReadable",
  "NothingAtStake",
  "NoDemand",
  "DemandsClosed",
  "NoFollowUp",
  "AlreadyReported",
  "AlreadyAttested",
  "NothingToClaim",
  "TaskAlreadyClosed",
];

/** Makes a call that another party may make first; losing that race is no fault. */
export async function actUnlessDone<Args extends unknown[]>(
  party: Party,
  round: bigint,
  method: { name: string },
  args: Args,
): Promise<void> {
  try {
    await act(party, round, method, args);
  } catch (error) {
    if (!DONE.some((name) => isRevert(error, name))) throw error;
  }
}

/** Requests the round's seed, or records it, in its party's turn. */
export async function advanceSeed(party: Party, view: TaskView, taskId: bigint, rank: number): Promise<void> {
  const { market, randomness } = party.gradwork;
  const { openingEndsAt } = deadlines(view.round, view.params);
  if (!isTurnOf(party, view, rank, openingEndsAt)) return;
  const ticket = view.round.seedTicket;
  if (ticket === 0n) return actUnlessDone(party, view.number, market.requestSeed, [taskId]);
  const [availability] = await randomness.read(ticket);
  const [READY, OUT_OF_REACH] = [1n, 2n];
  if (availability === READY) await actUnlessDone(party, view.number, market.recordSeed, [taskId]);
  if (availability === OUT_OF_REACH) await actUnlessDone(party, view.number, market.requestSeed, [taskId]);
}

/**
 * A task, and where its events begin.
 * @property registeredAt block of the registration
 */
export type TaskPlace = { taskId: bigint; registeredAt: number };

/** Closes the demands of a round that are overdue, so that nothing holds up its end. */
export async function closeDemands(
  party: Party,
  view: TaskView,
  { taskId, registeredAt }: TaskPlace,
  round: bigint,
): Promise<void> {
  const { disputes } = party.gradwork;
  const demanded = await queryEvents(
    disputes,
    "LeafDemanded",
    [taskId, round],
    registeredAt,
    view.block,
    party.signal,
  );
  const places = new Map(demanded.map(({ args }) => [`${args.proposal}/${args.demander}`, args]));
  for (const { proposal, demander } of places.values()) {
    const { deposit, dueAt } = await disputes.demandOf(taskId, round, proposal, demander);
    if (deposit === 0n || view.timestamp < dueAt) continue;
    await actUnlessDone(party, round, disputes.closeDemand, [taskId, round, proposal, demander]);
  }
}

/** Ends a round that has ended, in its party's turn. */
export async function finalizeRound(
  party: Party,
  view: TaskView,
  terms: TaskTerms,
  place: TaskPlace,
  rank: number,
): Promise<void> {
  const since = endedAt(view.round, view.params, terms.maxSeedingSeconds);
  if (!isTurnOf(party, view, rank, since)) return;
  if (view.round.disputesEndAt !== 0n) await closeDemands(party, view, place, view.number);
  await actUnlessDone(party, view.number, party.gradwork.market.finalize, [terms.taskId]);
}

/** Reports how the last round ended, once, and claims what there is to claim. */
export function createRoundCloser(party: Party): (view: TaskView) => Promise<void> {
  const { vault } = party.gradwork;
  let reported = 0n;
  return async (view) => {
    const idle: Phase[] = ["Idle", "Closed"];
    if (!idle.includes(view.phase) || view.number === reported) return;
    const at = { blockTag: view.safeBlock };
    const amount = await vault.balanceOf(party.address, at);
    if (amount > 0n) {
      await actUnlessDone(party, view.number, vault.claim, [party.address]);
      party.observe({ kind: "claimed", amount });
    }
    reported = view.number;
    const outcomes = view.proposals.map(({ outcome }) => named(OUTCOMES, outcome));
    party.observe({ kind: "finalized", round: view.number, outcomes });
  };
}
