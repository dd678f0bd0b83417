import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { GradworkError } from "../model/errors.ts";
import { FULL_LEAF_BYTES, QUANT_LEAF_BYTES } from "../model/geometry.ts";
import {
  type BlobReference,
  createBlobHasher,
  isBlobHash,
  leafLengthOf,
  requireBlobHash,
  requireBlobLength,
  requireSameHash,
} from "./blobReference.ts";
import { exists, isMissing, openIfThere, readBytes, syncDirectory } from "./files.ts";
import { openTreeFile, type TreeFile, writeTreeFile } from "./treeFile.ts";

export type PutOptions = {
  /** bytes of a leaf, for a blob named by its Merkle root; without it, by its keccak-256 */
  readonly leafLength?: number | undefined;
  /** keep it from the server until `publish`; no effect on a blob that is published already */
  readonly sealed?: boolean;
};

/** A blob under a Merkle root, in parts. */
export type BlobTree = TreeFile & {
  /**
   * @param index < 2^depth; past the last leaf they are all zero
   * @returns leafLength bytes
   */
  readLeaf(index: number): Promise<Uint8Array>;
};

/**
 * Blobs in a folder, one file each, named by their hash. A blob under a Merkle root has its tree's hashes beside it, so
 * that a part of it is shown without hashing the rest.
 *
 * A file gets its name only when it is whole, hashed and on disk, so a crash leaves no wrong blob. `read` hashes
 * again, because a stake depends on the bytes and disks err; what the server sends is hashed by its receiver.
 * Several processes of one host may share a folder.
 */
export type BlobStore = {
  /** Stores bytes; returns their hash. */
  put(bytes: Uint8Array, options?: PutOptions): Promise<string>;

  /**
   * Stores a stream of bytes, in any pieces; returns their hash. Nothing stays behind when the stream fails.
   * @throws {GradworkError} `BLOB_HASH_MISMATCH` when `expectedHash` is given and the bytes have another
   */
  putStream(
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options?: PutOptions & { readonly expectedHash?: string },
  ): Promise<string>;

  /**
   * Lets the server serve a sealed blob, from now on and after restarts.
   * @throws {GradworkError} `BLOB_NOT_STORED`
   */
  publish(hash: string): Promise<void>;

  /** Removes a blob; none there is no fault. */
  remove(hash: string): Promise<void>;

  /** Whether a blob is here, sealed or published. */
  has(hash: string): Promise<boolean>;

  /**
   * A blob's bytes, in an ArrayBuffer of their own, sealed or published.
   * @throws {GradworkError} `BLOB_NOT_STORED`, `BLOB_TOO_LARGE`, `BLOB_TOO_SHORT`, `BLOB_HASH_MISMATCH`
   */
  read(reference: BlobReference): Promise<Uint8Array>;

  /** A published blob's file, for the caller to close; undefined where there is none. */
  openPublished(hash: string): Promise<FileHandle | undefined>;

  /**
   * A published blob's leaves and tree, for the caller to close; undefined where there is no such blob, or none that is
   * known to be under a Merkle root.
   */
  openPublishedTree(hash: string): Promise<BlobTree | undefined>;
};

const PIECE_BYTES = 1 << 20;

// What a blob without a tree is tried with, where its reference isn't known: the leaves that a model and an update have.
const MODEL_LEAF_LENGTHS = [FULL_LEAF_BYTES, QUANT_LEAF_BYTES];

// A process id alone can come again, above all in a container, where it is often 1.
const processTag = `${process.pid}-${randomUUID()}`;

/**
 * Opens a folder as a blob store; makes it where it is missing.
 *
 *     DIR/0x…          published blobs
 *     DIR/sealed/0x…   blobs that the server doesn't show yet
 *     DIR/trees/0x…    hashes of either kind's Merkle trees; one without its blob is removed
 *     DIR/incoming/    being written; what a dead process left there is removed
 */
