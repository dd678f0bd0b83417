import { expect } from "chai";
import type { Result } from "ethers";
import { OUTCOMES, type Outcome, VERDICTS, type Verdict } from "../../clients/chain/phase.ts";
import { createRandom, type Random } from "../../clients/training/random.ts";
import type { TallyHarness } from "../../types/test/TallyHarness.ts";
import { ethers } from "./support/scenario.ts";

/** `Tally.Standing` of contracts/libraries/Tally.sol, in its order. */
const STANDINGS = ["Neutral", "Rewarded", "Deviating"] as const;
type Standing = (typeof STANDINGS)[number];

type Ballot = {
  weight: bigint;
  verdict: Verdict;
  demanded: boolean;
  lossBefore: bigint;
  lossAfter: bigint;
};
type Case = { ballots: Ballot[]; quorumWeight: bigint; minImprovement: bigint; tolerance: bigint };
type Count = {
  outcome: Outcome;
  improvement: bigint;
  positiveWeight: bigint;
  negativeWeight: bigint;
  rewardedWeight: bigint;
  standings: Standing[];
};

const sum = (values: bigint[]) => values.reduce((total, value) => total + value, 0n);
const weightOf = (ballots: Ballot[]) => sum(ballots.map(({ weight }) => weight));
const distance = (a: bigint, b: bigint) => (a > b ? a - b : b - a);

/** The smallest value that, with all smaller ones, has half of the weight. */
function medianOf(ballots: Ballot[], lossOf: (ballot: Ballot) => bigint): bigint {
  const values = ballots.map(lossOf).toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const reaches = (x: bigint) =>
    2n * weightOf(ballots.filter((each) => lossOf(each) <= x)) >= weightOf(ballots);
  return values.find(reaches) ?? 0n;
}

/** Protocol §2.6, said as plainly as can be. */
function plainCount({ ballots, quorumWeight, minImprovement, tolerance }: Case): Count {
  const isAgainst = ({ verdict, demanded }: Ballot) =>
    verdict === "Negative" || (verdict === "Unavailable" && demanded);
  const positives = ballots.filter(({ verdict }) => verdict === "Positive");
  const [positiveWeight, negativeWeight] = [weightOf(positives), weightOf(ballots.filter(isAgainst))];
  const before = medianOf(positives, ({ lossBefore }) => lossBefore);
  const after = medianOf(positives, ({ lossAfter }) => lossAfter);
  const improvement = medianOf(positives, ({ lossBefore, lossAfter }) => lossBefore - lossAfter);

  const quorate = positiveWeight + negativeWeight >= quorumWeight;
  const votedDown = 3n * negativeWeight > positiveWeight + negativeWeight;
  let outcome: Outcome = "Void";
  if (quorate && votedDown) outcome = "Rejected";
  else if (quorate && positives.length > 0) {
    if (improvement >= minImprovement) outcome = "Confirmed";
    if (improvement < -tolerance) outcome = "Rejected";
  }

  const standings = ballots.map((ballot): Standing => {
    const { verdict, lossBefore, lossAfter } = ballot;
    const close = distance(lossBefore, before) <= tolerance && distance(lossAfter, after) <= tolerance;
    if (verdict === "Positive") {
      if (outcome === "Void") return close ? "Rewarded" : "Neutral";
      return close && !(outcome === "Rejected" && votedDown) ? "Rewarded" : "Deviating";
    }
    if (outcome === "Rejected" && votedDown && isAgainst(ballot)) return "Rewarded";
    // Who abstained is never penalized, demand or not.
    return outcome === "Confirmed" && verdict === "Negative" ? "Deviating" : "Neutral";
  });
  const rewardedWeight = weightOf(ballots.filter((_, i) => standings[i] === "Rewarded"));
  return { outcome, improvement, positiveWeight, negativeWeight, rewardedWeight, standings };
}

/** Small numbers, so that ties and exact bounds are common, or the largest there are. */
function randomCase(random: Random): Case {
  const below = (limit: number) => BigInt(Math.floor(random() * limit));
  const isLarge = random() < 0.1;
  const [loss, weight] = isLarge
    ? [() => 2n ** 64n - 1n - below(4), () => 2n ** 90n - below(4)]
    : [() => below(9), () => 1n + below(6)];
  const tolerance = below(4);
  const positiveShare = random();
  const ballots = Array.from({ length: Number(below(10)) }, (): Ballot => {
    const verdict = random() < positiveShare ? "Positive" : VERDICTS[Number(below(4))]!;
    const lossBefore = loss();
    // A loss before goes with the whole ballot, whatever it says of this proposal.
    return {
      weight: weight(),
      verdict,
      demanded: verdict === "Unavailable" && random() < 0.5,
      lossBefore,
      lossAfter: verdict === "Positive" ? loss() : 0n,
    };
  });
  // At, above and below what decides.
  const deciding = weightOf(
    ballots.filter(({ verdict, demanded }) => verdict === "Positive" || verdict === "Negative" || demanded),
  );
  const quorumWeight = random() < 0.7 ? deciding / 2n : deciding + below(3) - 1n;
  return {
    ballots,
    quorumWeight: quorumWeight < 1n ? 1n : quorumWeight,
    minImprovement: tolerance + 1n + below(3),
    tolerance,
  };
}

