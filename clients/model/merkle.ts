// Positional Merkle trees: keccak-256, unsorted pairs, all-zero leaves in the places past the last one (protocol §1).
import { fromHex, isHex, toHex } from "./bytes.ts";
import { GradworkError } from "./errors.ts";
import { treeDepth } from "./geometry.ts";
import { HASH_BYTES, keccak256 } from "./keccak.ts";

const NODE_BYTES = 2 * HASH_BYTES;

/** A tree's hashes, without its leaves: 64 bytes a leaf. */
export type MerkleTree = {
  /** 0x-prefixed hex, 32 bytes */
  readonly root: string;
  readonly depth: number;
  readonly leafCount: number;
  /** leafCount × 32 bytes */
  readonly leafHashes: Uint8Array;
  /** At each height from the leaves (0) to the root: ⌈leafCount / 2^height⌉ × 32 bytes, then only padding. */
  readonly levels: readonly Uint8Array[];
  /** Root of an all-padding subtree at each height. */
  readonly padding: readonly Uint8Array[];
};

/** Takes the bytes of a tree's leaves, or of their hashes, in chunks of any size; `digest` gives the root and ends it. */
export type RootHasher = {
  update(chunk: Uint8Array): void;
  /** @throws {GradworkError} `PARTIAL_LEAF` where the bytes end within one, `INVALID_LEAF_COUNT` without any */
  digest(): string;
};

/** The 2^level places from `firstIndex` on: those under one node, `level` steps above the leaves. */
export type Subtree = { readonly firstIndex: number; readonly level: number };

/**
 * Tree over leaves of one length.
 * @param leaves the bytes of all leaves, whole or as a stream of chunks of any size; only hashes are kept
 * @throws {GradworkError} `INVALID_LEAF_LENGTH`, `PARTIAL_LEAF`, `INVALID_LEAF_COUNT`
 */
export function buildTree(leaves: Uint8Array | Iterable<Uint8Array>, leafLength: number): MerkleTree {
  if (leaves instanceof Uint8Array) return treeOfLeafHashes(hashLeaves(leaves, leafLength), leafLength);
  let hashes = new Uint8Array(1024 * HASH_BYTES);
  let used = 0;
  const splitter = createLeafSplitter(leafLength, (leaf) => {
    if (used === hashes.length) {
      const grown = new Uint8Array(2 * hashes.length);
      grown.set(hashes);
      hashes = grown;
    }
    hashes.set(keccak256(leaf), used);
    used += HASH_BYTES;
  });
  for (const chunk of leaves) splitter.push(chunk);
  splitter.end();
  return treeOfLeafHashes(hashes.slice(0, used), leafLength);
}

/**
 * Keccak-256 of each leaf.
 * @param bytes n leaves
 * @returns n × 32 bytes
 * @throws {GradworkError} `INVALID_LEAF_LENGTH`, `PARTIAL_LEAF`
 */
export function hashLeaves(bytes: Uint8Array, leafLength: number): Uint8Array {
  requireLeafLength(leafLength);
  if (bytes.length % leafLength !== 0) throw partialLeaf(leafLength, bytes.length % leafLength);
  const hashes = new Uint8Array((bytes.length / leafLength) * HASH_BYTES);
  for (let from = 0, to = 0; from < bytes.length; from += leafLength, to += HASH_BYTES) {
    hashes.set(keccak256(bytes.subarray(from, from + leafLength)), to);
  }
  return hashes;
}

/**
 * Tree over leaves whose hashes are known.
 * @param leafHashes n × 32 bytes; kept, not copied
 * @param leafLength bytes of a leaf, for the padding
 * @throws {GradworkError} `INVALID_LEAF_LENGTH`, `INVALID_LEAF_COUNT` without a whole number ≥ 1 of hashes
 */
export function treeOfLeafHashes(leafHashes: Uint8Array, leafLength: number): MerkleTree {
  const leafCount = leafHashes.length / HASH_BYTES;
  const depth = treeDepth(leafCount);
  const padding = paddingHashes(leafLength, depth);
  const levels = [leafHashes];
  let level = leafHashes;
  for (let height = 0; height < depth; height++) {
    level = parentLevel(level, padding[height]!);
    levels.push(level);
  }
  return { root: toHex(level), depth, leafCount, leafHashes, levels, padding };
}

/**
 * Siblings of a place from the leaf up, `tree.depth` of them, 0x-prefixed hex.
 * @param index place of the leaf, < 2^depth: padding has proofs too
 * @throws {GradworkError} `INDEX_OUT_OF_RANGE`
 */
export function merkleProof(tree: MerkleTree, index: number): string[] {
  requireIndex(index, tree.depth);
  const proof: string[] = [];
  let place = index;
  for (let height = 0; height < tree.depth; height++) {
    proof.push(toHex(nodeAt(tree, height, siblingOf(place))));
    place = Math.floor(place / 2);
  }
  return proof;
}

