import { expect } from "chai";
import { randomUint32 } from "../../model/random.ts";
import { deployHarness, type Harness } from "./harness.ts";

/** The definition, by sorting. */
function median(values: bigint[], weights: bigint[]): bigint {
  const total = weights.reduce((sum, weight) => sum + weight, 0n);
  const order = values.map((_, i) => i).sort((i, j) => (values[i]! < values[j]! ? -1 : 1));
  let reached = 0n;
  const middle = order.find((i) => {
    reached += weights[i]!;
    return 2n * reached >= total;
  });
  return values[middle!]!;
}

describe("WeightedMedian", () => {
  let harness: Harness;
  before(async () => {
    harness = await deployHarness();
  });

  it("is the definition's on random values with ties, signs and weights of 0", async () => {
    const next = randomUint32(1);
    for (let round = 0; round < 300; round++) {
      const n = 1 + (next() % 12);
      const spread = 1 + (next() % 20);
      const values = Array.from({ length: n }, () => BigInt((next() % spread) - (spread >> 1)));
      const weights = Array.from({ length: n }, () => BigInt(next() % 4));
      weights[next() % n] = 1n + BigInt(next() % 9);
      expect(await harness.weightedMedian(values, weights)).to.equal(median(values, weights));
    }
  });

  it("is the lower one of two middle values", async () => {
    expect(await harness.weightedMedian([7, -3], [1, 1])).to.equal(-3n);
    expect(await harness.weightedMedian([4, 3, 2, 1], [1, 1, 1, 1])).to.equal(2n);
  });

  it("never is a value of weight 0", async () => {
    expect(await harness.weightedMedian([0, 5, 2, 9], [0, 1, 0, 1])).to.equal(5n);
  });

  it("holds at the ends of the number ranges", async () => {
    const max = 2n ** 255n - 1n;
    const min = -(2n ** 255n);
    expect(await harness.weightedMedian([max], [1])).to.equal(max);
    expect(await harness.weightedMedian([max, min], [2, 1])).to.equal(max);
    expect(await harness.weightedMedian([max, min], [2n ** 255n, 2n ** 255n - 1n])).to.equal(max);
    expect(await harness.weightedMedian([max, min], [2n ** 255n - 1n, 2n ** 255n])).to.equal(min);
  });

  it("reverts on lists of different lengths and where nothing weighs anything", async () => {
    await expect(harness.weightedMedian([1, 2], [1]))
      .to.be.revertedWithCustomError(harness, "LengthMismatch")
      .withArgs(2, 1);
    await expect(harness.weightedMedian([1, 2], [0, 0])).to.be.revertedWithCustomError(
      harness,
      "ZeroTotalWeight",
    );
    await expect(harness.weightedMedian([], [])).to.be.revertedWithCustomError(harness, "ZeroTotalWeight");
  });
});
