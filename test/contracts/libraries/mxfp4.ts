import { expect } from "chai";
import { littleEndianBytes, toHex } from "../../../clients/model/bytes.ts";
import { BLOCKS_PER_LEAF, FULL_LEAF_BYTES, QUANT_LEAF_BYTES } from "../../../clients/model/geometry.ts";
import { decodeLeaves, encodeLeaves, findInvalidEncoding } from "../../../clients/model/mxfp4.ts";
import { bytesOf, formats } from "../../model/formats.ts";
import { randomBytes, randomParameters, randomUint32 } from "../../model/random.ts";
import { edgeParameters } from "./edgeParameters.ts";
import { deployHarness, type Harness } from "./harness.ts";

const LEAVES = 640;
const BATCH = 64;
const NONE = 256;

/** 5,120 blocks on edges, 5,120 at random. */
const parameters = new Float32Array([
  ...edgeParameters(LEAVES, 1),
  ...randomParameters(LEAVES * (FULL_LEAF_BYTES / 4), 2),
]);
const full = littleEndianBytes(parameters);

describe("MXFP4", () => {
  let harness: Harness;
  before(async () => {
    harness = await deployHarness();
  });

  /** The first difference in each leaf, 256 where there is none. */
  async function firstDifferences(quantLeaves: Uint8Array): Promise<number[]> {
    const elements: number[] = [];
    for (let leaf = 0; leaf * QUANT_LEAF_BYTES < quantLeaves.length; leaf += BATCH) {
      const found = await harness.firstDifferences(
        toHex(full.subarray(leaf * FULL_LEAF_BYTES, (leaf + BATCH) * FULL_LEAF_BYTES)),
        toHex(quantLeaves.subarray(leaf * QUANT_LEAF_BYTES, (leaf + BATCH) * QUANT_LEAF_BYTES)),
      );
      elements.push(...found.map(Number));
    }
    return elements;
  }

  it("accepts TypeScript's encoding of 10,240 blocks", async () => {
    const quantLeaves = encodeLeaves(parameters);
    expect(quantLeaves.length).to.equal((10_240 / BLOCKS_PER_LEAF) * QUANT_LEAF_BYTES);
    expect(new Set(await firstDifferences(quantLeaves))).to.deep.equal(new Set([NONE]));
  });

  it("finds a changed code in each of 1,280 leaves", async () => {
    const next = randomUint32(3);
    const quantLeaves = encodeLeaves(parameters);
    const expected: number[] = [];
    for (let leaf = 0; leaf < 2 * LEAVES; leaf++) {
      const element = next() % 256;
      const flip = 1 + (next() % 15);
      const at = leaf * QUANT_LEAF_BYTES + BLOCKS_PER_LEAF + (element >> 1);
      quantLeaves[at]! ^= element % 2 === 0 ? flip : flip << 4;
      expected.push(element);
    }
    expect(await firstDifferences(quantLeaves)).to.deep.equal(expected);
  });

  it("finds a changed scale in each of 1,280 leaves", async () => {
    const next = randomUint32(4);
    const quantLeaves = encodeLeaves(parameters);
    const expected: number[] = [];
    for (let leaf = 0; leaf < 2 * LEAVES; leaf++) {
      const block = next() % BLOCKS_PER_LEAF;
      // Half of them to a neighbouring scale.
      quantLeaves[leaf * QUANT_LEAF_BYTES + block]! ^= leaf % 2 === 0 ? 1 : 1 + (next() % 255);
      expected.push(32 * block);
    }
    expect(await firstDifferences(quantLeaves)).to.deep.equal(expected);
  });

  it("accepts no encoding of a leaf with an infinity or a NaN", async () => {
    for (const value of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) {
      const leaf = new Float32Array(256);
      const encoded = encodeLeaves(leaf);
      leaf[255] = value;
      const bytes = toHex(littleEndianBytes(leaf));
      for (const scale of [0, 3, 252, 253, 255]) {
        encoded[7] = scale;
        expect(await harness.isEncodingOf(bytes, toHex(encoded))).to.equal(false);
      }
    }
  });

  it("decodes as TypeScript does", async () => {
    for (let seed = 0; seed < 32; seed++) {
      const leaf = encodeLeaves(edgeParameters(1, seed));
      const words = await harness.decode(toHex(leaf));
      const bits = words.map((word) => word.toString(16).padStart(64, "0")).join("");
      const expected = new Uint32Array(decodeLeaves(leaf, 256).buffer);
      expect(bits).to.equal(Array.from(expected, (value) => value.toString(16).padStart(8, "0")).join(""));
    }
  });

  it("finds the same invalid elements as TypeScript", async () => {
    for (let scale = 0; scale < 256; scale++) {
      const leaf = randomBytes(QUANT_LEAF_BYTES, scale);
      // Valid up to the block of that scale, which under scale 0 starts with signs only.
      const block = scale % BLOCKS_PER_LEAF;
      for (let i = 0; i < BLOCKS_PER_LEAF; i++) leaf[i] = 3 + (leaf[i]! % 250);
      leaf[block] = scale;
      for (let i = 0; i < scale % 16; i++) leaf[BLOCKS_PER_LEAF + 16 * block + i]! &= 0x88;
      const expected = findInvalidEncoding(leaf, 256)?.element ?? NONE;
      expect(Number(await harness.firstInvalid(toHex(leaf)))).to.equal(expected);
      expect(await harness.isValidEncoding(toHex(leaf))).to.equal(expected === NONE);
    }
  });

  it("agrees with the other implementation's quantizations", async () => {
    for (const { leaf, mxfp4 } of formats.quantization) {
      expect(await harness.isEncodingOf(`0x${leaf}`, `0x${mxfp4}`)).to.equal(true);
      expect(await harness.encode(`0x${leaf}`)).to.equal(`0x${mxfp4}`);
    }
  });

  it("refuses the other implementation's invalid updates", async () => {
    const vectors = formats.reject.filter(({ what }) => what === "update");
    expect(vectors).to.have.lengthOf(6);
    for (const { updateLeaf } of vectors) {
      expect(await harness.isValidEncoding(`0x${updateLeaf}`)).to.equal(false);
    }
    const padding = formats.reject.filter(({ what }) => what === "padding");
    expect(padding).to.have.lengthOf(1);
    for (const { updateLeaf, parameterCount } of padding) {
      expect(await harness.firstNonZeroCode(`0x${updateLeaf}`, parameterCount!)).to.equal(255n);
    }
  });

  it("reverts on leaves of a wrong length, with both lengths", async () => {
    const { leaf, mxfp4 } = formats.quantization[0]!;
    const short = toHex(bytesOf(mxfp4).subarray(1));
    await expect(harness.firstInvalid(short))
      .to.be.revertedWithCustomError(harness, "WrongLeafLength")
      .withArgs(135, 136);
    await expect(harness.firstNonZeroCode(`0x${mxfp4}00`, 0))
      .to.be.revertedWithCustomError(harness, "WrongLeafLength")
      .withArgs(137, 136);
    await expect(harness.isEncodingOf(`0x${leaf}${leaf}`, `0x${mxfp4}`))
      .to.be.revertedWithCustomError(harness, "WrongLeafLength")
      .withArgs(2048, 1024);
    await expect(harness.isEncodingOf(`0x${leaf}`, "0x"))
      .to.be.revertedWithCustomError(harness, "WrongLeafLength")
      .withArgs(0, 136);
  });
});
