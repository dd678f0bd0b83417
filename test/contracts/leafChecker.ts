import { expect } from "chai";
import { network } from "hardhat";
import type { ILeafChecker, LeafChecker } from "../../types/LeafChecker.ts";
import { FORGERIES, forgedTransition, LEAF_VERDICTS } from "./support/forgery.ts";
import {
  commitTransition,
  LEAF_NAMES,
  type LeafName,
  makeVectors,
  type Opening,
  only,
  type Transition,
} from "./support/transition.ts";

const { ethers } = await network.create();

const FULL = 1_024;
const QUANT = 136;

function treesOf({ head, fullRoot, quantRoot, updateRoot }: Transition): ILeafChecker.TreesStruct {
  return { oldRoot: head.fullRoot, updateRoot, newRoot: fullRoot, quantRoot };
}

describe("LeafChecker", () => {
  let checker: LeafChecker;

  before(async () => {
    checker = await ethers.deployContract("LeafChecker");
  });

  /** Checks one opening; the transition's own, unless another is given. */
  function check(transition: Transition, index: number, opening = transition.opening(index)) {
    return checker.check(treesOf(transition), transition.head.parameterCount, index, opening);
  }

  it("counts leaves of 256 parameters", async () => {
    const counts: [parameters: bigint, leaves: bigint][] = [
      [1n, 1n],
      [256n, 1n],
      [257n, 2n],
      [2n ** 40n, 2n ** 32n],
    ];
    for (const [parameters, leaves] of counts) expect(await checker.leafCount(parameters)).to.equal(leaves);
  });

  for (const parameterCount of [1, 255, 256, 257, 700, 1_024, 5_000]) {
    it(`finds every place of an honest model of ${parameterCount} parameters valid, padding too`, async () => {
      const transition = commitTransition(makeVectors(parameterCount, parameterCount));
      for (let index = 0; index < 2 ** transition.depth; index++) {
        expect(await check(transition, index), `leaf ${index}`).to.deep.equal([0n, 0n]);
      }
    });
  }

  for (const forgery of FORGERIES) {
    it(`gives the verdict ${forgery.verdict} where ${forgery.what}`, async () => {
      const transition = forgedTransition(forgery);
      const verdict = BigInt(LEAF_VERDICTS.indexOf(forgery.verdict));
      expect(await check(transition, 0)).to.deep.equal([verdict, forgery.element]);
    });
  }

  describe("refuses an opening", () => {
    const transition = commitTransition(makeVectors(700, 2));
    const leaves: [keyof Opening & `${string}Leaf`, keyof ILeafChecker.TreesStruct, length: number][] = [
      ["oldLeaf", "oldRoot", FULL],
      ["updateLeaf", "updateRoot", QUANT],
      ["newLeaf", "newRoot", FULL],
      ["quantLeaf", "quantRoot", QUANT],
    ];

    for (const [leaf, root, length] of leaves) {
      const proof = leaf.replace("Leaf", "Proof") as keyof Opening & `${string}Proof`;

      it(`whose ${leaf} has a wrong length`, async () => {
        for (const given of [0, 64, length - 1, length + 1]) {
          const opening = { ...transition.opening(1), [leaf]: new Uint8Array(given) };
          await expect(check(transition, 1, opening))
            .to.be.revertedWithCustomError(checker, "WrongLeafLength")
            .withArgs(given, length);
        }
      });

      it(`whose ${proof} has a wrong length`, async () => {
        const honest = transition.opening(1);
        for (const siblings of [[], honest[proof].slice(1), [...honest[proof], honest[proof][0]!]]) {
          await expect(check(transition, 1, { ...honest, [proof]: siblings }))
            .to.be.revertedWithCustomError(checker, "WrongProofLength")
            .withArgs(siblings.length, transition.depth);
        }
      });

      it(`whose ${leaf} is not in its tree`, async () => {
        const honest = transition.opening(1);
        const tampered = honest[leaf].slice();
        tampered[length - 1]! ^= 1;
        const others = [
          { ...honest, [leaf]: tampered },
          { ...honest, [leaf]: transition.opening(0)[leaf] },
          { ...honest, [proof]: honest[proof].toReversed() },
        ];
        for (const opening of others) {
          await expect(check(transition, 1, opening))
            .to.be.revertedWithCustomError(checker, "NotInTree")
            .withArgs(treesOf(transition)[root], 1);
        }
      });
    }

    it("of a leaf at another index, or at one past the tree's places", async () => {
      for (const index of [0, 2, 3, 5, 2 ** 32 + 1]) {
        await expect(check(transition, index, transition.opening(1)))
          .to.be.revertedWithCustomError(checker, "NotInTree")
          .withArgs(transition.head.fullRoot, index);
      }
    });

    it("made for a model of another depth", async () => {
      const trees = treesOf(transition);
      for (const [parameterCount, depth] of [
        [512, 1],
        [1_025, 3],
      ]) {
        await expect(checker.check(trees, parameterCount!, 1, transition.opening(1)))
          .to.be.revertedWithCustomError(checker, "WrongProofLength")
          .withArgs(2, depth);
      }
    });
  });

  describe("refuting", () => {
    const transition = commitTransition(makeVectors(700, 2));

    function refute(refuted: Transition, index: number, opening: Opening) {
      return checker.refute(treesOf(refuted), refuted.head.parameterCount, index, opening);
    }

    for (const forgery of FORGERIES) {
      it(`shows ${forgery.verdict} with the leaves ${forgery.shownBy.join(", ")} alone, where ${forgery.what}`, async () => {
        const forged = forgedTransition(forgery, 3);
        const verdict = BigInt(LEAF_VERDICTS.indexOf(forgery.verdict));
        for (const names of [forgery.shownBy, LEAF_NAMES]) {
          const opening = only(forged.opening(2), names);
          expect(await refute(forged, 2, opening)).to.deep.equal([verdict, forgery.element]);
        }
      });
    }

    it("shows nothing wrong with any leaves of an honest model, with none, or with padding", async () => {
      for (let part = 0; part < 16; part++) {
        const names = LEAF_NAMES.filter((_, i) => (part >> i) & 1);
        for (const index of [0, 2, 3]) {
          const opening = only(transition.opening(index), names);
          expect(await refute(transition, index, opening), `${names} at ${index}`).to.deep.equal([0n, 0n]);
        }
      }
    });

    it("does not read the proof of an empty leaf", async () => {
      const opening = {
        ...transition.opening(1),
        oldLeaf: new Uint8Array(),
        oldProof: [transition.fullRoot],
      };
      expect(await refute(transition, 1, opening)).to.deep.equal([0n, 0n]);
    });

    const roots: Record<LeafName, [keyof ILeafChecker.TreesStruct, length: number]> = {
      old: ["oldRoot", FULL],
      update: ["updateRoot", QUANT],
      new: ["newRoot", FULL],
      quant: ["quantRoot", QUANT],
    };
    for (const name of LEAF_NAMES) {
      it(`refuses the ${name} leaf unless it is in its tree, at that place`, async () => {
        const [root, length] = roots[name];
        const opening = only(transition.opening(1), [name]);
        const [leaf, proof] = [opening[`${name}Leaf`], opening[`${name}Proof`]];
        const cut = { ...opening, [`${name}Leaf`]: leaf.subarray(1) };
        await expect(refute(transition, 1, cut))
          .to.be.revertedWithCustomError(checker, "WrongLeafLength")
          .withArgs(length - 1, length);
        const short = { ...opening, [`${name}Proof`]: proof.slice(1) };
        await expect(refute(transition, 1, short))
          .to.be.revertedWithCustomError(checker, "WrongProofLength")
          .withArgs(1, 2);
        const elsewhere = { ...opening, [`${name}Proof`]: proof.toReversed() };
        await expect(refute(transition, 1, elsewhere))
          .to.be.revertedWithCustomError(checker, "NotInTree")
          .withArgs(treesOf(transition)[root], 1);
        for (const index of [0, 3, 5]) {
          await expect(refute(transition, index, opening))
            .to.be.revertedWithCustomError(checker, "NotInTree")
            .withArgs(treesOf(transition)[root], index);
        }
      });
    }
  });

  describe("looking for values that are not finite", () => {
    const vectors = makeVectors(700, 2);
    const spoilt: [element: number, value: number][] = [
      [0, Number.NaN],
      [255, Number.POSITIVE_INFINITY],
      [256 + 9, Number.NEGATIVE_INFINITY],
      [256 + 200, Number.NaN],
    ];
    for (const [element, value] of spoilt) vectors.parameters[element] = value;
    const transition = commitTransition(vectors);
    const { fullRoot, parameterCount } = transition.head;

    function firstNonFinite(index: number, { oldLeaf, oldProof } = transition.opening(index)) {
      return checker.firstNonFinite(fullRoot, parameterCount, index, oldLeaf, oldProof);
    }

    it("finds the first of a leaf, and 256 where there is none", async () => {
      const found = [];
      for (let index = 0; index < 4; index++) found.push(await firstNonFinite(index));
      expect(found).to.deep.equal([0n, 9n, 256n, 256n]);
    });

    it("refuses a leaf that is not in the tree, at that place", async () => {
      const opening = transition.opening(1);
      for (const given of [0, 64, FULL - 1]) {
        await expect(firstNonFinite(1, { ...opening, oldLeaf: opening.oldLeaf.slice(0, given) }))
          .to.be.revertedWithCustomError(checker, "WrongLeafLength")
          .withArgs(given, FULL);
      }
      await expect(firstNonFinite(1, { ...opening, oldProof: [] }))
        .to.be.revertedWithCustomError(checker, "WrongProofLength")
        .withArgs(0, 2);
      for (const index of [0, 2, 5]) {
        await expect(firstNonFinite(index, opening))
          .to.be.revertedWithCustomError(checker, "NotInTree")
          .withArgs(fullRoot, index);
      }
    });
  });
});
