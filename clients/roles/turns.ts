import { isError } from "ethers";
import type { IDrandRandomness } from "../../types/interfaces/IDrandRandomness.ts";
import { POLLS_A_BLOCK } from "../chain/connection.ts";
import { drandPublishedAt, fetchDrandSignature, submitArguments } from "../chain/drand.ts";
import { queryEvents } from "../chain/events.ts";
import { deadlines, endedAt, named, OUTCOMES, type Phase } from "../chain/phase.ts";
import { sleep } from "../chain/sleep.ts";
import { nextView, type TaskTerms, type TaskView } from "../chain/taskView.ts";
import { isRevert } from "../chain/transactions.ts";
import { GradworkError } from "../model/errors.ts";
import { type Actor, act, type Subject } from "./party.ts";

/** Blocks that each further party waits before it makes a call that another may make as well. */
const BLOCKS_A_RANK = 3;

/** Of one endpoint, for an answer of some hundred bytes. */
const DRAND_TIMEOUT_MS = 10_000;

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
  actor: Actor,
  terms: TaskTerms,
  turn: (view: TaskView) => Promise<boolean>,
): Promise<void> {
  for (let block = -1; ; ) {
    try {
      const view = await nextView(actor.gradwork, terms, block, actor.signal);
      block = view.block;
      if (await turn(view)) return;
    } catch (error) {
      await rest(actor, "turn", error);
    }
  }
}

/** Does what depends on others until it is done. */
export async function persist<T>(actor: Actor, action: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      await rest(actor, action, error);
    }
  }
}

/** Reports a passing fault and waits for about a block; throws any other. */
async function rest(actor: Actor, action: string, error: unknown): Promise<void> {
  actor.signal.throwIfAborted();
  if (!isPassing(error)) throw error;
  actor.observe({ kind: "retrying", action, error });
  await sleep(actor.gradwork.pollMs * POLLS_A_BLOCK, actor.signal);
}

/**
 * Whether it is time for the party of a rank to make a call that anyone may make: so that the same call is not paid
 * for by all at once, and still made when some are gone.
 * @param rank 0 for who should make it
 * @param since seconds, when the call became possible
 */
export function isTurnOf(actor: Actor, view: TaskView, rank: number, since: bigint): boolean {
  const waitMs = rank * BLOCKS_A_RANK * actor.gradwork.blockMs;
  return Number(view.timestamp - since) * 1000 >= waitMs;
}

/** Errors of a call that somebody else made first, or whose time is over. */
const DONE = [
  "WrongPhase",
  "SeedStillReadable",
  "AlreadySubmitted",
  "NothingAtStake",
  "NoDemand",
  "DemandsClosed",
  "NoFollowUp",
  "AlreadyReported",
  "AlreadyAttested",
  "NothingToClaim",
  "TaskAlreadyClosed",
  "AlreadyCommitted",
  "AlreadyRevealed",
  "AlreadyConvicted",
  "NothingEarned",
];

/** Makes a call that another party may make first; losing that race is no fault. */
export async function actUnlessDone<Args extends unknown[]>(
  actor: Actor,
  subject: Subject,
  method: { name: string },
  args: Args,
): Promise<void> {
  try {
    await act(actor, subject, method, args);
  } catch (error) {
    if (!isLostRace(error) && !DONE.some((name) => isRevert(error, name))) throw error;
  }
}

/** Whether a call that would have succeeded was mined behind one that left nothing to do. */
function isLostRace(error: unknown): boolean {
  return error instanceof GradworkError && error.code === "REVERTED" && error.data.hash !== undefined;
}

/** `IRandomness.Availability`, in its order. */
export const [PENDING, READY, OUT_OF_REACH] = [0n, 1n, 2n];

/** Requests the round's seed, submits it where it is drand's, or records it, in its party's turn. */
export async function advanceSeed(actor: Actor, view: TaskView, taskId: bigint, rank: number): Promise<void> {
  const { market, randomness, drand } = actor.gradwork;
  const ticket = view.round.seedTicket;
  const { openingEndsAt } = deadlines(view.round, view.params);
  const since = drand === undefined || ticket === 0n ? openingEndsAt : drandPublishedAt(ticket);
  if (!isTurnOf(actor, view, rank, since)) return;
  if (ticket === 0n) return actUnlessDone(actor, view.number, market.requestSeed, [taskId]);
  const [availability] = await randomness.read(ticket);
  if (availability === PENDING && drand !== undefined) await submitSeed(actor, view.number, drand, ticket);
  if (availability === READY) await actUnlessDone(actor, view.number, market.recordSeed, [taskId]);
  if (availability === OUT_OF_REACH) await actUnlessDone(actor, view.number, market.requestSeed, [taskId]);
}

