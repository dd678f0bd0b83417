import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { keccak256 } from "ethers";
import { fromHex, toHex } from "../../clients/model/bytes.ts";
import type { GradworkError } from "../../clients/model/errors.ts";
import { buildTree, merkleProof, treeOfLeafHashes } from "../../clients/model/merkle.ts";
import {
  type EndpointFailure,
  type EndpointOptions,
  type FetchOptions,
  fetchBlob,
  fetchLeaf,
  fetchLeafHashes,
} from "../../clients/storage/blobFetch.ts";
import type { BlobReference } from "../../clients/storage/blobReference.ts";
import { serveBlobs } from "../../clients/storage/blobServer.ts";
import { type BlobStore, openBlobStore } from "../../clients/storage/blobStore.ts";

const LEAF_BYTES = 136;
const bytes = Uint8Array.from(
  { length: 1000 * LEAF_BYTES },
  (_, index) => (index * 31 + (index >> 8)) & 0xff,
);
const tree = buildTree(bytes, LEAF_BYTES);
const update = {
  hash: tree.root,
  leafLength: LEAF_BYTES,
  byteLength: bytes.length,
};
const manifest = { hash: keccak256(bytes), maxBytes: bytes.length };

describe("blob fetch", () => {
  const directories: string[] = [];
  const tcpServers: TcpServer[] = [];
  let stop: AbortController;
  let store: BlobStore;

  beforeEach(async () => {
    stop = new AbortController();
    store = await newStore();
  });
  afterEach(async () => {
    stop.abort();
    for (const server of tcpServers.splice(0)) {
      server.close();
      (server as Partial<Server>).closeAllConnections?.();
    }
    for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
  });

  async function newStore(): Promise<BlobStore> {
    const directory = await mkdtemp(join(tmpdir(), "gradwork-fetch-"));
    directories.push(directory);
    return openBlobStore(directory);
  }

  /** Folder of the store that `fetchBlob` fills. */
  const home = () => directories[0]!;

  async function party(): Promise<{ store: BlobStore; url: string; close(): Promise<void> }> {
    const store = await newStore();
    const server = await serveBlobs({ store, host: "127.0.0.1", port: 0, signal: stop.signal });
    return { store, url: server.url, close: server.close };
  }

  async function listen(server: TcpServer): Promise<string> {
    tcpServers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  function fetchFrom(
    endpoints: readonly string[],
    reference: BlobReference = manifest,
    options: Partial<FetchOptions> = {},
  ): Promise<Uint8Array> {
    return fetchBlob(reference, {
      store,
      endpoints,
      timeoutMs: 60_000,
      idleTimeoutMs: 60_000,
      signal: stop.signal,
      ...options,
    });
  }

  async function failuresOf(fetching: Promise<unknown>): Promise<readonly EndpointFailure[]> {
    const error = await rejection(fetching);
    expect(error).to.include({ code: "BLOB_UNAVAILABLE" });
    return error.data.failures as EndpointFailure[];
  }

  async function expectNothingStored(): Promise<void> {
    expect((await readdir(home())).sort()).to.deep.equal(["incoming", "sealed", "trees"]);
    expect(await readdir(join(home(), "incoming"))).to.deep.equal([]);
    expect(await readdir(join(home(), "trees"))).to.deep.equal([]);
  }

  it("takes a blob from an endpoint, checks it and keeps it", async () => {
    const { store: creator, url, close } = await party();
    await creator.put(bytes);
    await creator.put(bytes, { leafLength: LEAF_BYTES });
    let received = 0;
    const onBytes = (byteCount: number) => {
      received += byteCount;
    };
    expect(await fetchFrom([url], manifest, { onBytes })).to.deep.equal(bytes);
    expect(await fetchFrom([`${url}/`], update, { onBytes })).to.deep.equal(bytes);
    expect(received).to.equal(2 * bytes.length);
    await close();
    expect(await fetchFrom([url], manifest, { onBytes })).to.deep.equal(bytes);
    expect(await fetchFrom([], update, { onBytes })).to.deep.equal(bytes);
    expect(received, "from the store").to.equal(2 * bytes.length);
  });

  it("serves on what it took: C has it from B while A is offline", async () => {
    const [a, b, c] = await Promise.all([party(), party(), party()]);
    await a.store.put(bytes, { leafLength: LEAF_BYTES });
    await fetchFrom([a.url], update, { store: b.store });
    await a.close();
    expect(await fetchFrom([a.url, b.url], update, { store: c.store })).to.deep.equal(bytes);
    await b.close();
    expect(await fetchFrom([a.url, b.url, c.url], update)).to.deep.equal(bytes);
  });

  it("does not get a sealed blob before it is published", async () => {
    const miner = await party();
    const hash = await miner.store.put(bytes, { leafLength: LEAF_BYTES, sealed: true });
    const [failure] = await failuresOf(fetchFrom([miner.url], update));
    expect(failure).to.include({ endpoint: miner.url, code: "BLOB_HTTP_STATUS" });
    await miner.store.publish(hash);
    expect(await fetchFrom([miner.url], update)).to.deep.equal(bytes);
  });

  it("tries every endpoint until one gives the blob", async () => {
    const good = await party();
    await good.store.put(bytes);
    const wrong = await listen(createServer((_, response) => response.end("wrong")));
    const endpoints = ["http://127.0.0.1:1", wrong, "nonsense", good.url];
    for (let attempt = 0; attempt < 8; attempt++) {
      expect(await fetchFrom(endpoints, manifest, { store: await newStore() })).to.deep.equal(bytes);
    }
  });

  it("spreads its requests over the endpoints", async () => {
    const asked = [0, 0];
    const serving = (index: number) =>
      listen(
        createServer((_, response) => {
          asked[index]! += 1;
          response.end(bytes);
        }),
      );
    const endpoints = [await serving(0), await serving(1)];
    for (let attempt = 0; attempt < 40; attempt++) {
      await fetchFrom(endpoints);
      await rm(join(home(), manifest.hash));
    }
    expect(asked[0]! + asked[1]!).to.equal(40);
    expect(Math.min(...asked)).to.be.above(0);
  });

  it("asks preferred endpoints first, in their order", async () => {
    const asked: string[] = [];
    const empty = (name: string) =>
      listen(
        createServer((_, response) => {
          asked.push(name);
          response.writeHead(404).end();
        }),
      );
    const [a, b, c, d] = await Promise.all(["a", "b", "c", "d"].map(empty));
    await failuresOf(fetchFrom([c!, d!, a!], manifest, { preferred: [b!, a!] }));
    expect(asked.slice(0, 2)).to.deep.equal(["b", "a"]);
    expect(asked.slice(2).sort()).to.deep.equal(["c", "d"]);
  });

  it("takes the same blob several times at once", async () => {
    const { store: creator, url } = await party();
    await creator.put(bytes);
    const all = await Promise.all(Array.from({ length: 5 }, () => fetchFrom([url])));
    for (const each of all) expect(each).to.deep.equal(bytes);
  });

  it("takes again what its disk spoiled", async () => {
    const { store: creator, url } = await party();
    await creator.put(bytes);
    await store.put(bytes);
    await writeFile(join(home(), manifest.hash), bytes.toReversed());
    expect(await fetchFrom([url])).to.deep.equal(bytes);
    expect(await store.read(manifest)).to.deep.equal(bytes);
  });

  it("says that there is no endpoint", async () => {
    expect(await failuresOf(fetchFrom([]))).to.deep.equal([]);
  });

  it("does not blame an endpoint for its own disk", async () => {
    const { store: creator, url } = await party();
    await creator.put(bytes);
    await rm(join(home(), "incoming"), { recursive: true });
    expect(await rejection(fetchFrom([url]))).to.include({ code: "ENOENT" });
  });

  describe("from an endpoint that", () => {
    const headers = { "content-type": "application/octet-stream" };
    const manyBytes = new Uint8Array(65_536);

    type Misbehaviour = {
      readonly it: string;
      readonly code: string;
      readonly answer?: RequestListener;
      readonly socket?: (socket: Socket) => void;
      readonly reference?: BlobReference;
      readonly timeoutMs?: number;
      readonly idleTimeoutMs?: number;
      /** most bytes of the body that are taken in */
      readonly maxReceived?: number;
    };

    const misbehaviours: readonly Misbehaviour[] = [
      {
        it: "sends other bytes",
        code: "BLOB_HASH_MISMATCH",
        answer: (_, response) => response.end(bytes.toReversed()),
        reference: update,
      },
      {
        it: "sends one byte too few",
        code: "BLOB_HASH_MISMATCH",
        answer: (_, response) => response.end(bytes.subarray(1)),
      },
      {
        it: "sends a leaf too few",
        code: "BLOB_TOO_SHORT",
        answer: (_, response) => response.writeHead(200, headers).end(bytes.subarray(LEAF_BYTES)),
        reference: update,
      },
      {
        it: "announces a leaf too few",
        code: "BLOB_TOO_SHORT",
        answer: (_, response) =>
          response.writeHead(200, { "content-length": bytes.length - LEAF_BYTES }).flushHeaders(),
        reference: update,
      },
      {
        it: "sends without end",
        code: "BLOB_TOO_LARGE",
        answer: (_, response) => {
          const more = () => {
            while (!response.destroyed && response.write(manyBytes));
          };
          response.on("drain", more);
          more();
        },
        maxReceived: bytes.length + 65_536,
      },
      {
        it: "announces too much",
        code: "BLOB_TOO_LARGE",
        answer: (_, response) => response.writeHead(200, { "content-length": 1e12 }).write(manyBytes),
        maxReceived: 0,
      },
      {
        it: "sends less than it announces",
        code: "BLOB_UNREACHABLE",
        answer: (_, response) => {
          response.writeHead(200, { "content-length": bytes.length });
          response.write(bytes.subarray(0, 100), () => response.destroy());
        },
      },
      {
        it: "sends more than it announces",
        code: "BLOB_HASH_MISMATCH",
        socket: (socket) => {
          socket.write(`HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${bytes.length - 1}\r\n\r\n`);
          socket.end(bytes);
        },
      },
      { it: "accepts and keeps silent", code: "BLOB_TOO_SLOW", answer: () => {}, idleTimeoutMs: 40 },
      {
        it: "keeps silent after the headers",
        code: "BLOB_TOO_SLOW",
        answer: (_, response) => response.writeHead(200, headers).flushHeaders(),
        idleTimeoutMs: 40,
      },
      {
        it: "drips",
        code: "BLOB_TOO_SLOW",
        answer: (_, response) => {
          const drip = setInterval(() => response.write("x"), 5);
          response.on("close", () => clearInterval(drip));
        },
        timeoutMs: 80,
      },
      {
        it: "drips its headers",
        code: "BLOB_TOO_SLOW",
        socket: (socket) => {
          socket.write("HTTP/1.1 200 OK\r\n");
          const drip = setInterval(() => socket.write("x: x\r\n"), 5);
          socket.on("close", () => clearInterval(drip));
        },
        timeoutMs: 80,
      },
      {
        it: "sends the body compressed",
        code: "BLOB_ENCODED",
        answer: (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(bytes)),
        maxReceived: 0,
      },
      {
        it: "does not have it",
        code: "BLOB_HTTP_STATUS",
        answer: (_, response) => response.writeHead(404).end(bytes),
        maxReceived: 0,
      },
      {
        it: "sends a part",
        code: "BLOB_HTTP_STATUS",
        answer: (_, response) => response.writeHead(206).end(bytes),
        maxReceived: 0,
      },
      {
        it: "fails",
        code: "BLOB_HTTP_STATUS",
        answer: (_, response) => response.writeHead(500).end(),
      },
      {
        it: "resets the connection",
        code: "BLOB_UNREACHABLE",
        socket: (socket) => socket.resetAndDestroy(),
      },
      {
        it: "does not speak HTTP",
        code: "BLOB_UNREACHABLE",
        socket: (socket) => socket.end("220 ready\r\n"),
      },
      {
        it: "switches to another protocol",
        code: "BLOB_UNREACHABLE",
        socket: (socket) =>
          socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
      },
      {
        it: "sends headers without end",
        code: "BLOB_UNREACHABLE",
        socket: (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${"x".repeat(20_000)}\r\n`),
      },
    ];

    for (const { it: title, code, answer, socket, reference, maxReceived, ...timeouts } of misbehaviours) {
      it(`${title}: ${code}, and nothing is stored`, async () => {
        // The request is read, so that closing the socket doesn't reset it.
        const server = socket
          ? createTcpServer((each) => each.on("error", () => {}).once("data", () => socket(each)))
          : createServer(answer);
        const closed = new Promise((resolve) => {
          server.once("connection", (each: Socket) => each.once("close", resolve));
        });
        const url = await listen(server);
        let received = 0;
        const options = {
          ...timeouts,
          onBytes: (byteCount: number) => {
            received += byteCount;
          },
        };
        const failures = await failuresOf(fetchFrom([url], reference, options));
        expect(failures.map(({ endpoint, code }) => ({ endpoint, code }))).to.deep.equal([
          { endpoint: url, code },
        ]);
        expect(received).to.be.at.most(maxReceived ?? bytes.length);
        await closed;
        await expectNothingStored();
      });
    }

    it("redirects: BLOB_REDIRECT, and it is not followed", async () => {
      let followed = false;
      const target = await listen(
        createServer((_, response) => {
          followed = true;
          response.end(bytes);
        }),
      );
      for (const status of [301, 302, 303, 307, 308]) {
        const url = await listen(
          createServer((_, response) => response.writeHead(status, { location: `${target}/` }).end()),
        );
        const [failure] = await failuresOf(fetchFrom([url]));
        expect(failure).to.include({ code: "BLOB_REDIRECT" });
        expect(failure!.message).to.include(target);
      }
      expect(followed).to.equal(false);
    });

    it("is not there: BLOB_UNREACHABLE", async () => {
      const server = createServer();
      const url = await listen(server);
      server.close();
      await once(server, "close");
      const [failure] = await failuresOf(fetchFrom([url]));
      expect(failure).to.include({ code: "BLOB_UNREACHABLE" });
      expect(failure!.message).to.match(/ECONNREFUSED/);
    });

    it("is none: BAD_ENDPOINT, and nothing is sent", async () => {
      let asked = 0;
      const url = await listen(createServer(() => asked++));
      const authority = url.slice("http://".length);
      const bad = [
        "",
        authority,
        `ftp://${authority}`,
        `file:///etc/passwd`,
        `http://user@${authority}`,
        `http://user:password@${authority}`,
        `${url}?delete=`,
        `${url}#fragment`,
        `${url}/${"x".repeat(256)}`,
      ];
      const failures = await failuresOf(fetchFrom(bad));
      expect(failures.map(({ endpoint }) => endpoint)).to.have.members(bad);
      expect(new Set(failures.map(({ code }) => code))).to.deep.equal(new Set(["BAD_ENDPOINT"]));
      expect(asked).to.equal(0);
    });
  });

  describe("in parts", () => {
    const PLACE = 613;
    const options = (endpoints: readonly string[], more: Partial<EndpointOptions> = {}): EndpointOptions => ({
      endpoints,
      timeoutMs: 60_000,
      idleTimeoutMs: 60_000,
      signal: stop.signal,
      ...more,
    });
    const leafAt = (place: number) => {
      const leaf = new Uint8Array(LEAF_BYTES);
      leaf.set(bytes.subarray(place * LEAF_BYTES, (place + 1) * LEAF_BYTES));
      return leaf;
    };
    const provenLeaf = (place: number) =>
      Buffer.concat([leafAt(place), ...merkleProof(tree, place).map((hex) => fromHex(hex))]);

    it("takes the hashes of all leaves, which give the same tree", async () => {
      const { store: creator, url } = await party();
      await creator.put(bytes, { leafLength: LEAF_BYTES });
      let received = 0;
      const onBytes = (byteCount: number) => {
        received += byteCount;
      };
      const hashes = await fetchLeafHashes(update, options([`${url}/`], { onBytes }));
      expect(hashes).to.deep.equal(tree.leafHashes);
      expect(treeOfLeafHashes(hashes, LEAF_BYTES).root).to.equal(update.hash);
      expect(received).to.equal(1000 * 32);
    });

    it("takes the leaf of any place with its proof, zeros past the last leaf", async () => {
      const { store: creator, url } = await party();
      await creator.put(bytes, { leafLength: LEAF_BYTES });
      for (const place of [0, 1, PLACE, 998, 999, 1000, 1001, 1023]) {
        const { leaf, proof } = await fetchLeaf(update, place, options([url]));
        expect(leaf).to.deep.equal(leafAt(place));
        expect(proof).to.deep.equal(merkleProof(tree, place));
      }
    });

    it("takes the parts of a blob of one leaf", async () => {
      const { store: creator, url } = await party();
      const hash = await creator.put(leafAt(0), { leafLength: LEAF_BYTES });
      const reference = { hash, leafLength: LEAF_BYTES, byteLength: LEAF_BYTES };
      expect(await fetchLeaf(reference, 0, options([url]))).to.deep.equal({ leaf: leafAt(0), proof: [] });
      expect(toHex(await fetchLeafHashes(reference, options([url])))).to.equal(hash);
    });

    it("takes no part of a sealed blob before it is published", async () => {
      const miner = await party();
      const hash = await miner.store.put(bytes, { leafLength: LEAF_BYTES, sealed: true });
      const fetchings = [
        () => fetchLeafHashes(update, options([miner.url])),
        () => fetchLeaf(update, PLACE, options([miner.url])),
      ];
      for (const fetching of fetchings) {
        const [failure] = await failuresOf(fetching());
        expect(failure).to.include({ endpoint: miner.url, code: "BLOB_HTTP_STATUS" });
      }
      await miner.store.publish(hash);
      for (const fetching of fetchings) await fetching();
    });

    it("asks nobody for a place or a blob that there can't be", async () => {
      let asked = 0;
      const url = await listen(createServer(() => asked++));
      const refusals = [
        ...[1024, -1, 1.5, Number.NaN].map((index) => ({ index, code: "INDEX_OUT_OF_RANGE" })),
        { reference: { ...update, hash: "../x" }, code: "BLOB_BAD_HASH" },
        { reference: { ...update, byteLength: bytes.length - 1 }, code: "INVALID_LEAF_COUNT" },
        { reference: { ...update, byteLength: 0 }, code: "INVALID_LEAF_COUNT" },
        { reference: { ...update, leafLength: 64, byteLength: 640 }, code: "INVALID_LEAF_LENGTH" },
        { reference: { ...update, leafLength: 0 }, code: "INVALID_LEAF_LENGTH" },
      ] as { reference?: typeof update; index?: number; code: string }[];
      for (const { reference = update, index = 0, code } of refusals) {
        expect(await rejection(fetchLeaf(reference, index, options([url])))).to.include({ code });
        if (reference === update) continue;
        expect(await rejection(fetchLeafHashes(reference, options([url])))).to.include({ code });
      }
      expect(asked).to.equal(0);
    });

    const parts = [
      {
        name: "the leaf hashes",
        right: Buffer.from(tree.leafHashes),
        fetchPart: (given: EndpointOptions): Promise<unknown> => fetchLeafHashes(update, given),
        others: {
          "sends a hash twice": () => {
            const hashes = Buffer.from(tree.leafHashes);
            hashes.copyWithin(0, 32, 64);
            return hashes;
          },
          "sends the level above": () => {
            const hashes = Buffer.alloc(1000 * 32);
            hashes.set(tree.levels[1]!);
            return hashes;
          },
        },
      },
      {
        name: "a leaf",
        right: provenLeaf(PLACE),
        fetchPart: (given: EndpointOptions): Promise<unknown> => fetchLeaf(update, PLACE, given),
        others: {
          "sends the leaf of another place, with its proof": () => provenLeaf(PLACE - 1),
          "sends the proof of another place": () =>
            Buffer.concat([leafAt(PLACE), provenLeaf(PLACE - 1).subarray(LEAF_BYTES)]),
          "sends zeros, as past the last leaf": () =>
            Buffer.concat([new Uint8Array(LEAF_BYTES), provenLeaf(PLACE).subarray(LEAF_BYTES)]),
        },
      },
    ];

    for (const { name, right, fetchPart, others } of parts) {
      describe(name, () => {
        it("comes from the first endpoint that has it, preferred ones before others", async () => {
          const asked: string[] = [];
          const answering = (name: string, answer: (response: ServerResponse) => void) =>
            listen(
              createServer((_, response) => {
                asked.push(name);
                answer(response);
              }),
            );
          const missing = await answering("missing", (response) => response.writeHead(404).end());
          const wrong = await answering("wrong", (response) => response.end(right.toReversed()));
          const good = await answering("good", (response) => response.end(right));
          await fetchPart(options([good], { preferred: [missing, "nonsense", wrong, missing] }));
          expect(asked).to.deep.equal(["missing", "wrong", "good"]);
        });

        it("stops on abort", async () => {
          const closed = Promise.withResolvers<void>();
          const url = await listen(
            createServer((_, response) => {
              response.writeHead(200).write(right.subarray(0, 40));
              response.once("close", closed.resolve);
            }),
          );
          const abort = new AbortController();
          const reason = new Error("stopped by the operator");
          const onBytes = () => abort.abort(reason);
          const { signal } = abort;
          const fetching = fetchPart(options([url, "http://127.0.0.1:1"], { signal, onBytes }));
          expect(await rejection(fetching)).to.equal(reason);
          await closed.promise;
          expect(await rejection(fetchPart(options([url], { signal })))).to.equal(reason);
        });

        const misbehaviours: readonly {
          readonly it: string;
          readonly code: string;
          readonly answer: RequestListener;
          readonly timeoutMs?: number;
          readonly idleTimeoutMs?: number;
          /** most bytes of the body that are taken in */
          readonly maxReceived?: number;
        }[] = [
          ...Object.entries(others).map(([which, bodyOf]) => ({
            it: which,
            code: "BLOB_HASH_MISMATCH",
            answer: ((_, response) => response.end(bodyOf())) as RequestListener,
          })),
          ...[0, right.length / 2, right.length - 1].map((at) => ({
            it: `sends byte ${at} with one bit turned`,
            code: "BLOB_HASH_MISMATCH",
            answer: ((_, response) => response.end(right.with(at, right[at]! ^ 1))) as RequestListener,
          })),
          {
            it: "sends 32 bytes too few",
            code: "BLOB_TOO_SHORT",
            answer: (_, response) => {
              response.write(right.subarray(0, 32));
              response.end(right.subarray(64));
            },
          },
          {
            it: "sends 32 bytes too many",
            code: "BLOB_TOO_LARGE",
            answer: (_, response) => {
              response.write(right);
              response.end(Buffer.alloc(32));
            },
            maxReceived: right.length + 32,
          },
          {
            it: "sends without end",
            code: "BLOB_TOO_LARGE",
            answer: (_, response) => {
              const more = () => {
                while (!response.destroyed && response.write(bytes));
              };
              response.on("drain", more);
              more();
            },
            maxReceived: right.length + 65_536,
          },
          {
            it: "announces gigabytes",
            code: "BLOB_TOO_LARGE",
            answer: (_, response) => response.writeHead(200, { "content-length": 4e9 }).write(bytes),
            maxReceived: 0,
          },
          {
            it: "keeps silent after the first bytes",
            code: "BLOB_TOO_SLOW",
            answer: (_, response) => response.write(right.subarray(0, 32)),
            idleTimeoutMs: 40,
          },
          {
            it: "drips",
            code: "BLOB_TOO_SLOW",
            answer: (_, response) => {
              const drip = setInterval(() => response.write("x"), 5);
              response.on("close", () => clearInterval(drip));
            },
            timeoutMs: 80,
          },
          {
            it: "breaks off",
            code: "BLOB_UNREACHABLE",
            answer: (_, response) => {
              response.writeHead(200, { "content-length": right.length });
              response.write(right.subarray(0, 32), () => response.destroy());
            },
          },
          {
            it: "redirects",
            code: "BLOB_REDIRECT",
            answer: (request, response) =>
              request.url!.includes("elsewhere")
                ? response.end(right)
                : response.writeHead(302, { location: `/elsewhere${request.url}` }).end(),
            maxReceived: 0,
          },
          {
            it: "sends it compressed",
            code: "BLOB_ENCODED",
            answer: (_, response) =>
              response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(right)),
            maxReceived: 0,
          },
          {
            it: "does not have it",
            code: "BLOB_HTTP_STATUS",
            answer: (_, response) => response.writeHead(404).end(right),
            maxReceived: 0,
          },
        ];

        for (const { it: title, code, answer, maxReceived, ...timeouts } of misbehaviours) {
          it(`from an endpoint that ${title}: ${code}`, async () => {
            const server = createServer(answer);
            const closed = new Promise((resolve) => {
              server.once("connection", (each: Socket) => each.once("close", resolve));
            });
            const url = await listen(server);
            let received = 0;
            const onBytes = (byteCount: number) => {
              received += byteCount;
            };
            const failures = await failuresOf(fetchPart(options([url], { ...timeouts, onBytes })));
            expect(failures.map(({ endpoint, code }) => ({ endpoint, code }))).to.deep.equal([
              { endpoint: url, code },
            ]);
            expect(received).to.be.at.most(maxReceived ?? right.length);
            await closed;
          });
        }
      });
    }
  });

  it("stops on abort and leaves nothing behind", async () => {
    const closed = Promise.withResolvers<void>();
    const url = await listen(
      createServer((_, response) => {
        response.writeHead(200).write(bytes.subarray(0, 1000));
        response.once("close", closed.resolve);
      }),
    );
    const abort = new AbortController();
    const reason = new Error("stopped by the operator");
    const fetching = fetchFrom([url, "http://127.0.0.1:1"], manifest, {
      signal: abort.signal,
      onBytes: () => abort.abort(reason),
    });
    expect(await rejection(fetching)).to.equal(reason);
    await closed.promise;
    await expectNothingStored();
    expect(await rejection(fetchFrom([url], manifest, { signal: abort.signal }))).to.equal(reason);
  });

  it("holds no process up, neither after an abort nor after a fetch", async () => {
    const good = await party();
    await good.store.put(bytes);
    const silent = await listen(createServer());
    const module = (name: string) => new URL(`../../clients/storage/${name}.ts`, import.meta.url);
    const script = `
      import { fetchBlob } from "${module("blobFetch")}";
      import { openBlobStore } from "${module("blobStore")}";
      const store = await openBlobStore(${JSON.stringify(home())});
      const limits = { store, timeoutMs: 3_600_000, idleTimeoutMs: 3_600_000 };
      const abort = new AbortController();
      setTimeout(() => abort.abort(new Error("stopped")), 50);
      const manifest = ${JSON.stringify(manifest)};
      try {
        await fetchBlob(manifest, { ...limits, endpoints: ["${silent}"], signal: abort.signal });
      } catch (error) {
        console.log(error.message);
      }
      const { signal } = new AbortController();
      console.log((await fetchBlob(manifest, { ...limits, endpoints: ["${good.url}"], signal })).length);
    `;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    expect(await once(child, "close")).to.deep.equal([0, null]);
    expect(output).to.equal(`stopped\n${bytes.length}\n`);
  });
});

async function rejection(promise: Promise<unknown>): Promise<GradworkError> {
  return promise.then(
    () => expect.fail("expected a rejection"),
    (reason) => reason,
  );
}
