import { expect } from "chai";
import { littleEndianBytes, toHex } from "../../../clients/model/bytes.ts";
import { BLOCKS_PER_LEAF, FULL_LEAF_BYTES, QUANT_LEAF_BYTES } from "../../../clients/model/geometry.ts";
import { decodeLeaves, encodeLeaves } from "../../../clients/model/mxfp4.ts";
import { applyUpdate } from "../../../clients/model/update.ts";
import { bytesOf, floatsOf, formats } from "../../model/formats.ts";
import { randomBytes, randomParameters, randomUint32, smallParameters } from "../../model/random.ts";
import { edgeParameters } from "./edgeParameters.ts";
import { deployHarness, ethers, type Harness } from "./harness.ts";

const BATCH = 32;

const Verdict = {
  valid: 0n,
  nonFiniteOld: 1n,
  invalidEncoding: 2n,
  nonZeroPadding: 3n,
  nonFiniteSum: 4n,
  wrongSum: 5n,
  wrongQuantization: 6n,
} as const;

/** θ, Δ, θ′ = θ ⊕ Δ and Q(θ′), of whole leaves. */
type Transition = { old: Uint8Array; update: Uint8Array; new: Uint8Array; quant: Uint8Array };

function transitionOf(parameters: Float32Array, update: Uint8Array): Transition {
  const next = applyUpdate(parameters, update);
  return {
    old: littleEndianBytes(parameters),
    update,
    new: littleEndianBytes(next),
    quant: encodeLeaves(next),
  };
}

/** Weights as a model has them and a step of some thousandths. */
function modelTransition(leaves: number, seed: number): Transition {
  return transitionOf(
    smallParameters(256 * leaves, seed, 0.04),
    encodeLeaves(smallParameters(256 * leaves, seed + 1, 0.002)),
  );
}

/** Leaves of all magnitudes whose sums stay finite: the greatest lose their exponent's highest bit. */
function wideTransition(leaves: number, seed: number): Transition {
  const tame = (values: Float32Array): Float32Array => {
    const bits = new Uint32Array(values.buffer);
    for (let i = 0; i < bits.length; i++)
      if ((bits[i]! & 0x7f80_0000) >= 0x7e00_0000) bits[i]! &= 0xbfff_ffff;
    return values;
  };
  const parameters = tame(edgeParameters(leaves, seed));
  const update = encodeLeaves(
    tame(seed % 2 === 0 ? edgeParameters(leaves, seed + 1) : randomParameters(256 * leaves, seed)),
  );
  return transitionOf(parameters, update);
}

