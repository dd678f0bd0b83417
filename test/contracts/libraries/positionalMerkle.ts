import { expect } from "chai";
import { toHex } from "../../../clients/model/bytes.ts";
import { treeDepth } from "../../../clients/model/geometry.ts";
import { keccak256Bytes } from "../../../clients/model/keccak.ts";
import { buildTree, hashLeaves, merkleProof } from "../../../clients/model/merkle.ts";
import { formats } from "../../model/formats.ts";
import { randomBytes } from "../../model/random.ts";
import { deployHarness, type Harness } from "./harness.ts";

type FalseProof = { root: string; depth: number; leaf: string; index: number; proof: string[] };

const LEAF_BYTES = 136;

describe("PositionalMerkle", () => {
  let harness: Harness;
  before(async () => {
    harness = await deployHarness();
  });

  it("gives ⌈log2 n⌉ as the depth over n leaves", async () => {
    const counts = [1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 257, 2 ** 31, 2 ** 31 + 1, 2 ** 40, 2 ** 40 + 1];
    for (const count of counts) expect(await harness.depthOf(count)).to.equal(BigInt(treeDepth(count)));
  });

  it("proves each place of TypeScript's trees, padding included, and no other leaf or place", async () => {
    for (const count of [1, 2, 3, 6, 11]) {
      const leaves = randomBytes(count * LEAF_BYTES, count);
      const tree = buildTree(leaves, LEAF_BYTES);
      const leafAt = (place: number): string =>
        toHex(
          place < count
            ? leaves.subarray(place * LEAF_BYTES, (place + 1) * LEAF_BYTES)
            : new Uint8Array(LEAF_BYTES),
        );
      for (let index = 0; index < 2 ** tree.depth; index++) {
        const proof = merkleProof(tree, index);
        for (let place = 0; place < 2 ** tree.depth; place++) {
          const holds = place === index || (place >= count && index >= count);
          expect(await harness.verifyProof(tree.root, tree.depth, leafAt(place), index, proof)).to.equal(
            holds,
          );
        }
      }
    }
  });

  it("takes no proof of another length, and no index past the tree", async () => {
    const leaves = randomBytes(5 * LEAF_BYTES, 1);
    const tree = buildTree(leaves, LEAF_BYTES);
    const leaf = toHex(leaves.subarray(0, LEAF_BYTES));
    const proof = merkleProof(tree, 0);
    const verify = (depth: number, index: number | bigint, siblings: string[]): Promise<boolean> =>
      harness.verifyProof(tree.root, depth, leaf, index, siblings);
    expect(await verify(3, 0, proof)).to.equal(true);
    expect(await verify(3, 0, proof.slice(0, 2))).to.equal(false);
    expect(await verify(2, 0, proof)).to.equal(false);
    expect(await verify(3, 0, [...proof, proof[0]!])).to.equal(false);
    expect(await verify(3, 8, proof)).to.equal(false);
    expect(await verify(3, 1n << 255n, proof)).to.equal(false);
    expect(
      await harness.verifyProof(keccak256Bytes(leaves.subarray(0, LEAF_BYTES)), 0, leaf, 1, []),
    ).to.equal(false);
  });

  it("takes a proof with any flipped bit for false", async () => {
    const leaves = randomBytes(8 * LEAF_BYTES, 2);
    const tree = buildTree(leaves, LEAF_BYTES);
    const leaf = toHex(leaves.subarray(5 * LEAF_BYTES, 6 * LEAF_BYTES));
    const proof = merkleProof(tree, 5);
    for (let level = 0; level < 3; level++) {
      for (let bit = 0; bit < 256; bit += 17) {
        const flipped = (BigInt(proof[level]!) ^ (1n << BigInt(bit))).toString(16).padStart(64, "0");
        expect(await harness.verifyProof(tree.root, 3, leaf, 5, proof.with(level, `0x${flipped}`))).to.equal(
          false,
        );
      }
    }
  });

  it("agrees with the other implementation's trees and proofs", async () => {
    for (const { leafLength, leafCount, leafHashes, root, index, leaf, proof } of formats.merkle) {
      const siblings = proof.map((hash) => `0x${hash}`);
      const padding = hashLeaves(new Uint8Array(leafLength), leafLength);
      const hashes = leafHashes.map((hash) => `0x${hash}`);
      expect(await harness.depthOf(leafCount)).to.equal(BigInt(proof.length));
      expect(await harness.merkleRoot(hashes, toHex(padding))).to.equal(`0x${root}`);
      expect(await harness.verifyProof(`0x${root}`, proof.length, `0x${leaf}`, index, siblings)).to.equal(
        true,
      );
    }
  });

  it("refuses the other implementation's false proofs", async () => {
    const vectors = formats.reject.filter(({ what }) => what === "proof") as unknown as FalseProof[];
    expect(vectors).to.have.lengthOf(29);
    for (const { root, depth, leaf, index, proof } of vectors) {
      const siblings = proof.map((hash) => `0x${hash}`);
      expect(await harness.verifyProof(`0x${root}`, depth, `0x${leaf}`, index, siblings)).to.equal(false);
    }
  });
});
