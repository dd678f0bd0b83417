import { expect } from "chai";
import { randomUint32 } from "../../model/random.ts";
import { deployHarness, type Harness } from "./harness.ts";

const BATCH = 1024;

type Pairs = { a: Uint32Array; b: Uint32Array };

function pairsOf(count: number, pair: (i: number) => [a: number, b: number]): Pairs {
  const a = new Uint32Array(count);
  const b = new Uint32Array(count);
  for (let i = 0; i < count; i++) [a[i], b[i]] = pair(i).map(finite) as [number, number];
  return { a, b };
}

/** Clears the exponent's last bit of an infinity or NaN. */
function finite(bits: number): number {
  return (bits & 0x7f80_0000) === 0x7f80_0000 ? bits ^ 0x80_0000 : bits;
}

/** Sums by the platform's own float32, as bits. */
function platformSums({ a, b }: Pairs): Uint32Array {
  const x = new Float32Array(a.buffer);
  const y = new Float32Array(b.buffer);
  return new Uint32Array(Float32Array.from(x, (value, i) => Math.fround(value + y[i]!)).buffer);
}

describe("Float32", () => {
  let harness: Harness;
  before(async () => {
    harness = await deployHarness();
  });

  async function expectPlatformSums(pairs: Pairs): Promise<void> {
    const expected = platformSums(pairs);
    for (let start = 0; start < expected.length; start += BATCH) {
      const end = start + BATCH;
      const [a, b] = [Array.from(pairs.a.subarray(start, end)), Array.from(pairs.b.subarray(start, end))];
      const sums = await harness.addFloat32(a, b);
      for (let i = 0; i < sums.length; i++) {
        if (Number(sums[i]) === expected[start + i]) continue;
        const [x, y, sum, want] = [a[i]!, b[i]!, Number(sums[i]), expected[start + i]!].map((bits) =>
          (bits >>> 0).toString(16),
        );
        expect.fail(`${x} + ${y} gave ${sum}, expected ${want}`);
      }
    }
  }

  it("adds 8,192 random pairs as the platform does", async () => {
    const next = randomUint32(1);
    await expectPlatformSums(pairsOf(8192, () => [next(), next()]));
  });

  it("adds 4,096 pairs of near exponents as the platform does, half of them cancelling", async () => {
    const next = randomUint32(2);
    const near = (): number => ((100 + (next() % 8)) << 23) | (next() & 0x807f_ffff);
    const pair = (i: number): [number, number] => {
      const a = near();
      return [a, i % 2 === 0 ? near() : a ^ 0x8000_0000 ^ (next() & ((1 << (i % 24)) - 1))];
    };
    await expectPlatformSums(pairsOf(4096, pair));
  });

  it("rounds at every gap of exponents up to 30 as the platform does, ties included", async () => {
    const next = randomUint32(3);
    const fractions = [0, 1, 2, 3, 0x40_0000, 0x3f_ffff, 0x7f_fffe, 0x7f_ffff];
    const pair = (i: number): [number, number] => {
      const exponent = 40 + (next() % 200);
      const fraction = (): number => (next() & 0x8000_0000) | fractions[next() % fractions.length]!;
      return [(exponent << 23) | fraction(), ((exponent - (i % 31)) << 23) | fraction()];
    };
    await expectPlatformSums(pairsOf(31 * 256, pair));
  });

  it("adds subnormals and small values as the platform does", async () => {
    const next = randomUint32(4);
    const small = (): number => next() & 0x83ff_ffff;
    await expectPlatformSums(pairsOf(4096, (i) => [small(), i % 2 === 0 ? small() : next() & 0x807f_ffff]));
  });

  it("adds each pair of edge values as the platform does", async () => {
    const magnitudes = [
      0x0000_0000, 0x0000_0001, 0x0000_0002, 0x0040_0000, 0x007f_ffff, 0x0080_0000, 0x0080_0001, 0x00ff_ffff,
      0x0100_0000, 0x0c00_0000, 0x3300_0000, 0x337f_ffff, 0x3380_0000, 0x3380_0001, 0x3f7f_ffff, 0x3f80_0000,
      0x3f80_0001, 0x3fff_ffff, 0x4000_0000, 0x4b7f_ffff, 0x4b80_0000, 0x4b80_0001, 0x4c00_0000, 0x7280_0000,
      0x7300_0000, 0x7300_0001, 0x7eff_ffff, 0x7f00_0000, 0x7f7f_fffe, 0x7f7f_ffff,
    ];
    const values = [...magnitudes, ...magnitudes.map((bits) => (bits | 0x8000_0000) >>> 0)];
    const n = values.length;
    await expectPlatformSums(pairsOf(n * n, (i) => [values[Math.floor(i / n)]!, values[i % n]!]));
  });
});
