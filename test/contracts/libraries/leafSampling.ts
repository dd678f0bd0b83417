import { expect } from "chai";
import { toBeHex } from "ethers";
import { fromHex } from "../../../clients/model/bytes.ts";
import { drawIndices } from "../../../clients/model/draws.ts";
import { keccak256Bytes } from "../../../clients/model/keccak.ts";
import { createRandom, shuffle } from "../../../clients/training/random.ts";
import { expectTable } from "../support/snapshot.ts";
import { deployHarness } from "./harness.ts";

const LEAVES = 10_000;
const TASK = 3n;
const CORRUPTED_LEAVES = [10, 100, 1_000];
/** Numbers of checks, each with as many seeds as make the rarest case happen often enough. */
const SEEDS = new Map([
  [1, 20_000],
  [4, 10_000],
  [16, 2_500],
]);
/** Draws in one call: its cost grows with the square of its memory. */
const BATCH_DRAWS = 1_600;
/** Share of experiments that may fall outside the interval. */
const ALPHA = 0.001;

describe("random leaf checks", () => {
  const cases = CORRUPTED_LEAVES.flatMap((corrupted) =>
    [...SEEDS].map(([checks, seeds]) => ({ corrupted, checks, seeds })),
  );
  /** By number of checks, the contract's leaves for each seed. */
  const drawn = new Map<number, number[][]>();

  before(async () => {
    const harness = await deployHarness();
    for (const [checks, seeds] of SEEDS) {
      const leaves: number[][] = [];
      while (leaves.length < seeds) {
        const batch = Math.min(BATCH_DRAWS / checks, seeds - leaves.length);
        const hashes = Array.from({ length: batch }, (_, i) => seedOf(leaves.length + i));
        const indices = (await harness.leafIndices(hashes, TASK, checks, LEAVES)).map(Number);
        for (let i = 0; i < batch; i++) leaves.push(indices.slice(i * checks, (i + 1) * checks));
      }
      drawn.set(checks, leaves);
    }
  });

  for (const [checks, seeds] of SEEDS) {
    it(`are of the leaves that TypeScript draws, ${checks} for each of ${seeds} seeds`, () => {
      expect(drawn.get(checks)).to.have.length(seeds);
      for (const [i, leaves] of drawn.get(checks)!.entries()) {
        expect(drawIndices(seedOf(i), "LEAF", TASK, 1n, 0n, checks, LEAVES)).to.deep.equal(leaves);
      }
    });
  }

  for (const { corrupted, checks, seeds } of cases) {
    it(`catch ${corrupted} of ${LEAVES} leaves by ${checks} as often as 1 − (1 − f)^k says`, () => {
      const [least, most] = likelyCounts(seeds, predictedShare(corrupted, checks));
      expect(countCaught(corrupted, checks)).to.be.within(least, most);
    });
  }

  it("are of enough seeds to tell fewer checks from more", () => {
    for (const [i, { corrupted, checks, seeds }] of cases.entries()) {
      const next = cases[i + 1];
      if (next?.corrupted !== corrupted) continue;
      const [, most] = likelyCounts(seeds, predictedShare(corrupted, checks));
      const [least] = likelyCounts(next.seeds, predictedShare(corrupted, next.checks));
      expect(most / seeds).to.be.below(least / next.seeds);
    }
  });

  it("catch what the table in docs/security.md says", () => {
    expectTable(
      "docs/security.md",
      ["corrupted f", "checks k", "seeds", "1 − (1 − f)^k", "99.9% interval", "caught"],
      cases.map(({ corrupted, checks, seeds }) => {
        const predicted = predictedShare(corrupted, checks);
        const [least, most] = likelyCounts(seeds, predicted);
        return [
          `${(100 * corrupted) / LEAVES}%`,
          String(checks),
          String(seeds),
          percent(predicted),
          `${percent(least / seeds)} to ${percent(most / seeds)}`,
          percent(countCaught(corrupted, checks) / seeds),
        ];
      }),
    );
  });

  /** Seeds that draw a corrupted leaf. */
  function countCaught(corrupted: number, checks: number): number {
    const order = Uint32Array.from({ length: LEAVES }, (_, leaf) => leaf);
    shuffle(order, createRandom(corrupted));
    const bad = new Set(order.subarray(0, corrupted));
    return drawn.get(checks)!.filter((leaves) => leaves.some((leaf) => bad.has(leaf))).length;
  }
});

describe("the interval of a binomial count", () => {
  it("leaves out the ends that are less likely than half of a thousandth, and no more", () => {
    // Of 20 tosses of a coin P(≤ 2) = 211/2^20 = 0.0002 and P(≤ 3) = 1351/2^20 = 0.0013.
    expect(likelyCounts(20, 0.5)).to.deep.equal([3, 17]);
    // 0.9^66 = 0.00095 and 0.9^73 = 0.00046.
    expect(likelyCounts(66, 0.1)[0]).to.equal(0);
    expect(likelyCounts(73, 0.1)[0]).to.equal(1);
  });
});

function seedOf(counter: number): string {
  return keccak256Bytes(fromHex(toBeHex(counter, 32), 32));
}

function predictedShare(corrupted: number, checks: number): number {
  return 1 - (1 - corrupted / LEAVES) ** checks;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}

/**
 * The counts x of n trials with P(X ≤ x) > α/2 and P(X ≥ x) > α/2 for X ~ B(n, p): exactly those whose interval of
 * Clopper and Pearson (Biometrika 1934) has p in it.
 * @param p in (0, 1)
 * @returns the least and the most of them
 */
function likelyCounts(n: number, p: number): [least: number, most: number] {
  // In logarithms: (1 − p)^n may be below the least double.
  const logs = [n * Math.log1p(-p)];
  for (let x = 0; x < n; x++) logs.push(logs[x]! + Math.log((n - x) / (x + 1)) + Math.log(p / (1 - p)));
  const probabilities = logs.map(Math.exp);
  let [least, most] = [0, n];
  for (let tail = probabilities[0]!; tail <= ALPHA / 2; tail += probabilities[++least]!);
  for (let tail = probabilities[n]!; tail <= ALPHA / 2; tail += probabilities[--most]!);
  return [least, most];
}