async function contractCounts(harness: TallyHarness, cases: Case[]): Promise<Count[]> {
  const results = await harness.count(
    cases.map(({ ballots, ...rest }) => ({
      ballots: ballots.map(({ verdict, ...ballot }) => ({ ...ballot, verdict: VERDICTS.indexOf(verdict) })),
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

const EPSILON = 50n;
const TOLERANCE = 20n;

function positive(weight: bigint, lossBefore: bigint, lossAfter: bigint): Ballot {
  return { weight, verdict: "Positive", demanded: false, lossBefore, lossAfter };
}

function negative(weight: bigint): Ballot {
  return { weight, verdict: "Negative", demanded: false, lossBefore: 0n, lossAfter: 0n };
}

function unavailable(weight: bigint, demanded: boolean): Ballot {
  return { weight, verdict: "Unavailable", demanded, lossBefore: 0n, lossAfter: 0n };
}

const NOTHING: Ballot = { weight: 5n, verdict: "None", demanded: false, lossBefore: 0n, lossAfter: 0n };

describe("Tally", () => {
  let harness: TallyHarness;

  before(async () => {
    harness = await ethers.deployContract("TallyHarness");
  });

  async function count(ballots: Ballot[], quorumWeight = 1n): Promise<Count> {
    const [counted] = await contractCounts(harness, [
      { ballots, quorumWeight, minImprovement: EPSILON, tolerance: TOLERANCE },
    ]);
    return counted!;
  }

  const better = (weight: bigint) => positive(weight, 1_000n, 900n);
  const worse = (weight: bigint) => positive(weight, 1_000n, 1_100n);

  it("voids a proposal on which nobody decided", async () => {
    for (const ballots of [[], [NOTHING], [unavailable(9n, false)]]) {
      const counted = await count(ballots);
      expect(counted.outcome).to.equal("Void");
      expect(counted.standings).to.deep.equal(ballots.map(() => "Neutral"));
    }
  });

  it("reaches its quorum with the weight of positives and negatives, and with no other", async () => {
    const ballots = [better(6n), negative(3n), unavailable(50n, false), NOTHING];
    expect((await count(ballots, 9n)).outcome).to.equal("Confirmed");
    expect((await count(ballots, 10n)).outcome).to.equal("Void");
  });

  it("is voted down by more than a third of the weight that decided", async () => {
    expect((await count([better(6n), negative(3n)])).outcome).to.equal("Confirmed");
    expect((await count([better(5n), negative(3n)])).outcome).to.equal("Rejected");
  });

  it("counts who found it unavailable against it only with an own demand on chain", async () => {
    const withDemand = await count([better(5n), unavailable(3n, true)]);
    expect([withDemand.outcome, withDemand.negativeWeight]).to.deep.equal(["Rejected", 3n]);
    expect(withDemand.standings).to.deep.equal(["Deviating", "Rewarded"]);

    const abstained = await count([better(5n), unavailable(3n, false)]);
    expect([abstained.outcome, abstained.negativeWeight]).to.deep.equal(["Confirmed", 0n]);
    expect(abstained.standings).to.deep.equal(["Rewarded", "Neutral"]);
  });

  it("never penalizes who found it unavailable", async () => {
    for (const demanded of [false, true]) {
      for (const measured of [better, worse]) {
        const { standings } = await count([measured(9n), unavailable(1n, demanded)]);
        expect(standings[1]).to.equal("Neutral");
      }
    }
  });

  const bounds: [improvement: bigint, outcome: Outcome][] = [
    [EPSILON, "Confirmed"],
    [EPSILON - 1n, "Void"],
    [-TOLERANCE, "Void"],
    [-TOLERANCE - 1n, "Rejected"],
  ];
  for (const [improvement, outcome] of bounds) {
    it(`makes ${outcome} of a median improvement of ${improvement}, where ε is 50 and the tolerance 20`, async () => {
      const counted = await count([positive(1n, 1_000n, 1_000n - improvement)]);
      expect([counted.outcome, counted.improvement]).to.deep.equal([outcome, improvement]);
    });
  }

  it("pays the positives within tolerance of both medians, and penalizes the others, where it is confirmed", async () => {
    const { standings, rewardedWeight } = await count([
      better(5n),
      positive(1n, 1_000n + TOLERANCE, 900n - TOLERANCE),
      positive(1n, 1_000n + TOLERANCE + 1n, 900n),
      positive(1n, 1_000n, 900n - TOLERANCE - 1n),
      negative(1n),
      NOTHING,
    ]);
    expect(standings).to.deep.equal([
      "Rewarded",
      "Rewarded",
      "Deviating",
      "Deviating",
      "Deviating",
      "Neutral",
    ]);
    expect(rewardedWeight).to.equal(6n);
  });

  it("pays the positives, and no negative, where their loss rejected it", async () => {
    const { outcome, standings } = await count([worse(6n), negative(2n), better(1n)]);
    expect(outcome).to.equal("Rejected");
    expect(standings).to.deep.equal(["Rewarded", "Neutral", "Deviating"]);
  });

  it("pays who measured well, and penalizes nobody, where it is void", async () => {
    const { outcome, standings } = await count([
      positive(6n, 1_000n, 990n),
      positive(1n, 1_000n, 900n),
      negative(2n),
    ]);
    expect(outcome).to.equal("Void");
    expect(standings).to.deep.equal(["Rewarded", "Neutral", "Neutral"]);
  });

  it("agrees with its plain twin on 2,000 random cases", async () => {
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
