import { get as httpGet, type IncomingMessage } from "node:http";
import { get as httpsGet } from "node:https";
import { parseEndpoint } from "../http/endpoint.ts";
import { toHex } from "../model/bytes.ts";
import { GradworkError } from "../model/errors.ts";
import { treeDepth } from "../model/geometry.ts";
import { HASH_BYTES } from "../model/keccak.ts";
import { createLeafHashesHasher, requireIndex, verifyMerkleProof } from "../model/merkle.ts";
import {
  type BlobReference,
  type ExpectedLength,
  leafCountOf,
  leafLengthOf,
  requireBlobHash,
  requireBlobLength,
  requireSameHash,
  type TreeReference,
} from "./blobReference.ts";
import type { BlobStore } from "./blobStore.ts";

export type EndpointOptions = {
  /** base URLs, from whoever announced them: not trusted */
  readonly endpoints: readonly string[];
  /** base URLs to try before those, in this order; not trusted either */
  readonly preferred?: readonly string[];
  /** for one endpoint, from connecting to the last byte */
  readonly timeoutMs: number;
  /** for one endpoint, without a byte moving */
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal;
  /** called with the length of each piece as it comes, wanted or not */
  readonly onBytes?: (byteCount: number) => void;
};

export type FetchOptions = EndpointOptions & {
  /** looked in first, and where what came is put */
  readonly store: BlobStore;
};

/** A leaf, and its siblings from the leaf up as 0x-prefixed hex. */
export type ProvenLeaf = { readonly leaf: Uint8Array; readonly proof: string[] };

/** Why one endpoint didn't give what it was asked for. */
export type EndpointFailure = { readonly endpoint: string; readonly code: string; readonly message: string };

/**
 * A blob's bytes, from the store or else from the first endpoint that sends them; the store has them afterwards.
 * After the preferred ones endpoints are tried in turn from a random one on, so that no party bears all the load.
 * @throws {GradworkError} `BLOB_UNAVAILABLE` with `failures: EndpointFailure[]` when every endpoint failed, each by
 *   `BAD_ENDPOINT`, `BLOB_UNREACHABLE`, `BLOB_HTTP_STATUS`, `BLOB_REDIRECT`, `BLOB_ENCODED`, `BLOB_TOO_LARGE`,
 *   `BLOB_TOO_SHORT`, `BLOB_TOO_SLOW` or `BLOB_HASH_MISMATCH`
 * @throws the signal's reason on abort; an error of the file system as it is
 */
export async function fetchBlob(reference: BlobReference, options: FetchOptions): Promise<Uint8Array> {
  const { hash } = reference;
  const { store, signal } = options;
  requireBlobHash(hash);
  signal.throwIfAborted();
  const stored = await readStored(store, reference);
  if (stored !== undefined) return stored;

  return fromEndpoints(`blob ${hash}`, hash, options, async (endpoint) => {
    await store.putStream(download(endpoint, "", reference, options), {
      leafLength: leafLengthOf(reference),
      expectedHash: hash,
    });
    return store.read(reference);
  });
}

/**
 * The hashes of a blob's leaves, without the leaves, from the first endpoint that sends them. They give the root.
 * @returns n × 32 bytes
 * @throws {GradworkError} `BLOB_BAD_HASH`, `INVALID_LEAF_LENGTH`, `INVALID_LEAF_COUNT`; `BLOB_UNAVAILABLE` as `fetchBlob`
 * @throws the signal's reason on abort
 */
export async function fetchLeafHashes(
  reference: TreeReference,
  options: EndpointOptions,
): Promise<Uint8Array> {
  const { hash, leafLength } = reference;
  requireBlobHash(hash);
  const byteLength = leafCountOf(reference) * HASH_BYTES;
  return fromEndpoints(`the leaf hashes of blob ${hash}`, hash, options, async (endpoint) => {
    const hasher = createLeafHashesHasher(leafLength);
    const hashes = await collect(
      download(endpoint, "/hashes", { hash, byteLength }, options),
      byteLength,
      hasher.update,
    );
    requireSameHash(hash, hasher.digest());
    return hashes;
  });
}

/**
 * One leaf of a blob and its proof, from the first endpoint that sends them. They give the root.
 * @param index place of the leaf, < 2^depth: past the last leaf they are all zero
 * @throws {GradworkError} `INDEX_OUT_OF_RANGE`; as `fetchLeafHashes`
 * @throws the signal's reason on abort
 */
export async function fetchLeaf(
  reference: TreeReference,
  index: number,
  options: EndpointOptions,
): Promise<ProvenLeaf> {
  const { hash, leafLength } = reference;
  requireBlobHash(hash);
  const depth = treeDepth(leafCountOf(reference));
  requireIndex(index, depth);
  const byteLength = leafLength + depth * HASH_BYTES;
  return fromEndpoints(`leaf ${index} of blob ${hash}`, hash, options, async (endpoint) => {
    const bytes = await collect(
      download(endpoint, `/leaves/${index}`, { hash, byteLength }, options),
      byteLength,
    );
    const leaf = bytes.slice(0, leafLength);
    const proof = Array.from({ length: depth }, (_, height) => {
      const start = leafLength + height * HASH_BYTES;
      return toHex(bytes.subarray(start, start + HASH_BYTES));
    });
    if (!verifyMerkleProof(hash, depth, leaf, index, proof)) {
      throw new GradworkError("BLOB_HASH_MISMATCH", `Expected leaf ${index} and its proof under ${hash}`, {
        expected: hash,
        index,
      });
    }
    return { leaf, proof };
  });
}

