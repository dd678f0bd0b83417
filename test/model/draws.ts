import { expect } from "chai";
import { AbiCoder, encodeBytes32String, keccak256 } from "ethers";
import { type DrawTag, draw, drawIndices } from "../../clients/model/draws.ts";
import { formats } from "./formats.ts";
import { thrownBy } from "./thrown.ts";

const SEED = `0x${"5e".repeat(32)}`;
const TYPES = ["bytes32", "bytes32", "uint256", "uint256", "uint256", "uint256"];

describe("draws", () => {
  it("are the fixture's", () => {
    for (const { seed, tag, task, round, proposal, j, value } of formats.draws) {
      const drawn = draw(
        `0x${seed}`,
        tag as DrawTag,
        BigInt(task),
        BigInt(round),
        BigInt(proposal),
        BigInt(j),
      );
      expect(drawn).to.equal(BigInt(value));
    }
  });

  it("are keccak256(abi.encode(…)) up to the largest words", () => {
    for (const tag of ["LEAF", "EVAL", "COMMITTEE"] as const) {
      for (const word of [0n, 1n, 2n ** 64n, 2n ** 256n - 1n]) {
        const words = [SEED, encodeBytes32String(tag), word, 1n, word, 2n];
        const expected = BigInt(keccak256(AbiCoder.defaultAbiCoder().encode(TYPES, words)));
        expect(draw(SEED, tag, word, 1n, word, 2n)).to.equal(expected);
      }
    }
  });

  it("as indices are taken mod n, one for each j from 0", () => {
    const indices = drawIndices(SEED, "LEAF", 1n, 2n, 3n, 50, 7);
    expect(indices).to.have.length(50);
    for (const [j, index] of indices.entries()) {
      expect(BigInt(index)).to.equal(draw(SEED, "LEAF", 1n, 2n, 3n, BigInt(j)) % 7n);
    }
    expect(new Set(indices).size).to.equal(7);
  });

  it("refuse a seed that is not 32 bytes and words outside uint256", () => {
    for (const seed of ["", "0x", SEED.slice(2), `${SEED}00`, SEED.replace("5", "g")]) {
      expect(thrownBy(() => draw(seed, "LEAF", 0n, 0n, 0n, 0n)).code).to.equal("INVALID_HEX");
    }
    for (const word of [-1n, 2n ** 256n]) {
      expect(thrownBy(() => draw(SEED, "LEAF", 0n, word, 0n, 0n)).code).to.equal("UINT256_OUT_OF_RANGE");
    }
  });
});
