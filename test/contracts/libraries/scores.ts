import { expect } from "chai";
import {
  MAX_ANSWERS,
  MAX_SCORE,
  packScores,
  UNAVAILABLE,
  unpackScores,
} from "../../../clients/model/scores.ts";
import { randomUint32 } from "../../model/random.ts";
import { ethers } from "./harness.ts";

describe("Scores", () => {
  const deploy = () => ethers.deployContract("AppraisalHarness");

  it("are unpacked as the clients pack them, for 1 to 8 answers", async () => {
    const harness = await deploy();
    const next = randomUint32(3);
    for (let round = 0; round < 200; round++) {
      const count = 1 + (round % MAX_ANSWERS);
      const scores = Array.from(
        { length: count },
        () => [0, MAX_SCORE, UNAVAILABLE, next() % (MAX_SCORE + 1)][next() % 4]!,
      );
      const word = packScores(scores);
      const [isValid, unpacked] = await harness.readScores(word, count);
      expect(isValid).to.equal(true);
      expect(unpacked.slice(0, count).map(Number)).to.deep.equal(scores);
      expect(unpackScores(word, count)).to.deep.equal(scores);
      const isLonger = scores.some((score, j) => score !== 0 && j === count - 1);
      if (isLonger) expect((await harness.readScores(word, count - 1)).isValid).to.equal(false);
    }
  });

  it("have the clients' limits: nothing between the best score and that of what never came", async () => {
    const harness = await deploy();
    const isValid = async (score: number, answer = 0) =>
      (await harness.readScores(BigInt(score) << BigInt(20 * answer), MAX_ANSWERS)).isValid;
    for (const answer of [0, 3, MAX_ANSWERS - 1]) {
      for (const score of [0, MAX_SCORE, UNAVAILABLE]) expect(await isValid(score, answer)).to.equal(true);
      for (const score of [MAX_SCORE + 1, UNAVAILABLE - 1])
        expect(await isValid(score, answer)).to.equal(false);
    }
    for (const bit of [160n, 161n, 255n]) {
      expect((await harness.readScores(1n << bit, MAX_ANSWERS)).isValid).to.equal(false);
    }
  });
});
