import { formatEther } from "ethers";
import { deadlines, named, STATUSES, type Verdict } from "../chain/phase.ts";
import { readTerms, type TaskTerms, type TaskView } from "../chain/taskView.ts";
import { GradworkError } from "../model/errors.ts";
import { toMicroNats } from "../model/microNats.ts";
import type { DutyKey } from "../storage/stateStore.ts";
import { drawEvaluation, measureLoss } from "./evaluation.ts";
import { createGuard, type Guard } from "./guard.ts";
import type { Head } from "./head.ts";
import { act, announce, type Party } from "./party.ts";
import type { NegativeReason } from "./rebuild.ts";
import {
  type AttestationStatement,
  attestationArguments,
  attestationCommitment,
  dutyContext,
  NEGATIVE_REASONS,
  newSalt,
  type VoteStatement,
} from "./statements.ts";
import { loadTask, type TaskDefinition } from "./taskDefinition.ts";
import { advanceSeed, createRoundCloser, finalizeRound, persist, takeTurns } from "./turns.ts";

/** Verifiers push the seed only where no miner does. */
const SEED_RANK = 4;

/** Of the commit window: for updates that can't be had, so that there is time left to abstain. */
const PATIENCE_SHARE = 4;

export type VerifierOptions = {
  taskId: bigint;
  /** token wei that it enrols where it is not enrolled; by default the least the task takes */
  stake?: bigint;
  /** of the engine; by default one a core */
  threads?: number;
};

/** A verifier at work on one task. */
export type Verifying = {
  party: Party;
  terms: TaskTerms;
  definition: TaskDefinition;
  guard: Guard;
  conduct: VerifierConduct;
};

/** What a verifier does in a round; another may be put in the place of any step. */
export type VerifierConduct = {
  inspect: typeof inspect;
  conclude: typeof conclude;
  commit: typeof commit;
  reveal: typeof reveal;
};

export const HONEST_VERIFIER: VerifierConduct = { inspect, conclude, commit, reveal };

/** Rebuilds and measures every proposal of a task, and attests what it found (PoGO, arXiv 2504.07540). */
export async function runVerifier(
  party: Party,
  options: VerifierOptions,
  conduct: VerifierConduct = HONEST_VERIFIER,
): Promise<void> {
  const { taskId } = options;
  const { gradwork } = party;
  const terms = await readTerms(gradwork, taskId);
  const amount = await requireStake(party, terms, options.stake);
  await announce(party);
  const definition = await persist(party, "load the task", () => loadTask(party, taskId, options.threads));
  const guard = createGuard(party, definition);
  const verifying = { party, terms, definition, guard, conduct };
  const closeRound = createRoundCloser(party);
  if (amount > 0n) await act(party, 0n, gradwork.committee.enrol, [taskId, amount]);
  const work = takeTurns(party, terms, async (view) => {
    await closeRound(view);
    if (view.phase === "Closed") return true;
    const head = await followOrLeave(verifying, view);
    if (head === undefined) return false;
    switch (view.phase) {
      case "Seeding":
        await advanceSeed(party, view, taskId, SEED_RANK);
        // A miner publishes its update before it asks for the seed.
        if (view.round.seedTicket !== 0n) await conduct.inspect(verifying, view, head);
        return false;
      case "LeafChecking":
      case "Disputing":
        await conduct.inspect(verifying, view, head);
        return false;
      case "Committing":
        if (!isLate(view)) await conduct.inspect(verifying, view, head);
        if (await mayCommit(verifying, view)) await conduct.commit(verifying, view, head);
        return false;
      case "Revealing":
        await conduct.reveal(verifying, view);
        await conduct.inspect(verifying, view, head);
        return false;
      case "Ended":
        await finalizeRound(party, view, terms, definition, await rankOf(verifying, view));
        return false;
      default:
        return false;
    }
  });
  await work.finally(() => definition.engine.release());
}

/** The head; where a forged one can't be helped, leaves the task before the duty that it can't do any more costs stake. */
async function followOrLeave({ party, terms, guard }: Verifying, view: TaskView): Promise<Head | undefined> {
  try {
    return await guard.follow(view);
  } catch (error) {
    if (!(error instanceof GradworkError && error.code === "HEAD_DIVERGED")) throw error;
    const { committee } = party.gradwork;
    const { active } = await committee.enrolment(terms.taskId, party.address);
    if (active) await act(party, view.number, committee.disenrol, [terms.taskId]);
    throw error;
  }
}

/**
 * What the party has to enrol, in token wei; 0 where it is enrolled.
 * @throws {GradworkError} `STAKE_TOO_SMALL` where it has less
 */
async function requireStake(
  { gradwork, address }: Party,
  { taskId, params }: TaskTerms,
  stake: bigint | undefined,
): Promise<bigint> {
  const { committee, vault } = gradwork;
  if ((await committee.enrolment(taskId, address)).active) return 0n;
  const least = params.verifierStake;
  const amount = stake ?? least;
  const { free } = await vault.accounts(address);
  if (amount >= least && free >= amount) return amount;
  throw new GradworkError(
    "STAKE_TOO_SMALL",
    `the task takes at least ${formatEther(least)} tokens of a verifier's stake; to enrol: ${formatEther(amount)}, free in the vault: ${formatEther(free)}: \`gradwork stake deposit\``,
    { least: least.toString(), amount: amount.toString(), free: free.toString() },
  );
}

