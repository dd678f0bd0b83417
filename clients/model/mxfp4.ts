// MXFP4 of OCP Microscaling Formats (MX) v1.0: E2M1 elements, one E8M0 scale for each 32 of them.
import { GradworkError } from "./errors.ts";
import {
  BLOCKS_PER_LEAF,
  leafCount,
  PARAMETERS_PER_BLOCK,
  PARAMETERS_PER_LEAF,
  QUANT_LEAF_BYTES,
} from "./geometry.ts";

const CODE_BYTES_PER_BLOCK = PARAMETERS_PER_BLOCK / 2;
const MAGNITUDES = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
const MIN_SCALE = 3;
const MAX_SCALE = 252;

const MAGNITUDE_MASK = 0x7fff_ffff;
const MANTISSA_BITS = 23;
const NON_FINITE_EXPONENT = 255;
// The largest level, 6 = 1.5·2², has exponent 2: the scale lies two below a block's largest exponent.
const LARGEST_LEVEL_EXPONENT = 2;
// Below this exponent a block is all zeros; from it up, ¼ of the scale is a normal float32.
const MIN_EXPONENT = MIN_SCALE + LARGEST_LEVEL_EXPONENT;

/** Where an MXFP4 vector breaks the encoding's rules: `element` counts within the leaf, from 0. */
export type InvalidEncoding = {
  leaf: number;
  element: number;
  reason: "SCALE_BYTE" | "MAGNITUDE_UNDER_SCALE_ZERO" | "CODE_PAST_PARAMETER_COUNT";
};

/**
 * Q(θ): parameters as MXFP4 leaves, rounded to the nearest level, ties to the even index. Integer operations on the
 * float32 bits only, so that a contract gives the same bytes.
 * @param parameters P float32 values; the rest of the last leaf is +0
 * @param out ⌈P/256⌉·136 bytes, each of them written
 * @throws {GradworkError} `NON_FINITE_PARAMETER` with the index, `MXFP4_WRONG_LENGTH` for `out`
 */
export function encodeLeaves(
  parameters: Float32Array,
  out: Uint8Array = new Uint8Array(leafCount(parameters.length) * QUANT_LEAF_BYTES),
): Uint8Array {
  requireLength(out, parameters.length, "MXFP4");
  const bits = new Uint32Array(parameters.buffer, parameters.byteOffset, parameters.length);
  const wholeLeaves = Math.floor(bits.length / PARAMETERS_PER_LEAF);
  for (let leaf = 0; leaf < wholeLeaves; leaf++) {
    encodeLeaf(bits, leaf * PARAMETERS_PER_LEAF, out, leaf * QUANT_LEAF_BYTES, leaf);
  }
  if (wholeLeaves * PARAMETERS_PER_LEAF < bits.length) {
    const padded = new Uint32Array(PARAMETERS_PER_LEAF);
    padded.set(bits.subarray(wholeLeaves * PARAMETERS_PER_LEAF));
    encodeLeaf(padded, 0, out, wholeLeaves * QUANT_LEAF_BYTES, wholeLeaves);
  }
  return out;
}

/**
 * The float32 values of MXFP4 leaves; code 8 is −0.
 * @param leaves ⌈P/256⌉·136 bytes
 * @param out P values
 * @throws {GradworkError} `MXFP4_WRONG_LENGTH`, `MXFP4_INVALID_ENCODING` with leaf, element and reason
 */
export function decodeLeaves(
  leaves: Uint8Array,
  parameterCount: number,
  out: Float32Array = new Float32Array(parameterCount),
): Float32Array {
  requireEncoding(leaves, parameterCount, "MXFP4");
  if (out.length !== parameterCount) throw wrongLength("MXFP4", "values", parameterCount, out.length);
  const wholeLeaves = Math.floor(parameterCount / PARAMETERS_PER_LEAF);
  for (let leaf = 0; leaf < wholeLeaves; leaf++) decodeLeaf(leaves, leaf, out, leaf * PARAMETERS_PER_LEAF);
  const rest = parameterCount - wholeLeaves * PARAMETERS_PER_LEAF;
  if (rest > 0) {
    const values = new Float32Array(PARAMETERS_PER_LEAF);
    decodeLeaf(leaves, wholeLeaves, values, 0);
    out.set(values.subarray(0, rest), wholeLeaves * PARAMETERS_PER_LEAF);
  }
  return out;
}