/** What `take` makes of the first endpoint that it accepts; the failures of all where it accepts none. */
async function fromEndpoints<Taken>(
  wanted: string,
  hash: string,
  { endpoints, preferred = [], signal }: EndpointOptions,
  take: (endpoint: string) => Promise<Taken>,
): Promise<Taken> {
  signal.throwIfAborted();
  const start = Math.floor(Math.random() * endpoints.length);
  const failures: EndpointFailure[] = [];
  for (const endpoint of new Set([...preferred, ...endpoints.slice(start), ...endpoints.slice(0, start)])) {
    try {
      return await take(endpoint);
    } catch (error) {
      if (!(error instanceof GradworkError)) throw error;
      failures.push({ endpoint, code: error.code, message: error.message });
    }
  }
  const reasons = failures.map(({ endpoint, code }) => `${JSON.stringify(endpoint)} (${code})`).join(", ");
  throw new GradworkError(
    "BLOB_UNAVAILABLE",
    `Expected ${wanted} from one of ${failures.length} endpoints, got it from none: ${reasons}`,
    { hash, failures },
  );
}

/** @param byteLength of all chunks together, as `download` sees to */
async function collect(
  chunks: AsyncIterable<Uint8Array>,
  byteLength: number,
  onChunk: (chunk: Uint8Array) => void = () => {},
): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteLength);
  let at = 0;
  for await (const chunk of chunks) {
    onChunk(chunk);
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

// A blob that the disk spoiled, or of another length under the same root, is fetched again and replaced.
async function readStored(store: BlobStore, reference: BlobReference): Promise<Uint8Array | undefined> {
  try {
    return await store.read(reference);
  } catch (error) {
    if (error instanceof GradworkError) return undefined;
    throw error;
  }
}

/**
 * The pieces of a response's body as they come, never more than expected. `node:http` rather than
 * `fetch`: it neither follows redirects nor decodes bodies, and one request has one socket, closed at its end.
 */
async function* download(
  endpoint: string,
  part: string,
  expected: ExpectedLength,
  { timeoutMs, idleTimeoutMs, signal, onBytes }: EndpointOptions,
): AsyncGenerator<Uint8Array> {
  const url = `${parseEndpoint(endpoint)}/blobs/${expected.hash}${part}`;
  const deadline = AbortSignal.timeout(timeoutMs);
  const idle = new AbortController();
  const request = (url.startsWith("https:") ? httpsGet : httpGet)(url, {
    agent: false,
    headers: { "accept-encoding": "identity" },
    maxHeaderSize: 8_192,
    timeout: idleTimeoutMs,
    signal: AbortSignal.any([signal, deadline, idle.signal]),
  });
  request.on("timeout", () => idle.abort());
  let received = 0;
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.on("response", resolve).on("error", reject);
      // The only sign of a server that switches protocols.
      request.on("close", () => reject(new Error("connection closed without a response")));
    });
    requireUsable(response, url, expected);
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      received += chunk.length;
      onBytes?.(chunk.length);
      requireBlobLength(expected, received, false);
      yield chunk;
    }
    requireBlobLength(expected, received, true);
  } catch (error) {
    signal.throwIfAborted();
    const data = { endpoint, received };
    if (deadline.aborted) {
      throw new GradworkError(
        "BLOB_TOO_SLOW",
        `Expected the whole response within ${timeoutMs} ms, got ${received} bytes`,
        data,
      );
    }
    if (idle.signal.aborted) {
      throw new GradworkError(
        "BLOB_TOO_SLOW",
        `Expected no pause of ${idleTimeoutMs} ms, got one after ${received} bytes`,
        data,
      );
    }
    if (error instanceof GradworkError) throw error;
    throw new GradworkError(
      "BLOB_UNREACHABLE",
      `Expected a whole response, got "${(error as Error).message}" after ${received} bytes`,
      data,
    );
  } finally {
    request.destroy();
  }
}

function requireUsable(response: IncomingMessage, url: string, expected: ExpectedLength): void {
  const status = response.statusCode ?? 0;
  if (status >= 300 && status < 400) {
    const location = response.headers.location ?? "";
    throw new GradworkError("BLOB_REDIRECT", `Expected the blob itself, got a redirect to "${location}"`, {
      url,
      status,
      location,
    });
  }
  if (status !== 200) {
    throw new GradworkError("BLOB_HTTP_STATUS", `Expected HTTP status 200, got ${status}`, { url, status });
  }
  const encoding = response.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") {
    throw new GradworkError("BLOB_ENCODED", `Expected the plain bytes, got content encoding "${encoding}"`, {
      url,
      encoding,
    });
  }
  const announced = response.headers["content-length"];
  if (announced !== undefined) requireBlobLength(expected, Number(announced), true);
}
