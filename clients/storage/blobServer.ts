import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Listening, listen, sendJson } from "../http/server.ts";
import { HASH_BYTES } from "../model/keccak.ts";
import type { BlobStore } from "./blobStore.ts";

const READ_BYTES = 1 << 18;

// An index of more digits is past any tree.
const BLOB_PATH = /^\/blobs\/(0x[0-9a-f]{64})(?:\/(hashes|leaves\/(0|[1-9][0-9]{0,14})))?$/;

/** What one server grants its clients. */
export type BlobServerLimits = {
  /** open connections; one more is closed at once */
  readonly maxConnections: number;
  /** for a client to send its whole request */
  readonly requestTimeoutMs: number;
  /** without a byte moving on a connection */
  readonly idleTimeoutMs: number;
  /** a response slower than this for longer than `idleTimeoutMs` altogether is broken off */
  readonly minBytesPerSecond: number;
};

export type BlobServer = Listening & {
  /** blob bytes handed to connections so far */
  readonly bytesServed: number;
};

const defaultLimits: BlobServerLimits = {
  maxConnections: 256,
  requestTimeoutMs: 10_000,
  idleTimeoutMs: 30_000,
  minBytesPerSecond: 16_384,
};

/**
 * Serves a store's published blobs, to `GET` and `HEAD`. Sealed blobs don't exist for it.
 *
 *     /blobs/0x…                a blob, whole, as it lies on disk
 *     /blobs/0x…/hashes         of a blob under a Merkle root: the hash of each leaf, n × 32 bytes
 *     /blobs/0x…/leaves/INDEX   of the same: the leaf at a place < 2^depth, then its proof, depth × 32 bytes, siblings
 *                               from the leaf up
 *
 * Every other answer is JSON `{code, message}`.
 * @param port 0 for any free one
 * @param signal closes the server, as `close` does
 * @throws {GradworkError} as `listen` does
 */
export async function serveBlobs({
  store,
  host,
  port,
  signal,
  limits = {},
}: {
  store: BlobStore;
  host: string;
  port: number;
  signal: AbortSignal;
  limits?: Partial<BlobServerLimits>;
}): Promise<BlobServer> {
  const { maxConnections, requestTimeoutMs, idleTimeoutMs, minBytesPerSecond } = {
    ...defaultLimits,
    ...limits,
  };
  let bytesServed = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      return refuse(response, 405, "METHOD_NOT_ALLOWED", "Only GET and HEAD are answered.");
    }
    const [, hash, part, index] = BLOB_PATH.exec(request.url ?? "") ?? [];
    if (hash === undefined) {
      return refuse(
        response,
        404,
        "PATH_NOT_FOUND",
        "The only paths are /blobs/0x and 64 lower-case hex digits, and /hashes and /leaves/INDEX behind that.",
      );
    }
    if (part === undefined) return answerBlob(request, response, hash);
    return answerPart(request, response, hash, index);
  }

  async function answerBlob(request: IncomingMessage, response: ServerResponse, hash: string): Promise<void> {
    const file = await store.openPublished(hash);
    if (file === undefined) {
      return refuse(response, 404, "BLOB_NOT_FOUND", `No blob ${hash} here.`);
    }
    try {
      const { size } = await file.stat();
      await send(request, response, size, () => file.createReadStream({ highWaterMark: READ_BYTES }));
    } finally {
      await file.close();
    }
  }

  /** @param index of a leaf, in digits; undefined for the hashes of all */
  async function answerPart(
    request: IncomingMessage,
    response: ServerResponse,
    hash: string,
    index: string | undefined,
  ): Promise<void> {
    const tree = await store.openPublishedTree(hash);
    if (tree === undefined) {
      return refuse(response, 404, "BLOB_NOT_FOUND", `No blob ${hash} with leaves here.`);
    }
    try {
      if (index === undefined) {
        return await send(request, response, tree.leafCount * HASH_BYTES, () => tree.readLeafHashes());
      }
      const place = Number(index);
      if (place >= 2 ** tree.depth) {
        return refuse(response, 404, "LEAF_NOT_FOUND", `The tree has ${2 ** tree.depth} places.`);
      }
      const body = Buffer.concat([await tree.readLeaf(place), await tree.readProof(place)]);
      await send(request, response, body.length, () => Readable.from(body));
    } finally {
      await tree.close();
    }
  }

  async function send(
    request: IncomingMessage,
    response: ServerResponse,
    size: number,
    open: () => Readable,
  ): Promise<void> {
    response.writeHead(200, {
      "content-type": "application/octet-stream",
      "content-length": size,
      "cache-control": "public, max-age=31536000, immutable",
      "x-content-type-options": "nosniff",
    });
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    const deadlineMs = idleTimeoutMs + Math.ceil((size / minBytesPerSecond) * 1000);
    await pipeline(open(), count, response, { signal: AbortSignal.timeout(deadlineMs) });
  }

  async function* count(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      yield chunk;
      bytesServed += chunk.length;
    }
  }

  const server = createServer(
    {
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: requestTimeoutMs / 4,
      maxHeaderSize: 8_192,
    },
    (request, response) => {
      answer(request, response).catch(() => {
        // The client went away or was too slow, or the disk failed: after the headers only a cut says so.
        if (response.headersSent) response.destroy();
        else refuse(response, 500, "BLOB_UNREADABLE", "The blob could not be read.");
      });
    },
  );
  server.maxConnections = maxConnections;
  server.setTimeout(idleTimeoutMs);

  const { url, close } = await listen(server, { host, port, signal });
  return {
    url,
    get bytesServed() {
      return bytesServed;
    },
    close,
  };
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  sendJson(response, status, { code, message });
}
