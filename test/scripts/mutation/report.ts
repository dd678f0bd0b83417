import { expect } from "chai";
import { formatProgress, summarize } from "../../../scripts/mutation/report.ts";
import type { Outcome } from "../../../scripts/mutation/run.ts";
import { mutantOf } from "./support/mutantOf.ts";

function outcomeOf(result: Outcome["result"], to: string): Outcome {
  const by = result === "killed" ? "adds" : "";
  return { mutant: mutantOf({ to }), result, by, compileMs: 1_000, testMs: 2_000 };
}

const SURVIVOR = outcomeOf("survived", "a * b");
const killed = (count: number) => Array.from({ length: count }, (_, i) => outcomeOf("killed", `a - ${i}`));
const reasonFor = ({ mutant: { file, scope, from, to } }: Outcome) => ({
  ...{ file, scope, from, to },
  reason: "b is 0",
});

describe("report on mutants", () => {
  it("is good where all are killed", () => {
    expect(summarize(killed(3), []).isGood).to.equal(true);
  });

  it("is good where a tenth survived, each for a reason", () => {
    const { text, isGood } = summarize([...killed(9), SURVIVOR], [reasonFor(SURVIVOR)]);
    expect(isGood).to.equal(true);
    expect(text)
      .to.include("survived, b is 0: contracts/A.sol:1 A.f")
      .and.to.include("9 of 10 killed, 90.0 %");
  });

  it("is bad where one survived without a reason", () => {
    const { text, isGood } = summarize([...killed(99), SURVIVOR], []);
    expect(isGood).to.equal(false);
    expect(text).to.include("survived, no reason given");
  });

  it("is bad where more than a tenth survived, whatever the reasons", () => {
    expect(summarize([...killed(8), SURVIVOR], [reasonFor(SURVIVOR)]).isGood).to.equal(false);
    expect(summarize([], []).isGood).to.equal(false);
  });

  it("is bad where one called harmless is killed", () => {
    const all = killed(3);
    const { text, isGood } = summarize(all, [reasonFor(all[1]!)]);
    expect(isGood).to.equal(false);
    expect(text).to.include("called harmless, but killed by adds");
  });

  it("leaves out those that are equivalent or do not compile", () => {
    const uncounted = [outcomeOf("equivalent", "b + a"), outcomeOf("invalid", "a + ")];
    const { text, isGood } = summarize([...killed(2), ...uncounted], []);
    expect(isGood).to.equal(true);
    expect(text).to.include("2 of 2 killed");
  });

  it("says how far it is", () => {
    const outcomes = [...killed(3), SURVIVOR];
    expect(formatProgress(outcomes, 10, 4 * 60_000)).to.include(
      "4 of 10 (3 killed, 1 survived, 0 equivalent, 0 invalid), 6 min left",
    );
  });
});
