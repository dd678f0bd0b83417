import { formatEther, MaxUint256 } from "ethers";
import { endsAt, named, STAGES } from "../chain/phase.ts";
import { readTerms, type TaskTerms, type TaskView } from "../chain/taskView.ts";
import { commitModel, fullLeafOf, quantLeafOf } from "../model/commitment.ts";
import { drawIndices } from "../model/draws.ts";
import { FULL_LEAF_BYTES, leafCount, QUANT_LEAF_BYTES } from "../model/geometry.ts";
import { buildTree, type MerkleTree, merkleProof } from "../model/merkle.ts";
import { parameterBytes } from "../model/parameters.ts";
import { applyUpdate, makeUpdate } from "../model/update.ts";
import type { DutyKey } from "../storage/stateStore.ts";
import type { AdamWOptions, Schedule } from "../training/adamw.ts";
import { trainRound } from "../training/trainer.ts";
import { type CommittedModel, followHead, genesisHead, type Head, quantReference } from "./head.ts";
import { act, announce, type Party } from "./party.ts";
import { dutyContext, newSalt, type ProposalStatement, proposalCommitment } from "./statements.ts";
import { loadTask, type TaskDefinition } from "./taskDefinition.ts";
import { loadTrainingState, saveTrainingState } from "./trainingState.ts";
import { advanceSeed, createRoundCloser, finalizeRound, persist, takeTurns } from "./turns.ts";

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

/** An update of the head, trained and committed to, that the chain has not confirmed. */
type Candidate = { headRoot: string; update: Uint8Array; updateTree: MerkleTree; model: CommittedModel };

/** A miner at work on one task. */
type Mining = { party: Party; terms: TaskTerms; definition: TaskDefinition; training: TrainingOptions };

/** Trains a task, round by round, for its rewards (PoGO, arXiv 2504.07540). */
export async function runMiner(party: Party, options: MinerOptions): Promise<void> {
  const { taskId, training } = options;
  const terms = await readTerms(party.gradwork, taskId);
  await announce(party);
  const definition = await persist(party, "load the task", () => loadTask(party, taskId, options.threads));
  const mining = { party, terms, definition, training };
  const closeRound = createRoundCloser(party);
  const isReady = createReadiness(mining);
  let head = genesisHead(definition);
  let candidate: Candidate | undefined;
  let proposals = 0;

  const work = takeTurns(party, terms, async (view) => {
    head = await followHead(party, definition, head, view, candidate?.model);
    await closeRound(view);
    if (view.phase === "Closed") return true;
    if (view.phase === "Idle") {
      if (proposals === options.rounds) return true;
      if (!(await isReady(view))) return false;
      candidate = await nextCandidate(mining, head, view, candidate);
      await propose(mining, view, candidate);
      proposals++;
      return false;
    }
    if (view.phase === "Ended") {
      // Verifiers come first, in the order in which they committed.
      const since = endsAt(view.round, view.params, terms.maxSeedingSeconds);
      await finalizeRound(party, view, taskId, Number(view.round.attesters), since);
      return false;
    }
    if (view.round.miner !== party.address) return false;

    const stage = named(STAGES, view.round.stage);
    if (view.phase === "Opening" && stage === "Sealed") await open(mining, view);
    if (view.phase === "Seeding") {
      await publish(mining, view);
      await advanceSeed(party, view, taskId, 0);
    }
    if (view.phase === "LeafChecking") {
      candidate = await candidateOf(mining, head, view.round.updateRoot, candidate);
      await checkLeaves(mining, view, head, candidate);
    }
    return false;
  });
  await work.finally(() => definition.engine.release());
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
  return async ({ task, params, number, timestamp, safeBlock }) => {
    const at = { blockTag: safeBlock };
    if (task.closableAt !== 0n && timestamp >= task.closableAt) return wait("the task is closing");
    const reward = params.minerReward + params.verifierReward;
    if (task.escrow < reward) {
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
    const spender = deployment.contracts.TrainingMarket;
    if ((await token.allowance(party.address, spender, at)) < params.proposalFee) {
      await act(party, number, token.approve, [spender, MaxUint256]);
    }
    said = "";
    return true;
  };
}

/** What to propose next: what a crash left recorded, what a void round left unconfirmed, or newly trained. */
async function nextCandidate(
  mining: Mining,
  head: Head,
  view: TaskView,
  last: Candidate | undefined,
): Promise<Candidate> {
  const recorded = findStatement(mining, view.number + 1n);
  if (recorded !== undefined) return candidateOf(mining, head, recorded.updateRoot, last);
  if (last?.headRoot === head.commitment.fullTree.root) return last;
  const candidate = await train(mining, head, view.number + 1n);
  await store(mining, candidate, last);
  return candidate;
}

/** A candidate by its update: the one at hand, or rebuilt from the party's store. */
async function candidateOf(
  { party }: Mining,
  head: Head,
  updateRoot: string,
  last: Candidate | undefined,
): Promise<Candidate> {
  const headRoot = head.commitment.fullTree.root;
  if (last?.updateTree.root === updateRoot && last.headRoot === headRoot) return last;
  return commitCandidate(head, await party.store.read(quantReference(updateRoot, head.parameters.length)));
}

function commitCandidate(head: Head, update: Uint8Array): Candidate {
  const parameters = applyUpdate(head.parameters, update);
  return {
    headRoot: head.commitment.fullTree.root,
    update,
    updateTree: buildTree(update, QUANT_LEAF_BYTES),
    model: { parameters, commitment: commitModel(parameters) },
  };
}

async function train({ party, definition, training }: Mining, head: Head, round: bigint): Promise<Candidate> {
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
    signal: party.signal,
    onProgress: (progress) => party.observe({ kind: "training", round, ...progress }),
  });
  const candidate = commitCandidate(head, makeUpdate(delta, errorFeedback));
  const seconds = (performance.now() - startedAt) / 1000;
  const candidateRoot = candidate.model.commitment.fullTree.root;
  saveTrainingState(party, taskId, headRoot, candidateRoot, { optimizer, errorFeedback });
  party.observe({ kind: "trained", round, steps, lossNats, seconds, flops });
  return candidate;
}

