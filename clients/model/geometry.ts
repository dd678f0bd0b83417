import { GradworkError } from "./errors.ts";

/** Parameters in a leaf. */
export const PARAMETERS_PER_LEAF = 256;
/** Bytes of a leaf of θ: 256 float32, little-endian. */
export const FULL_LEAF_BYTES = 4 * PARAMETERS_PER_LEAF;
/** Parameters that share one MXFP4 scale (OCP MX v1.0, §5.2: k = 32). */
export const PARAMETERS_PER_BLOCK = 32;
/** MXFP4 blocks, and so scale bytes, in a leaf. */
export const BLOCKS_PER_LEAF = PARAMETERS_PER_LEAF / PARAMETERS_PER_BLOCK;
/** Bytes of a leaf of Q(θ) or Δ: 8 scale bytes, then 128 code bytes of two elements each. */
export const QUANT_LEAF_BYTES = BLOCKS_PER_LEAF + PARAMETERS_PER_LEAF / 2;

/**
 * Leaves n = ⌈P/256⌉ that hold P parameters.
 * @throws {GradworkError} `INVALID_PARAMETER_COUNT` unless P is an integer ≥ 1
 */
export function leafCount(parameterCount: number): number {
  requireCount("INVALID_PARAMETER_COUNT", "parameters", parameterCount);
  return Math.ceil(parameterCount / PARAMETERS_PER_LEAF);
}

/**
 * Depth ⌈log2 n⌉ of a tree of n leaves; the tree has 2^depth places.
 * @throws {GradworkError} `INVALID_LEAF_COUNT` unless n is an integer ≥ 1
 */
export function treeDepth(leafCount: number): number {
  requireCount("INVALID_LEAF_COUNT", "leaves", leafCount);
  let depth = 0;
  while (2 ** depth < leafCount) depth++;
  return depth;
}

function requireCount(code: string, what: string, count: number): void {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new GradworkError(code, `Expected at least one of ${what}, as an integer, got ${count}`, { count });
  }
}
