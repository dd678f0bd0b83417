import { expect } from "chai";
import { scoreOfLogit } from "../../clients/quality/score.ts";

describe("score of a logit", () => {
  it("is its logistic function in millionths, to the nearest integer", () => {
    expect(scoreOfLogit(0)).to.equal(500_000);
    expect(scoreOfLogit(1)).to.equal(731_059);
    expect(scoreOfLogit(-1)).to.equal(268_941);
    expect(scoreOfLogit(Math.fround(8.6))).to.equal(999_816);
    expect(scoreOfLogit(100)).to.equal(1_000_000);
    expect(scoreOfLogit(-1000)).to.equal(0);
  });

  it("never falls as the logit rises", () => {
    let last = 0;
    for (let logit = -20; logit <= 20; logit += 1 / 64) {
      const score = scoreOfLogit(logit);
      expect(score).to.be.within(last, 1_000_000);
      last = score;
    }
    expect(last).to.equal(1_000_000);
  });
});
