import { littleEndianBytes } from "../../../clients/model/bytes.ts";
import { fullLeafOf, quantLeafOf } from "../../../clients/model/commitment.ts";
import { FULL_LEAF_BYTES, leafCount, QUANT_LEAF_BYTES } from "../../../clients/model/geometry.ts";
import { buildTree, type MerkleTree, merkleProof } from "../../../clients/model/merkle.ts";
import { encodeLeaves } from "../../../clients/model/mxfp4.ts";
import { applyUpdate, makeUpdate } from "../../../clients/model/update.ts";
import { createRandom, fillNormal } from "../../../clients/training/random.ts";
import type { ILeafChecker } from "../../../types/TrainingMarket.ts";

/** θ, Δ, θ′ and Q(θ′) as their bytes stand in the four trees: honest, or forged for a test. */
export type Vectors = {
  parameters: Float32Array;
  update: Uint8Array;
  newParameters: Float32Array;
  newQuant: Uint8Array;
};

/** A round's work: what a miner commits to, and how it opens any leaf of it. */
export type Transition = {
  head: { fullRoot: string; quantRoot: string; parameterCount: bigint };
  fullRoot: string;
  quantRoot: string;
  updateRoot: string;
  depth: number;
  leafCount: number;
  opening(index: number): Opening;
};

/** `ILeafChecker.LeafOpening` with its parts in memory, to be tampered with. */
export type Opening = {
  [Key in keyof ILeafChecker.LeafOpeningStruct]: Key extends `${string}Leaf` ? Uint8Array : string[];
};

export const LEAF_NAMES = ["old", "update", "new", "quant"] as const;
export type LeafName = (typeof LEAF_NAMES)[number];

/** An opening of these leaves only: the others and their proofs are empty. */
export function only(opening: Opening, names: readonly LeafName[]): Opening {
  const part = { ...opening };
  for (const name of LEAF_NAMES) {
    if (names.includes(name)) continue;
    part[`${name}Leaf`] = new Uint8Array();
    part[`${name}Proof`] = [];
  }
  return part;
}

/** Normal parameters and a small step, from a seed. */
export function makeVectors(parameterCount: number, seed: number): Vectors {
  const random = createRandom(seed);
  const parameters = new Float32Array(parameterCount);
  const step = new Float32Array(parameterCount);
  fillNormal(parameters, random, 0.02);
  fillNormal(step, random, 0.001);
  return followVectors(parameters, step);
}

/** The vectors of a step from given parameters. */
export function followVectors(parameters: Float32Array, step: Float32Array): Vectors {
  const update = makeUpdate(step, new Float32Array(step.length));
  const newParameters = applyUpdate(parameters, update);
  return { parameters, update, newParameters, newQuant: encodeLeaves(newParameters) };
}

/** Commits to vectors as they are: nothing is checked, so that forged ones get their trees too. */
export function commitTransition({ parameters, update, newParameters, newQuant }: Vectors): Transition {
  const trees = {
    old: fullTree(parameters),
    update: buildTree(update, QUANT_LEAF_BYTES),
    new: fullTree(newParameters),
    quant: buildTree(newQuant, QUANT_LEAF_BYTES),
  };
  return {
    head: {
      fullRoot: trees.old.root,
      quantRoot: parameters.every(Number.isFinite)
        ? buildTree(encodeLeaves(parameters), QUANT_LEAF_BYTES).root
        : trees.quant.root,
      parameterCount: BigInt(parameters.length),
    },
    fullRoot: trees.new.root,
    quantRoot: trees.quant.root,
    updateRoot: trees.update.root,
    depth: trees.old.depth,
    leafCount: trees.old.leafCount,
    opening: (index) => ({
      oldLeaf: fullLeafOf(parameters, index),
      updateLeaf: quantLeafOf(update, index),
      newLeaf: fullLeafOf(newParameters, index),
      quantLeaf: quantLeafOf(newQuant, index),
      oldProof: merkleProof(trees.old, index),
      updateProof: merkleProof(trees.update, index),
      newProof: merkleProof(trees.new, index),
      quantProof: merkleProof(trees.quant, index),
    }),
  };
}

function fullTree(parameters: Float32Array): MerkleTree {
  const padding = new Uint8Array(leafCount(parameters.length) * FULL_LEAF_BYTES - parameters.byteLength);
  return buildTree([littleEndianBytes(parameters), padding], FULL_LEAF_BYTES);
}
