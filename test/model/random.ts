/** Uniform uint32 from a seed (splitmix32), so that a failing case comes back. */
export function randomUint32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e37_79b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0_aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a_2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}

/** Finite float32 of all magnitudes, signs and zeros: half of them random bits, half near one another. */
export function randomParameters(length: number, seed: number): Float32Array {
  const next = randomUint32(seed);
  const bits = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    const wide = (i >> 5) % 2 === 0;
    const exponent = wide ? next() % 255 : 118 + (next() % 6);
    bits[i] = next() % 16 === 0 ? next() & 0x8000_0000 : (next() & 0x807f_ffff) | (exponent << 23);
  }
  return new Float32Array(bits.buffer);
}

/** Values like a model's weights or steps, within ±scale. */
export function smallParameters(length: number, seed: number, scale: number): Float32Array {
  const next = randomUint32(seed);
  return Float32Array.from({ length }, () => (next() / 2 ** 31 - 1) * scale);
}

export function randomBytes(length: number, seed: number): Uint8Array {
  const next = randomUint32(seed);
  return Uint8Array.from({ length }, () => next() & 255);
}