/** Writes the 256 values of one leaf of a valid encoding to `out` from `start` on; an invalid code gives NaN. */
export function decodeLeaf(leaves: Uint8Array, leaf: number, out: Float32Array, start: number): void {
  const scalesAt = leaf * QUANT_LEAF_BYTES;
  let codesAt = scalesAt + BLOCKS_PER_LEAF;
  let element = start;
  for (let block = 0; block < BLOCKS_PER_LEAF; block++) {
    const row = leaves[scalesAt + block]! * 16;
    for (let byte = 0; byte < CODE_BYTES_PER_BLOCK; byte++) {
      const codes = leaves[codesAt++]!;
      out[element++] = DECODED[row + (codes & 15)]!;
      out[element++] = DECODED[row + (codes >> 4)]!;
    }
  }
}

/**
 * The first break of the encoding's rules: scale bytes are 0 and 3…252, under scale 0 every magnitude index is 0, codes
 * past the parameter count are 0. Leaves past the last one, as in a tree's padding places, are held to the same rules.
 * @param leaves any number of leaves, 136 bytes each
 * @throws {GradworkError} `MXFP4_WRONG_LENGTH` unless the leaves are whole
 */
export function findInvalidEncoding(leaves: Uint8Array, parameterCount: number): InvalidEncoding | undefined {
  const leafTotal = leaves.length / QUANT_LEAF_BYTES;
  if (!Number.isInteger(leafTotal)) {
    throw wrongLength("MXFP4", "bytes", Math.ceil(leafTotal) * QUANT_LEAF_BYTES, leaves.length);
  }
  for (let leaf = 0; leaf < leafTotal; leaf++) {
    const scalesAt = leaf * QUANT_LEAF_BYTES;
    for (let block = 0; block < BLOCKS_PER_LEAF; block++) {
      const scale = leaves[scalesAt + block]!;
      if (scale >= MIN_SCALE && scale <= MAX_SCALE) continue;
      const first = block * PARAMETERS_PER_BLOCK;
      if (scale !== 0) return { leaf, element: first, reason: "SCALE_BYTE" };
      for (let element = first; element < first + PARAMETERS_PER_BLOCK; element++) {
        if ((codeAt(leaves, leaf, element) & 7) !== 0) {
          return { leaf, element, reason: "MAGNITUDE_UNDER_SCALE_ZERO" };
        }
      }
    }
    const live = Math.max(0, parameterCount - leaf * PARAMETERS_PER_LEAF);
    for (let element = live; element < PARAMETERS_PER_LEAF; element++) {
      if (codeAt(leaves, leaf, element) !== 0) return { leaf, element, reason: "CODE_PAST_PARAMETER_COUNT" };
    }
  }
  return undefined;
}

/**
 * Requires the leaves of exactly P parameters, all valid.
 * @throws {GradworkError} `MXFP4_WRONG_LENGTH` or `UPDATE_WRONG_LENGTH`, `MXFP4_INVALID_ENCODING` or
 * `UPDATE_INVALID_ENCODING` with leaf, element and reason
 */
export function requireEncoding(leaves: Uint8Array, parameterCount: number, what: "MXFP4" | "UPDATE"): void {
  requireLength(leaves, parameterCount, what);
  const invalid = findInvalidEncoding(leaves, parameterCount);
  if (invalid !== undefined) {
    const { leaf, element, reason } = invalid;
    const place = `leaf ${leaf}, element ${element}`;
    throw new GradworkError(
      `${what}_INVALID_ENCODING`,
      `Expected scale bytes 0 or 3…252, magnitude 0 under scale 0 and code 0 past the parameter count, got ${reason} ` +
        `at ${place}; discard these bytes`,
      invalid,
    );
  }
}

function requireLength(leaves: Uint8Array, parameterCount: number, what: "MXFP4" | "UPDATE"): void {
  const expected = leafCount(parameterCount) * QUANT_LEAF_BYTES;
  if (leaves.length !== expected) throw wrongLength(what, "bytes", expected, leaves.length);
}

