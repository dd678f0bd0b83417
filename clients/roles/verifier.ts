import { formatEther } from "ethers";
import { queryEvents } from "../chain/events.ts";
import { deadlines, endsAt, type Verdict } from "../chain/phase.ts";
import { readTerms, type TaskTerms, type TaskView } from "../chain/taskView.ts";
import { commitModel } from "../model/commitment.ts";
import { GradworkError } from "../model/errors.ts";
import { toMicroNats } from "../model/microNats.ts";
import { applyUpdate } from "../model/update.ts";
import type { DutyKey } from "../storage/stateStore.ts";
import { findFullDifference, findQuantDifference } from "./difference.ts";
import { drawEvaluation, measureLoss } from "./evaluation.ts";
import { type CommittedModel, followHead, genesisHead, type Head, quantReference } from "./head.ts";
import { act, announce, obtain, type Party } from "./party.ts";
import {
  type AttestationStatement,
  attestationArguments,
  attestationCommitment,
  dutyContext,
  NEGATIVE_REASONS,
  newSalt,
} from "./statements.ts";
import { loadTask, type TaskDefinition } from "./taskDefinition.ts";
import { advanceSeed, createRoundCloser, finalizeRound, persist, takeTurns } from "./turns.ts";

/** Verifiers push the seed only where the miner does not. */
const SEED_RANK = 4;

export type VerifierOptions = {
  taskId: bigint;
  /** token wei that it enrols where it is not enrolled; by default the least the task takes */
  stake?: bigint;
  /** of the engine; by default one a core */
  threads?: number;
};

/** A verifier at work on one task. */
type Verifying = { party: Party; terms: TaskTerms; definition: TaskDefinition };

type NegativeReason = (typeof NEGATIVE_REASONS)[number];

/** What became of a proposal's update: the model that it gives, or why it gives none. */
type Rebuilt = { round: bigint; seconds: number } & (
  | { verdict: "Positive"; model: CommittedModel }
  | { verdict: "Negative"; reason: NegativeReason }
);