export async function openBlobStore(directory: string): Promise<BlobStore> {
  const sealedDirectory = join(directory, "sealed");
  const treeDirectory = join(directory, "trees");
  const incomingDirectory = join(directory, "incoming");
  const newIncomingPath = () => join(incomingDirectory, `${processTag}-${randomUUID()}`);
  const treePathOf = (hash: string) => join(treeDirectory, hash);

  await mkdir(directory, { recursive: true });
  for (const path of [sealedDirectory, treeDirectory, incomingDirectory])
    await mkdir(path, { recursive: true, mode: 0o700 });
  for (const name of await readdir(incomingDirectory)) {
    if (isLeftover(name)) await rm(join(incomingDirectory, name), { force: true });
  }
  for (const name of await readdir(treeDirectory)) {
    if (isBlobHash(name)) await removeTreeWithoutBlob(name);
  }

  // Blobs whose tree was looked for without knowing their leaves: once each, since it takes hashing them whole.
  const searches = new Map<string, Promise<boolean>>();

  async function putStream(
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    { leafLength, sealed = false, expectedHash }: PutOptions & { readonly expectedHash?: string } = {},
  ): Promise<string> {
    const incomingPath = newIncomingPath();
    const treePath = newIncomingPath();
    try {
      const file = await open(incomingPath, "wx");
      let hash: string;
      try {
        const written = writeThrough(file, chunks);
        hash =
          leafLength === undefined
            ? await keccakOf(written)
            : await writeTreeFile(treePath, written, leafLength);
        if (expectedHash !== undefined) requireSameHash(expectedHash, hash);
        await file.sync();
      } finally {
        await file.close();
      }
      if (sealed && !(await exists(join(directory, hash)))) {
        await rename(incomingPath, join(sealedDirectory, hash));
        await syncDirectory(sealedDirectory);
      } else {
        await rename(incomingPath, join(directory, hash));
        await syncDirectory(directory);
        await rm(join(sealedDirectory, hash), { force: true });
      }
      if (leafLength !== undefined) await keepTree(treePath, hash);
      return hash;
    } finally {
      await rm(incomingPath, { force: true });
      await rm(treePath, { force: true });
    }
  }

  // A tree comes after its blob, which may have been removed since.
  async function keepTree(path: string, hash: string): Promise<void> {
    await rename(path, treePathOf(hash));
    await syncDirectory(treeDirectory);
    await removeTreeWithoutBlob(hash);
  }

  async function removeTreeWithoutBlob(hash: string): Promise<void> {
    if (!(await has(hash))) await rm(treePathOf(hash), { force: true });
  }

  /** Makes and keeps a blob's tree, if its bytes hash to its name with leaves of one of these lengths. */
  async function makeTree(hash: string, blob: FileHandle, leafLengths: readonly number[]): Promise<boolean> {
    const { size } = await blob.stat();
    for (const leafLength of leafLengths) {
      if (size === 0 || size % leafLength !== 0) continue;
      const path = newIncomingPath();
      try {
        const chunks = blob.createReadStream({ start: 0, highWaterMark: PIECE_BYTES, autoClose: false });
        if ((await writeTreeFile(path, chunks, leafLength)) !== hash) continue;
        await keepTree(path, hash);
        return true;
      } finally {
        await rm(path, { force: true });
      }
    }
    return false;
  }

  async function hasTree(hash: string, blobBytes: number): Promise<boolean> {
    const tree = await openTreeFile(treePathOf(hash), blobBytes);
    await tree?.close();
    return tree !== undefined;
  }

  async function publish(hash: string): Promise<void> {
    requireBlobHash(hash);
    try {
      await rename(join(sealedDirectory, hash), join(directory, hash));
      await syncDirectory(directory);
    } catch (error) {
      if (!isMissing(error)) throw error;
      if (!(await exists(join(directory, hash)))) throw notStored(directory, hash);
    }
  }

  // `publish` moves a blob from sealed to published: looked for in that order, it is never missed.
  async function openAny(hash: string): Promise<FileHandle | undefined> {
    requireBlobHash(hash);
    return (await openIfThere(join(sealedDirectory, hash))) ?? (await openIfThere(join(directory, hash)));
  }

  async function read(reference: BlobReference): Promise<Uint8Array> {
    const { hash } = reference;
    const file = await openAny(hash);
    if (file === undefined) throw notStored(directory, hash);
    try {
      const { size } = await file.stat();
      requireBlobLength(reference, size, true);
      const leafLength = leafLengthOf(reference);
      const hasher = await createBlobHasher(leafLength);
      const bytes = new Uint8Array(size);
      for (let offset = 0; offset < size; ) {
        const { bytesRead } = await file.read(bytes, offset, Math.min(PIECE_BYTES, size - offset));
        if (bytesRead === 0) break;
        hasher.update(bytes.subarray(offset, offset + bytesRead));
        offset += bytesRead;
      }
      requireSameHash(hash, hasher.digest());
      // Older blobs have none.
      if (leafLength !== undefined && !(await hasTree(hash, size))) await makeTree(hash, file, [leafLength]);
      return bytes;
    } finally {
      await file.close();
    }
  }

  async function has(hash: string): Promise<boolean> {
    const file = await openAny(hash);
    await file?.close();
    return file !== undefined;
  }

  async function openPublished(hash: string): Promise<FileHandle | undefined> {
    requireBlobHash(hash);
    return openIfThere(join(directory, hash));
  }

  async function openKeptTree(hash: string): Promise<BlobTree | undefined> {
    const blob = await openPublished(hash);
    if (blob === undefined) return undefined;
    let tree: TreeFile | undefined;
    try {
      const { size } = await blob.stat();
      tree = await openTreeFile(treePathOf(hash), size);
      return tree && withLeaves(tree, blob);
    } finally {
      if (tree === undefined) await blob.close();
    }
  }

  async function searchTree(hash: string): Promise<boolean> {
    const blob = await openPublished(hash);
    if (blob === undefined) return false;
    try {
      return await makeTree(hash, blob, MODEL_LEAF_LENGTHS);
    } finally {
      await blob.close();
    }
  }

  // Who waits for a search has no file open meanwhile, since a server can't say how many do.
  async function openPublishedTree(hash: string): Promise<BlobTree | undefined> {
    const kept = await openKeptTree(hash);
    if (kept !== undefined || !(await exists(join(directory, hash)))) return kept;
    if (!searches.has(hash)) searches.set(hash, searchTree(hash));
    return (await searches.get(hash)) ? openKeptTree(hash) : undefined;
  }

  return {
    put: (bytes, options) => putStream(pieces(bytes), options),
    putStream,
    publish,
    async remove(hash) {
      requireBlobHash(hash);
      await rm(join(sealedDirectory, hash), { force: true });
      await rm(join(directory, hash), { force: true });
      await rm(treePathOf(hash), { force: true });
      searches.delete(hash);
    },
    has,
    read,
    openPublished,
    openPublishedTree,
  };
}

function withLeaves(tree: TreeFile, blob: FileHandle): BlobTree {
  const { leafLength, leafCount } = tree;
  return {
    ...tree,
    readLeaf: async (index) =>
      index < leafCount ? readBytes(blob, index * leafLength, leafLength) : new Uint8Array(leafLength),
    async close() {
      await blob.close();
      await tree.close();
    },
  };
}

async function* writeThrough(
  file: FileHandle,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    await file.writeFile(chunk);
    yield chunk;
  }
}

async function keccakOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hasher = await createBlobHasher(undefined);
  for await (const chunk of chunks) hasher.update(chunk);
  return hasher.digest();
}

// Small enough that hashing one doesn't hold up the event loop.
function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += PIECE_BYTES) {
    yield bytes.subarray(offset, offset + PIECE_BYTES);
  }
}

function isLeftover(name: string): boolean {
  if (name.startsWith(processTag)) return false;
  const pid = Number.parseInt(name, 10);
  if (!(pid > 0) || pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // EPERM says that it lives, under another user.
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function notStored(directory: string, hash: string): GradworkError {
  return new GradworkError("BLOB_NOT_STORED", `Expected blob ${hash} in ${directory}, it is not there`, {
    hash,
    directory,
  });
}
