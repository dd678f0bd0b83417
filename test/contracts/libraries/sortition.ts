import { expect } from "chai";
import { toHex } from "../../../clients/model/bytes.ts";
import { sortitionWeight } from "../../../clients/model/sortition.ts";
import { randomBytes, randomUint32 } from "../../model/random.ts";
import { deployHarness, type Harness } from "./harness.ts";

const MAX_DRAW = 2n ** 256n - 1n;
const MOST_STAKE = 2n ** 96n - 1n;

describe("Sortition", () => {
  let harness: Harness;
  before(async () => {
    harness = await deployHarness();
  });

  async function expectTwins(draw: bigint, stake: bigint, total: bigint, size: bigint): Promise<bigint> {
    const weight = await harness.sortitionWeight(draw, stake, total, size);
    expect(weight, `draw ${draw}, stake ${stake}, total ${total}, size ${size}`).to.equal(
      sortitionWeight(draw, stake, total, size),
    );
    return weight;
  }

  it("weighs what TypeScript weighs, at random stakes, totals and sizes", async () => {
    const next = randomUint32(4);
    const seen = { whole: 0, drawn: 0, notDrawn: 0 };
    for (let i = 0; i < 500; i++) {
      const total = 1n + BigInt(toHex(randomBytes(1 + (next() % 12), i)));
      const stake = (total * BigInt(next() % 1_001)) / BigInt(1_000 * (1 + (next() % 12)));
      const size = 1n + BigInt(next() % 16);
      const weight = await expectTwins(BigInt(toHex(randomBytes(32, 1_000 + i))), stake, total, size);
      seen[stake * size >= total ? "whole" : weight === 0n ? "notDrawn" : "drawn"]++;
    }
    for (const [name, times] of Object.entries(seen)) expect(times, name).to.be.above(100);
  });

  it("agrees to the last draw that is admitted, and on the next, which is not", async () => {
    const next = randomUint32(5);
    for (let i = 0; i < 100; i++) {
      const total = 2n + BigInt(toHex(randomBytes(12, i)));
      const size = 1n + BigInt(next() % 16);
      const stake = 1n + ((total / size) * BigInt(next() % 1_000)) / 1_001n;
      const limit = (MAX_DRAW * stake * size) / total;
      expect(await expectTwins(limit - 1n, stake, total, size)).to.equal(total / size);
      expect(await expectTwins(limit, stake, total, size)).to.equal(0n);
    }
  });

  it("holds at the ends of the number ranges", async () => {
    for (const draw of [0n, 1n, MAX_DRAW - 1n, MAX_DRAW]) {
      for (const total of [0n, 1n, 15n, 16n, 17n, MOST_STAKE]) {
        for (const stake of [0n, 1n, total / 16n, total / 16n + 1n, total]) {
          if (stake > total) continue;
          for (const size of [1n, 16n]) await expectTwins(draw, stake, total, size);
        }
      }
    }
  });
});
