import { expect } from "chai";
import {
  type AppraisalParams,
  type AppraisedAnswer,
  appraise,
  type Ballot,
} from "../../../clients/model/appraisal.ts";
import { packScores, UNAVAILABLE } from "../../../clients/model/scores.ts";
import { randomUint32 } from "../../model/random.ts";
import { ethers } from "./harness.ts";

const NODE = "0x00000000000000000000000000000000000000aa";
const NOT_JUDGED = 2n ** 256n - 1n;

type Case = {
  answers: AppraisedAnswer[];
  ballots: Ballot[];
  answerMost: bigint;
  dutyMost: bigint;
  params: AppraisalParams;
};

function pick<T>(next: () => number, from: readonly T[]): T {
  return from[next() % from.length]!;
}

/** Scores close together, tied, or anywhere; some of them of answers that never came. */
function randomScores(next: () => number, count: number, kind: number): number[] {
  return Array.from({ length: count }, (_, j) => {
    if (next() % 9 === 0) return UNAVAILABLE;
    if (kind === 0) return next() % 1_000_001;
    const center = 100_000 * (j + 1);
    return kind === 1 ? center + (next() % 5) * 1_000 : center + (next() % 90_000);
  });
}

function randomCase(next: () => number): Case {
  const [answerCount, ballotCount] = [1 + (next() % 8), 1 + (next() % 16)];
  const kind = next() % 3;
  const likely = 1 + (next() % 12);
  const heaviest = pick(next, [1, 1_000, 875_001]);
  const allUnavailable = next() % 10 === 0;
  return {
    answers: Array.from({ length: answerCount }, () => ({
      price: BigInt(next() % 1_000) * 10n ** 15n,
      isCommitted: next() % 6 !== 0,
      isConvicted: next() % 12 === 0,
    })),
    ballots: Array.from({ length: ballotCount }, () => ({
      weight: 125_000n + BigInt(next() % heaviest),
      scores:
        next() % likely === 0 && likely !== 1
          ? undefined
          : randomScores(next, answerCount, kind).map((score, j) =>
              allUnavailable && j === 0 && next() % 2 === 0 ? UNAVAILABLE : score,
            ),
      isConvicted: next() % 10 === 0,
    })),
    answerMost: BigInt(next()) * 10n ** 10n + BigInt(next()),
    dutyMost: next() % 20 === 0 ? BigInt(next() % 10) : BigInt(next()) * 10n ** 9n + BigInt(next()),
    params: {
      aggregate: pick(next, ["Median", "TrimmedMean"]),
      trimShare: pick(next, [0n, 499_999n, BigInt(next() % 500_000)]),
      qualityFactor: pick(next, [0n, 1_000_000n, BigInt(next() % 1_000_001)]),
      costFactor: pick(next, [0n, 1_000_000n, BigInt(next() % 1_000_001)]),
      toleranceScore: pick(next, [1n, 1_000_000n, 1n + BigInt(next() % 100_000)]),
      deviationMultiple: 1n + BigInt(next() % 255),
      quorumShare: pick(next, [500_001n, 1_000_000n, 500_001n + BigInt(next() % 499_999)]),
    },
  };
}

function bits(list: boolean[]): bigint {
  return list.reduce((set, isIn, i) => (isIn ? set | (1n << BigInt(i)) : set), 0n);
}

/** As the contract takes it. */
function contractCase({ answers, ballots, answerMost, dutyMost }: Case) {
  return {
    nodes: [
      ...answers.map(({ price }) => ({ node: NODE, trust: 1n, price })),
      ...ballots.map(({ weight }) => ({ node: NODE, trust: weight, price: 0n })),
    ],
    // What stands for an assessor that revealed nothing does not count.
    scores: ballots.map(({ scores }) => packScores(scores ?? answers.map(() => 777))),
    responders: answers.length,
    answered: bits(answers.map(({ isCommitted }) => isCommitted)),
    revealed: bits(ballots.map(({ scores }) => scores !== undefined)),
    convicted: bits([...answers, ...ballots].map(({ isConvicted }) => isConvicted)),
    answerMost,
    dutyMost,
  };
}

