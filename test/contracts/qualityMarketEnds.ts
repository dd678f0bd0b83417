import { expect } from "chai";
import { parseEther } from "ethers";
import { UNAVAILABLE } from "../../clients/model/scores.ts";
import {
  ASSESSOR,
  collectAll,
  commitAnswers,
  commitScores,
  FEE,
  fastMessages,
  gainsOf,
  MODEL_PARAMS,
  type ModelParams,
  openService,
  type Play,
  PRICES,
  phaseOf,
  playOut,
  type Query,
  RESPONDER,
  revealScores,
  select,
  settle,
  splitOf,
  verdictOn,
  wealthAround,
} from "./support/inference.ts";
import { expectSolvent } from "./support/money.ts";
import { MINED, networkHelpers, now, passTo, tick } from "./support/scenario.ts";

const ENDS = ["Settled", "Unselected", "Unfilled", "Unanswered", "Unassessed"] as const;
const ONE = 1_000_000n;

/** Five honest assessors, who measure a little differently. */
const HONEST = [
  [900_000, 500_000, 100_000],
  [910_000, 490_000, 110_000],
  [905_000, 505_000, 90_000],
  [890_000, 520_000, 95_000],
  [899_999, 510_000, 105_000],
];

const FLOOR = 500_000n;
const TRUSTING: Partial<ModelParams> = { trustFloor: FLOOR, trustRate: 100_000n };

async function openTrusting(): Promise<Query> {
  return select(await openService(TRUSTING));
}

async function openTrimmed(): Promise<Query> {
  return select(await openService({ ...TRUSTING, aggregate: 1n }));
}

async function openMean(): Promise<Query> {
  return select(await openService({ ...TRUSTING, aggregate: 1n, trimShare: 0n }));
}

/** What the registry trusts each node of a query, responders first. */
async function trustOf(query: Query): Promise<bigint[]> {
  const { registry, model, drawnResponders, drawnAssessors } = query;
  return Promise.all([
    ...drawnResponders.map((node) => registry.trustOf(model, RESPONDER, node)),
    ...drawnAssessors.map((node) => registry.trustOf(model, ASSESSOR, node)),
  ]);
}

