import { queryEvents } from "../chain/events.ts";
import { endedAt } from "../chain/phase.ts";
import { readTerms, type TaskView } from "../chain/taskView.ts";
import type { Party } from "./party.ts";
import {
  actUnlessDone,
  advanceSeed,
  closeDemands,
  createRoundCloser,
  finalizeRound,
  isTurnOf,
  takeTurns,
} from "./turns.ts";

/** After those whose money it is about. */
const RANK = 8;

/**
 * Makes the calls that anyone may make: so that every round and task ends, also when its parties are gone. Reports
 * verifiers that were drawn and did not commit, for the reporter's share.
 */
export async function runKeeper(party: Party, { taskId }: { taskId: bigint }): Promise<void> {
  const { market } = party.gradwork;
  const terms = await readTerms(party.gradwork, taskId);
  const closeRound = createRoundCloser(party);
  let reported = 0n;
  await takeTurns(party, terms, async (view) => {
    await closeRound(view);
    switch (view.phase) {
      case "Closed":
        return true;
      case "Idle": {
        const { closableAt, headRound } = view.task;
        await releasePastBonds(party, view, taskId);
        if (closableAt === 0n || view.timestamp < closableAt) return false;
        await closeDemands(party, view, taskId, headRound);
        await actUnlessDone(party, view.number, market.closeTask, [taskId]);
        return false;
      }
      case "Seeding":
        await advanceSeed(party, view, taskId, RANK);
        return false;
      case "Revealing":
      case "Disputing":
        if (reported === view.number) return false;
        await reportAbsences(party, view, taskId);
        reported = view.number;
        return false;
      case "Ended": {
        const since = endedAt(view.round, view.params, terms.maxSeedingSeconds);
        if (isTurnOf(party, view, RANK, since)) await finalizeRound(party, view, taskId, RANK, since);
        return false;
      }
      default:
        return false;
    }
  });
}

/** Bonds that a demand, open when the head moved, kept locked. */
async function releasePastBonds(party: Party, view: TaskView, taskId: bigint): Promise<void> {
  const { market, disputes, deployment } = party.gradwork;
  const moves = await queryEvents(
    market,
    "HeadMoved",
    [taskId],
    deployment.block,
    view.safeBlock,
    party.signal,
  );
  for (const { args } of moves.slice(0, -1)) {
    const { bond } = await market.proposal(taskId, args.round, args.proposal);
    if (bond === 0n) continue;
    await closeDemands(party, view, taskId, args.round);
    if ((await disputes.openDemands(taskId, args.round, args.proposal)) !== 0n) continue;
    await actUnlessDone(party, args.round, market.releaseBond, [taskId, args.round, args.proposal]);
  }
}

async function reportAbsences(party: Party, view: TaskView, taskId: bigint): Promise<void> {
  const { committee, deployment } = party.gradwork;
  const at = { blockTag: view.safeBlock };
  const enrolments = await queryEvents(
    committee,
    "Enrolled",
    [taskId],
    deployment.block,
    view.safeBlock,
    party.signal,
  );
  for (const verifier of new Set<string>(enrolments.map(({ args }) => args.verifier))) {
    if ((await committee.weightOf(taskId, view.number, verifier, at)) === 0n) continue;
    const { commitment, reported } = await committee.attestation(taskId, view.number, verifier, at);
    if (BigInt(commitment) !== 0n || reported) continue;
    await actUnlessDone(party, view.number, committee.reportAbsence, [taskId, verifier]);
  }
}