/** Whether `proof` shows that the leaf stands at place `index` of the tree; false for any malformed input. */
export function verifyMerkleProof(
  root: string,
  depth: number,
  leaf: Uint8Array,
  index: number,
  proof: readonly string[],
): boolean {
  if (proof.length !== depth || !isPlace(index, depth)) return false;
  const pair = new Uint8Array(NODE_BYTES);
  let hash = keccak256(leaf);
  let place = index;
  for (const sibling of proof) {
    if (!isHex(sibling, HASH_BYTES)) return false;
    const isLeft = place % 2 === 0;
    pair.set(hash, isLeft ? 0 : HASH_BYTES);
    pair.set(fromHex(sibling), isLeft ? HASH_BYTES : 0);
    hash = keccak256(pair);
    place = Math.floor(place / 2);
  }
  return toHex(hash) === root.toLowerCase();
}

/**
 * Places at which two trees have different leaves, in order; goes down only from nodes that differ.
 * @throws {GradworkError} `TREE_SHAPE_MISMATCH` unless the trees have the same depth and leaf length
 */
export function* differingLeaves(left: MerkleTree, right: MerkleTree): Generator<number, void> {
  if (left.depth !== right.depth || !sameBytes(left.padding[0]!, right.padding[0]!)) {
    throw new GradworkError(
      "TREE_SHAPE_MISMATCH",
      `Expected trees of the same depth and leaf length, got depths ${left.depth} and ${right.depth}`,
      { depths: [left.depth, right.depth] },
    );
  }
  const open: Subtree[] = [{ firstIndex: 0, level: left.depth }];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const { firstIndex, level } = node;
    const place = firstIndex / 2 ** level;
    if (sameBytes(nodeAt(left, level, place), nodeAt(right, level, place))) continue;
    if (level === 0) yield firstIndex;
    else {
      const half = 2 ** (level - 1);
      open.push({ firstIndex: firstIndex + half, level: level - 1 }, { firstIndex, level: level - 1 });
    }
  }
}

/**
 * Where two trees differ beside the path to a place: the smallest subtree there whose roots differ.
 * @param proofGiven siblings of place `index` in one tree, from the leaf up, 0x-prefixed hex
 * @param proofExpected the same of the other tree
 * @returns undefined where all siblings agree
 * @throws {GradworkError} `PROOF_LENGTH_MISMATCH`, `INDEX_OUT_OF_RANGE`
 */
export function lowestDifference(
  proofGiven: readonly string[],
  proofExpected: readonly string[],
  index: number,
): Subtree | undefined {
  const depth = proofExpected.length;
  if (proofGiven.length !== depth) {
    throw new GradworkError(
      "PROOF_LENGTH_MISMATCH",
      `Expected a proof of ${depth} siblings, got ${proofGiven.length}`,
      { expected: depth, given: proofGiven.length },
    );
  }
  requireIndex(index, depth);
  const level = proofGiven.findIndex(
    (sibling, height) => sibling.toLowerCase() !== proofExpected[height]!.toLowerCase(),
  );
  if (level === -1) return undefined;
  return { firstIndex: siblingOf(Math.floor(index / 2 ** level)) * 2 ** level, level };
}

/**
 * Root of a stream of leaves in memory of O(depth + leafLength), for checking a blob while it arrives.
 * @throws {GradworkError} `INVALID_LEAF_LENGTH`
 */
export function createRootHasher(leafLength: number): RootHasher {
  return createHasher(leafLength, leafLength, keccak256);
}

/**
 * Root of a stream of leaf hashes in memory of O(depth), for checking them while they arrive.
 * @param leafLength bytes of a leaf, for the padding
 * @throws {GradworkError} `INVALID_LEAF_LENGTH`
 */
export function createLeafHashesHasher(leafLength: number): RootHasher {
  return createHasher(leafLength, HASH_BYTES, (hash) => hash);
}

function createHasher(
  leafLength: number,
  pieceLength: number,
  leafHashOf: (piece: Uint8Array) => Uint8Array,
): RootHasher {
  requireLeafLength(leafLength);
  // pairs[h] holds the two children of the open node at height h + 1; the left one waits for the right one.
  const pairs: Uint8Array[] = [];
  let leafCount = 0;

  function append(piece: Uint8Array): void {
    let hash = leafHashOf(piece);
    let place = leafCount++;
    let height = 0;
    for (; place % 2 === 1; height++) {
      const pair = pairs[height]!;
      pair.set(hash, HASH_BYTES);
      hash = keccak256(pair);
      place = Math.floor(place / 2);
    }
    pairs[height] ??= new Uint8Array(NODE_BYTES);
    pairs[height]!.set(hash);
  }

  const splitter = createLeafSplitter(pieceLength, append);
  return {
    update: splitter.push,
    digest() {
      splitter.end();
      const depth = treeDepth(leafCount);
      const padding = paddingHashes(leafLength, depth);
      // The node over the last leaves at this height, where one is not yet folded into a left child.
      let open: Uint8Array | undefined;
      for (let height = 0, places = leafCount; height < depth; height++, places = Math.floor(places / 2)) {
        const pair = pairs[height]!;
        if (places % 2 === 1) {
          pair.set(open ?? padding[height]!, HASH_BYTES);
          open = keccak256(pair);
        } else if (open !== undefined) {
          pair.set(open);
          pair.set(padding[height]!, HASH_BYTES);
          open = keccak256(pair);
        }
      }
      return toHex(open ?? pairs[depth]!.subarray(0, HASH_BYTES));
    },
  };
}

