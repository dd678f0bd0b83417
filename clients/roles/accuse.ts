// How a forged leaf costs its miner the bond: by a proof where the leaf can be had, by demands where it can't (protocol,
// §2.5).
import type { ITrainingMarket } from "../../types/TrainingMarket.ts";
import { queryEvents } from "../chain/events.ts";
import { quantLeafOf } from "../model/commitment.ts";
import { GradworkError } from "../model/errors.ts";
import { FULL_LEAF_BYTES, QUANT_LEAF_BYTES } from "../model/geometry.ts";
import { differingLeaves, lowestDifference, merkleProof, treeOfLeafHashes } from "../model/merkle.ts";
import { fetchLeaf, fetchLeafHashes } from "../storage/blobFetch.ts";
import { fullReference, quantReference } from "./head.ts";
import { allow } from "./money.ts";
import { type LeafOpening, NO_LEAVES, openNew, openOld, openUpdate } from "./opening.ts";
import { act, endpointOptions, type Party } from "./party.ts";
import type { Fault, Rebuilt } from "./rebuild.ts";
import { actUnlessDone } from "./turns.ts";

/** A proposal whose update was rebuilt and found at fault. */
export type Accused = {
  taskId: bigint;
  /** block of the task's registration */
  registeredAt: number;
  round: bigint;
  proposal: number;
  roots: Pick<ITrainingMarket.ProposalStructOutput, "fullRoot" | "quantRoot">;
  /** where its miner said that it serves */
  location: string[];
  rebuilt: Rebuilt & { fault: Fault };
};

/**
 * Proves the fault on chain, where the leaf that shows it can be had.
 * @returns whether it was proved, or somebody else was first
 */
export async function proveFault(party: Party, accused: Accused): Promise<boolean> {
  const found = await findEvidence(party, accused);
  const { taskId, round, proposal, rebuilt } = accused;
  const { reason } = rebuilt.fault;
  party.observe({ kind: "difference", round, proposal, reason, detail: found.detail });
  if (found.opening === undefined) return false;
  const { disputes } = party.gradwork;
  await actUnlessDone(party, round, disputes.proveFraud, [
    taskId,
    round,
    proposal,
    found.leaf,
    { ...NO_LEAVES, ...found.opening },
  ]);
  return true;
}

type Evidence = { detail: Record<string, unknown> } & (
  | { leaf: number; opening: Partial<LeafOpening> }
  | { opening?: never }
);

/** The leaves that show a fault, and no others. */
async function findEvidence(party: Party, { roots, location, rebuilt }: Accused): Promise<Evidence> {
  const { base, fault } = rebuilt;
  if (fault.tree === "update") {
    const { leaf, detail, withOld } = fault;
    const opening = { ...openUpdate(rebuilt, leaf), ...(withOld ? openOld(base, leaf) : {}) };
    return { leaf, detail, opening };
  }
  const { tree, model } = fault;
  const { length } = base.parameters;
  const isFull = tree === "full";
  const expectedTree = isFull ? model.commitment.fullTree : model.commitment.quantTree;
  const givenRoot = isFull ? roots.fullRoot : roots.quantRoot;
  const reference = isFull ? fullReference(givenRoot, length) : quantReference(givenRoot, length);
  const leafBytes = isFull ? FULL_LEAF_BYTES : QUANT_LEAF_BYTES;
  const detail = { expectedRoot: expectedTree.root, givenRoot };
  const options = await endpointOptions(party, location, length * 4);
  try {
    const hashes = await fetchLeafHashes(reference, options);
    const [leaf] = differingLeaves(expectedTree, treeOfLeafHashes(hashes, leafBytes));
    if (leaf === undefined) throw new Error("trees of different roots have the same leaves");
    const given = await fetchLeaf(reference, leaf, options);
    if (isFull) {
      const expected = openNew(model, leaf).newLeaf;
      return {
        leaf,
        detail: { ...detail, leaf, ...compareValues(expected, given.leaf) },
        opening: {
          ...openOld(base, leaf),
          ...openUpdate(rebuilt, leaf),
          newLeaf: given.leaf,
          newProof: given.proof,
        },
      };
    }
    const expected = quantLeafOf(model.commitment.quantLeaves, leaf);
    return {
      leaf,
      detail: { ...detail, leaf, byte: firstDifference(expected, given.leaf) },
      opening: { ...openNew(model, leaf), quantLeaf: given.leaf, quantProof: given.proof },
    };
  } catch (error) {
    if (!(error instanceof GradworkError && error.code === "BLOB_UNAVAILABLE")) throw error;
    return { detail: { ...detail, leaf: "unknown: the miner does not serve it" } };
  }
}

