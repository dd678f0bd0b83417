import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { GradworkError } from "../model/errors.ts";
import {
  type BlobReference,
  createBlobHasher,
  leafLengthOf,
  requireBlobHash,
  requireBlobLength,
} from "./blobReference.ts";

export type PutOptions = {
  /** bytes of a leaf, for a blob named by its Merkle root; without it, by its keccak-256 */
  readonly leafLength?: number | undefined;
  /** keep it from the server until `publish`; no effect on a blob that is published already */
  readonly sealed?: boolean;
};

/**
 * Blobs in a folder, one file each, named by their hash.
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
};

const PIECE_BYTES = 1 << 20;

// A process id alone can come again, above all in a container, where it is often 1.
const processTag = `${process.pid}-${randomUUID()}`;

/**
 * Opens a folder as a blob store; makes it where it is missing.
 *
 *     DIR/0x…          published blobs
 *     DIR/sealed/0x…   blobs that the server doesn't show yet
 *     DIR/incoming/    being written; what a dead process left there is removed
 */
export async function openBlobStore(directory: string): Promise<BlobStore> {
  const sealedDirectory = join(directory, "sealed");
  const incomingDirectory = join(directory, "incoming");
  await mkdir(directory, { recursive: true });
  for (const path of [sealedDirectory, incomingDirectory])
    await mkdir(path, { recursive: true, mode: 0o700 });
  for (const name of await readdir(incomingDirectory)) {
    if (isLeftover(name)) await rm(join(incomingDirectory, name), { force: true });
  }

  async function putStream(
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    { leafLength, sealed = false, expectedHash }: PutOptions & { readonly expectedHash?: string } = {},
  ): Promise<string> {
    const hasher = await createBlobHasher(leafLength);
    const incomingPath = join(incomingDirectory, `${processTag}-${randomUUID()}`);
    try {
      const file = await open(incomingPath, "wx");
      let hash: string;
      try {
        for await (const chunk of chunks) {
          hasher.update(chunk);
          await file.writeFile(chunk);
        }
        hash = hasher.digest();
        if (expectedHash !== undefined && hash !== expectedHash) throw hashMismatch(expectedHash, hash);
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
      return hash;
    } finally {
      await rm(incomingPath, { force: true });
    }
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
      const hasher = await createBlobHasher(leafLengthOf(reference));
      const bytes = new Uint8Array(size);
      for (let offset = 0; offset < size; ) {
        const { bytesRead } = await file.read(bytes, offset, Math.min(PIECE_BYTES, size - offset));
        if (bytesRead === 0) break;
        hasher.update(bytes.subarray(offset, offset + bytesRead));
        offset += bytesRead;
      }
      const actual = hasher.digest();
      if (actual !== hash) throw hashMismatch(hash, actual);
      return bytes;
    } finally {
      await file.close();
    }
  }

  return {
    put: (bytes, options) => putStream(pieces(bytes), options),
    putStream,
    publish,
    async remove(hash) {
      requireBlobHash(hash);
      await rm(join(sealedDirectory, hash), { force: true });
      await rm(join(directory, hash), { force: true });
    },
    async has(hash) {
      const file = await openAny(hash);
      await file?.close();
      return file !== undefined;
    },
    read,
    openPublished(hash) {
      requireBlobHash(hash);
      return openIfThere(join(directory, hash));
    },
  };
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

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  const file = await openIfThere(path);
  await file?.close();
  return file !== undefined;
}

// A rename is durable once its directory is; Windows can't open one and needs no such call.
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function notStored(directory: string, hash: string): GradworkError {
  return new GradworkError("BLOB_NOT_STORED", `Expected blob ${hash} in ${directory}, it is not there`, {
    hash,
    directory,
  });
}

function hashMismatch(expected: string, actual: string): GradworkError {
  return new GradworkError("BLOB_HASH_MISMATCH", `Expected bytes that hash to ${expected}, got ${actual}`, {
    expected,
    actual,
  });
}
