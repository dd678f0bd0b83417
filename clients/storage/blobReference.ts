import { createKeccak } from "hash-wasm";
import { GradworkError } from "../model/errors.ts";
import { createRootHasher, requireLeafLength } from "../model/merkle.ts";

/** A blob under a Merkle root: n ≥ 1 whole leaves, `byteLength` in all. */
export type TreeReference = {
  readonly hash: string;
  readonly leafLength: number;
  readonly byteLength: number;
};

/**
 * A blob's name and what its bytes must be (protocol.md §1, Blobs).
 *
 * - Under a Merkle root (θ, Q(θ), Δ, dataset) a blob is its whole leaves, one after another. Trailing all-zero
 *   leaves don't change a root, so the name includes the length.
 * - Everything else (manifest, graphs, tokenizer) is named by the keccak-256 of its bytes, with a bound on their
 *   number.
 *
 * `hash` is 32 bytes in lower-case hex after `0x`; lengths are in bytes.
 */
export type BlobReference = TreeReference | { readonly hash: string; readonly maxBytes: number };

/** How many bytes are expected, of the blob or of what else is served under its hash. */
export type ExpectedLength =
  | { readonly hash: string; readonly byteLength: number }
  | { readonly hash: string; readonly maxBytes: number };

/** Leaf length in bytes of a blob under a Merkle root; undefined for one named by its own keccak-256. */
export function leafLengthOf(reference: BlobReference): number | undefined {
  return "leafLength" in reference ? reference.leafLength : undefined;
}

/**
 * Leaves n of a blob under a Merkle root.
 * @throws {GradworkError} `INVALID_LEAF_LENGTH`, `INVALID_LEAF_COUNT`
 */
export function leafCountOf({ leafLength, byteLength }: TreeReference): number {
  requireLeafLength(leafLength);
  const count = byteLength / leafLength;
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new GradworkError(
      "INVALID_LEAF_COUNT",
      `Expected one or more whole leaves of ${leafLength} bytes, got ${byteLength} bytes`,
      { leafLength, byteLength },
    );
  }
  return count;
}

export function isBlobHash(name: string): boolean {
  return /^0x[0-9a-f]{64}$/.test(name);
}

/**
 * Checks that a hash is one, and so safe in a path.
 * @throws {GradworkError} `BLOB_BAD_HASH`
 */
export function requireBlobHash(hash: string): void {
  if (!isBlobHash(hash)) {
    throw new GradworkError("BLOB_BAD_HASH", `Expected 0x and 64 lower-case hex digits, got "${hash}"`, {
      hash,
    });
  }
}

/**
 * Checks how long a blob is, or how much of it has come when `complete` is false.
 * @throws {GradworkError} `BLOB_TOO_LARGE`, and `BLOB_TOO_SHORT` when complete
 */
export function requireBlobLength(expected: ExpectedLength, byteLength: number, complete: boolean): void {
  const { hash } = expected;
  const limit = "maxBytes" in expected ? expected.maxBytes : expected.byteLength;
  const data = { hash, byteLength, limit };
  if (byteLength > limit) {
    throw new GradworkError("BLOB_TOO_LARGE", `Expected at most ${limit} bytes, got ${byteLength}`, data);
  }
  if (complete && "byteLength" in expected && byteLength < limit) {
    throw new GradworkError("BLOB_TOO_SHORT", `Expected ${limit} bytes, got ${byteLength}`, data);
  }
}

/**
 * Checks that bytes hash to what they were named by.
 * @throws {GradworkError} `BLOB_HASH_MISMATCH`
 */
export function requireSameHash(expected: string, actual: string): void {
  if (actual !== expected) {
    throw new GradworkError("BLOB_HASH_MISMATCH", `Expected bytes that hash to ${expected}, got ${actual}`, {
      expected,
      actual,
    });
  }
}

/**
 * Takes a blob's bytes in chunks of any size; `digest` gives its hash and ends it.
 * @param leafLength bytes of a leaf for the Merkle root, undefined for the keccak-256 of the bytes
 * @throws {GradworkError} `INVALID_LEAF_LENGTH`; from `digest` `PARTIAL_LEAF`, `INVALID_LEAF_COUNT`
 */
export async function createBlobHasher(
  leafLength: number | undefined,
): Promise<{ update(chunk: Uint8Array): void; digest(): string }> {
  if (leafLength !== undefined) return createRootHasher(leafLength);
  const hasher = (await createKeccak(256)).init();
  return {
    update(chunk) {
      hasher.update(chunk);
    },
    digest: () => `0x${hasher.digest("hex")}`,
  };
}