function wrongLength(
  what: "MXFP4" | "UPDATE",
  unit: string,
  expected: number,
  received: number,
): GradworkError {
  return new GradworkError(`${what}_WRONG_LENGTH`, `Expected ${expected} ${unit}, got ${received}`, {
    expected,
    received,
  });
}

function encodeLeaf(bits: Uint32Array, start: number, out: Uint8Array, scalesAt: number, leaf: number): void {
  let codesAt = scalesAt + BLOCKS_PER_LEAF;
  let element = start;
  for (let block = 0; block < BLOCKS_PER_LEAF; block++) {
    const end = element + PARAMETERS_PER_BLOCK;
    let largest = 0;
    for (let i = element; i < end; i++) {
      largest = Math.max(largest, bits[i]! & MAGNITUDE_MASK);
    }
    const exponent = largest >>> MANTISSA_BITS;
    if (exponent === NON_FINITE_EXPONENT) throw nonFinite(bits, element, leaf * PARAMETERS_PER_LEAF - start);
    if (exponent < MIN_EXPONENT) {
      out[scalesAt + block] = 0;
      for (; element < end; element += 2) {
        out[codesAt++] = ((bits[element]! >>> 31) << 3) | ((bits[element + 1]! >>> 31) << 7);
      }
    } else {
      const scale = exponent - LARGEST_LEVEL_EXPONENT;
      const quarterBits = (scale - 2) << MANTISSA_BITS;
      out[scalesAt + block] = scale;
      for (; element < end; element += 2) {
        out[codesAt++] = codeOf(bits[element]!, quarterBits) | (codeOf(bits[element + 1]!, quarterBits) << 4);
      }
    }
  }
}

/**
 * Code of one element: the sign, and how many midpoints between levels lie below its magnitude. Float32 bits grow with
 * the magnitude, so each midpoint is compared by its bits above those of ¼ (times the scale), where x >>> 31 is 1 for a
 * negative x. A tie goes to the even index: midpoints under an even index count themselves, hence their − 1.
 */
function codeOf(bits: number, quarterBits: number): number {
  const aboveQuarter = (bits & MAGNITUDE_MASK) - quarterBits;
  const index =
    (-aboveQuarter >>> 31) + // ¼
    ((0x0c0_0000 - 1 - aboveQuarter) >>> 31) + // ¾
    ((0x120_0000 - aboveQuarter) >>> 31) + // 1¼
    ((0x160_0000 - 1 - aboveQuarter) >>> 31) + // 1¾
    ((0x1a0_0000 - aboveQuarter) >>> 31) + // 2½
    ((0x1e0_0000 - 1 - aboveQuarter) >>> 31) + // 3½
    ((0x220_0000 - aboveQuarter) >>> 31); // 5
  return ((bits >>> 31) << 3) | index;
}

function codeAt(leaves: Uint8Array, leaf: number, element: number): number {
  const byte = leaves[leaf * QUANT_LEAF_BYTES + BLOCKS_PER_LEAF + (element >> 1)]!;
  return (element & 1) === 0 ? byte & 15 : byte >> 4;
}

function nonFinite(bits: Uint32Array, start: number, offset: number): GradworkError {
  let at = start;
  while ((bits[at]! & MAGNITUDE_MASK) >>> MANTISSA_BITS !== NON_FINITE_EXPONENT) at++;
  return nonFiniteParameter(offset + at, new Float32Array(bits.buffer, bits.byteOffset + 4 * at, 1)[0]!);
}

/** The error for a parameter that is NaN or infinite. */
export function nonFiniteParameter(index: number, value: number): GradworkError {
  return new GradworkError(
    "NON_FINITE_PARAMETER",
    `Expected finite parameters, got ${value} at index ${index}`,
    {
      index,
      value,
    },
  );
}

/** Value of each code under each scale byte, at scale·16 + code; NaN where the pair is invalid. */
const DECODED = Float32Array.from({ length: 256 * 16 }, (_, at) => {
  const scale = at >> 4;
  const magnitude = MAGNITUDES[at & 7]!;
  const valid = scale === 0 ? magnitude === 0 : scale >= MIN_SCALE && scale <= MAX_SCALE;
  const sign = (at & 8) === 0 ? 1 : -1;
  return valid ? sign * magnitude * 2 ** (scale - 127) : Number.NaN;
});
