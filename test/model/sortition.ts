import { expect } from "chai";
import { draw } from "../../clients/model/draws.ts";
import { sortitionWeight } from "../../clients/model/sortition.ts";
import { thrownBy } from "./thrown.ts";

const SEED = `0x${"c0".repeat(32)}`;
const MAX_DRAW = 2n ** 256n - 1n;

/** What an account weighs in a round of its own. */
function weightIn(round: number, account: number, stake: bigint, total: bigint, size: bigint): bigint {
  return sortitionWeight(draw(SEED, "COMMITTEE", 0n, BigInt(round), 0n, BigInt(account)), stake, total, size);
}

describe("sortition", () => {
  it("draws everybody, with the stake as weight, where the expected committee holds all", () => {
    expect(sortitionWeight(MAX_DRAW, 7n, 7n, 1n)).to.equal(7n);
    expect(sortitionWeight(MAX_DRAW, 25n, 100n, 4n)).to.equal(25n);
    expect(sortitionWeight(MAX_DRAW, 60n, 100n, 4n)).to.equal(60n);
    expect(sortitionWeight(MAX_DRAW, 24n, 100n, 4n)).to.equal(0n);
  });

  it("draws below p = stake · size / total, with the weight stake / p", () => {
    const limit = (MAX_DRAW * 24n) / 25n;
    expect(sortitionWeight(limit - 1n, 24n, 100n, 4n)).to.equal(25n);
    expect(sortitionWeight(limit, 24n, 100n, 4n)).to.equal(0n);
    expect(sortitionWeight(0n, 1n, 103n, 4n)).to.equal(25n);
  });

  it("never draws who has no stake", () => {
    expect(sortitionWeight(0n, 0n, 100n, 4n)).to.equal(0n);
    expect(sortitionWeight(0n, 0n, 0n, 4n)).to.equal(0n);
  });

  it("draws an account in a share p of the rounds, within five standard deviations", () => {
    const rounds = 60_000;
    for (const [stake, p] of [
      [1n, 0.08],
      [5n, 0.4],
    ] as const) {
      let drawn = 0;
      for (let round = 0; round < rounds; round++) {
        if (weightIn(round, 1, stake, 100n, 8n) !== 0n) drawn++;
      }
      const deviation = Math.sqrt((p * (1 - p)) / rounds);
      expect(Math.abs(drawn / rounds - p)).to.be.below(5 * deviation);
    }
  });

  it("weighs the total on average, however unequal the stakes, within five standard deviations", () => {
    const size = 8n;
    // The largest is always drawn, the smallest in one of some 2,000 rounds.
    const stakes = Array.from(
      { length: 80 },
      (_, i) => 10n ** 18n * BigInt(1 + i ** 2 + (i === 79 ? 30_000 : 0)),
    );
    const total = stakes.reduce((sum, stake) => sum + stake, 0n);
    const rounds = 2_000;
    let sum = 0n;
    for (let round = 0; round < rounds; round++) {
      for (const [account, stake] of stakes.entries()) sum += weightIn(round, account, stake, total, size);
    }
    // Of one round: Σ s²·(1/p − 1) is at most T²/E.
    const deviation = Math.sqrt(1 / Number(size) / rounds);
    expect(Math.abs(Number(sum / BigInt(rounds)) / Number(total) - 1)).to.be.below(5 * deviation);
  });

  it("gains nothing by splitting stake over accounts, within five standard deviations", () => {
    const [stake, total, size] = [10n ** 20n, 10n ** 22n, 8n];
    const rounds = 8_000;
    const meanWeight = (accounts: number) => {
      let sum = 0n;
      for (let round = 0; round < rounds; round++) {
        for (let i = 0; i < accounts; i++) {
          sum += weightIn(round, 1_000 * accounts + i, stake / BigInt(accounts), total, size);
        }
      }
      return Number(sum) / rounds / Number(stake);
    };
    // Of one account in one round: 1/p − 1, of stake squared; of more of them together at most 1/p.
    const deviation = Math.sqrt(Number(total) / Number(stake * size) / rounds);
    for (const accounts of [1, 2, 10]) {
      expect(Math.abs(meanWeight(accounts) - 1), `${accounts} accounts`).to.be.below(5 * deviation);
    }
  });

  it("refuses numbers out of range", () => {
    for (const [drawn, stake, total, size] of [
      [-1n, 1n, 2n, 1n],
      [MAX_DRAW + 1n, 1n, 2n, 1n],
      [0n, -1n, 2n, 1n],
      [0n, 3n, 2n, 1n],
      [0n, 1n, 2n, 0n],
    ] as const) {
      expect(thrownBy(() => sortitionWeight(drawn, stake, total, size)).code).to.equal("INVALID_SORTITION");
    }
  });
});
