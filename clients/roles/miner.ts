import { formatEther, MaxUint256 } from "ethers";
import type { ITrainingMarket } from "../../types/TrainingMarket.ts";
import { queryEvents } from "../chain/events.ts";
import { named, STATUSES } from "../chain/phase.ts";
import { readTerms, type TaskTerms, type TaskView } from "../chain/taskView.ts";
import { commitModel } from "../model/commitment.ts";
import { drawIndices } from "../model/draws.ts";
import { FULL_LEAF_BYTES, leafCount, QUANT_LEAF_BYTES } from "../model/geometry.ts";
import { buildTree } from "../model/merkle.ts";
import { parameterBytes } from "../model/parameters.ts";
import { applyUpdate, makeUpdate } from "../model/update.ts";
import type { DutyKey } from "../storage/stateStore.ts";
import type { AdamWOptions, Schedule } from "../training/adamw.ts";
import { trainRound } from "../training/trainer.ts";
import {
  type CommittedModel,
  followHead,
  genesisHead,
  type Head,
  headBefore,
  quantReference,
} from "./head.ts";
import {
  type CommittedUpdate,
  type LeafOpening,
  openNew,
  openOld,
  openQuant,
  openUpdate,
} from "./opening.ts";
import { act, announce, type Party } from "./party.ts";
import { dutyContext, newSalt, type ProposalStatement, proposalCommitment } from "./statements.ts";
import { loadTask, type TaskDefinition } from "./taskDefinition.ts";
import { loadTrainingState, saveTrainingState } from "./trainingState.ts";
import { actUnlessDone, advanceSeed, createRoundCloser, finalizeRound, persist, takeTurns } from "./turns.ts";

/** @property seed orders the training sequences, together with the round's number */
export type TrainingOptions = {
  steps: number;
  batchSize: number;
  schedule: Schedule;
  optimizer: AdamWOptions;
  seed: number;
};

export type MinerOptions = {
  taskId: bigint;
  training: TrainingOptions;
  /** ends after this many proposals; without it, when the task closes */
  rounds?: number;
  /** of the engine; by default one a core */
  threads?: number;
};

/** An update of a model, trained and committed to, and the model that it gives. */
export type Candidate = CommittedUpdate & { base: CommittedModel; model: CommittedModel };

/**
 * A miner at work on one task.
 * @property made the party's proposals that made a head and whose bond is not back
 * @property shown the proposal whose leaves were shown last, while more of them are demanded
 */
export type Mining = {
  party: Party;
  terms: TaskTerms;
  definition: TaskDefinition;
  training: TrainingOptions;
  conduct: MinerConduct;
  made: (view: TaskView) => Promise<OwnProposal[]>;
  shown?: { place: string; candidate: Candidate } | undefined;
};

type OwnProposal = { round: bigint; index: number; proposal: ITrainingMarket.ProposalStructOutput };

/** What a miner does in a round; another may be put in the place of any step. */
export type MinerConduct = {
  train: typeof train;
  commit: typeof commitCandidate;
  store: typeof storeCandidate;
  propose: typeof propose;
  open: typeof open;
  publish: typeof publish;
  checkLeaves: typeof checkLeaves;
  answerDemand: typeof answerDemand;
};

export const HONEST_MINER: MinerConduct = {
  train,
  commit: commitCandidate,
  store: storeCandidate,
  propose,
  open,
  publish,
  checkLeaves,
  answerDemand,
};