describe("LeafCheck", () => {
  let harness: Harness;
  before(async () => {
    harness = await deployHarness();
  });

  /** Verdict and element of each leaf. */
  async function verdicts({ old, update, new: next, quant }: Transition): Promise<[bigint, bigint][]> {
    const results: [bigint, bigint][] = [];
    for (let leaf = 0; leaf * FULL_LEAF_BYTES < old.length; leaf += BATCH) {
      const slice = (bytes: Uint8Array, length: number): string =>
        toHex(bytes.subarray(leaf * length, (leaf + BATCH) * length));
      const [reasons, elements] = await harness.leafVerdicts(
        slice(old, FULL_LEAF_BYTES),
        slice(update, QUANT_LEAF_BYTES),
        slice(next, FULL_LEAF_BYTES),
        slice(quant, QUANT_LEAF_BYTES),
      );
      reasons.forEach((reason, i) => {
        results.push([reason, elements[i]!]);
      });
    }
    return results;
  }

  async function verdictOf(leaves: Transition, live = 256): Promise<[bigint, bigint]> {
    const { old, update, new: next, quant } = leaves;
    const [reason, element] = await harness.leafVerdict(
      toHex(old),
      toHex(update),
      toHex(next),
      toHex(quant),
      live,
    );
    return [reason, element];
  }

  it("finds TypeScript's transitions valid, on 512 leaves", async () => {
    for (const transition of [modelTransition(128, 1), wideTransition(192, 2), wideTransition(192, 3)]) {
      for (const verdict of await verdicts(transition)) expect(verdict).to.deep.equal([Verdict.valid, 0n]);
    }
  });

  it("finds any flipped bit of a new leaf, in 384 leaves", async () => {
    for (const transition of [modelTransition(192, 4), wideTransition(192, 5)]) {
      const next = randomUint32(6);
      const expected: [bigint, bigint][] = [];
      for (let leaf = 0; leaf < 192; leaf++) {
        const bit = next() % (8 * FULL_LEAF_BYTES);
        transition.new[leaf * FULL_LEAF_BYTES + (bit >> 3)]! ^= 1 << (bit & 7);
        expected.push([Verdict.wrongSum, BigInt(bit >> 5)]);
      }
      expect(await verdicts(transition)).to.deep.equal(expected);
    }
  });

  it("finds any changed code of a quantized leaf, in 384 leaves", async () => {
    for (const transition of [modelTransition(192, 7), wideTransition(192, 8)]) {
      const next = randomUint32(9);
      const expected: [bigint, bigint][] = [];
      for (let leaf = 0; leaf < 192; leaf++) {
        const element = next() % 256;
        const flip = 1 + (next() % 15);
        const at = leaf * QUANT_LEAF_BYTES + BLOCKS_PER_LEAF + (element >> 1);
        transition.quant[at]! ^= element % 2 === 0 ? flip : flip << 4;
        expected.push([Verdict.wrongQuantization, BigInt(element)]);
      }
      expect(await verdicts(transition)).to.deep.equal(expected);
    }
  });

  it("finds the first sum that a changed code of the update makes wrong, in 192 leaves", async () => {
    const transition = modelTransition(192, 10);
    const next = randomUint32(11);
    const expected: [bigint, bigint][] = [];
    for (let leaf = 0; leaf < 192; leaf++) {
      const element = next() % 256;
      const at = leaf * QUANT_LEAF_BYTES + BLOCKS_PER_LEAF + (element >> 1);
      // Never between +0 and −0, which give the same sum with a value that is not 0.
      transition.update[at]! ^= (1 + (next() % 7)) << (element % 2 === 0 ? 0 : 4);
      expected.push([Verdict.wrongSum, BigInt(element)]);
    }
    expect(await verdicts(transition)).to.deep.equal(expected);
  });

  it("names the first reason in the order of the verdicts, whatever their elements", async () => {
    const leaves = transitionOf(smallParameters(256, 12, 0.04), new Uint8Array(QUANT_LEAF_BYTES));
    leaves.quant[8]! ^= 8;
    expect(await verdictOf(leaves)).to.deep.equal([Verdict.wrongQuantization, 0n]);
    leaves.new[4 * 10]! ^= 1;
    expect(await verdictOf(leaves)).to.deep.equal([Verdict.wrongSum, 10n]);
    // 4 · 2^125 added to the largest float32 is out of range, whatever the new leaf says.
    leaves.update[6] = 252;
    leaves.update[8 + 100] = 0x60;
    leaves.old.set([0xff, 0xff, 0x7f, 0x7f], 4 * 201);
    expect(await verdictOf(leaves)).to.deep.equal([Verdict.nonFiniteSum, 201n]);
    expect(await verdictOf(leaves, 202)).to.deep.equal([Verdict.nonFiniteSum, 201n]);
    expect(await verdictOf(leaves, 201)).to.deep.equal([Verdict.nonZeroPadding, 201n]);
    expect(await verdictOf(leaves, 0)).to.deep.equal([Verdict.nonZeroPadding, 201n]);
    leaves.update[7] = 253;
    expect(await verdictOf(leaves, 201)).to.deep.equal([Verdict.invalidEncoding, 224n]);
    leaves.old.set([1, 0, 0x80, 0xff], 4 * 255);
    expect(await verdictOf(leaves, 201)).to.deep.equal([Verdict.nonFiniteOld, 255n]);
  });

  describe("of which some leaves are empty", () => {
    const NAMES = ["old", "update", "new", "quant"] as const;
    type Name = (typeof NAMES)[number];

    /** The verdict on these leaves only. */
    function verdictOfOnly(leaves: Transition, names: readonly Name[]): Promise<[bigint, bigint]> {
      const shown = { ...leaves };
      for (const name of NAMES) if (!names.includes(name)) shown[name] = new Uint8Array();
      return verdictOf(shown);
    }

    it("finds any part of a valid transition valid", async () => {
      const leaves = modelTransition(1, 21);
      for (let part = 0; part < 16; part++) {
        const names = NAMES.filter((_, i) => (part >> i) & 1);
        expect(await verdictOfOnly(leaves, names), names.join()).to.deep.equal([Verdict.valid, 0n]);
      }
    });

    it("needs for each rule the leaves that it is about, and no others", async () => {
      const old = modelTransition(1, 22);
      old.old.set([0, 0, 0xc0, 0x7f], 4 * 3);
      const encoding = modelTransition(1, 23);
      encoding.update[3] = 253;
      const overflow = modelTransition(1, 24);
      overflow.update[0] = 252;
      overflow.update[8] = 0x07;
      overflow.old.set([0xff, 0xff, 0x7f, 0x7f], 0);
      const sum = modelTransition(1, 25);
      sum.new[4 * 50]! ^= 1;
      sum.quant.set(encodeLeaves(new Float32Array(sum.new.buffer, sum.new.byteOffset, 256)));
      const quantization = modelTransition(1, 26);
      quantization.quant[8 + 60]! ^= 0x10;
      const cases: [Transition, readonly Name[], [bigint, bigint]][] = [
        [old, ["old"], [Verdict.nonFiniteOld, 3n]],
        [encoding, ["update"], [Verdict.invalidEncoding, 96n]],
        [overflow, ["old", "update"], [Verdict.nonFiniteSum, 0n]],
        [sum, ["old", "update", "new"], [Verdict.wrongSum, 50n]],
        [quantization, ["new", "quant"], [Verdict.wrongQuantization, 121n]],
      ];
      for (const [leaves, needed, verdict] of cases) {
        for (let part = 0; part < 16; part++) {
          const names = NAMES.filter((_, i) => (part >> i) & 1);
          const isShown = needed.every((name) => names.includes(name));
          const expected = isShown ? verdict : [Verdict.valid, 0n];
          expect(await verdictOfOnly(leaves, names), `${verdict}: ${names}`).to.deep.equal(expected);
        }
      }
    });

    it("shows padding by the update leaf alone", async () => {
      const { update } = modelTransition(1, 27);
      update[8 + 127] = 0x20;
      const shown = { old: new Uint8Array(), update, new: new Uint8Array(), quant: new Uint8Array() };
      expect(await verdictOf(shown, 255)).to.deep.equal([Verdict.nonZeroPadding, 255n]);
      expect(await verdictOf(shown, 256)).to.deep.equal([Verdict.valid, 0n]);
    });

    it("finds no fault with the quantization of a leaf that is not finite, but with the sum that it is not", async () => {
      const leaves = modelTransition(1, 28);
      leaves.new.set([0, 0, 0x80, 0x7f], 4 * 200);
      leaves.quant[8]! ^= 1;
      expect(await verdictOfOnly(leaves, ["new", "quant"])).to.deep.equal([Verdict.valid, 0n]);
      expect(await verdictOfOnly(leaves, ["update", "new", "quant"])).to.deep.equal([Verdict.valid, 0n]);
      expect(await verdictOfOnly(leaves, ["old", "new", "quant"])).to.deep.equal([Verdict.valid, 0n]);
      expect(await verdictOfOnly(leaves, ["old", "update", "new"])).to.deep.equal([Verdict.wrongSum, 200n]);
      expect(await verdictOfOnly(leaves, NAMES)).to.deep.equal([Verdict.wrongSum, 200n]);
    });

    it("refuses a leaf that is neither empty nor whole", async () => {
      const leaves = modelTransition(1, 29);
      for (const name of ["old", "update", "new"] as const) {
        const length = leaves[name].length;
        const cut = { ...leaves, [name]: leaves[name].subarray(0, 64) };
        await expect(verdictOf(cut))
          .to.be.revertedWithCustomError(harness, "WrongLeafLength")
          .withArgs(64, length);
      }
    });
  });

  it("calls an overflow to infinity a sum that is not finite even if the new leaf holds it", async () => {
    const vector = formats.reject.find(({ what }) => what === "transition")!;
    const old = bytesOf(vector.oldLeaf!);
    const update = bytesOf(vector.updateLeaf!);
    const decoded = decodeLeaves(update, 256);
    const sums = floatsOf(vector.oldLeaf!).map((value, i) => value + decoded[i]!);
    expect(sums.some((sum) => !Number.isFinite(sum))).to.equal(true);
    const leaves = { old, update, new: littleEndianBytes(sums), quant: new Uint8Array(QUANT_LEAF_BYTES) };
    const first = BigInt(sums.findIndex((sum) => !Number.isFinite(sum)));
    expect(await verdictOf(leaves)).to.deep.equal([Verdict.nonFiniteSum, first]);
  });

  it("gives a verdict on any bytes of the right lengths", async () => {
    for (let seed = 0; seed < 64; seed++) {
      const leaves = {
        old: randomBytes(FULL_LEAF_BYTES, seed),
        update: randomBytes(QUANT_LEAF_BYTES, seed + 1),
        new: randomBytes(FULL_LEAF_BYTES, seed + 2),
        quant: randomBytes(QUANT_LEAF_BYTES, seed + 3),
      };
      expect((await verdictOf(leaves))[0]).to.not.equal(Verdict.valid);
    }
  });

  it("agrees with the other implementation's transitions", async () => {
    for (const { oldLeaf, updateLeaf, newLeaf } of formats.transition) {
      const leaves = {
        old: bytesOf(oldLeaf),
        update: bytesOf(updateLeaf),
        new: bytesOf(newLeaf),
        quant: encodeLeaves(floatsOf(newLeaf)),
      };
      expect(await verdictOf(leaves)).to.deep.equal([Verdict.valid, 0n]);
      expect(await harness.transition(`0x${oldLeaf}`, `0x${updateLeaf}`)).to.deep.equal([
        true,
        `0x${newLeaf}`,
      ]);
    }
  });

  for (const [depth, limit] of [
    [12, 220_000n],
    [20, 240_000n],
  ] as const) {
    it(`checks a leaf of a model in a tree of depth ${depth} for less than ${limit} gas, its calldata included`, async () => {
      const checker = await ethers.deployContract("LeafChecker");
      const leaves = modelTransition(1, 13);
      const index = 2 ** depth - 7;
      const siblings = randomBytes(32 * depth, 14);
      const proof = Array.from({ length: depth }, (_, level) =>
        toHex(siblings.subarray(32 * level, 32 * (level + 1))),
      );
      const rootOver = (leaf: Uint8Array): string =>
        proof.reduce(
          (node, sibling, level) =>
            ethers.keccak256(ethers.concat((index >> level) & 1 ? [sibling, node] : [node, sibling])),
          ethers.keccak256(leaf),
        );
      const trees = {
        oldRoot: rootOver(leaves.old),
        updateRoot: rootOver(leaves.update),
        newRoot: rootOver(leaves.new),
        quantRoot: rootOver(leaves.quant),
      };
      const opening = {
        oldLeaf: leaves.old,
        updateLeaf: leaves.update,
        newLeaf: leaves.new,
        quantLeaf: leaves.quant,
        oldProof: proof,
        updateProof: proof,
        newProof: proof,
        quantProof: proof,
      };
      const call = [trees, 256 * 2 ** depth, index, opening] as const;
      expect(await checker.check(...call)).to.deep.equal([Verdict.valid, 0n]);
      const gas = await checker.check.estimateGas(...call);
      expect(gas < limit).to.equal(true);
    });
  }
});
