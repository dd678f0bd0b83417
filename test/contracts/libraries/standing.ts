import { expect } from "chai";
import { randomUint32 } from "../../model/random.ts";
import { ethers } from "./harness.ts";

const ONE = 1_000_000n;
const HOUR = 3_600n;

type Change = {
  paid: bigint;
  quality: bigint;
  rate: bigint;
  mostRise: bigint;
  timestamp: bigint;
  isCollected: boolean;
};

/** Everything that a node's trust was, and what it earned. */
type History = { earned: bigint; trust: { since: bigint; value: bigint }[] };

function trustAt({ trust }: History, timestamp: bigint): bigint {
  return trust.findLast(({ since }) => since < timestamp)!.value;
}

/** What is said of standings, with a history instead of three numbers. */
function plainChange(history: History, floor: bigint, change: Change): History {
  if (change.isCollected) return { ...history, earned: 0n };
  const { paid, quality, rate, mostRise, timestamp } = change;
  const now = history.trust.at(-1)!.value;
  const way = ((quality > now ? quality - now : now - quality) * rate) / ONE;
  const rise = way < mostRise ? way : mostRise;
  const moved = quality > now ? now + rise : now - way;
  const value = moved < floor ? floor : moved;
  return { earned: history.earned + paid, trust: [...history.trust, { since: timestamp, value }] };
}

describe("Standing", () => {
  /** Queries that can still be selected were asked within the hour. */
  const ages = [0n, 1n, 1_800n, 3_599n];

  it("agrees with a plain history over 60 random lives of 40 changes", async () => {
    const harness = await ethers.deployContract("AppraisalHarness");
    const next = randomUint32(5);
    const seen = { rises: 0, bounded: 0, falls: 0, floor: 0, sameHour: 0, nextHour: 0, later: 0 };
    for (let life = 0; life < 60; life++) {
      const floor = [125_000n, 500_000n, ONE][next() % 3]!;
      let timestamp = 1_893_456_000n + BigInt(next() % 7_200);
      const changes = Array.from({ length: 40 }, (): Change => {
        const before = timestamp / HOUR;
        timestamp += BigInt([next() % 60, next() % 3_600, 3_600 + (next() % 20_000)][next() % 3]!);
        const hours = timestamp / HOUR - before;
        seen[hours === 0n ? "sameHour" : hours === 1n ? "nextHour" : "later"]++;
        return {
          paid: BigInt(next()) << BigInt(next() % 50),
          quality: [0n, ONE, BigInt(next() % 1_000_001)][next() % 3]!,
          rate: [0n, ONE, BigInt(next() % 1_000_001)][next() % 3]!,
          mostRise: [0n, 1n, BigInt(next() % 300_000), 2n ** 200n][next() % 4]!,
          timestamp,
          isCollected: next() % 8 === 0,
        };
      });
      const { earned, trust, asked } = await harness.replay(floor, changes, ages);
      let history: History = { earned: 0n, trust: [{ since: -1n, value: floor }] };
      for (const [i, change] of changes.entries()) {
        const before = history.trust.at(-1)!.value;
        history = plainChange(history, floor, change);
        const now = history.trust.at(-1)!.value;
        if (!change.isCollected) {
          seen[now > before ? "rises" : now < before ? "falls" : "floor"]++;
          if (now - before === change.mostRise && now > before) seen.bounded++;
        }
        // What counts is how their hour began.
        const expected = ages.map((age) => trustAt(history, ((change.timestamp - age) / HOUR) * HOUR));
        expect([earned[i], trust[i], ...asked[i]!], `life ${life}, change ${i}`).to.deep.equal([
          history.earned,
          now,
          ...expected,
        ]);
      }
    }
    for (const [what, times] of Object.entries(seen)) expect(times, what).to.be.above(50);
  });

  it("starts at the floor, with nothing earned, before and after a payment alone", async () => {
    const harness = await ethers.deployContract("AppraisalHarness");
    const change: Change = {
      paid: 0n,
      quality: 0n,
      rate: 0n,
      mostRise: 0n,
      timestamp: 2n ** 48n,
      isCollected: true,
    };
    const { standings, earned, trust, asked } = await harness.replay(
      300_000n,
      [change],
      [0n, HOUR, 2n ** 48n],
    );
    expect([...standings, ...earned]).to.deep.equal([0n, 0n]);
    expect([...trust, ...asked[0]!]).to.deep.equal(Array(4).fill(300_000n));
  });

  it("keeps what was earned, up to 96 bits, apart from trust", async () => {
    const harness = await ethers.deployContract("AppraisalHarness");
    const most = 2n ** 96n - 1n;
    const change: Change = {
      paid: most,
      quality: ONE,
      rate: ONE,
      mostRise: ONE,
      timestamp: 2n ** 32n * HOUR - 1n,
      isCollected: false,
    };
    const changes = [change, { ...change, paid: 0n, quality: 0n }, { ...change, isCollected: true }];
    const { standings, earned, trust } = await harness.replay(125_000n, changes, []);
    expect([...earned]).to.deep.equal([most, most, 0n]);
    expect([...trust]).to.deep.equal([ONE, 125_000n, 125_000n]);
    for (const standing of standings) expect(standing >> 200n).to.equal(0n);
  });
});