/** Rebuilds and measures every proposal of a task, and attests what it found (PoGO, arXiv 2504.07540). */
export async function runVerifier(party: Party, options: VerifierOptions): Promise<void> {
  const { taskId } = options;
  const { gradwork } = party;
  const terms = await readTerms(gradwork, taskId);
  const amount = await requireStake(party, terms, options.stake);
  await announce(party);
  const definition = await persist(party, "load the task", () => loadTask(party, taskId, options.threads));
  const verifying = { party, terms, definition };
  const closeRound = createRoundCloser(party);
  if (amount > 0n) await act(party, 0n, gradwork.market.enrol, [taskId, amount]);
  let head = genesisHead(definition);
  let rebuilt: Rebuilt | undefined;

  const work = takeTurns(party, terms, async (view) => {
    const model = rebuilt?.verdict === "Positive" ? rebuilt.model : undefined;
    head = await followHead(party, definition, head, view, model);
    await closeRound(view);
    switch (view.phase) {
      case "Closed":
        return true;
      case "Seeding":
        await advanceSeed(party, view, taskId, SEED_RANK);
        // A miner publishes its update before it asks for the seed.
        if (view.round.seedTicket !== 0n) rebuilt = await rebuild(verifying, view, head, rebuilt);
        return false;
      case "LeafChecking":
        rebuilt = await rebuild(verifying, view, head, rebuilt);
        return false;
      case "Committing":
        if (!(await mayCommit(verifying, view))) return false;
        rebuilt = await rebuild(verifying, view, head, rebuilt);
        await commit(verifying, view, head, rebuilt);
        return false;
      case "Revealing":
        await reveal(verifying, view);
        return false;
      case "Ended": {
        const since = endsAt(view.round, view.params, terms.maxSeedingSeconds);
        await finalizeRound(party, view, taskId, await rankOf(verifying, view), since);
        return false;
      }
      default:
        return false;
    }
  });
  await work.finally(() => definition.engine.release());
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
  const { market, vault } = gradwork;
  if (await market.isEnrolled(taskId, address)) return 0n;
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

/**
 * Fetches the update and rebuilds θ′, Q(θ′) and their roots. Undefined while the update can't be had: it may come
 * until the time to commit runs out.
 */
async function rebuild(
  { party, terms }: Verifying,
  view: TaskView,
  head: Head,
  last: Rebuilt | undefined,
): Promise<Rebuilt | undefined> {
  const { number: round, round: proposal } = view;
  if (last?.round === round) return last;
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1000;
  const refuse = (reason: NegativeReason, detail: Record<string, unknown>): Rebuilt => {
    party.observe({ kind: "difference", round, reason, detail });
    return { round, seconds: seconds(), verdict: "Negative", reason };
  };

  const location = await readLocation(party, terms.taskId, view, head);
  const reference = quantReference(proposal.updateRoot, head.parameters.length);
  // However slow its endpoints are, a verifier has time left to abstain.
  const patience = AbortSignal.timeout((Number(view.params.commitSeconds) * 1000) / 4);
  let update: Uint8Array;
  try {
    update = await obtain(party, reference, location, patience);
  } catch (error) {
    const isMissing = error instanceof GradworkError && error.code === "BLOB_UNAVAILABLE";
    if (party.signal.aborted || !(isMissing || patience.aborted)) throw error;
    party.observe({ kind: "retrying", action: "fetch the update", error: error as Error });
    return undefined;
  }
  let parameters: Float32Array;
  try {
    parameters = applyUpdate(head.parameters, update);
  } catch (error) {
    if (!(error instanceof GradworkError)) throw error;
    if (error.code === "UPDATE_INVALID_ENCODING") return refuse("update has an invalid encoding", error.data);
    if (error.code === "UPDATE_SUM_NOT_FINITE") return refuse("sum is not finite", error.data);
    throw error;
  }
  const model = { parameters, commitment: commitModel(parameters) };
  if (model.commitment.fullTree.root !== proposal.fullRoot) {
    return refuse("full root differs", await findFullDifference(party, model, proposal.fullRoot, location));
  }
  if (model.commitment.quantTree.root !== proposal.quantRoot) {
    return refuse(
      "quantized root differs",
      await findQuantDifference(party, model, proposal.quantRoot, location),
    );
  }
  return { round, seconds: seconds(), verdict: "Positive", model };
}

/** Where the round's miner said that it serves its proposal. */
async function readLocation(party: Party, taskId: bigint, view: TaskView, head: Head): Promise<string[]> {
  const { market } = party.gradwork;
  const topics = [taskId, view.number];
  const opened = await queryEvents(
    market,
    "ProposalOpened",
    topics,
    head.nextBlock,
    view.block,
    party.signal,
  );
  return opened.map(({ args }) => args.location);
}

function dutyOf({ party, definition }: Verifying, round: bigint): DutyKey {
  const { gradwork } = party;
  return {
    kind: "attestation",
    proposal: 0n,
    ...dutyContext({ gradwork, taskId: definition.taskId, round }),
  };
}

/** Whether the round still waits for the party's commitment, and its stake was enrolled in time. */
async function mayCommit({ party, terms }: Verifying, view: TaskView): Promise<boolean> {
  const { market, vault } = party.gradwork;
  const { number, round, params } = view;
  if (round.miner === party.address) return false;
  const at = { blockTag: view.safeBlock };
  const { commitment } = await market.attestation(terms.taskId, number, party.address, at);
  if (BigInt(commitment) !== 0n) return false;
  const lastSecond = round.proposalEndsAt - 1n;
  const stake = await vault.pooledAt(market, terms.taskId, party.address, lastSecond, at);
  return stake >= params.verifierStake;
}

/** Commits to what was found; where the update is still missing, only when time runs out. */
async function commit(
  verifying: Verifying,
  view: TaskView,
  head: Head,
  rebuilt: Rebuilt | undefined,
): Promise<void> {
  const { party, definition } = verifying;
  const { taskId } = definition;
  const { number: round, params, timestamp } = view;
  const key = dutyOf(verifying, round);
  let statement = party.state.findDuty(key)?.statement as AttestationStatement | undefined;
  if (statement === undefined) {
    const { commitEndsAt } = deadlines(view.round, params);
    if (rebuilt === undefined && timestamp < commitEndsAt - params.commitSeconds / 2n) return;
    statement = await conclude(verifying, view, head, rebuilt);
    party.state.recordDuty(key, statement);
  }
  const commitment = attestationCommitment({ gradwork: party.gradwork, taskId, round }, statement);
  await act(party, round, party.gradwork.market.commitAttestation, [taskId, commitment]);
  party.state.markDuty(key, "committed");
  party.observe({ kind: "attested", round, verdict: statement.verdict });
}

async function conclude(
  { party, definition }: Verifying,
  { number: round, round: { seed } }: TaskView,
  head: Head,
  rebuilt: Rebuilt | undefined,
): Promise<AttestationStatement> {
  const statement = (verdict: Verdict, reason: NegativeReason, before = 0n, after = 0n) => ({
    verdict,
    reason: NEGATIVE_REASONS.indexOf(reason),
    lossBefore: before.toString(),
    lossAfter: after.toString(),
    salt: newSalt(),
  });
  if (rebuilt === undefined) return statement("Unavailable", "none");
  if (rebuilt.verdict === "Negative") return statement("Negative", rebuilt.reason);
  const startedAt = performance.now();
  const sequences = drawEvaluation(definition, round, seed);
  const before = await measureLoss(definition, head, sequences, party.signal);
  const after = await measureLoss(definition, rebuilt.model, sequences, party.signal);
  party.observe({
    kind: "measured",
    round,
    lossBeforeNats: before.lossNats,
    lossAfterNats: after.lossNats,
    seconds: rebuilt.seconds + (performance.now() - startedAt) / 1000,
    flops: before.flops + after.flops,
  });
  return statement("Positive", "none", toMicroNats(before.lossNats), toMicroNats(after.lossNats));
}

async function reveal(verifying: Verifying, view: TaskView): Promise<void> {
  const { party, definition } = verifying;
  const key = dutyOf(verifying, view.number);
  const statement = party.state.findDuty(key)?.statement as AttestationStatement | undefined;
  if (statement === undefined) return;
  const { market } = party.gradwork;
  const at = { blockTag: view.safeBlock };
  const onChain = await market.attestation(definition.taskId, view.number, party.address, at);
  if (BigInt(onChain.commitment) === 0n || onChain.verdict !== 0n) return;
  await act(party, view.number, market.revealAttestation, [
    definition.taskId,
    ...attestationArguments(statement),
  ]);
  party.state.markDuty(key, "revealed");
}

/** Its place among those that committed; behind them all where it did not. */
async function rankOf({ party, definition }: Verifying, { number, safeBlock }: TaskView): Promise<number> {
  const attesters = await party.gradwork.market.attesters(definition.taskId, number, { blockTag: safeBlock });
  const place = attesters.findIndex(({ account }) => account === party.address);
  return place < 0 ? attesters.length + 1 : place;
}