/** Trains a task, round by round, for its rewards (PoGO, arXiv 2504.07540). */
export async function runMiner(
  party: Party,
  options: MinerOptions,
  conduct: MinerConduct = HONEST_MINER,
): Promise<void> {
  const { taskId, training } = options;
  const terms = await readTerms(party.gradwork, taskId);
  await announce(party);
  const definition = await persist(party, "load the task", () => loadTask(party, taskId, options.threads));
  const made = createMadeHeads(party, definition);
  const mining: Mining = { party, terms, definition, training, conduct, made };
  const closeRound = createRoundCloser(party);
  const isReady = createReadiness(mining);
  const trainer = createTrainer(mining);
  let head = genesisHead(definition);
  let candidate: Candidate | undefined;
  let proposals = 0;

  const work = takeTurns(party, terms, async (view) => {
    // First, and one a turn: neither a head that can't be had nor many demands keep it from what else is due.
    const isDemanded = await conduct.answerDemand(mining, view, head, candidate);
    head = await followHead(party, definition, head, view, candidate === undefined ? [] : [candidate.model]);
    await closeRound(view);
    if (view.phase === "Closed") return !isDemanded;
    const own = view.proposals.findIndex(({ miner }) => miner === party.address);
    const isMine = own >= 0 && view.phase !== "Idle";
    if (isMine) candidate = await attend(mining, view, head, own, candidate);

    if (view.phase === "Ended") {
      // Verifiers come first, in the order in which they committed.
      const { length } = await party.gradwork.committee.attesters(taskId, view.number);
      await finalizeRound(party, view, terms, definition, length);
      return false;
    }
    if (proposals === options.rounds) return view.phase === "Idle" && !isDemanded;
    if (!(await isReady(view))) return false;
    const next = await nextCandidate(mining, trainer, head, view, candidate);
    if (next === undefined) return false;
    candidate = next;
    if (isMine || !isProposable(view)) return false;
    await conduct.propose(mining, view, candidate);
    proposals++;
    return false;
  });
  await work.finally(async () => {
    await trainer.stop();
    await definition.engine.release();
  });
}

/** Does what the round's phase asks of who proposed in it. */
async function attend(
  mining: Mining,
  view: TaskView,
  head: Head,
  own: number,
  last: Candidate | undefined,
): Promise<Candidate | undefined> {
  const { party, definition, conduct } = mining;
  const proposal = view.proposals[own]!;
  const status = named(STATUSES, proposal.status);
  if (status === "Sealed" && view.phase === "Opening") await conduct.open(mining, view, own);
  if (status !== "Opened" && status !== "Checked") return last;
  if (view.phase !== "Opening") await conduct.publish(mining, proposal);
  if (view.phase === "Seeding") await advanceSeed(party, view, definition.taskId, own);
  if (view.phase !== "LeafChecking" || status !== "Opened") return last;
  const candidate = await candidateOf(mining, head, proposal.updateRoot, last);
  await conduct.checkLeaves(mining, view, own, candidate);
  return candidate;
}

/** Whether a proposal can be made now: the first of a round, or one more. */
function isProposable({ phase, proposals, params }: TaskView): boolean {
  return phase === "Idle" || (phase === "Proposing" && proposals.length < params.maxProposals);
}

/** Whether a round can be proposed for now; says so once where it can't. */
function createReadiness({ party }: Mining): (view: TaskView) => Promise<boolean> {
  const { token, vault, deployment } = party.gradwork;
  let said = "";
  const wait = (why: string): boolean => {
    if (why !== said) party.observe({ kind: "waiting", why });
    said = why;
    return false;
  };
  return async ({ task, params, phase, number, timestamp, safeBlock }) => {
    const at = { blockTag: safeBlock };
    if (task.closableAt !== 0n && timestamp >= task.closableAt) return wait("the task is closing");
    const reward = params.minerReward + params.verifierReward;
    if (phase === "Idle" && task.escrow < reward) {
      return wait(
        `the task's escrow is ${formatEther(task.escrow)} tokens, a round takes ${formatEther(reward)}: \`gradwork task fund\``,
      );
    }
    const { free } = await vault.accounts(party.address, at);
    if (free < params.minerBond) {
      return wait(
        `free stake is ${formatEther(free)} tokens, the bond is ${formatEther(params.minerBond)}: \`gradwork stake deposit\``,
      );
    }
    const wallet = await token.balanceOf(party.address, at);
    if (wallet < params.proposalFee) {
      return wait(
        `the wallet holds ${formatEther(wallet)} tokens, a proposal's fee is ${formatEther(params.proposalFee)}`,
      );
    }
    const spender = deployment.contracts.StakeVault;
    if ((await token.allowance(party.address, spender, at)) < params.proposalFee) {
      await act(party, number, token.approve, [spender, MaxUint256]);
    }
    said = "";
    return true;
  };
}

