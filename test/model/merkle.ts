import { expect } from "chai";
import { keccak256 as ethersKeccak256 } from "ethers";
import keccak256 from "keccak256";
import { MerkleTree as PeerTree } from "merkletreejs";
import { keccak256Bytes } from "../../clients/model/keccak.ts";
import {
  buildTree,
  createLeafHashesHasher,
  createRootHasher,
  differingLeaves,
  hashLeaves,
  lowestDifference,
  type MerkleTree,
  merkleProof,
  treeOfLeafHashes,
  verifyMerkleProof,
} from "../../clients/model/merkle.ts";
import { bytesOf, formats } from "./formats.ts";
import { randomBytes, randomUint32 } from "./random.ts";
import { thrownBy } from "./thrown.ts";

const LEAF_COUNTS = [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 100, 257];

/** The same tree by merkletreejs, whose own rule for odd nodes differs: it is given the padded leaf hashes. */
function peerTree(leaves: Uint8Array, leafLength: number): PeerTree {
  const count = leaves.length / leafLength;
  const hashes = Array.from({ length: 2 ** Math.ceil(Math.log2(count)) }, (_, place) =>
    keccak256(
      place < count
        ? Buffer.from(leaves.subarray(place * leafLength, (place + 1) * leafLength))
        : Buffer.alloc(leafLength),
    ),
  );
  return new PeerTree(hashes, keccak256, { hashLeaves: false, sortPairs: false });
}

/** Leaves with some of them changed, one bit each. */
function changed(leaves: Uint8Array, leafLength: number, places: Iterable<number>): Uint8Array {
  const bytes = leaves.slice();
  for (const place of places) bytes[place * leafLength + (place % leafLength)]! ^= 1;
  return bytes;
}

/** Cuts bytes into chunks of random sizes, some of them empty. */
function* randomChunks(bytes: Uint8Array, largest: number, seed: number): Generator<Uint8Array> {
  const next = randomUint32(seed);
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + (next() % (largest + 1)));
    yield bytes.subarray(at, end);
    at = end;
  }
}

describe("keccak-256", () => {
  it("agrees with ethers on every length around its block size", () => {
    for (let length = 0; length < 300; length++) {
      const bytes = randomBytes(length, length);
      expect(keccak256Bytes(bytes)).to.equal(ethersKeccak256(bytes));
    }
  });
});

