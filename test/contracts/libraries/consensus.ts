import { expect } from "chai";
import { trimmedMean } from "../../../clients/model/trimmedMean.ts";
import { weightedMedian } from "../../../clients/model/weightedMedian.ts";
import { randomUint32 } from "../../model/random.ts";
import { deployHarness, type Harness } from "./harness.ts";

type Weighted = { values: bigint[]; weights: bigint[] };

/** What the harness gives, from the twins. */
function plainConsensus({ values, weights }: Weighted, share: bigint): bigint[] {
  const deviation = (center: bigint) =>
    weightedMedian(
      values.map((value) => (value < center ? center - value : value - center)),
      weights,
    );
  const median = weightedMedian(values, weights);
  const mean = trimmedMean(values, weights, share);
  return [median, deviation(median), mean, deviation(mean)];
}

describe("Consensus", () => {
  let harness: Harness;
  before(async () => {
    harness = await deployHarness();
  });

  async function expectTwins(list: Weighted, share: bigint): Promise<void> {
    const given = await harness.consensus(list.values, list.weights, share);
    expect([...given], `${list.values} · ${list.weights}, ${share}`).to.deep.equal(
      plainConsensus(list, share),
    );
  }

  it("agrees with its twins on 600 lists of 1 to 16 values, with ties and weights of all sizes", async () => {
    const next = randomUint32(7);
    for (let round = 0; round < 600; round++) {
      const length = 1 + (next() % 16);
      const spread = [2, 5, 1_000, 1_000_001][next() % 4]!;
      const heaviest = [1, 3, 1_000_000][next() % 3]!;
      const values = Array.from({ length }, () => BigInt(next() % spread));
      const weights = values.map(() => 1n + BigInt(next() % heaviest));
      await expectTwins({ values, weights }, BigInt(next() % 500_000));
    }
  });

  it("holds at the ends of shares and numbers", async () => {
    const huge = 2n ** 120n;
    for (const share of [0n, 1n, 499_999n]) {
      await expectTwins({ values: [7n], weights: [1n] }, share);
      await expectTwins({ values: [7n, 7n, 7n], weights: [1n, 2n, 3n] }, share);
      await expectTwins({ values: [0n, 1_000_000n], weights: [1n, 1n] }, share);
      await expectTwins({ values: [5n, 0n, 5n, 9n], weights: [huge, 1n, huge, huge] }, share);
    }
  });

  it("never goes by who has less than half of the weight", async () => {
    const next = randomUint32(8);
    for (let round = 0; round < 100; round++) {
      const honest = Array.from({ length: 8 }, () => 600_000n + BigInt(next() % 1_000));
      const liars = Array.from({ length: 7 }, () => BigInt(next() % 2) * 1_000_000n);
      const values = [...honest, ...liars];
      const weights = values.map(() => 1n);
      const [median, spread] = await harness.consensus(values, weights, 0);
      expect(median >= 600_000n && median < 601_000n).to.equal(true);
      expect(spread < 1_000n).to.equal(true);
    }
  });

  it("sorts as the plain order does, whatever the length, with ties", async () => {
    const next = randomUint32(9);
    for (let length = 0; length <= 20; length++) {
      for (let round = 0; round < 10; round++) {
        const words = Array.from({ length }, () =>
          round % 2 === 0 ? 1n + BigInt(next() % 5) : (BigInt(next()) << 224n) | BigInt(next()),
        );
        const order = words.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
        expect([...(await harness.sorted(words))]).to.deep.equal(order);
      }
    }
    const largest = 2n ** 256n - 1n;
    expect([...(await harness.sorted([largest, 1n, largest]))]).to.deep.equal([1n, largest, largest]);
  });
});
