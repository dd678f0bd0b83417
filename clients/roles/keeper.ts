import { queryEvents } from "../chain/events.ts";
import { readTerms, type TaskView } from "../chain/taskView.ts";
import type { Actor } from "./party.ts";
import { readRegistration } from "./taskDefinition.ts";
import {
  actUnlessDone,
  advanceSeed,
  closeDemands,
  createRoundCloser,
  finalizeRound,
  type TaskPlace,
  takeTurns,
} from "./turns.ts";

/** After those whose money it is about. */
const RANK = 8;

/**
 * Makes the calls that anyone may make: so that every round and task ends, also when its parties are gone. Reports
 * verifiers that were drawn and did not commit, for the reporter's share.
 */
export async function runKeeper(actor: Actor, { taskId }: { taskId: bigint }): Promise<void> {
  const { market } = actor.gradwork;
  const terms = await readTerms(actor.gradwork, taskId);
  const { registeredAt } = await readRegistration(actor, taskId);
  const place = { taskId, registeredAt };
  const closeRound = createRoundCloser(actor);
  let reported = 0n;
  let released = 0n;
  await takeTurns(actor, terms, async (view) => {
    await closeRound(view);
    switch (view.phase) {
      case "Closed":
        return true;
      case "Idle": {
        const { closableAt, headRound } = view.task;
        if (released !== headRound && (await releasePastBonds(actor, view, place))) released = headRound;
        if (closableAt === 0n || view.timestamp < closableAt) return false;
        await closeDemands(actor, view, place, headRound);
        await actUnlessDone(actor, view.number, market.closeTask, [taskId]);
        return false;
      }
      case "Seeding":
        await advanceSeed(actor, view, taskId, RANK);
        return false;
      case "Revealing":
      case "Disputing":
        if (reported === view.number) return false;
        await reportAbsences(actor, view, place);
        reported = view.number;
        return false;
      case "Ended":
        await finalizeRound(actor, view, terms, place, RANK);
        return false;
      default:
        return false;
    }
  });
}

/**
 * Returns the bonds of past heads that a demand, open when the head moved, kept locked.
 * @returns whether none is kept any more
 */
async function releasePastBonds(actor: Actor, view: TaskView, task: TaskPlace): Promise<boolean> {
  const { market } = actor.gradwork;
  const { taskId, registeredAt } = task;
  const moves = await queryEvents(market, "HeadMoved", [taskId], registeredAt, view.safeBlock, actor.signal);
  let isDone = true;
  for (const { args } of moves.slice(0, -1)) {
    const place = [taskId, args.round, args.proposal] as const;
    if ((await market.proposal(...place)).bond === 0n) continue;
    await closeDemands(actor, view, task, args.round);
    const { bond, openDemands } = await market.proposal(...place);
    if (bond !== 0n && openDemands === 0n)
      await actUnlessDone(actor, args.round, market.releaseBond, [...place]);
    else if (bond !== 0n) isDone = false;
  }
  return isDone;
}

async function reportAbsences(actor: Actor, view: TaskView, task: TaskPlace): Promise<void> {
  const { committee } = actor.gradwork;
  const { taskId, registeredAt } = task;
  const at = { blockTag: view.safeBlock };
  const enrolments = await queryEvents(
    committee,
    "Enrolled",
    [taskId],
    registeredAt,
    view.safeBlock,
    actor.signal,
  );
  for (const verifier of new Set<string>(enrolments.map(({ args }) => args.verifier))) {
    if ((await committee.weightOf(taskId, view.number, verifier, at)) === 0n) continue;
    const { commitment, reported } = await committee.attestation(taskId, view.number, verifier, at);
    if (BigInt(commitment) !== 0n || reported) continue;
    await actUnlessDone(actor, view.number, committee.reportAbsence, [taskId, verifier]);
  }
}