describe("Merkle tree", () => {
  it("gives the fixture's roots and proofs", () => {
    for (const { leafLength, leafCount, leafHashes, root, index, leaf, proof } of formats.merkle) {
      const tree = treeOfLeafHashes(bytesOf(leafHashes.join("")), leafLength);
      expect([tree.root, tree.leafCount, tree.depth]).to.deep.equal([`0x${root}`, leafCount, proof.length]);
      const hexProof = proof.map((sibling) => `0x${sibling}`);
      expect(merkleProof(tree, index)).to.deep.equal(hexProof);
      expect(verifyMerkleProof(`0x${root}`, proof.length, bytesOf(leaf), index, hexProof)).to.equal(true);
    }
  });

  it("agrees with merkletreejs on roots and on proofs of every place", () => {
    for (const leafLength of [1024, 136, 516, 1, 63, 65]) {
      for (const count of LEAF_COUNTS) {
        const leaves = randomBytes(count * leafLength, count);
        const tree = buildTree(leaves, leafLength);
        const peer = peerTree(leaves, leafLength);
        expect(tree.root).to.equal(peer.getHexRoot());
        if (leafLength !== 136) continue;
        for (let place = 0; place < 2 ** tree.depth; place++) {
          const peerProof = peer.getHexProof(peer.getLeaves()[place]!, place);
          expect(merkleProof(tree, place)).to.deep.equal(peerProof);
        }
      }
    }
  });

  it("is the same from a stream of chunks of any size", () => {
    for (const count of LEAF_COUNTS) {
      const leaves = randomBytes(count * 136, count + 1);
      const { root, leafHashes } = buildTree(leaves, 136);
      for (const largest of [1, 50, 136, 1000, 5000]) {
        const streamed = buildTree(randomChunks(leaves, largest, count), 136);
        expect([streamed.root, streamed.leafHashes]).to.deep.equal([root, leafHashes]);
        const hasher = createRootHasher(136);
        for (const chunk of randomChunks(leaves, largest, count)) hasher.update(chunk);
        expect(hasher.digest()).to.equal(root);
      }
    }
  });

  it("has the same root by its leaves' hashes alone, whole or as a stream", () => {
    for (const leafLength of [136, 65]) {
      for (const count of LEAF_COUNTS) {
        const leaves = randomBytes(count * leafLength, count + 2);
        const root = peerTree(leaves, leafLength).getHexRoot();
        const leafHashes = hashLeaves(leaves, leafLength);
        expect(treeOfLeafHashes(leafHashes, leafLength)).to.deep.equal(buildTree(leaves, leafLength));
        expect(treeOfLeafHashes(leafHashes, leafLength).root).to.equal(root);
        for (const largest of [1, 31, 32, 100, 5000]) {
          const hasher = createLeafHashesHasher(leafLength);
          for (const chunk of randomChunks(leafHashes, largest, count)) hasher.update(chunk);
          expect(hasher.digest()).to.equal(root);
        }
      }
    }
  });

  it("grows while it streams more leaves than it made room for", () => {
    const leaves = randomBytes(5000 * 65, 1);
    expect(buildTree([leaves], 65).root).to.equal(buildTree(leaves, 65).root);
  });

  it("does not depend on what a chunk's memory holds afterwards", () => {
    const leaves = randomBytes(3 * 136, 1);
    const hasher = createRootHasher(136);
    for (const chunk of randomChunks(leaves, 100, 9)) {
      const reused = chunk.slice();
      hasher.update(reused);
      reused.fill(0);
    }
    expect(hasher.digest()).to.equal(buildTree(leaves, 136).root);
  });

  it("proves every place, padding included", () => {
    const leaves = randomBytes(5 * 516, 3);
    const { root, depth, ...tree } = buildTree(leaves, 516);
    for (let place = 0; place < 8; place++) {
      const leaf = place < 5 ? leaves.subarray(place * 516, (place + 1) * 516) : new Uint8Array(516);
      const proof = merkleProof({ root, depth, ...tree }, place);
      expect(verifyMerkleProof(root, depth, leaf, place, proof)).to.equal(true);
      expect(verifyMerkleProof(root.toUpperCase().replace("X", "x"), depth, leaf, place, proof)).to.equal(
        true,
      );
    }
  });

  it("rejects any other leaf, place, root, depth and proof", () => {
    const leaves = randomBytes(5 * 136, 3);
    const tree = buildTree(leaves, 136);
    const { root, depth } = tree;
    const leaf = leaves.subarray(2 * 136, 3 * 136);
    const proof = merkleProof(tree, 2);
    const verify = (change: {
      root?: string;
      depth?: number;
      leaf?: Uint8Array;
      index?: number;
      proof?: string[];
    }): boolean => {
      const given = { root, depth, leaf, index: 2, proof, ...change };
      return verifyMerkleProof(given.root, given.depth, given.leaf, given.index, given.proof);
    };
    expect(verify({})).to.equal(true);
    expect(verify({ leaf: leaves.subarray(0, 136) })).to.equal(false);
    for (const index of [0, 1, 3, 6, 10, -2, 2.5, Number.NaN, 2 ** 53]) {
      expect(verify({ index })).to.equal(false);
    }
    expect(verify({ root: tree.root.replace(/.$/, (digit) => (digit === "0" ? "1" : "0")) })).to.equal(false);
    expect(verify({ depth: depth - 1 })).to.equal(false);
    expect(verify({ proof: proof.slice(1) })).to.equal(false);
    expect(verify({ proof: [...proof, proof[0]!] })).to.equal(false);
    expect(verify({ proof: proof.toReversed() })).to.equal(false);
    expect(verify({ proof: proof.with(1, `${proof[1]}00`) })).to.equal(false);
    expect(verify({ proof: proof.with(1, proof[1]!.slice(2)) })).to.equal(false);
    expect(verify({ depth: 1, index: 0, proof: proof.slice(1), leaf: Buffer.alloc(0) })).to.equal(false);
  });

  it("refuses a proof for a place outside the tree", () => {
    const tree = buildTree(randomBytes(5 * 136, 3), 136);
    for (const index of [8, -1, 1.5]) {
      const { code, data } = thrownBy(() => merkleProof(tree, index));
      expect([code, data]).to.deep.equal(["INDEX_OUT_OF_RANGE", { index, depth: 3 }]);
    }
  });

  it("refuses bytes that end within a leaf", () => {
    const bytes = randomBytes(300, 1);
    const hasher = createRootHasher(136);
    hasher.update(bytes);
    for (const call of [
      () => buildTree(bytes, 136),
      () => buildTree([bytes], 136),
      () => hashLeaves(bytes, 136),
      () => hasher.digest(),
    ]) {
      expect(thrownBy(call)).to.deep.equal({ code: "PARTIAL_LEAF", data: { leafLength: 136, rest: 28 } });
    }
  });

  it("refuses a tree without leaves", () => {
    for (const call of [
      () => buildTree(new Uint8Array(0), 136),
      () => buildTree([], 136),
      () => createRootHasher(136).digest(),
      () => createLeafHashesHasher(136).digest(),
      () => treeOfLeafHashes(new Uint8Array(33), 136),
    ]) {
      expect(thrownBy(call).code).to.equal("INVALID_LEAF_COUNT");
    }
  });

  it("refuses leaves of two hashes' length, which could pass for nodes", () => {
    for (const leafLength of [64, 0, -1, 1.5]) {
      for (const call of [
        () => buildTree(new Uint8Array(64), leafLength),
        () => buildTree([], leafLength),
        () => createRootHasher(leafLength),
        () => createLeafHashesHasher(leafLength),
        () => treeOfLeafHashes(new Uint8Array(32), leafLength),
      ]) {
        expect(thrownBy(call).code).to.equal("INVALID_LEAF_LENGTH");
      }
    }
  });
});