function dutyOf({ party, definition }: Verifying, round: bigint): DutyKey {
  const { gradwork } = party;
  return {
    kind: "attestation",
    proposal: 0n,
    ...dutyContext({ gradwork, taskId: definition.taskId, round }),
  };
}

/** Rebuilds the round's proposals, and takes the bond of who forged one. */
function inspect({ guard, terms }: Verifying, view: TaskView, head: Head): Promise<void> {
  return guard.inspect(view, head, (Number(terms.params.commitSeconds) * 1_000) / PATIENCE_SHARE);
}

/** Whether half of the commit window is over. */
function isLate({ round, params, timestamp }: TaskView): boolean {
  return timestamp >= deadlines(round, params).commitEndsAt - params.commitSeconds / 2n;
}

/** Whether the round still waits for the party's commitment: it was drawn, and has not committed. */
async function mayCommit({ party, terms }: Verifying, { number, safeBlock }: TaskView): Promise<boolean> {
  const { committee } = party.gradwork;
  const at = { blockTag: safeBlock };
  const { commitment } = await committee.attestation(terms.taskId, number, party.address, at);
  if (BigInt(commitment) !== 0n) return false;
  return (await committee.weightOf(terms.taskId, number, party.address, at)) > 0n;
}

/** Commits to what was found; where an update is still missing, only when time runs out. */
async function commit(verifying: Verifying, view: TaskView, head: Head): Promise<void> {
  const { party, definition, guard, conduct } = verifying;
  const { taskId } = definition;
  const { number: round } = view;
  const key = dutyOf(verifying, round);
  let statement = party.state.findDuty(key)?.statement as AttestationStatement | undefined;
  if (statement === undefined) {
    const isMissing = contenders(verifying, view).some((i) => guard.found(round, i) === undefined);
    if (isMissing && !isLate(view)) return;
    statement = await conduct.conclude(verifying, view, head);
    party.state.recordDuty(key, statement);
  }
  const commitment = attestationCommitment({ gradwork: party.gradwork, taskId, round }, statement);
  await act(party, round, party.gradwork.committee.commitAttestation, [taskId, round, commitment]);
  party.state.markDuty(key, "committed");
  party.observe({ kind: "attested", round, verdicts: statement.votes.map(({ verdict }) => verdict) });
}

/** Indices of others' proposals that passed the leaf check. */
function contenders({ party }: Verifying, { proposals }: TaskView): number[] {
  return proposals.flatMap(({ status, miner }, i) =>
    named(STATUSES, status) === "Checked" && miner !== party.address ? [i] : [],
  );
}

async function conclude(verifying: Verifying, view: TaskView, head: Head): Promise<AttestationStatement> {
  const { party, definition, guard } = verifying;
  const round = view.number;
  const vote = (verdict: Verdict, reason: NegativeReason = "none", lossAfter = 0n): VoteStatement => ({
    verdict,
    reason: NEGATIVE_REASONS.indexOf(reason),
    lossAfter: lossAfter.toString(),
  });
  const votes = view.proposals.map(() => vote("None"));
  const sequences = drawEvaluation(definition, round, view.round.seed);
  let before: { lossNats: number; flops: number } | undefined;
  for (const proposal of contenders(verifying, view)) {
    const rebuilt = guard.found(round, proposal);
    if (rebuilt === undefined) {
      votes[proposal] = vote("Unavailable");
    } else if (rebuilt.fault !== undefined) {
      votes[proposal] = vote("Negative", rebuilt.fault.reason);
    } else {
      const startedAt = performance.now();
      const isFirst = before === undefined;
      before ??= await measureLoss(definition, head, sequences, party.signal);
      const after = await measureLoss(definition, rebuilt.model, sequences, party.signal);
      party.observe({
        kind: "measured",
        round,
        proposal,
        lossBeforeNats: before.lossNats,
        lossAfterNats: after.lossNats,
        seconds: rebuilt.seconds + (performance.now() - startedAt) / 1000,
        flops: after.flops + (isFirst ? before.flops : 0),
      });
      votes[proposal] = vote("Positive", "none", toMicroNats(after.lossNats));
    }
  }
  const lossBefore = before === undefined ? 0n : toMicroNats(before.lossNats);
  return { lossBefore: lossBefore.toString(), votes, salt: newSalt() };
}

async function reveal(verifying: Verifying, view: TaskView): Promise<void> {
  const { party, definition } = verifying;
  const key = dutyOf(verifying, view.number);
  const statement = party.state.findDuty(key)?.statement as AttestationStatement | undefined;
  if (statement === undefined) return;
  const { committee } = party.gradwork;
  const at = { blockTag: view.safeBlock };
  const onChain = await committee.attestation(definition.taskId, view.number, party.address, at);
  if (BigInt(onChain.commitment) === 0n || onChain.revealed) return;
  await act(party, view.number, committee.revealAttestation, [
    definition.taskId,
    ...attestationArguments(statement),
  ]);
  party.state.markDuty(key, "revealed");
}

/** Its place among those that committed; behind them all where it did not. */
async function rankOf({ party, definition }: Verifying, { number, safeBlock }: TaskView): Promise<number> {
  const at = { blockTag: safeBlock };
  const attesters = await party.gradwork.committee.attesters(definition.taskId, number, at);
  const place = attesters.findIndex(({ account }) => account === party.address);
  return place < 0 ? attesters.length + 1 : place;
}