/** Trains one update at a time beside the turns, so that a demand that comes meanwhile is answered. */
type Trainer = {
  /** The update trained from a head; undefined while it is being trained. One from another head is given up. */
  poll(head: Head, round: bigint): Promise<Candidate | undefined>;
  stop(): Promise<void>;
};

function createTrainer(mining: Mining): Trainer {
  let work: { headRoot: string; giveUp: AbortController; result: Promise<Candidate> } | undefined;
  const pending = Symbol("pending");
  const stop = async () => {
    work?.giveUp.abort(new Error("the head moved on"));
    await work?.result.catch(() => undefined);
    work = undefined;
  };
  return {
    stop,
    async poll(head, round) {
      const headRoot = head.commitment.fullTree.root;
      if (work !== undefined && work.headRoot !== headRoot) await stop();
      if (work === undefined) {
        const giveUp = new AbortController();
        const signal = AbortSignal.any([mining.party.signal, giveUp.signal]);
        const result = mining.conduct.train(mining, head, round, signal);
        // It is awaited in a later turn.
        result.catch(() => undefined);
        work = { headRoot, giveUp, result };
      }
      const candidate = await Promise.race([work.result, Promise.resolve(pending)]);
      if (candidate === pending) return undefined;
      work = undefined;
      return candidate as Candidate;
    },
  };
}

/** What to propose next: what a crash left recorded, what a void round left unconfirmed, or newly trained. */
async function nextCandidate(
  mining: Mining,
  trainer: Trainer,
  head: Head,
  view: TaskView,
  last: Candidate | undefined,
): Promise<Candidate | undefined> {
  const round = proposableRound(view);
  const recorded = findStatement(mining, round);
  if (recorded !== undefined) return candidateOf(mining, head, recorded.updateRoot, last);
  const headRoot = head.commitment.fullTree.root;
  if (last?.base.commitment.fullTree.root === headRoot) return last;
  const candidate = await trainer.poll(head, round);
  if (candidate === undefined) return undefined;
  await mining.conduct.store(mining, candidate, last);
  return candidate;
}

/** The round that takes a proposal made now, or next. */
function proposableRound({ phase, number }: TaskView): bigint {
  return phase === "Proposing" ? number : number + 1n;
}

/** A candidate by its update: the one at hand, or rebuilt from the party's store. */
async function candidateOf(
  { party, conduct }: Mining,
  base: CommittedModel,
  updateRoot: string,
  last?: Candidate,
): Promise<Candidate> {
  const baseRoot = base.commitment.fullTree.root;
  if (last?.updateTree.root === updateRoot && last.base.commitment.fullTree.root === baseRoot) return last;
  return conduct.commit(base, await party.store.read(quantReference(updateRoot, base.parameters.length)));
}

function commitCandidate(base: CommittedModel, update: Uint8Array): Candidate {
  const parameters = applyUpdate(base.parameters, update);
  return {
    base,
    update,
    updateTree: buildTree(update, QUANT_LEAF_BYTES),
    model: { parameters, commitment: commitModel(parameters) },
  };
}

async function train(
  { party, definition, training, conduct }: Mining,
  head: Head,
  round: bigint,
  signal: AbortSignal,
): Promise<Candidate> {
  const { taskId, engine, manifest, dataset } = definition;
  const headRoot = head.commitment.fullTree.root;
  const { optimizer, errorFeedback } = loadTrainingState(party, taskId, headRoot, head.parameters.length);
  const startedAt = performance.now();
  const { delta, steps, lossNats, flops } = await trainRound({
    engine,
    tensors: manifest.tensors,
    parameters: head.parameters,
    optimizerState: optimizer,
    optimizer: training.optimizer,
    schedule: training.schedule,
    dataset,
    steps: training.steps,
    batchSize: training.batchSize,
    seed: training.seed + Number(round),
    signal,
    onProgress: (progress) => party.observe({ kind: "training", round, ...progress }),
  });
  const candidate = conduct.commit(head, makeUpdate(delta, errorFeedback));
  const seconds = (performance.now() - startedAt) / 1000;
  const candidateRoot = candidate.model.commitment.fullTree.root;
  saveTrainingState(party, taskId, headRoot, candidateRoot, { optimizer, errorFeedback });
  party.observe({ kind: "trained", round, steps, lossNats, seconds, flops });
  return candidate;
}

