import { type FileHandle, open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { toHex } from "../model/bytes.ts";
import { treeDepth } from "../model/geometry.ts";
import { HASH_BYTES, keccak256 } from "../model/keccak.ts";
import { createLeafSplitter, paddingHashes, parentLevel, siblingOf } from "../model/merkle.ts";
import { openIfThere, readBytes } from "./files.ts";

/*
 * A Merkle tree's hashes on disk:
 *
 *     8 bytes      leaf length in bytes, little-endian
 *     n × 32       leaf hashes
 *     ⌈n/2⌉ × 32   their parents, and so on up to the root; padding is left out
 */
const HEADER_BYTES = 8;

// An even number of hashes, so that no pair is cut; small enough not to hold up the event loop.
const PIECE_BYTES = 1 << 18;

/** A tree's hashes, in a file that stays open until `close`. */
export type TreeFile = {
  readonly leafLength: number;
  readonly leafCount: number;
  readonly depth: number;
  /** leafCount × 32 bytes */
  readLeafHashes(): Readable;
  /**
   * Siblings of a place from the leaf up, in `depth` reads.
   * @param index < 2^depth
   * @returns depth × 32 bytes
   */
  readProof(index: number): Promise<Uint8Array>;
  close(): Promise<void>;
};

/**
 * Writes the tree over a stream of leaves, in memory that doesn't grow with it; on disk when it resolves.
 * @param path of a file that isn't there yet
 * @param leaves the bytes of n leaves, in chunks of any size
 * @returns the root
 * @throws {GradworkError} `INVALID_LEAF_LENGTH`, `PARTIAL_LEAF`, `INVALID_LEAF_COUNT`
 */
export async function writeTreeFile(
  path: string,
  leaves: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  leafLength: number,
): Promise<string> {
  let hashes: Uint8Array[] = [];
  let leafCount = 0;
  const splitter = createLeafSplitter(leafLength, (leaf) => {
    hashes.push(keccak256(leaf));
    leafCount++;
  });
  const file = await open(path, "wx+");
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeBigUInt64LE(BigInt(leafLength));
    await file.writeFile(header);
    for await (const chunk of leaves) {
      splitter.push(chunk);
      await file.writeFile(Buffer.concat(hashes));
      hashes = [];
    }
    splitter.end();
    const depth = treeDepth(leafCount);
    const padding = paddingHashes(leafLength, depth);
    let offset = HEADER_BYTES;
    for (const [height, end] of levelEnds(leafCount).slice(0, depth).entries()) {
      while (offset < end) {
        const piece = await readBytes(file, offset, Math.min(PIECE_BYTES, end - offset));
        await file.writeFile(parentLevel(piece, padding[height]!));
        offset += piece.length;
      }
    }
    const root = await readBytes(file, offset, HASH_BYTES);
    await file.sync();
    return toHex(root);
  } finally {
    await file.close();
  }
}

/**
 * Opens a tree that `writeTreeFile` wrote.
 * @param blobBytes length of the blob that it should be of
 * @returns undefined where there is no file, or no whole tree over a blob of that length in it
 */
export async function openTreeFile(path: string, blobBytes: number): Promise<TreeFile | undefined> {
  const file = await openIfThere(path);
  if (file === undefined) return undefined;
  let tree: TreeFile | undefined;
  try {
    const { size } = await file.stat();
    tree =
      size > HEADER_BYTES ? treeIn(file, size, await readBytes(file, 0, HEADER_BYTES), blobBytes) : undefined;
    return tree;
  } finally {
    if (tree === undefined) await file.close();
  }
}

function treeIn(file: FileHandle, size: number, header: Uint8Array, blobBytes: number): TreeFile | undefined {
  const leafLength = Number(Buffer.from(header).readBigUInt64LE());
  const leafCount = blobBytes / leafLength;
  if (!Number.isSafeInteger(leafCount) || leafCount < 1) return undefined;
  const ends = levelEnds(leafCount);
  if (size !== ends.at(-1)) return undefined;
  const depth = treeDepth(leafCount);

  async function readProof(index: number): Promise<Uint8Array> {
    const padding = paddingHashes(leafLength, depth);
    const proof = new Uint8Array(depth * HASH_BYTES);
    let place = index;
    for (let height = 0; height < depth; height++) {
      const start = height === 0 ? HEADER_BYTES : ends[height - 1]!;
      const offset = start + siblingOf(place) * HASH_BYTES;
      const sibling = offset < ends[height]! ? await readBytes(file, offset, HASH_BYTES) : padding[height]!;
      proof.set(sibling, height * HASH_BYTES);
      place = Math.floor(place / 2);
    }
    return proof;
  }

  return {
    leafLength,
    leafCount,
    depth,
    readLeafHashes: () =>
      file.createReadStream({
        start: HEADER_BYTES,
        end: ends[0]! - 1,
        highWaterMark: PIECE_BYTES,
        autoClose: false,
      }),
    readProof,
    close: () => file.close(),
  };
}

/** Where each level ends in the file, from the leaf hashes to the root. */
function levelEnds(leafCount: number): number[] {
  const ends: number[] = [];
  let end = HEADER_BYTES;
  for (let height = 0; height <= treeDepth(leafCount); height++) {
    end += Math.ceil(leafCount / 2 ** height) * HASH_BYTES;
    ends.push(end);
  }
  return ends;
}