/** The first parameter in which two leaves differ, by its bits: -0 is not +0. */
function compareValues(expected: Uint8Array, given: Uint8Array) {
  const element = Math.floor(firstDifference(expected, given) / 4);
  const valueIn = (leaf: Uint8Array) =>
    new DataView(leaf.buffer, leaf.byteOffset, leaf.length).getFloat32(4 * element, true);
  return { element, expected: valueIn(expected), given: valueIn(given) };
}

function firstDifference(expected: Uint8Array, given: Uint8Array): number {
  return expected.findIndex((byte, i) => byte !== given[i]);
}

/**
 * One step of cornering a forged leaf that nobody serves: demands a leaf, and then one in the lowest subtree in which the
 * answer differs from what was rebuilt, until the miner shows the forgery or does not answer.
 * @param timestamp of the newest block, in seconds
 */
export async function pursueFault(
  party: Party,
  accused: Accused,
  params: ITrainingMarket.TaskParamsStructOutput,
  timestamp: bigint,
): Promise<void> {
  const { taskId, round, proposal } = accused;
  const { market, disputes } = party.gradwork;
  const place = [taskId, round, proposal] as const;
  // Gone since the view: an answer can show the forgery by itself.
  if ((await market.proposal(...place)).bond === 0n) return;
  const own = await disputes.demandOf(...place, party.address);
  if (own.deposit !== 0n) {
    if (timestamp < own.dueAt) return;
    await actUnlessDone(party, round, disputes.closeDemand, [...place, party.address]);
    return;
  }
  const next = own.count === 0n ? 0 : await nextLeaf(party, accused, own.leafIndex);
  const cost = (1n + (await disputes.openDemands(...place))) * params.demandDeposit;
  const levels = BigInt(merkleProof(accused.rebuilt.base.commitment.fullTree, 0).length);
  await allow(party.gradwork, cost, party.signal, (levels + 1n) * cost);
  await act(party, round, disputes.demand, [...place, next]);
}

/** Where the last answer leads. */
async function nextLeaf(party: Party, accused: Accused, leafIndex: bigint): Promise<number> {
  const { taskId, round, proposal, registeredAt, rebuilt } = accused;
  const { disputes, provider } = party.gradwork;
  const answers = await queryEvents(
    disputes,
    "DemandAnswered",
    [taskId, round, proposal],
    registeredAt,
    await provider.getBlockNumber(),
    party.signal,
  );
  const last = answers.findLast(
    ({ args }) => args.demander === party.address && args.leafIndex === leafIndex,
  );
  if (last === undefined || rebuilt.fault.tree === "update") {
    throw new GradworkError("NO_ANSWER", `the chain holds no answer to the demand for leaf ${leafIndex}`, {
      leafIndex: leafIndex.toString(),
    });
  }
  const { tree, model } = rebuilt.fault;
  const { fullTree, quantTree } = model.commitment;
  const index = Number(leafIndex);
  const [given, expected] =
    tree === "full"
      ? [last.args.newProof, merkleProof(fullTree, index)]
      : [last.args.quantProof, merkleProof(quantTree, index)];
  const subtree = lowestDifference([...given], expected, index);
  // The leaf itself was right, or the answer had convicted its miner: the root can only differ beside it.
  if (subtree === undefined) throw new Error("an answer that differs nowhere led to another root");
  return subtree.firstIndex;
}