/** Puts the update, and the model it gives, where the server does not show them yet. */
async function storeCandidate(
  { party, definition }: Mining,
  candidate: Candidate,
  last: Candidate | undefined,
): Promise<void> {
  const { parameters, commitment } = candidate.model;
  await party.store.put(candidate.update, { leafLength: QUANT_LEAF_BYTES, sealed: true });
  await party.store.put(parameterBytes(parameters), { leafLength: FULL_LEAF_BYTES, sealed: true });
  await party.store.put(commitment.quantLeaves, { leafLength: QUANT_LEAF_BYTES, sealed: true });
  // Updates stay, for those who join later; models follow from them, but for the genesis.
  const genesisRoot = definition.genesis.commitment.fullTree.root;
  const needed = new Set([genesisRoot, commitment.fullTree.root, commitment.quantTree.root]);
  const { fullTree, quantTree } = last?.model.commitment ?? commitment;
  for (const { root } of [fullTree, quantTree]) if (!needed.has(root)) await party.store.remove(root);
}

/** Lets everybody fetch an opened proposal. Not before: until all are open, another could copy it. */
async function publish(
  { party }: Mining,
  { updateRoot, fullRoot, quantRoot }: ITrainingMarket.ProposalStructOutput,
): Promise<void> {
  for (const root of [updateRoot, fullRoot, quantRoot]) {
    if (await party.store.has(root)) await party.store.publish(root);
  }
}

function dutyOf({ party, definition }: Mining, round: bigint): DutyKey {
  const { gradwork } = party;
  return { kind: "proposal", ...dutyContext({ gradwork, taskId: definition.taskId, round }) };
}

function findStatement(mining: Mining, round: bigint): ProposalStatement | undefined {
  return mining.party.state.findDuty(dutyOf(mining, round))?.statement as ProposalStatement | undefined;
}

async function propose(mining: Mining, view: TaskView, candidate: Candidate): Promise<void> {
  const { party, definition } = mining;
  const { taskId } = definition;
  const round = proposableRound(view);
  const statement: ProposalStatement = findStatement(mining, round) ?? {
    fullRoot: candidate.model.commitment.fullTree.root,
    quantRoot: candidate.model.commitment.quantTree.root,
    updateRoot: candidate.updateTree.root,
    location: party.endpoint,
    salt: newSalt(),
  };
  party.state.recordDuty(dutyOf(mining, round), statement);
  const commitment = proposalCommitment({ gradwork: party.gradwork, taskId, round }, statement);
  await act(party, round, party.gradwork.market.propose, [taskId, round, commitment]);
  party.state.markDuty(dutyOf(mining, round), "committed");
}

async function open(mining: Mining, view: TaskView, own: number): Promise<void> {
  const { party, definition } = mining;
  const statement = findStatement(mining, view.number);
  if (statement === undefined) {
    const why = `round ${view.number} was proposed with another state folder: its salt is not here`;
    party.observe({ kind: "waiting", why });
    return;
  }
  const { fullRoot, quantRoot, updateRoot, location, salt } = statement;
  await act(party, view.number, party.gradwork.market.openProposal, [
    definition.taskId,
    own,
    fullRoot,
    quantRoot,
    updateRoot,
    location,
    salt,
  ]);
  party.state.markDuty(dutyOf(mining, view.number), "revealed");
}

function openLeaf(candidate: Candidate, index: number): LeafOpening {
  return {
    ...openOld(candidate.base, index),
    ...openUpdate(candidate, index),
    ...openNew(candidate.model, index),
    ...openQuant(candidate.model, index),
  };
}