/**
 * Cuts a stream of chunks of any size into leaves; a leaf within a chunk is passed as a view of it.
 * @throws {GradworkError} `INVALID_LEAF_LENGTH`; from `end` `PARTIAL_LEAF`
 */
export function createLeafSplitter(
  leafLength: number,
  onLeaf: (leaf: Uint8Array) => void,
): { push(chunk: Uint8Array): void; end(): void } {
  requireLeafLength(leafLength);
  const rest = new Uint8Array(leafLength);
  let held = 0;
  return {
    push(chunk: Uint8Array): void {
      let from = 0;
      if (held > 0) {
        from = Math.min(leafLength - held, chunk.length);
        rest.set(chunk.subarray(0, from), held);
        held += from;
        if (held < leafLength) return;
        onLeaf(rest);
      }
      for (; from + leafLength <= chunk.length; from += leafLength) {
        onLeaf(chunk.subarray(from, from + leafLength));
      }
      rest.set(chunk.subarray(from));
      held = chunk.length - from;
    },
    end(): void {
      if (held > 0) throw partialLeaf(leafLength, held);
    },
  };
}

/**
 * Hashes of a level's pairs, or of some consecutive ones.
 * @param level n × 32 bytes, from an even place on; n is even, but at the level's end
 * @param padding root of an all-padding subtree of this level's height
 * @returns ⌈n/2⌉ × 32 bytes
 */
export function parentLevel(level: Uint8Array, padding: Uint8Array): Uint8Array {
  const pairs = Math.floor(level.length / NODE_BYTES);
  const odd = level.length % NODE_BYTES !== 0;
  const parents = new Uint8Array((pairs + (odd ? 1 : 0)) * HASH_BYTES);
  for (let pair = 0; pair < pairs; pair++) {
    parents.set(keccak256(level.subarray(pair * NODE_BYTES, (pair + 1) * NODE_BYTES)), pair * HASH_BYTES);
  }
  if (odd) parents.set(keccak256(concat(level.subarray(pairs * NODE_BYTES), padding)), pairs * HASH_BYTES);
  return parents;
}

/**
 * Root of an all-padding subtree at each height up to `depth`.
 * @throws {GradworkError} `INVALID_LEAF_LENGTH`
 */
export function paddingHashes(leafLength: number, depth: number): Uint8Array[] {
  requireLeafLength(leafLength);
  const hashes = [keccak256(new Uint8Array(leafLength))];
  for (let height = 0; height < depth; height++)
    hashes.push(keccak256(concat(hashes[height]!, hashes[height]!)));
  return hashes;
}

function concat(left: Uint8Array, right: Uint8Array): Uint8Array {
  const pair = new Uint8Array(NODE_BYTES);
  pair.set(left);
  pair.set(right, HASH_BYTES);
  return pair;
}

/** Place, at the same height, of the node that a node is hashed with. */
export function siblingOf(place: number): number {
  return place % 2 === 0 ? place + 1 : place - 1;
}

function nodeAt(tree: MerkleTree, height: number, place: number): Uint8Array {
  const level = tree.levels[height]!;
  const at = place * HASH_BYTES;
  return at < level.length ? level.subarray(at, at + HASH_BYTES) : tree.padding[height]!;
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

function isPlace(index: number, depth: number): boolean {
  return Number.isSafeInteger(index) && index >= 0 && index < 2 ** depth;
}

/**
 * Checks that a tree of `depth` has a place `index`.
 * @throws {GradworkError} `INDEX_OUT_OF_RANGE`
 */
export function requireIndex(index: number, depth: number): void {
  if (!isPlace(index, depth)) {
    throw new GradworkError("INDEX_OUT_OF_RANGE", `Expected an index < 2^${depth}, got ${index}`, {
      index,
      depth,
    });
  }
}

/** @throws {GradworkError} `INVALID_LEAF_LENGTH` unless an integer ≥ 1 other than 64 */
export function requireLeafLength(leafLength: number): void {
  // A leaf as long as two hashes could pass for a node.
  if (!Number.isSafeInteger(leafLength) || leafLength < 1 || leafLength === NODE_BYTES) {
    throw new GradworkError(
      "INVALID_LEAF_LENGTH",
      `Expected a leaf length ≥ 1 other than ${NODE_BYTES} bytes, got ${leafLength}`,
      { leafLength },
    );
  }
}

function partialLeaf(leafLength: number, rest: number): GradworkError {
  return new GradworkError(
    "PARTIAL_LEAF",
    `Expected whole leaves of ${leafLength} bytes, got ${rest} bytes more`,
    {
      leafLength,
      rest,
    },
  );
}
