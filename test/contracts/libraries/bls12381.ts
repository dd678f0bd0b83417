import { bls12_381 } from "@noble/curves/bls12-381";
import { expect } from "chai";
import { toHex } from "../../../clients/model/bytes.ts";
import type { BLS12381Harness } from "../../../types/test/BLS12381Harness.ts";
import { randomBytes } from "../../model/random.ts";
import { encodeG1, encodeG2, type G1Point, hashToG1, PRIME } from "../support/drand.ts";
import { ethers } from "./harness.ts";

const { G1, G2 } = bls12_381;

/** A random scalar from 1 to the group order − 1. */
function scalar(seed: number): bigint {
  return 1n + (BigInt(toHex(randomBytes(40, seed))) % (bls12_381.params.r - 1n));
}

/** Whether y is the larger one of y and −y. */
const isLargerY = (point: G1Point) => point.toAffine().y > PRIME / 2n;

describe("BLS12381", () => {
  let harness: BLS12381Harness;
  before(async () => {
    harness = await ethers.deployContract("BLS12381Harness");
  });

  it("hashes messages of every length to the points of @noble/curves", async () => {
    for (let length = 0; length < 70; length++) {
      const message = randomBytes(length, length);
      expect(await harness.hashToG1(message)).to.equal(encodeG1(hashToG1(message)));
    }
    const long = randomBytes(1_000, 1);
    expect(await harness.hashToG1(long)).to.equal(encodeG1(hashToG1(long)));
  });

  it("hashes random messages of 32 bytes to the points of @noble/curves", async () => {
    for (let seed = 100; seed < 200; seed++) {
      const message = randomBytes(32, seed);
      expect(await harness.hashToG1(message)).to.equal(encodeG1(hashToG1(message)));
    }
  });

  it("compresses points as @noble/curves does, for each sign of y", async () => {
    const signs = new Set<boolean>();
    for (let seed = 0; seed < 40; seed++) {
      const point = G1.ProjectivePoint.BASE.multiply(scalar(seed));
      for (const each of [point, point.negate()]) {
        expect(await harness.compress(encodeG1(each))).to.equal(toHex(each.toRawBytes(true)));
        signs.add(isLargerY(each));
      }
    }
    expect(signs.size).to.equal(2);
  });

  it("takes y for the larger one from half of the prime on", async () => {
    const half = (PRIME - 1n) / 2n;
    const lowBits = 1n << 256n;
    const flagsOf = async (y: bigint) => {
      const point = `0x${"00".repeat(64)}${y.toString(16).padStart(128, "0")}`;
      return Number((await harness.compress(point)).slice(0, 4));
    };
    for (const y of [1n, half - lowBits, half - 1n, half]) expect(await flagsOf(y)).to.equal(0x80);
    for (const y of [half + 1n, half + lowBits, PRIME - 1n]) expect(await flagsOf(y)).to.equal(0xa0);
  });

  describe("verifies", () => {
    const message = randomBytes(50, 7);
    const [key, otherKey] = [scalar(1), scalar(2)];
    const publicKey = G2.ProjectivePoint.BASE.multiply(key);
    const signature = hashToG1(message).multiply(key);
    const verify = (given: Uint8Array, point: G1Point, keyPoint = publicKey) =>
      harness.verify(given, encodeG1(point), encodeG2(keyPoint));

    it("a signature under any key", async () => {
      expect(await verify(message, signature)).to.equal(true);
      const other = G2.ProjectivePoint.BASE.multiply(otherKey);
      expect(await verify(message, hashToG1(message).multiply(otherKey), other)).to.equal(true);
    });

    it("no signature of another message, under another key, or negated", async () => {
      expect(await verify(randomBytes(50, 8), signature)).to.equal(false);
      expect(await verify(message, hashToG1(message).multiply(otherKey))).to.equal(false);
      expect(await verify(message, signature.negate())).to.equal(false);
    });

    it("no signature of another length", async () => {
      const encoded = encodeG1(signature).slice(2);
      // With a pair of points behind it, the precompile's input would be whole again.
      const withPair = encoded + "00".repeat(384);
      for (const given of ["", encoded.slice(2), `${encoded}00`, withPair]) {
        await expect(harness.verify(message, `0x${given}`, encodeG2(publicKey)))
          .to.be.revertedWithCustomError(harness, "WrongPointLength")
          .withArgs(given.length / 2, 128);
      }
    });
  });
});
