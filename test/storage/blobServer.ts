import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { keccak256 } from "ethers";
import { fromHex } from "../../clients/model/bytes.ts";
import { buildTree, merkleProof } from "../../clients/model/merkle.ts";
import { type BlobServer, type BlobServerLimits, serveBlobs } from "../../clients/storage/blobServer.ts";
import { type BlobStore, openBlobStore } from "../../clients/storage/blobStore.ts";

const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31) & 0xff);
const hash = keccak256(bytes);

const LEAF_BYTES = 136;
const leaves = bytes.slice(0, 5 * LEAF_BYTES);
const tree = buildTree(leaves, LEAF_BYTES);

/** What is served of one place: the leaf, then its siblings from the leaf up. */
function provenLeaf(place: number): Uint8Array {
  const leaf = Buffer.alloc(LEAF_BYTES);
  leaf.set(leaves.subarray(place * LEAF_BYTES, (place + 1) * LEAF_BYTES));
  return new Uint8Array(Buffer.concat([leaf, ...merkleProof(tree, place).map((hex) => fromHex(hex))]));
}

describe("blob server", () => {
  let directory: string;
  let store: BlobStore;
  let stop: AbortController;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "gradwork-server-"));
    store = await openBlobStore(directory);
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await rm(directory, { recursive: true });
  });

  function serve(limits: Partial<BlobServerLimits> = {}, port = 0): Promise<BlobServer> {
    return serveBlobs({ store, host: "127.0.0.1", port, signal: stop.signal, limits });
  }

  function connectTo(server: BlobServer): Socket {
    const { hostname, port } = new URL(server.url);
    return connect(Number(port), hostname).on("error", () => {});
  }

  it("serves a blob whole, for ever, and counts its bytes", async () => {
    await store.put(bytes);
    const server = await serve();
    expect(server.bytesServed).to.equal(0);
    const response = await fetch(`${server.url}/blobs/${hash}`);
    expect(response.status).to.equal(200);
    expect(new Uint8Array(await response.arrayBuffer())).to.deep.equal(bytes);
    expect(response.headers.get("content-length")).to.equal("300000");
    expect(response.headers.get("content-type")).to.equal("application/octet-stream");
    expect(response.headers.get("cache-control")).to.match(/immutable/);
    expect(server.bytesServed).to.equal(300_000);
  });

  it("answers HEAD with the length alone", async () => {
    await store.put(bytes);
    const server = await serve();
    const response = await fetch(`${server.url}/blobs/${hash}`, { method: "HEAD" });
    expect(response.status).to.equal(200);
    expect(response.headers.get("content-length")).to.equal("300000");
    expect(await response.text()).to.equal("");
    expect(server.bytesServed).to.equal(0);
  });

  it("serves an empty blob", async () => {
    const server = await serve();
    const response = await fetch(`${server.url}/blobs/${await store.put(new Uint8Array(0))}`);
    expect(response.status).to.equal(200);
    expect(await response.text()).to.equal("");
  });

  it("serves several at once", async () => {
    await store.put(bytes);
    const server = await serve();
    const bodies = Array.from({ length: 8 }, async () => {
      const response = await fetch(`${server.url}/blobs/${hash}`);
      return new Uint8Array(await response.arrayBuffer());
    });
    for (const body of await Promise.all(bodies)) expect(body).to.deep.equal(bytes);
    expect(server.bytesServed).to.equal(8 * 300_000);
  });

  it("serves the hashes of a blob's leaves", async () => {
    await store.put(leaves, { leafLength: LEAF_BYTES });
    const server = await serve();
    const response = await fetch(`${server.url}/blobs/${tree.root}/hashes`);
    expect(response.status).to.equal(200);
    expect(new Uint8Array(await response.arrayBuffer())).to.deep.equal(tree.leafHashes);
    expect(response.headers.get("content-length")).to.equal("160");
    expect(response.headers.get("content-type")).to.equal("application/octet-stream");
    expect(response.headers.get("cache-control")).to.match(/immutable/);
    expect(server.bytesServed).to.equal(160);
  });

  it("serves the leaf of any place with its proof, zeros past the last leaf", async () => {
    await store.put(leaves, { leafLength: LEAF_BYTES });
    const server = await serve();
    for (let place = 0; place < 8; place++) {
      const response = await fetch(`${server.url}/blobs/${tree.root}/leaves/${place}`);
      expect(response.status).to.equal(200);
      expect(new Uint8Array(await response.arrayBuffer())).to.deep.equal(provenLeaf(place));
      expect(response.headers.get("content-length")).to.equal(String(LEAF_BYTES + 3 * 32));
    }
    expect(server.bytesServed).to.equal(8 * (LEAF_BYTES + 3 * 32));
  });

  it("serves the only leaf of a blob, which has no proof", async () => {
    const leaf = leaves.subarray(0, LEAF_BYTES);
    const root = await store.put(leaf, { leafLength: LEAF_BYTES });
    const server = await serve();
    const get = async (part: string) =>
      new Uint8Array(await (await fetch(`${server.url}/blobs/${root}/${part}`)).arrayBuffer());
    expect(await get("leaves/0")).to.deep.equal(leaf);
    expect(await get("hashes")).to.deep.equal(fromHex(root));
  });

  it("answers HEAD for a part with its length alone", async () => {
    await store.put(leaves, { leafLength: LEAF_BYTES });
    const server = await serve();
    for (const [part, length] of [
      ["hashes", "160"],
      ["leaves/7", "232"],
    ]) {
      const response = await fetch(`${server.url}/blobs/${tree.root}/${part}`, { method: "HEAD" });
      expect(response.status).to.equal(200);
      expect(response.headers.get("content-length")).to.equal(length);
      expect(await response.text()).to.equal("");
    }
    expect(server.bytesServed).to.equal(0);
  });

  it("serves parts of a blob that an older version stored", async () => {
    await store.put(leaves, { leafLength: LEAF_BYTES });
    await rm(join(directory, "trees"), { recursive: true });
    store = await openBlobStore(directory);
    const server = await serve();
    const response = await fetch(`${server.url}/blobs/${tree.root}/leaves/2`);
    expect(new Uint8Array(await response.arrayBuffer())).to.deep.equal(provenLeaf(2));
  });

  it("does not show a sealed blob before it is published", async () => {
    await store.put(bytes, { sealed: true });
    await store.put(leaves, { leafLength: LEAF_BYTES, sealed: true });
    const server = await serve();
    const get = (path: string) => fetch(server.url + path);
    for (const path of [
      `/blobs/${hash}`,
      `/sealed/${hash}`,
      `/blobs/sealed/${hash}`,
      `/trees/${tree.root}`,
      `/blobs/${tree.root}`,
      `/blobs/${tree.root}/hashes`,
      `/blobs/${tree.root}/leaves/0`,
    ]) {
      expect((await get(path)).status).to.equal(404);
    }
    await store.publish(hash);
    await store.publish(tree.root);
    expect((await get(`/blobs/${hash}`)).status).to.equal(200);
    expect((await get(`/blobs/${tree.root}/hashes`)).status).to.equal(200);
    expect((await get(`/blobs/${tree.root}/leaves/0`)).status).to.equal(200);
  });

  it("does not show a removed blob, in parts or whole", async () => {
    await store.put(leaves, { leafLength: LEAF_BYTES });
    const server = await serve();
    await store.remove(tree.root);
    for (const part of ["", "/hashes", "/leaves/0"]) {
      expect((await fetch(`${server.url}/blobs/${tree.root}${part}`)).status).to.equal(404);
    }
  });

  it("says in JSON what it does not have or do", async () => {
    await store.put(bytes);
    await store.put(leaves, { leafLength: LEAF_BYTES });
    const server = await serve();
    const ask = async (path: string, method = "GET") => {
      const response = await fetch(server.url + path, { method });
      expect(response.headers.get("content-type")).to.equal("application/json");
      expect(response.headers.get("cache-control")).to.equal("no-store");
      const body = (await response.json()) as { code: string; message: string };
      expect(body.message).to.be.a("string").that.is.not.empty;
      return [response.status, body.code];
    };
    expect(await ask(`/blobs/0x${"0".repeat(64)}`)).to.deep.equal([404, "BLOB_NOT_FOUND"]);
    for (const path of [
      "/",
      "/blobs",
      "/blobs/",
      `/blobs/${hash}/`,
      `/blobs/${hash}?x`,
      `/blobs/${hash.toUpperCase().replace("0X", "0x")}`,
      `/blobs/${hash.slice(0, -1)}`,
      "/blobs/..%2f..%2fetc%2fpasswd",
      "/blobs/incoming",
      `/blobs/${tree.root}/`,
      `/blobs/${tree.root}/hashes/`,
      `/blobs/${tree.root}/hashes?x`,
      `/blobs/${tree.root}/leaves`,
      `/blobs/${tree.root}/leaves/`,
      `/blobs/${tree.root}/leaves/-1`,
      `/blobs/${tree.root}/leaves/01`,
      `/blobs/${tree.root}/leaves/0x1`,
      `/blobs/${tree.root}/leaves/1.5`,
      `/blobs/${tree.root}/leaves/1/`,
      `/blobs/${tree.root}/leaves/${"9".repeat(16)}`,
    ]) {
      expect(await ask(path), path).to.deep.equal([404, "PATH_NOT_FOUND"]);
    }
    for (const part of ["hashes", "leaves/0"]) {
      expect(await ask(`/blobs/0x${"0".repeat(64)}/${part}`)).to.deep.equal([404, "BLOB_NOT_FOUND"]);
      expect(await ask(`/blobs/${hash}/${part}`), "not of leaves").to.deep.equal([404, "BLOB_NOT_FOUND"]);
    }
    for (const index of [8, "9".repeat(15)]) {
      expect(await ask(`/blobs/${tree.root}/leaves/${index}`)).to.deep.equal([404, "LEAF_NOT_FOUND"]);
    }
    for (const method of ["POST", "PUT", "DELETE"]) {
      for (const path of [`/blobs/${hash}`, `/blobs/${tree.root}/hashes`, `/blobs/${tree.root}/leaves/0`]) {
        expect(await ask(path, method)).to.deep.equal([405, "METHOD_NOT_ALLOWED"]);
      }
    }
  });

  it("says that its address is taken, with the address", async () => {
    const server = await serve();
    const port = Number(new URL(server.url).port);
    const error = await serve({}, port).catch((reason) => reason);
    expect(error).to.include({ code: "CANNOT_LISTEN" });
    expect(error.data).to.deep.equal({ host: "127.0.0.1", port });
    expect(error.message).to.match(/EADDRINUSE/);
  });

  it("gives a URL with brackets for an IPv6 address", async () => {
    const server = await serveBlobs({ store, host: "::1", port: 0, signal: stop.signal });
    expect(server.url).to.match(/^http:\/\/\[::1\]:\d+$/);
    expect((await fetch(server.url)).status).to.equal(404);
  });

  for (const way of ["close", "signal"] as const) {
    it(`breaks off what is under way and frees its port on ${way}`, async () => {
      const large = await store.put(new Uint8Array(32 << 20));
      const server = await serve();
      const download = connectTo(server);
      download.write(`GET /blobs/${large} HTTP/1.1\r\nhost: x\r\n\r\n`);
      await once(download, "readable");
      const keptAlive = await fetch(server.url);
      await keptAlive.text();

      if (way === "signal") stop.abort();
      await server.close();
      await server.close();
      download.resume();
      await once(download, "close");
      expect(download.bytesRead).to.be.below(32 << 20);

      stop = new AbortController();
      const again = await serve({}, Number(new URL(server.url).port));
      expect(again.url).to.equal(server.url);
    });
  }

  it("does not start once its signal is aborted", async () => {
    stop.abort(new Error("stopped"));
    expect(await serve().catch((reason) => reason)).to.have.property("message", "stopped");
  });

  it("closes a connection past the limit", async () => {
    const server = await serve({ maxConnections: 1 });
    const first = connectTo(server);
    await once(first, "connect");
    first.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(first, "data");
    await once(connectTo(server).resume(), "close");
    first.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(String(await once(first, "data"))).to.match(/^HTTP\/1.1 404/);
  });

  it("drops a client that does not finish its request", async () => {
    const server = await serve({ requestTimeoutMs: 40 });
    for (const begun of ["", "GET /blobs/0x HTTP/1.1\r\nhost: x\r\n"]) {
      const client = connectTo(server).resume();
      client.write(begun);
      await once(client, "close");
    }
  });

  it("drops a client on whose connection nothing moves", async () => {
    const server = await serve({ idleTimeoutMs: 40 });
    await once(connectTo(server).resume(), "close");
  });

  it("breaks off a client that reads too slowly", async () => {
    const size = 32 << 20;
    const large = await store.put(new Uint8Array(size));
    const server = await serve({ idleTimeoutMs: 200, minBytesPerSecond: 1e9 });
    const client = connectTo(server);
    client.write(`GET /blobs/${large} HTTP/1.1\r\nhost: x\r\n\r\n`);
    client.on("data", async () => {
      client.pause();
      await sleep(5);
      client.resume();
    });
    await once(client, "close");
    expect(client.bytesRead).to.be.within(1, size - 1);
    expect(server.bytesServed).to.be.below(size);
  });

  it("answers the next request after one that the client broke off", async () => {
    const large = await store.put(new Uint8Array(32 << 20));
    const server = await serve();
    const client = connectTo(server);
    client.write(`GET /blobs/${large} HTTP/1.1\r\nhost: x\r\n\r\n`);
    await once(client, "readable");
    client.destroy();
    expect((await fetch(`${server.url}/blobs/${large}`, { method: "HEAD" })).status).to.equal(200);
  });
});