/** Puts the update, and the model it gives, where the server does not show them yet. */
async function store({ party, definition }: Mining, candidate: Candidate, last: Candidate | undefined) {
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
async function publish({ party }: Mining, { round }: TaskView): Promise<void> {
  for (const root of [round.updateRoot, round.fullRoot, round.quantRoot]) {
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
  const round = view.number + 1n;
  const statement: ProposalStatement = findStatement(mining, round) ?? {
    fullRoot: candidate.model.commitment.fullTree.root,
    quantRoot: candidate.model.commitment.quantTree.root,
    updateRoot: candidate.updateTree.root,
    location: party.endpoint,
    salt: newSalt(),
  };
  party.state.recordDuty(dutyOf(mining, round), statement);
  const commitment = proposalCommitment({ gradwork: party.gradwork, taskId, round }, statement);
  await act(party, round, party.gradwork.market.propose, [taskId, commitment]);
  party.state.markDuty(dutyOf(mining, round), "committed");
}

async function open(mining: Mining, view: TaskView): Promise<void> {
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
    fullRoot,
    quantRoot,
    updateRoot,
    location,
    salt,
  ]);
  party.state.markDuty(dutyOf(mining, view.number), "revealed");
}

/** Publishes the drawn leaves of all four trees with their proofs. */
async function checkLeaves(mining: Mining, view: TaskView, head: Head, candidate: Candidate): Promise<void> {
  const { party, definition } = mining;
  const { taskId } = definition;
  const k = Number(view.params.leafChecks);
  const leaves = leafCount(head.parameters.length);
  const { commitment, parameters } = candidate.model;
  const openings = drawIndices(view.round.seed, "LEAF", taskId, view.number, 0n, k, leaves).map((index) => ({
    oldLeaf: fullLeafOf(head.parameters, index),
    updateLeaf: quantLeafOf(candidate.update, index),
    newLeaf: fullLeafOf(parameters, index),
    quantLeaf: quantLeafOf(commitment.quantLeaves, index),
    oldProof: merkleProof(head.commitment.fullTree, index),
    updateProof: merkleProof(candidate.updateTree, index),
    newProof: merkleProof(commitment.fullTree, index),
    quantProof: merkleProof(commitment.quantTree, index),
  }));
  await act(party, view.number, party.gradwork.market.checkLeaves, [taskId, openings]);
}