describe("difference of two Merkle trees", () => {
  it("is every place at which their leaves differ, in order", () => {
    for (const count of LEAF_COUNTS) {
      const leaves = randomBytes(count * 136, count);
      const tree = buildTree(leaves, 136);
      const next = randomUint32(count);
      const all = Array.from({ length: count }, (_, place) => place);
      const choices = [
        [],
        [0],
        [count - 1],
        all,
        all.filter(() => next() % 2 === 0),
        all.filter(() => next() % 16 === 0),
      ];
      for (const places of choices) {
        const other = buildTree(changed(leaves, 136, new Set(places)), 136);
        expect([...differingLeaves(tree, other)]).to.deep.equal([...new Set(places)]);
        expect([...differingLeaves(other, tree)]).to.deep.equal([...new Set(places)]);
      }
    }
  });

  it("counts a leaf that only one of them has, unless it is all zero", () => {
    const leaves = randomBytes(8 * 136, 4).fill(0, 6 * 136, 7 * 136);
    const whole = buildTree(leaves, 136);
    const short = buildTree(leaves.subarray(0, 5 * 136), 136);
    expect([...differingLeaves(whole, short)]).to.deep.equal([5, 7]);
    expect([...differingLeaves(short, whole)]).to.deep.equal([5, 7]);
    const longer = buildTree(leaves.subarray(0, 7 * 136), 136);
    expect([...differingLeaves(longer, buildTree(leaves.subarray(0, 6 * 136), 136))]).to.deep.equal([]);
  });

  it("is found by going down from nodes that differ, and no further than asked", () => {
    const tree = buildTree(randomBytes(8 * 136, 5), 136);
    /** The same tree with nodes of one height spoiled, as no leaves can give. */
    const spoiled = (height: number, places: number[]): MerkleTree => {
      const level = tree.levels[height]!.slice();
      for (const place of places) level[32 * place]! ^= 1;
      return { ...tree, levels: tree.levels.with(height, level) };
    };
    expect([...differingLeaves(tree, spoiled(0, [0, 1, 2, 3]))], "under nodes that agree").to.deep.equal([]);
    expect([...differingLeaves(tree, spoiled(3, [0]))], "over nodes that agree").to.deep.equal([]);

    const other = buildTree(randomBytes(8 * 136, 6), 136);
    const levels = other.levels.map((level) => level.slice());
    const walk = differingLeaves(tree, { ...other, levels });
    expect(walk.next()).to.deep.equal({ done: false, value: 0 });
    levels[2]!.set(tree.levels[2]!.subarray(32), 32);
    expect([...walk]).to.deep.equal([1, 2, 3]);
  });

  it("is not defined for trees of different shapes", () => {
    const tree = buildTree(randomBytes(5 * 136, 1), 136);
    for (const other of [
      buildTree(randomBytes(4 * 136, 1), 136),
      buildTree(randomBytes(9 * 136, 1), 136),
      buildTree(randomBytes(5 * 135, 1), 135),
    ]) {
      const { code, data } = thrownBy(() => [...differingLeaves(tree, other)]);
      expect([code, data]).to.deep.equal(["TREE_SHAPE_MISMATCH", { depths: [3, other.depth] }]);
    }
  });
});

