import { expect } from "chai";
import { network } from "hardhat";
import {
  AGGREGATE_NAMES,
  type AggregateName,
  type Arena,
  expectedVerdict,
  openArena,
  selectQuery,
  settleQuery,
  takenBack,
} from "../../scripts/simulation/arena.ts";
import { type CellFigures, runCell } from "../../scripts/simulation/cell.ts";
import { BROKEN_ERROR } from "../../scripts/simulation/findings.ts";
import {
  ATTACKS,
  drawQuestion,
  HONEST_NOISE,
  LAZINESSES,
  randomFor,
} from "../../scripts/simulation/world.ts";

const QUERIES = 8;

const attack = (name: string) => ATTACKS.find((one) => one.name === name)!;

describe("simulation of queries", () => {
  let arena: Arena;

  before(async () => {
    const { provider } = await network.create({ override: { initialDate: "2030-01-01T00:00:00Z" } });
    arena = await openArena(provider);
  });

  function play(
    aggregate: AggregateName,
    strategy: (typeof ATTACKS)[number] | (typeof LAZINESSES)[number],
    attackers: number,
    seed = 1,
  ): Promise<CellFigures> {
    const plan = { aggregate, strategy, attackers, queries: QUERIES, seed };
    return runCell(arena, plan, new AbortController().signal);
  }

  for (const aggregate of AGGREGATE_NAMES) {
    it(`${aggregate}: the contracts settle as the clients appraise, by both paths`, async () => {
      const { seen } = drawQuestion(randomFor("both paths"), 10);
      for (const scores of [seen, seen.map((one, i) => (i === 3 ? undefined : one))]) {
        await takenBack(arena, async () => {
          const selection = await selectQuery(arena, aggregate);
          const { verdict, refund } = await settleQuery(arena, selection, scores);
          expect(verdict).to.deep.equal(expectedVerdict(aggregate, selection, scores));
          const answersPaid = verdict.answers.reduce((sum, { paid }) => sum + paid, 0n);
          const assessorsPaid = verdict.assessors.reduce((sum, { paid }) => sum + paid, 0n);
          // Of 10 tokens a twentieth burned.
          expect(refund + answersPaid + assessorsPaid).to.equal(9_500_000_000_000_000_000n);
        });
      }
    });
  }

  it("4 of 10 who boost move the mean, but not the median", async () => {
    const mean = await play("mean", attack("boosting"), 4);
    const median = await play("median", attack("boosting"), 4);
    expect(mean.error).to.be.above(4 * BROKEN_ERROR);
    expect(median.error).to.be.below(BROKEN_ERROR);
    expect(median.honest).to.be.above(median.dishonest + 0.3);
    expect(median.dishonestLost).to.be.above(0.3);
  });

  it("2 of 10 saboteurs move the mean, but not the trimmed mean", async () => {
    const mean = await play("mean", attack("sabotage"), 2);
    const trimmed = await play("trimmed mean", attack("sabotage"), 2);
    expect(mean.error).to.be.above(BROKEN_ERROR);
    expect(trimmed.error).to.be.below(BROKEN_ERROR);
    expect(trimmed.honest).to.be.above(trimmed.dishonest);
  });

  it("who boosts a friend is trusted less than who is honest, and fixed trust stays what it is", async () => {
    const adaptive = await play("median with trust", attack("boosting"), 3);
    expect(adaptive.dishonestTrust).to.be.below(adaptive.honestTrust);
    const fixed = await play("median", attack("boosting"), 3);
    expect([fixed.honestTrust, fixed.dishonestTrust]).to.deep.equal([1, 1]);
  });

  for (const laziness of LAZINESSES) {
    it(`an honest assessor earns more than one with this: ${laziness.name}`, async () => {
      const { honest, dishonest } = await play("median", laziness, 1);
      expect(honest).to.be.above(dishonest);
    });
  }

  it("who is silent loses twice a duty's pay in each query", async () => {
    const silence = LAZINESSES.find(({ name }) => name === "silence")!;
    expect((await play("mean", silence, 1)).dishonest).to.equal(-2);
  });

  it("a seed always draws the same, another something else", async () => {
    const once = await play("median", attack("noise"), 2);
    expect(await play("median", attack("noise"), 2)).to.deep.equal(once);
    expect((await play("median", attack("noise"), 2, 2)).error).not.to.equal(once.error);
  });

  it("stops where it is asked to", async () => {
    const plan = { aggregate: "mean", strategy: attack("noise"), attackers: 1, queries: 1, seed: 1 } as const;
    const failure = await runCell(arena, plan, AbortSignal.abort(new Error("stopped"))).catch(
      (error) => error,
    );
    expect(failure.message).to.equal("stopped");
  });
});

describe("world of the simulation", () => {
  it("honest scores lie about the true quality as closely as is said", () => {
    const random = randomFor("honest");
    const distances = Array.from({ length: 200 }, () => drawQuestion(random, 10)).flatMap(({ truth, seen }) =>
      seen.flatMap((scores) => scores.map((score, j) => score - truth[j]!)),
    );
    const mean = distances.reduce((sum, value) => sum + value, 0) / distances.length;
    const variance = distances.reduce((sum, value) => sum + (value - mean) ** 2, 0) / distances.length;
    expect(Math.abs(mean)).to.be.below(0.05 * HONEST_NOISE);
    expect(Math.abs(Math.sqrt(variance) - HONEST_NOISE)).to.be.below(0.05 * HONEST_NOISE);
  });

  it("attackers give what honest assessors do for answers that they are not after", () => {
    const random = randomFor("aims");
    for (let i = 0; i < 50; i++) {
      const question = drawQuestion(random, 10);
      const seen = question.seen[0]!;
      for (const { score, isAimedAt } of ATTACKS) {
        const scores = score({ question, seen, lastConsensus: undefined, random })!;
        for (const [j, value] of scores.entries()) {
          if (!isAimedAt(question, j)) expect(value).to.equal(seen[j]);
          else expect(Math.abs(value - seen[j]!)).to.be.above(0);
        }
      }
    }
  });
});
