import { expect } from "chai";
import { weightedMedian } from "../../clients/model/weightedMedian.ts";
import { randomUint32 } from "./random.ts";
import { thrownBy } from "./thrown.ts";

describe("weighted median", () => {
  it("is the lower of two middle values", () => {
    expect(weightedMedian([1n, 2n], [1n, 1n])).to.equal(1n);
    expect(weightedMedian([30n, 10n, 20n], [1n, 1n, 1n])).to.equal(20n);
    expect(weightedMedian([-5n], [3n])).to.equal(-5n);
  });

  it("follows the weights", () => {
    expect(weightedMedian([1n, 2n, 3n], [1n, 1n, 3n])).to.equal(3n);
    expect(weightedMedian([1n, 2n, 3n], [2n, 0n, 2n])).to.equal(1n);
    expect(weightedMedian([1n, 2n, 3n], [2n, 1n, 2n])).to.equal(2n);
  });

  it("is the smallest x whose weight below and at it is at least half", () => {
    const next = randomUint32(1);
    for (let round = 0; round < 500; round++) {
      const values = Array.from({ length: 1 + (next() % 9) }, () => BigInt(next() % 7) - 3n);
      const weights = values.map(() => BigInt(next() % 4));
      weights[0]! += 1n;
      const upTo = (x: bigint) =>
        weights.reduce((sum, weight, i) => (values[i]! <= x ? sum + weight : sum), 0n);
      const holding = values.filter((x) => 2n * upTo(x) >= upTo(3n));
      const [smallest] = holding.toSorted((a, b) => Number(a - b));
      expect(weightedMedian(values, weights)).to.equal(smallest);
    }
  });

  it("keeps its inputs as they were", () => {
    const values = [3n, 1n, 2n];
    weightedMedian(values, [1n, 1n, 1n]);
    expect(values).to.deep.equal([3n, 1n, 2n]);
  });

  it("refuses weights that are missing, negative or all 0", () => {
    for (const [values, weights] of [
      [[], []],
      [[1n], []],
      [[1n], [1n, 1n]],
      [
        [1n, 2n],
        [2n, -1n],
      ],
      [
        [1n, 2n],
        [0n, 0n],
      ],
    ] as [bigint[], bigint[]][]) {
      expect(thrownBy(() => weightedMedian(values, weights)).code).to.equal("INVALID_WEIGHTS");
    }
  });
});
