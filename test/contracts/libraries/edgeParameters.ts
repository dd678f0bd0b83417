import { BLOCKS_PER_LEAF, PARAMETERS_PER_BLOCK } from "../../../clients/model/geometry.ts";
import { randomUint32 } from "../../model/random.ts";

const NON_FINITE = 0x7f80_0000;
// Exponents on both sides of where an encoding's scale byte changes kind, and some in between.
const EXPONENTS = [0, 1, 3, 4, 5, 6, 7, 60, 118, 127, 200, 252, 253, 254];

/** How the magnitudes of a block are made from random bits and the block's greatest exponent. */
const BLOCK_KINDS: ((bits: number, exponent: number) => number)[] = [
  // Anything.
  (bits) => bits,
  // Around one exponent, as weights are.
  (bits, exponent) => (below(exponent, bits % 8) << 23) | (bits & 0x7f_ffff),
  // Two bits of fraction, and at times the last one: on midpoints between levels and just above.
  (bits, exponent) => (below(exponent, bits % 6) << 23) | (bits & 0x60_0000) | ((bits & 0x100) >> 8),
  // Just below midpoints.
  (bits, exponent) => ((below(exponent, bits % 6) << 23) | (bits & 0x60_0000)) - (bits & 0x100 ? 1 : 0),
  // Subnormal, or zero.
  (bits) => (bits & 0x300 ? bits & 0x7f_ffff : 0),
  // Mostly zeros.
  (bits, exponent) => (bits % 16 === 0 ? exponent << 23 : 0),
];

/** Finite float32 in leaves whose blocks each meet an edge of the encoding or of addition. */
export function edgeParameters(leafCount: number, seed: number): Float32Array {
  const next = randomUint32(seed);
  const bits = new Uint32Array(leafCount * BLOCKS_PER_LEAF * PARAMETERS_PER_BLOCK);
  for (let start = 0, block = 0; start < bits.length; start += PARAMETERS_PER_BLOCK, block++) {
    const kind = BLOCK_KINDS[block % BLOCK_KINDS.length]!;
    const exponent = EXPONENTS[next() % EXPONENTS.length]!;
    for (let i = start; i < start + PARAMETERS_PER_BLOCK; i++) {
      const magnitude = Math.max(0, kind(next(), exponent)) & 0x7fff_ffff;
      bits[i] = (magnitude < NON_FINITE ? magnitude : magnitude & 0x7eff_ffff) | (next() & 0x8000_0000);
    }
  }
  return new Float32Array(bits.buffer);
}

function below(exponent: number, steps: number): number {
  return Math.max(0, exponent - steps);
}