/** Submits a drand round's signature, from the first endpoint that gives one that the contract takes. */
export async function submitSeed(
  actor: Actor,
  subject: Subject,
  drand: IDrandRandomness,
  ticket: bigint,
): Promise<void> {
  const { drandUrls, signal } = actor;
  const failures: string[] = [];
  for (const url of drandUrls) {
    try {
      const signature = await fetchDrandSignature(ticket, { url, timeoutMs: DRAND_TIMEOUT_MS, signal });
      return await actUnlessDone(actor, subject, drand.submit, submitArguments(ticket, signature));
    } catch (error) {
      if (!isFaultOfEndpoint(error)) throw error;
      failures.push(error.message);
    }
  }
  const message = `no endpoint gave drand's signature of its round ${ticket}: ${failures.join("; ")}`;
  const error = new GradworkError("DRAND_UNAVAILABLE", message, { round: ticket.toString(), failures });
  actor.observe({ kind: "retrying", action: "submit the seed", error });
}

function isFaultOfEndpoint(error: unknown): error is GradworkError {
  if (isRevert(error, "InvalidSignature")) return true;
  return error instanceof GradworkError && error.code.startsWith("DRAND_");
}

/**
 * A task, and where its events begin.
 * @property registeredAt block of the registration
 */
export type TaskPlace = { taskId: bigint; registeredAt: number };

/** Closes the demands of a round that are overdue, so that nothing holds up its end, or became pointless. */
export async function closeDemands(
  actor: Actor,
  view: TaskView,
  { taskId, registeredAt }: TaskPlace,
  round: bigint,
): Promise<void> {
  const { market, disputes } = actor.gradwork;
  const demanded = await queryEvents(
    disputes,
    "LeafDemanded",
    [taskId, round],
    registeredAt,
    view.block,
    actor.signal,
  );
  const places = new Map(demanded.map(({ args }) => [`${args.proposal}/${args.demander}`, args]));
  for (const { proposal, demander } of places.values()) {
    const { deposit, dueAt } = await disputes.demandOf(taskId, round, proposal, demander);
    if (deposit === 0n) continue;
    if (view.timestamp < dueAt && (await market.proposal(taskId, round, proposal)).bond !== 0n) continue;
    await actUnlessDone(actor, round, disputes.closeDemand, [taskId, round, proposal, demander]);
  }
}

/** Ends a round that has ended, in its party's turn. */
export async function finalizeRound(
  actor: Actor,
  view: TaskView,
  terms: TaskTerms,
  place: TaskPlace,
  rank: number,
): Promise<void> {
  const since = endedAt(view.round, view.params, terms.maxSeedingSeconds);
  if (!isTurnOf(actor, view, rank, since)) return;
  if (view.round.disputesEndAt !== 0n) await closeDemands(actor, view, place, view.number);
  await actUnlessDone(actor, view.number, actor.gradwork.market.finalize, [terms.taskId]);
}

/** Reports how the last round ended, once, and claims what there is to claim. */
export function createRoundCloser(actor: Actor): (view: TaskView) => Promise<void> {
  const { vault } = actor.gradwork;
  let reported = 0n;
  return async (view) => {
    const idle: Phase[] = ["Idle", "Closed"];
    if (!idle.includes(view.phase) || view.number === reported) return;
    const at = { blockTag: view.safeBlock };
    const amount = await vault.balanceOf(actor.address, at);
    if (amount > 0n) {
      await actUnlessDone(actor, view.number, vault.claim, [actor.address]);
      actor.observe({ kind: "claimed", amount });
    }
    reported = view.number;
    const outcomes = view.proposals.map(({ outcome }) => named(OUTCOMES, outcome));
    actor.observe({ kind: "finalized", round: view.number, outcomes });
  };
}
