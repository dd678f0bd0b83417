import { fullLeafOf, quantLeafOf } from "../model/commitment.ts";
import { type MerkleTree, merkleProof } from "../model/merkle.ts";
import type { CommittedModel } from "./head.ts";

/** An update of a model, and its tree. */
export type CommittedUpdate = { update: Uint8Array; updateTree: MerkleTree };

/** `ILeafChecker.LeafOpening`: a leaf of each of a proposal's four trees, with its siblings bottom up. */
export type LeafOpening = {
  oldLeaf: Uint8Array;
  updateLeaf: Uint8Array;
  newLeaf: Uint8Array;
  quantLeaf: Uint8Array;
  oldProof: string[];
  updateProof: string[];
  newProof: string[];
  quantProof: string[];
};

/** An opening that shows nothing. */
export const NO_LEAVES: LeafOpening = {
  oldLeaf: new Uint8Array(),
  updateLeaf: new Uint8Array(),
  newLeaf: new Uint8Array(),
  quantLeaf: new Uint8Array(),
  oldProof: [],
  updateProof: [],
  newProof: [],
  quantProof: [],
};

export function openOld({ parameters, commitment }: CommittedModel, index: number) {
  return { oldLeaf: fullLeafOf(parameters, index), oldProof: merkleProof(commitment.fullTree, index) };
}

export function openUpdate({ update, updateTree }: CommittedUpdate, index: number) {
  return { updateLeaf: quantLeafOf(update, index), updateProof: merkleProof(updateTree, index) };
}

export function openNew({ parameters, commitment }: CommittedModel, index: number) {
  return { newLeaf: fullLeafOf(parameters, index), newProof: merkleProof(commitment.fullTree, index) };
}

export function openQuant({ commitment }: CommittedModel, index: number) {
  return {
    quantLeaf: quantLeafOf(commitment.quantLeaves, index),
    quantProof: merkleProof(commitment.quantTree, index),
  };
}