describe("lowest difference of two proofs", () => {
  it("is the smallest subtree that holds a changed leaf beside the path, by proofs of merkletreejs too", () => {
    for (const count of [1, 2, 3, 5, 8, 33]) {
      const leaves = randomBytes(count * 136, count);
      const tree = buildTree(leaves, 136);
      for (let changedPlace = 0; changedPlace < count; changedPlace++) {
        const peer = peerTree(changed(leaves, 136, [changedPlace]), 136);
        for (let index = 0; index < 2 ** tree.depth; index++) {
          const given = peer.getHexProof(peer.getLeaves()[index]!, index);
          const difference = lowestDifference(given, merkleProof(tree, index), index);
          if (index === changedPlace) {
            expect(difference).to.equal(undefined);
            continue;
          }
          // The two places part at the highest bit in which they differ.
          const level = 31 - Math.clz32(index ^ changedPlace);
          expect(difference).to.deep.equal({ firstIndex: (changedPlace >> level) << level, level });
        }
      }
    }
  });

  it("is the lowest of several", () => {
    const leaves = randomBytes(8 * 136, 3);
    const tree = buildTree(leaves, 136);
    for (const [places, expected] of [
      [[1, 2, 4], { firstIndex: 1, level: 0 }],
      [[3, 7], { firstIndex: 2, level: 1 }],
      [[4, 5], { firstIndex: 4, level: 2 }],
    ] as const) {
      const other = buildTree(changed(leaves, 136, places), 136);
      expect(lowestDifference(merkleProof(other, 0), merkleProof(tree, 0), 0)).to.deep.equal(expected);
    }
  });

  it("leads to a changed leaf in at most as many proofs as the tree is deep", () => {
    const count = 100;
    const leaves = randomBytes(count * 136, 7);
    const tree = buildTree(leaves, 136);
    for (const places of [[77], [0, 99], [3, 40, 41, 64]]) {
      const other = buildTree(changed(leaves, 136, places), 136);
      for (const start of [0, 50, 99, 127]) {
        let index = start;
        let proofs = 0;
        for (;;) {
          const difference = lowestDifference(merkleProof(other, index), merkleProof(tree, index), index);
          if (places.includes(index) || difference === undefined) break;
          index = difference.firstIndex;
          proofs++;
        }
        expect(places).to.include(index);
        expect(proofs).to.be.at.most(tree.depth);
      }
    }
  });

  it("does not depend on the letters' case", () => {
    const tree = buildTree(randomBytes(5 * 136, 1), 136);
    const proof = merkleProof(tree, 2);
    const upper = proof.map((sibling) => sibling.toUpperCase().replace("X", "x"));
    expect(lowestDifference(upper, proof, 2)).to.equal(undefined);
  });

  it("stays exact beyond 32 bits", () => {
    const proof = Array.from({ length: 40 }, () => `0x${"0".repeat(64)}`);
    const index = 2 ** 39 + 5;
    const other = proof.with(38, `0x${"0".repeat(63)}1`);
    expect(lowestDifference(other, proof, index)).to.deep.equal({ firstIndex: 2 ** 39 + 2 ** 38, level: 38 });
  });

  it("refuses proofs of different lengths, and places outside the tree", () => {
    const proof = merkleProof(buildTree(randomBytes(5 * 136, 1), 136), 2);
    const { code, data } = thrownBy(() => lowestDifference(proof.slice(1), proof, 2));
    expect([code, data]).to.deep.equal(["PROOF_LENGTH_MISMATCH", { expected: 3, given: 2 }]);
    for (const index of [8, -1, 0.5]) {
      expect(thrownBy(() => lowestDifference(proof, proof, index)).code).to.equal("INDEX_OUT_OF_RANGE");
    }
  });
});