/** Publishes the drawn leaves of all four trees with their proofs. */
async function checkLeaves(
  { party, definition }: Mining,
  view: TaskView,
  own: number,
  candidate: Candidate,
): Promise<void> {
  const { taskId } = definition;
  const k = Number(view.params.leafChecks);
  const leaves = leafCount(candidate.base.parameters.length);
  const drawn = drawIndices(view.round.seed, "LEAF", taskId, view.number, BigInt(own), k, leaves);
  const openings = drawn.map((index) => openLeaf(candidate, index));
  await act(party, view.number, party.gradwork.market.checkLeaves, [taskId, own, openings]);
}

/**
 * The party's proposals that made a head and whose bond is not back: also of a past one, as long as a demand that was
 * open when the head moved keeps it.
 */
function createMadeHeads({ gradwork, address, signal }: Party, { taskId, registeredAt }: TaskDefinition) {
  const { market } = gradwork;
  let nextBlock = registeredAt;
  let headRound = 0n;
  let places: { round: bigint; index: number }[] = [];
  return async ({ task, safeBlock }: TaskView): Promise<OwnProposal[]> => {
    if (task.headRound !== headRound) {
      const moves = await queryEvents(market, "HeadMoved", [taskId], nextBlock, safeBlock, signal);
      places.push(...moves.map(({ args }) => ({ round: args.round, index: Number(args.proposal) })));
      nextBlock = safeBlock + 1;
      headRound = task.headRound;
    }
    const made: OwnProposal[] = [];
    for (const { round, index } of places) {
      const proposal = await market.proposal(taskId, round, index, { blockTag: safeBlock });
      if (proposal.miner === address && proposal.bond !== 0n) made.push({ round, index, proposal });
    }
    places = made;
    return made;
  };
}

/** A leaf of one of the party's proposals that somebody wants to see. */
type Demanded = OwnProposal & { demander: string; leafIndex: number; dueAt: bigint };

/**
 * Shows the leaf that is due first of those demanded of the party's proposals.
 * @returns whether one was
 */
async function answerDemand(
  mining: Mining,
  view: TaskView,
  head: Head,
  last: Candidate | undefined,
): Promise<boolean> {
  const { party, definition } = mining;
  const [first] = (await readDemands(mining, view)).sort((a, b) => Number(a.dueAt - b.dueAt));
  if (first === undefined) {
    mining.shown = undefined;
    return false;
  }
  const { round, index, proposal, demander, leafIndex } = first;
  const place = `${round}/${index}`;
  if (mining.shown?.place !== place) {
    const isPresent = round === view.number && head.commitment.fullTree.root === view.round.oldRoot;
    const base = isPresent ? head : await headBefore(party, definition, view, round);
    mining.shown = { place, candidate: await candidateOf(mining, base, proposal.updateRoot, last) };
  }
  const opening = openLeaf(mining.shown.candidate, leafIndex);
  const { answer } = party.gradwork.disputes;
  await actUnlessDone(party, round, answer, [definition.taskId, round, index, demander, opening]);
  return true;
}

/** The open demands of leaves of the party's proposals, of the present round and of heads, that are not overdue. */
async function readDemands({ party, definition, made }: Mining, view: TaskView): Promise<Demanded[]> {
  const { taskId, registeredAt } = definition;
  const { disputes } = party.gradwork;
  const present = view.proposals
    .map((proposal, index) => ({ round: view.number, index, proposal }))
    .filter(({ proposal }) => proposal.miner === party.address && proposal.bond !== 0n);
  const past = (await made(view)).filter(({ round }) => round !== view.number);
  const demands: Demanded[] = [];
  for (const own of [...present, ...past]) {
    const place = [taskId, own.round, own.index] as const;
    if ((await disputes.openDemands(...place)) === 0n) continue;
    const events = await queryEvents(
      disputes,
      "LeafDemanded",
      [...place],
      registeredAt,
      view.block,
      party.signal,
    );
    for (const demander of new Set<string>(events.map(({ args }) => args.demander))) {
      const { deposit, dueAt, leafIndex } = await disputes.demandOf(...place, demander);
      if (deposit === 0n || view.timestamp >= dueAt) continue;
      demands.push({ ...own, demander, leafIndex: Number(leafIndex), dueAt });
    }
  }
  return demands;
}
