// PoGO's dual commitment: one Merkle root of the 32-bit model, one of its 4-bit form (arXiv 2504.07540).
import { littleEndianBytes } from "./bytes.ts";
import { GradworkError } from "./errors.ts";
import { FULL_LEAF_BYTES, leafCount, QUANT_LEAF_BYTES, treeDepth } from "./geometry.ts";
import { buildTree, type MerkleTree } from "./merkle.ts";
import { encodeLeaves } from "./mxfp4.ts";

/** The trees of θ (`fullRoot`) and of Q(θ) (`quantRoot`), and Q(θ) itself: ⌈P/256⌉·136 bytes. */
export type ModelCommitment = {
  readonly fullTree: MerkleTree;
  readonly quantTree: MerkleTree;
  readonly quantLeaves: Uint8Array;
};

/**
 * Commits to a model at full and at 4-bit precision.
 * @throws {GradworkError} `NON_FINITE_PARAMETER` with the index, `INVALID_PARAMETER_COUNT`
 */
export function commitModel(parameters: Float32Array): ModelCommitment {
  const quantLeaves = encodeLeaves(parameters);
  const padding = new Uint8Array(leafCount(parameters.length) * FULL_LEAF_BYTES - parameters.byteLength);
  const fullTree = buildTree([littleEndianBytes(parameters), padding], FULL_LEAF_BYTES);
  return { fullTree, quantTree: buildTree(quantLeaves, QUANT_LEAF_BYTES), quantLeaves };
}

/**
 * Leaf of θ at a place of its tree: 1,024 bytes, padding included.
 * @param index place, < 2^depth
 * @throws {GradworkError} `INDEX_OUT_OF_RANGE`
 */
export function fullLeafOf(parameters: Float32Array, index: number): Uint8Array {
  return leafOf(littleEndianBytes(parameters), FULL_LEAF_BYTES, index);
}

/** Leaf of Q(θ) or Δ at a place of its tree: 136 bytes; otherwise as {@link fullLeafOf}. */
export function quantLeafOf(leaves: Uint8Array, index: number): Uint8Array {
  return leafOf(leaves, QUANT_LEAF_BYTES, index);
}

/**
 * Leaf at a place of the tree over `bytes`: a view of a whole leaf, else a copy filled up with zeros.
 * @throws {GradworkError} `INDEX_OUT_OF_RANGE` unless index < 2^depth
 */
export function leafOf(bytes: Uint8Array, leafLength: number, index: number): Uint8Array {
  const places = 2 ** treeDepth(Math.ceil(bytes.length / leafLength));
  if (!Number.isSafeInteger(index) || index < 0 || index >= places) {
    throw new GradworkError("INDEX_OUT_OF_RANGE", `Expected an index < ${places}, got ${index}`, {
      index,
      places,
    });
  }
  const start = index * leafLength;
  if (start + leafLength <= bytes.length) return bytes.subarray(start, start + leafLength);
  const padded = new Uint8Array(leafLength);
  if (start < bytes.length) padded.set(bytes.subarray(start));
  return padded;
}