function contractParams(params: AppraisalParams) {
  return {
    nodeStake: 0n,
    stakeCap: 0n,
    answerSeconds: 0n,
    commitSeconds: 0n,
    revealSeconds: 0n,
    burnShare: 0n,
    assessorShare: 0n,
    trustFloor: 0n,
    trustRate: 0n,
    leastFee: 0n,
    trustPrice: 0n,
    ...params,
    aggregate: params.aggregate === "Median" ? 0n : 1n,
  };
}

/** The twin's verdict in the contract's words. */
function plainVerdict({ answers, ballots, answerMost, dutyMost, params }: Case) {
  const verdict = appraise(answers, ballots, answerMost, dutyMost, params);
  const nodes = [...verdict.answers.map((answer) => ({ ...answer, lost: 0n })), ...verdict.assessors];
  return {
    isQuorate: verdict.isQuorate,
    consensus: verdict.answers.map(({ consensus }) => consensus ?? 0n),
    spread: verdict.answers.map(({ spread }) => spread),
    paid: nodes.map(({ paid }) => paid),
    lost: nodes.map(({ lost }) => lost),
    qualities: nodes.map(({ quality }) => quality ?? NOT_JUDGED),
  };
}

const textOf = (value: unknown) =>
  JSON.stringify(value, (_, each) => (typeof each === "bigint" ? `${each}` : each));

describe("Appraisal", () => {
  it("agrees with its twin on 2,400 random queries", async () => {
    const harness = await ethers.deployContract("AppraisalHarness");
    const next = randomUint32(44);
    const seen = {
      quorate: 0,
      inquorate: 0,
      outlying: 0,
      silent: 0,
      unavailable: 0,
      unpaid: 0,
      paid: 0,
      unjudged: 0,
    };
    for (let batch = 0; batch < 240; batch++) {
      const cases = Array.from({ length: 10 }, () => randomCase(next));
      const verdicts = await harness.appraise(
        cases.map(contractCase),
        cases.map(({ params }) => contractParams(params)),
      );
      for (const [i, each] of cases.entries()) {
        const verdict = verdicts[i]!;
        const given = {
          isQuorate: verdict.isQuorate,
          consensus: [...verdict.consensus],
          spread: [...verdict.spread],
          paid: [...verdict.paid],
          lost: [...verdict.lost],
          qualities: [...verdict.qualities],
        };
        const plain = plainVerdict(each);
        expect(given, textOf(each)).to.deep.equal(plain);
        expectBounded(each, plain);
        const count = each.answers.length;
        seen[plain.isQuorate ? "quorate" : "inquorate"]++;
        if (plain.lost.some((lost) => lost > 0n && lost < 2n * each.dutyMost)) seen.outlying++;
        if (plain.lost.some((lost) => lost !== 0n && lost === 2n * each.dutyMost)) seen.silent++;
        const isUnavailable = (j: number) =>
          plain.isQuorate && plain.qualities[j] === 0n && !each.answers[j]!.isConvicted;
        if (each.answers.some((_, j) => isUnavailable(j))) seen.unavailable++;
        if (plain.paid.slice(0, count).some((paid) => paid === 0n)) seen.unpaid++;
        if (plain.paid.slice(count).some((paid) => paid > 0n)) seen.paid++;
        if (plain.qualities.slice(count).includes(NOT_JUDGED)) seen.unjudged++;
      }
    }
    for (const [what, times] of Object.entries(seen)) expect(times, what).to.be.above(100);
  });

  /** Nobody gets more, or loses more, than the market sets aside for it. */
  function expectBounded(
    { answers, ballots, answerMost, dutyMost }: Case,
    { isQuorate, paid, lost, qualities }: ReturnType<typeof plainVerdict>,
  ): void {
    for (const [i, amount] of paid.entries()) {
      const most = i >= answers.length ? dutyMost : isQuorate ? answerMost : answers[i]!.price;
      expect(amount <= most).to.equal(true);
      expect(lost[i]! <= (i < answers.length ? 0n : 2n * dutyMost)).to.equal(true);
      expect(qualities[i] === NOT_JUDGED || qualities[i]! <= 1_000_000n).to.equal(true);
    }
    expect(paid).to.have.length(answers.length + ballots.length);
  }
});
