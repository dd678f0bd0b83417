import { expect } from "chai";
import { degeneracyOf } from "../../clients/quality/degenerate.ts";

const UNKNOWN = 1;
const PROMPT = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19];
const OWN = [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];

/** `length` tokens, of which the first `period` come again and again. */
const loop = (period: number, length: number) => Array.from({ length }, (_, i) => 20 + (i % period));
const of = (answer: readonly number[]) => degeneracyOf(PROMPT, answer, UNKNOWN);

describe("degenerate answers", () => {
  it("are those without a token, or with unknown ones only", () => {
    expect(of([])).to.equal("empty");
    expect(of([UNKNOWN, UNKNOWN])).to.equal("empty");
    expect(of([UNKNOWN, 20])).to.equal(undefined);
    expect(degeneracyOf(PROMPT, [UNKNOWN], undefined)).to.equal(undefined);
  });

  it("are those that go round in a loop", () => {
    for (const period of [1, 2, 3, 8, 16, 30]) expect(of(loop(period, 64)), `${period}`).to.equal("loop");
    expect(of([20, 20, 20, 20, 20])).to.equal("loop");
    expect(of([...OWN, ...loop(3, 60)])).to.equal("loop");
  });

  it("are those that say the prompt again, whole or in large part", () => {
    expect(of(PROMPT)).to.equal("echo");
    expect(of(PROMPT.slice(2, 8))).to.equal("echo");
    expect(of([...PROMPT, 20])).to.equal("echo");
    expect(degeneracyOf([10, 11], [10, 11], UNKNOWN)).to.equal("echo");
  });

  it("are no answers of their own, even if short, quoting or with a refrain", () => {
    expect(of(OWN)).to.equal(undefined);
    expect(of([20])).to.equal(undefined);
    expect(of([10])).to.equal(undefined);
    expect(of([20, 20, 20, 20])).to.equal(undefined);
    expect(of([...PROMPT.slice(0, 6), ...OWN])).to.equal(undefined);
    expect(of([...OWN, ...OWN.slice(0, 5)])).to.equal(undefined);
  });

  it("are told at the shares that the rule names", () => {
    // Of 10 grams 6 distinct ones are enough, 5 are not.
    const distinct = (count: number) => [...loop(count, 13)];
    expect(new Set(distinct(6)).size).to.equal(6);
    expect(of(distinct(6))).to.equal(undefined);
    expect(of(distinct(5))).to.equal("loop");
    // Of 8 grams 4 may be in the prompt, 5 may not.
    expect(of([...PROMPT.slice(0, 7), 20, 21, 22, 23])).to.equal(undefined);
    expect(of([...PROMPT.slice(0, 8), 20, 21, 22])).to.equal("echo");
  });
});
