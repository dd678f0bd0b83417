import { expect } from "chai";
import { gasUsed } from "./support/gasUsed.ts";
import { fastMessages, openService, select } from "./support/inference.ts";
import { tick } from "./support/scenario.ts";
import { expectSnapshot } from "./support/snapshot.ts";

/** Scores in no order, so that the market has to put them in one. */
function shuffledScores(assessors: number): number[][] {
  return Array.from({ length: assessors }, (_, i) => [
    900_000 + ((i * 5) % 16) * 999,
    500_000 - ((i * 11) % 16) * 777,
    100_000 + ((i * 7) % 5) * 1_000,
  ]);
}

describe("gas of a query", () => {
  const figures: Record<string, number> = {};

  for (const assessors of [3, 5, 8, 16]) {
    const limit = 150_000 + 25_000 * assessors;

    it(`is at most ${limit} to settle 3 answers fast with ${assessors} assessors, who earned before`, async () => {
      const service = await openService(
        { trustRate: 100_000n, trustFloor: 500_000n },
        { responders: 3, assessors },
      );
      const scores = shuffledScores(assessors);
      let gas = 0;
      for (let round = 0; round < 3; round++) {
        const query = await select(service);
        await tick();
        const messages = await fastMessages(query, scores);
        gas = await gasUsed(query.quality.settleFast(query.query, ...messages));
      }
      figures[`settleFast${assessors}`] = gas;
      expect(gas).to.be.at.most(limit);
    });
  }

  it("is that of snapshots/qualityGas.json", () => {
    expectSnapshot("qualityGas", figures);
  });
});
