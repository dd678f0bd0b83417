import { expect } from "chai";
import { type Result, ZeroAddress, ZeroHash } from "ethers";
import { OUTCOMES, type Outcome, VERDICTS, type Verdict } from "../../clients/chain/phase.ts";
import { createRandom, type Random } from "../../clients/training/random.ts";
import type { TallyHarness } from "../../types/test/TallyHarness.ts";
import { ethers } from "./support/scenario.ts";

/** `Tally.Standing` of contracts/libraries/Tally.sol, in its order. */
const STANDINGS = ["Neutral", "Rewarded", "Deviating", "Silent"] as const;
type Standing = (typeof STANDINGS)[number];

type Ballot = { stake: bigint; verdict: Verdict; lossBefore: bigint; lossAfter: bigint };
type Case = { ballots: Ballot[]; quorate: boolean; minImprovement: bigint; tolerance: bigint };
type Count = {
  outcome: Outcome;
  improvement: bigint;
  positiveStake: bigint;
  negativeStake: bigint;
  rewardedStake: bigint;
  standings: Standing[];
};

const sum = (values: bigint[]) => values.reduce((total, value) => total + value, 0n);
const stakeOf = (ballots: Ballot[]) => sum(ballots.map(({ stake }) => stake));
const distance = (a: bigint, b: bigint) => (a > b ? a - b : b - a);

/** The smallest value that, with all smaller ones, has half of the stake. */
function medianOf(ballots: Ballot[], lossOf: (ballot: Ballot) => bigint): bigint {
  const values = ballots.map(lossOf).toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const reaches = (x: bigint) =>
    2n * stakeOf(ballots.filter((each) => lossOf(each) <= x)) >= stakeOf(ballots);
  return values.find(reaches) ?? 0n;
}

/** Protocol §2.6, said as plainly as can be. */
function plainCount({ ballots, quorate, minImprovement, tolerance }: Case): Count {
  const positives = ballots.filter(({ verdict }) => verdict === "Positive");
  const negatives = ballots.filter(({ verdict }) => verdict === "Negative");
  const [positiveStake, negativeStake] = [stakeOf(positives), stakeOf(negatives)];
  const before = medianOf(positives, ({ lossBefore }) => lossBefore);
  const after = medianOf(positives, ({ lossAfter }) => lossAfter);
  const improvement = medianOf(positives, ({ lossBefore, lossAfter }) => lossBefore - lossAfter);

  const votedDown = 3n * negativeStake > positiveStake + negativeStake;
  let outcome: Outcome = "Void";
  if (quorate && votedDown) outcome = "Rejected";
  else if (quorate && positives.length > 0) {
    if (improvement >= minImprovement) outcome = "Confirmed";
    if (improvement < -tolerance) outcome = "Rejected";
  }

  const standings = ballots.map(({ verdict, lossBefore, lossAfter }): Standing => {
    const close = distance(lossBefore, before) <= tolerance && distance(lossAfter, after) <= tolerance;
    if (verdict === "None") return "Silent";
    if (verdict === "Unavailable") return "Neutral";
    if (verdict === "Negative") {
      if (outcome === "Confirmed") return "Deviating";
      return outcome === "Rejected" && votedDown ? "Rewarded" : "Neutral";
    }
    if (outcome === "Void") return close ? "Rewarded" : "Neutral";
    return close && !(outcome === "Rejected" && votedDown) ? "Rewarded" : "Deviating";
  });
  const rewardedStake = stakeOf(ballots.filter((_, i) => standings[i] === "Rewarded"));
  return { outcome, improvement, positiveStake, negativeStake, rewardedStake, standings };
}

/** Small numbers, so that ties and exact bounds are common, or the largest there are. */
function randomCase(random: Random): Case {
  const below = (limit: number) => BigInt(Math.floor(random() * limit));
  const isLarge = random() < 0.1;
  const [loss, stake] = isLarge
    ? [() => 2n ** 64n - 1n - below(4), () => 2n ** 90n - below(4)]
    : [() => below(9), () => 1n + below(6)];
  const tolerance = below(4);
  const positiveShare = random();
  const ballots = Array.from({ length: Number(below(10)) }, (): Ballot => {
    const verdict = random() < positiveShare ? "Positive" : VERDICTS[Number(below(4))]!;
    const [lossBefore, lossAfter] = verdict === "Positive" ? [loss(), loss()] : [0n, 0n];
    return { stake: stake(), verdict, lossBefore, lossAfter };
  });
  return { ballots, quorate: random() < 0.9, minImprovement: tolerance + 1n + below(3), tolerance };
}

async function contractCounts(harness: TallyHarness, cases: Case[]): Promise<Count[]> {
  const results = await harness.count(
    cases.map(({ ballots, ...rest }) => ({
      attesters: ballots.map(({ stake }) => ({ account: ZeroAddress, stake })),
      attestations: ballots.map(({ verdict, lossBefore, lossAfter }) => ({
        commitment: ZeroHash,
        verdict: VERDICTS.indexOf(verdict),
        reason: 0,
        lossBefore,
        lossAfter,
      })),
      ...rest,
    })),
  );
  return results.map((result) => {
    const { outcome, standings, ...rest } = (result as unknown as Result).toObject();
    return {
      ...rest,
      outcome: OUTCOMES[Number(outcome)]!,
      standings: Array.from(standings as bigint[], (standing) => STANDINGS[Number(standing)]!),
    } as Count;
  });
}

describe("Tally", () => {
  it("agrees with its plain twin on 2,000 random rounds", async () => {
    const harness = await ethers.deployContract("TallyHarness");
    const random = createRandom(20_260);
    const seen = new Map<string, number>();
    for (let batch = 0; batch < 20; batch++) {
      const cases = Array.from({ length: 100 }, () => randomCase(random));
      const counts = await contractCounts(harness, cases);
      for (const [i, each] of cases.entries()) {
        const plain = plainCount(each);
        expect(
          counts[i],
          JSON.stringify(each, (_, value) => String(value)),
        ).to.deep.equal(plain);
        for (const key of [plain.outcome, ...plain.standings]) seen.set(key, (seen.get(key) ?? 0) + 1);
      }
    }
    // Every outcome of a vote and every standing came up often.
    for (const key of ["Confirmed", "Rejected", "Void", ...STANDINGS]) {
      expect(seen.get(key), key).to.be.above(150);
    }
  });
});
