import { expect } from "chai";
import { appraise } from "../../clients/model/appraisal.ts";
import {
  ASSESSOR,
  appraisalParams,
  collectAll,
  commitAnswers,
  commitScores,
  FEE,
  fastMessages,
  openService,
  PRICES,
  phaseOf,
  type Query,
  RESPONDER,
  revealScores,
  select,
  splitOf,
} from "./support/inference.ts";
import { wealthOf } from "./support/money.ts";
import { BURN_ADDRESS, networkHelpers, tick } from "./support/scenario.ts";

/** Of each of five assessors; the last boosts one answer and does down another. */
const SCORES = [
  [900_000, 500_000, 100_000],
  [910_000, 490_000, 110_000],
  [905_000, 505_000, 90_000],
  [890_000, 520_000, 95_000],
  [200_000, 510_000, 900_000],
];

/** What each gained since: the asker, the responders, the assessors. */
async function gains(query: Query, before: bigint[]): Promise<bigint[]> {
  return (await wealth(query)).map((amount, i) => amount - before[i]!);
}

async function wealth(query: Query): Promise<bigint[]> {
  const parties = [query.asker, ...query.drawnResponders, ...query.drawnAssessors];
  return Promise.all(parties.map((party) => wealthOf(query, party)));
}

describe("QualityMarket, its two paths", () => {
  it("settle to the same wei, which is what the scores earn", async () => {
    const query = await select(await openService({ trustRate: 100_000n, trustFloor: 500_000n }));
    const before = await wealth(query);
    const snapshot = await networkHelpers.takeSnapshot();

    await commitAnswers(query);
    expect(await phaseOf(query)).to.equal("Committing");
    await commitScores(query, SCORES);
    expect(await phaseOf(query)).to.equal("Revealing");
    await revealScores(query, SCORES);
    expect(await phaseOf(query)).to.equal("Settling");
    await tick();
    await query.quality.connect(query.stranger).settle(query.query);
    expect(await phaseOf(query)).to.equal("Ended");
    await collectAll(query);
    const slow = await gains(query, before);

    await snapshot.restore();
    await tick();
    await query.quality
      .connect(query.stranger)
      .settleFast(query.query, ...(await fastMessages(query, SCORES)));
    expect(await phaseOf(query)).to.equal("Ended");
    await collectAll(query);
    expect(await gains(query, before)).to.deep.equal(slow);

    const { answerMost, dutyMost, burned } = splitOf(query);
    const prices = query.drawnResponders.map((node) => PRICES[query.responders.indexOf(node)]!);
    const trust = 500_000n;
    const verdict = appraise(
      prices.map((price) => ({ price, isCommitted: true, isConvicted: false })),
      SCORES.map((scores) => ({ weight: trust, scores, isConvicted: false })),
      answerMost,
      dutyMost,
      appraisalParams(query.modelParams),
    );
    const paid = [
      ...verdict.answers.map((answer) => answer.paid),
      ...verdict.assessors.map(({ paid }) => paid),
    ];
    const lost = [...verdict.answers.map(() => 0n), ...verdict.assessors.map(({ lost }) => lost)];
    const refund = FEE - burned - paid.reduce((sum, amount) => sum + amount);
    expect(slow).to.deep.equal([refund, ...paid.map((amount, i) => amount - lost[i]!)]);
    expect(verdict.assessors[4]!.lost > 0n).to.equal(true);
    expect(await query.registry.trustOf(query.model, ASSESSOR, query.drawnAssessors[4]!)).to.equal(trust);
    expect((await query.registry.trustOf(query.model, ASSESSOR, query.drawnAssessors[0]!)) > trust).to.equal(
      true,
    );
    expect(
      (await query.registry.trustOf(query.model, RESPONDER, query.drawnResponders[0]!)) > trust,
    ).to.equal(true);
    expect(await query.vault.balanceOf(query.registry), "what is left in escrow").to.equal(0n);
    expect(await wealthOf(query, BURN_ADDRESS)).to.equal(burned + verdict.assessors[4]!.lost);
  });
});
