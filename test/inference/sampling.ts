import { expect } from "chai";
import { drawToken } from "../../clients/inference/sampling.ts";
import { createRandom } from "../../clients/training/random.ts";

const DRAWS = 20_000;
const SHARES = [0.1, 0.5, 0.05, 0.35];
const LOGITS = Float32Array.from(SHARES, (share) => 3 + Math.log(share));

describe("drawing a token", () => {
  function shares(temperature: number, topP: number): number[] {
    const random = createRandom(1);
    const counts = SHARES.map(() => 0);
    for (let draw = 0; draw < DRAWS; draw++) counts[drawToken(LOGITS, { temperature, topP }, random)]!++;
    return counts.map((count) => count / DRAWS);
  }

  function expectNear(received: number[], expected: number[]) {
    for (const [token, share] of expected.entries()) {
      expect(Math.abs(received[token]! - share), `token ${token}`).to.be.below(0.015);
    }
  }

  it("follows the model's probabilities", () => {
    expectNear(shares(1, 1), SHARES);
  });

  it("prefers the likely ones at a low temperature, and levels them at a high one", () => {
    const squares = SHARES.map((share) => share ** 2);
    const total = squares.reduce((sum, square) => sum + square, 0);
    expectNear(
      shares(0.5, 1),
      squares.map((square) => square / total),
    );
    expectNear(shares(1e6, 1), [0.25, 0.25, 0.25, 0.25]);
  });

  it("leaves out the unlikely ones that are past the share", () => {
    expectNear(shares(1, 0.8), [0, 0.5 / 0.85, 0, 0.35 / 0.85]);
    expectNear(shares(1, 0.01), [0, 1, 0, 0]);
  });

  it("takes the first of the likeliest at temperature 0", () => {
    const random = () => {
      throw new Error("nothing is drawn");
    };
    const sampling = { temperature: 0, topP: 1 };
    expect(drawToken(Float32Array.of(1, 4, 4, 2), sampling, random)).to.equal(1);
  });

  it("never takes a token that is ruled out", () => {
    const logits = Float32Array.of(Number.NEGATIVE_INFINITY, 0, Number.NEGATIVE_INFINITY);
    for (const number of [0, 0.5, 1 - 2 ** -32]) {
      expect(drawToken(logits, { temperature: 1, topP: 1 }, () => number)).to.equal(1);
    }
  });
});
