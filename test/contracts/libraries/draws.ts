import { expect } from "chai";
import { toHex } from "../../../clients/model/bytes.ts";
import { type DrawTag, draw } from "../../../clients/model/draws.ts";
import { formats } from "../../model/formats.ts";
import { randomBytes, randomUint32 } from "../../model/random.ts";
import { deployHarness, ethers, type Harness } from "./harness.ts";

const TAGS: DrawTag[] = ["LEAF", "EVAL", "COMMITTEE"];

/** ASCII, zero-padded on the right. */
function tagWord(tag: string): string {
  return ethers.zeroPadBytes(ethers.toUtf8Bytes(tag), 32);
}

describe("Draws", () => {
  let harness: Harness;
  before(async () => {
    harness = await deployHarness();
  });

  it("has tags that are their names, zero-padded on the right", async () => {
    expect(await harness.tags()).to.deep.equal(TAGS.map(tagWord));
  });

  it("draws what TypeScript draws", async () => {
    const next = randomUint32(1);
    for (let round = 0; round < 60; round++) {
      const seed = toHex(randomBytes(32, round));
      const tag = TAGS[round % 3]!;
      const [task, proposal] = [BigInt(next()), BigInt(next())];
      const j = BigInt(toHex(randomBytes(32, round + 100)));
      expect(await harness.draw(seed, tagWord(tag), task, round, proposal, j)).to.equal(
        draw(seed, tag, task, BigInt(round), proposal, j),
      );
    }
  });

  it("agrees with the other implementation's draws", async () => {
    for (const { seed, tag, task, round, proposal, j, value } of formats.draws) {
      expect(await harness.draw(`0x${seed}`, tagWord(tag), task, round, proposal, j)).to.equal(BigInt(value));
    }
  });
});
