import { expect } from "chai";
import { AGGREGATE_NAMES } from "../../../scripts/simulation/arena.ts";
import {
  breaksAt,
  cellsOf,
  heldCells,
  honestMargin,
  paysAt,
  withAccomplice,
} from "../../../scripts/simulation/findings.ts";
import { drawErrors, drawPay, writePage } from "../../../scripts/simulation/report.ts";
import { ATTACKERS, type Cell, type Results } from "../../../scripts/simulation/run.ts";
import { ATTACKS, LAZINESSES } from "../../../scripts/simulation/world.ts";

const calm = {
  error: 0.01,
  honest: 0.7,
  dishonest: 0.2,
  honestLost: 0,
  dishonestLost: 0.3,
  friend: 2,
  asker: 10,
  honestTrust: 1,
  dishonestTrust: 1,
};

/** The same everywhere, but for what is given of the mean under boosting. */
function resultsWith(boosting: (attackers: number) => Partial<Cell>, laziness: Partial<Cell> = {}): Results {
  const attacks = AGGREGATE_NAMES.flatMap((aggregate) =>
    ATTACKS.flatMap(({ name }) =>
      ATTACKERS.map((attackers) => ({
        ...calm,
        aggregate,
        strategy: name,
        attackers,
        ...(aggregate === "mean" && name === "boosting" ? boosting(attackers) : {}),
      })),
    ),
  );
  const lazy = AGGREGATE_NAMES.flatMap((aggregate) =>
    LAZINESSES.map(({ name }) => ({ ...calm, aggregate, strategy: name, attackers: 1, ...laziness })),
  );
  return { seed: 1, queries: 200, attacks, laziness: lazy };
}

describe("findings of the simulation", () => {
  it("an aggregate breaks at the least share with an error beyond tolerance, by the attack that did it", () => {
    const results = resultsWith((attackers) => ({ error: 0.03 * attackers }));
    expect(breaksAt(results, "mean", "boosting")).to.equal(2);
    expect(breaksAt(results, "mean", "sabotage")).to.equal(undefined);
    expect(breaksAt(results, "mean")).to.equal(2);
    expect(breaksAt(results, "median")).to.equal(undefined);
    const held = heldCells(results).filter(
      (cell) => cell.aggregate === "mean" && cell.strategy === "boosting",
    );
    expect(held.map(({ attackers }) => attackers)).to.deep.equal([1]);
    expect(writePage(results)).to.include("**mean** breaks at 20 % malicious assessors, by boosting.");
    expect(writePage(results)).to.include("**median** holds against every attack up to 50 %");
  });

  it("an accomplice's gain is shared by the attackers, against what it has when nobody attacks", () => {
    const results = resultsWith((attackers) => ({ friend: 2 + attackers * attackers * 0.3 }));
    const cell = cellsOf(results, "mean", "boosting")[2]!;
    expect(Math.abs(withAccomplice(results, cell) - (0.2 + 0.6))).to.be.below(1e-9);
    expect(Math.abs(honestMargin(results, cell) - (0.7 - 0.8))).to.be.below(1e-9);
    expect(paysAt(results, "mean", "boosting")).to.equal(2);
    expect(paysAt(results, "mean", "sabotage")).to.equal(undefined);
    expect(writePage(results)).to.include("did not earn most in 4 of");
  });

  it("an accomplice's loss makes no attack look worse than it is to the attackers", () => {
    const results = resultsWith((attackers) => ({ friend: 2 - attackers, dishonest: 0.75 }));
    expect(paysAt(results, "mean", "boosting")).to.equal(1);
  });

  it("laziness that pays is found whatever the aggregate withstands", () => {
    const results = resultsWith(() => ({}), { dishonest: 0.8 });
    const outdone = heldCells(results).filter((cell) => honestMargin(results, cell) <= 0);
    expect(outdone).to.have.length(AGGREGATE_NAMES.length * LAZINESSES.length);
  });

  it("charts have a panel and a line for all, and no point for what nobody earned", () => {
    const results = resultsWith((attackers) => (attackers === 0 ? { dishonest: Number.NaN } : {}));
    const errors = drawErrors(results);
    expect(errors.match(/class="panel"/g)).to.have.length(ATTACKS.length);
    expect(errors.match(/<g><title>/g)).to.have.length(ATTACKS.length * AGGREGATE_NAMES.length);
    for (const chart of [errors, drawPay(results)]) {
      expect(chart).to.match(/^<svg [^>]*>\n<title>/);
      expect(chart).not.to.include("NaN");
      expect(chart).to.include("prefers-color-scheme: dark");
    }
  });
});