describe("QualityMarket, how queries end", () => {
  let query: Query;

  beforeEach(async () => {
    query = await networkHelpers.loadFixture(openTrusting);
  });

  afterEach(async () => {
    await expectSolvent(query);
  });

  /** Settles what was played and expects what the twin says of it: to the wei, of trust, and in the event. */
  async function expectSettled(play: Play, end: "Settled" | "Unassessed" = "Settled"): Promise<void> {
    const { quality, registry, model } = query;
    expect(await phaseOf(query)).to.equal("Settling");
    const verdict = await verdictOn(query, play);
    expect(verdict.isQuorate).to.equal(end === "Settled");
    const before = await wealthAround(query);
    const gains = gainsOf(query, verdict);
    const sending = settle(query);
    await expect(sending)
      .to.emit(quality, "Settled")
      .withArgs(
        query.query,
        ENDS.indexOf(end),
        false,
        gains[0]!,
        verdict.answers.map(({ consensus }) => consensus ?? 0n),
        verdict.answers.map(({ spread }) => spread),
      );
    const qualities = [...verdict.answers, ...verdict.assessors].map((each) => each.quality);
    const trust = qualities.map((each) => movedTrust(each));
    await expect(sending)
      .to.emit(registry, "NodesSettled")
      .withArgs(
        model,
        query.query,
        [...verdict.answers, ...verdict.assessors].map(({ paid }) => paid),
        trust,
      );
    const after = await wealthAround(query);
    expect(after.map((amount, i) => amount - before[i]!)).to.deep.equal(gains);
    expect(await trustOf(query)).to.deep.equal(trust);
    expect(await phaseOf(query)).to.equal("Ended");
    await expectSolvent(query);
    await collectAll(query);
    expect(await query.vault.balanceOf(registry), "left in escrow").to.equal(0n);
    await expect(quality.settle(query.query, MINED)).to.be.revertedWithCustomError(quality, "WrongPhase");
  }

  /** From the floor, toward a quality. */
  function movedTrust(quality: bigint | undefined): bigint {
    if (quality === undefined || quality <= FLOOR) return FLOOR;
    const rise = ((quality - FLOOR) * 100_000n) / ONE;
    const { burned } = splitOf(query);
    const most = burned / (MODEL_PARAMS.trustPrice * 8n);
    return FLOOR + (rise < most ? rise : most);
  }

  describe("Settled", () => {
    async function playAndExpect(play: Play): Promise<void> {
      await playOut(query, play);
      await expectSettled(play);
    }

    it("pays honest nodes by quality and closeness", async () => {
      await playAndExpect({ scores: HONEST });
    });

    it("pays whoever measured the consensus all that a duty earns, and the best answer α less its cost", async () => {
      const scores = HONEST.map(() => [1_000_000, 1_000_000, 1_000_000]);
      await playOut(query, { scores });
      const { answerMost, dutyMost } = splitOf(query);
      const { answers, assessors } = await verdictOn(query, { scores });
      expect(assessors.map(({ paid }) => paid)).to.deep.equal(Array(5).fill(dutyMost));
      const price = PRICES[query.responders.indexOf(query.drawnResponders[0]!)]!;
      const alpha = (answerMost * MODEL_PARAMS.qualityFactor) / ONE;
      expect(answers[0]!.paid).to.equal(alpha - (price * MODEL_PARAMS.costFactor) / ONE);
      await expectSettled({ scores });
    });

    it("pays nothing for an answer whose quality does not cover its cost", async () => {
      const scores = HONEST.map(() => [0, 1, 10_000]);
      const { answers } = await verdictOn(query, { scores });
      expect(answers[0]!.paid).to.equal(0n);
      await playAndExpect({ scores });
    });

    it("takes a share of a duty from an outlier for each of its outlying scores", async () => {
      const scores = [...HONEST.slice(0, 4), [200_000, 510_000, 900_000]];
      const { assessors } = await verdictOn(query, { scores });
      expect(assessors[4]!.lost).to.equal(2n * (splitOf(query).dutyMost / 3n));
      await playAndExpect({ scores });
    });

    it("takes twice a duty from who commits and does not reveal, and from who does neither", async () => {
      await commitAnswers(query);
      await commitScores(query, [...HONEST.slice(0, 4), undefined]);
      await passTo((await query.quality.query(query.query)).commitsEndAt);
      await revealScores(query, HONEST.slice(0, 4));
      await passTo((await query.quality.query(query.query)).revealsEndAt);
      const play = { scores: [...HONEST.slice(0, 4), undefined] };
      const { dutyMost } = splitOf(query);
      expect((await verdictOn(query, play)).assessors[4]).to.deep.equal({
        paid: 0n,
        lost: 2n * dutyMost,
        quality: 0n,
      });
      const snapshot = await networkHelpers.takeSnapshot();
      await expect(settle(query))
        .to.emit(query.quality, "AssessorPenalized")
        .withArgs(query.query, query.drawnAssessors[4]!.address, 2n * dutyMost);
      await snapshot.restore();
      await expectSettled(play);
    });

    it("treats a revealed silence and an unrevealed commitment alike", async () => {
      await commitAnswers(query);
      await commitScores(query, HONEST);
      await revealScores(query, HONEST.slice(0, 4));
      await passTo((await query.quality.query(query.query)).revealsEndAt);
      await expectSettled({ scores: [...HONEST.slice(0, 4), undefined] });
    });

    it("pays an answer that was not committed nothing, and loses its responder no trust", async () => {
      await playAndExpect({ scores: HONEST, unanswered: [1] });
    });

    it("pays nothing for an answer that half of the weight says never came, and judges nobody by it", async () => {
      const scores = HONEST.map((each, i) => (i < 3 ? [UNAVAILABLE, each[1]!, each[2]!] : each));
      const { answers } = await verdictOn(query, { scores });
      expect(answers[0]).to.deep.equal({ consensus: undefined, spread: 0n, paid: 0n, quality: 0n });
      await playAndExpect({ scores });
    });

    it("judges an answer that less than half of the weight says never came", async () => {
      const scores = HONEST.map((each, i) => (i < 2 ? [UNAVAILABLE, each[1]!, each[2]!] : each));
      expect((await verdictOn(query, { scores })).answers[0]!.consensus).to.equal(899_999n);
      await playAndExpect({ scores });
    });

    it("pays who found every answer unavailable nothing, and takes nothing", async () => {
      const scores = HONEST.map((each, i) => (i === 0 ? each.map(() => UNAVAILABLE) : each));
      expect((await verdictOn(query, { scores })).assessors[0]).to.deep.equal({
        paid: 0n,
        lost: 0n,
        quality: undefined,
      });
      await playAndExpect({ scores });
    });

    it("goes by the trimmed mean where the model says so", async () => {
      query = await networkHelpers.loadFixture(openTrimmed);
      const scores = [...HONEST.slice(0, 4), [0, 1_000_000, 1_000_000]];
      // A fifth of the weight at each end is one assessor.
      const { answers } = await verdictOn(query, { scores });
      expect(answers[0]!.consensus).to.equal((900_000n + 905_000n + 890_000n) / 3n);
      await playAndExpect({ scores });
    });

    it("goes by the plain mean where nothing is trimmed, which one assessor can shift", async () => {
      query = await networkHelpers.loadFixture(openMean);
      const scores = [...HONEST.slice(0, 4), [0, 1_000_000, 1_000_000]];
      const { answers } = await verdictOn(query, { scores });
      expect(answers[0]!.consensus).to.equal((900_000n + 910_000n + 905_000n + 890_000n) / 5n);
      await playAndExpect({ scores });
    });

    it("weighs assessors by the trust that earlier queries gave them", async () => {
      await playOut(query, { scores: [...HONEST.slice(0, 3), [0, 0, 0], [0, 0, 0]] });
      await settle(query);
      // Penalized below the least stake, they would not be drawn.
      for (const outlier of query.drawnAssessors.slice(3)) {
        await query.registry.connect(outlier).addStake(query.model, ASSESSOR, parseEther("10"));
      }
      await passTo((await now()) + 3_600n);
      const next = await select(query);
      const nodes = (await query.quality.selected(next.query)).slice(3);
      expect(new Set(nodes.map(({ trust }) => trust)).size).to.be.above(2);
      const scores = HONEST.map((_, i) => [100_000 * i, 900_000 - 100_000 * i, 500_000]);
      await playOut(next, { scores });
      const verdict = await verdictOn(next, { scores });
      const before = await wealthAround(next);
      await settle(next);
      const after = await wealthAround(next);
      expect(after.map((amount, i) => amount - before[i]!)).to.deep.equal(gainsOf(next, verdict));
    });
  });

  describe("Unassessed", () => {
    it("pays each answer its price where less than the quorum reveals, and judges nobody but the silent", async () => {
      const play = { scores: [...HONEST.slice(0, 3), undefined, undefined] };
      const { answers, assessors } = await verdictOn(query, play);
      const price = PRICES[query.responders.indexOf(query.drawnResponders[0]!)]!;
      expect([answers[0]!.paid, answers[0]!.quality]).to.deep.equal([price, undefined]);
      expect(assessors.slice(0, 3).map(({ paid, lost }) => paid + lost)).to.deep.equal([0n, 0n, 0n]);
      await playOut(query, play);
      await expectSettled(play, "Unassessed");
    });

    it("pays for what was answered alone", async () => {
      const play = { scores: HONEST.map(() => undefined), unanswered: [0, 2] };
      await playOut(query, play);
      await expectSettled(play, "Unassessed");
    });
  });

  describe("Unanswered", () => {
    it("gives back all but what was burned, and takes nothing from anybody", async () => {
      const { quality, vault, registry } = query;
      const before = await wealthAround(query);
      const trust = await trustOf(query);
      await playOut(query, { scores: [], unanswered: [0, 1, 2] });
      const { burned } = splitOf(query);
      await expect(settle(query))
        .to.emit(quality, "Released")
        .withArgs(query.query, ENDS.indexOf("Unanswered"), FEE - burned);
      const after = await wealthAround(query);
      const gained = [FEE - burned, ...Array(9).fill(0n)];
      expect(after.map((amount, i) => amount - before[i]!)).to.deep.equal(gained);
      expect(await trustOf(query)).to.deep.equal(trust);
      expect(await vault.balanceOf(registry)).to.equal(0n);
      expect(await phaseOf(query)).to.equal("Ended");
    });
  });

  describe("trust", () => {
    it("rises no further than what the query burned pays for", async () => {
      const dear = await openService({ ...TRUSTING, trustPrice: parseEther("0.0001") });
      query = await select(dear);
      const scores = HONEST.map(() => [1_000_000, 1_000_000, 1_000_000]);
      await playOut(query, { scores });
      await settle(query);
      const { burned } = splitOf(query);
      const most = burned / (parseEther("0.0001") * 8n);
      expect(most < 50_000n && most > 0n).to.equal(true);
      expect(await trustOf(query)).to.deep.equal(Array(8).fill(FLOOR + most));
    });

    it("that changes within the hour is not read by a query of the hour", async () => {
      const { registry, model } = query;
      await playOut(query, { scores: HONEST });
      await settle(query);
      const node = query.drawnAssessors[0]!;
      const time = await now();
      const trust = await registry.trustOf(model, ASSESSOR, node);
      expect(trust > FLOOR).to.equal(true);
      expect(await registry.trustAt(model, ASSESSOR, node, time)).to.equal(FLOOR);
      const next = await select(query);
      for (const { trust } of await query.quality.selected(next.query)) expect(trust).to.equal(FLOOR);
      const nextHour = (time / 3_600n + 1n) * 3_600n;
      expect(await registry.trustAt(model, ASSESSOR, node, nextHour - 1n)).to.equal(FLOOR);
      expect(await registry.trustAt(model, ASSESSOR, node, nextHour)).to.equal(trust);
    });
  });

  it("go the same way by the fast path, with trust, and pay to the wei", async () => {
    const scores = [...HONEST.slice(0, 4), [200_000, UNAVAILABLE, 900_000]];
    const verdict = await verdictOn(query, { scores });
    const before = await wealthAround(query);
    const messages = await fastMessages(query, scores);
    await tick();
    const { quality, stranger } = query;
    await expect(quality.connect(stranger).settleFast(query.query, ...messages))
      .to.emit(quality, "Settled")
      .withArgs(
        query.query,
        ENDS.indexOf("Settled"),
        true,
        gainsOf(query, verdict)[0]!,
        verdict.answers.map(({ consensus }) => consensus),
        verdict.answers.map(({ spread }) => spread),
      );
    const after = await wealthAround(query);
    expect(after.map((amount, i) => amount - before[i]!)).to.deep.equal(gainsOf(query, verdict));
    const qualities = [...verdict.answers, ...verdict.assessors].map((each) => movedTrust(each.quality));
    expect(await trustOf(query)).to.deep.equal(qualities);
  });
});
