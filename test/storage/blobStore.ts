import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { keccak256 } from "ethers";
import { toHex } from "../../clients/model/bytes.ts";
import type { GradworkError } from "../../clients/model/errors.ts";
import { buildTree, merkleProof } from "../../clients/model/merkle.ts";
import { type BlobStore, openBlobStore } from "../../clients/storage/blobStore.ts";

const UPDATE_LEAF_BYTES = 136;

describe("blob store", () => {
  let directory: string;
  let store: BlobStore;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "gradwork-blobs-"));
    store = await openBlobStore(directory);
  });
  afterEach(() => rm(directory, { recursive: true }));

  const incoming = () => readdir(join(directory, "incoming"));
  const trees = () => readdir(join(directory, "trees"));

  it("names a blob by the keccak-256 of its bytes", async () => {
    for (const bytes of [patterned(1000), new Uint8Array(0)]) {
      const hash = await store.put(bytes);
      expect(hash).to.equal(keccak256(bytes));
      expect(await store.read({ hash, maxBytes: 1000 })).to.deep.equal(bytes);
    }
  });

  it("names a blob of leaves by its Merkle root, however the bytes come", async () => {
    const bytes = patterned(5 * UPDATE_LEAF_BYTES);
    const { root } = buildTree(bytes, UPDATE_LEAF_BYTES);
    expect(await store.put(bytes, { leafLength: UPDATE_LEAF_BYTES })).to.equal(root);
    expect(await store.putStream(cut(bytes, 100), { leafLength: UPDATE_LEAF_BYTES })).to.equal(root);
    const reference = { hash: root, leafLength: UPDATE_LEAF_BYTES, byteLength: bytes.length };
    expect(await store.read(reference)).to.deep.equal(bytes);
  });

  it("reads into a buffer that other typed arrays can view", async () => {
    const values = Float32Array.from({ length: 600_000 }, (_, index) => index / 7);
    const hash = await store.put(new Uint8Array(values.buffer));
    const bytes = await store.read({ hash, maxBytes: values.byteLength });
    expect(new Float32Array(bytes.buffer)).to.deep.equal(values);
  });

  it("keeps its blobs over a reopening", async () => {
    const hash = await store.put(patterned(10));
    const reopened = await openBlobStore(directory);
    expect(await reopened.read({ hash, maxBytes: 10 })).to.deep.equal(patterned(10));
  });

  it("takes the same blob many times at once", async () => {
    const bytes = patterned(200_000);
    const hashes = await Promise.all(Array.from({ length: 8 }, () => store.putStream(cut(bytes, 7_000))));
    expect(new Set(hashes)).to.deep.equal(new Set([keccak256(bytes)]));
    expect(await store.read({ hash: keccak256(bytes), maxBytes: bytes.length })).to.deep.equal(bytes);
    expect(await incoming()).to.deep.equal([]);
  });

  it("keeps nothing of a stream that fails or has another hash", async () => {
    async function* failing() {
      yield patterned(50);
      throw new Error("line cut");
    }
    expect(await rejection(store.putStream(failing()))).to.have.property("message", "line cut");
    const expectedHash = keccak256("0x00");
    const mismatch = await rejection(store.putStream([patterned(50)], { expectedHash }));
    expect(mismatch).to.include({ code: "BLOB_HASH_MISMATCH" });
    expect(mismatch.data).to.deep.equal({ expected: expectedHash, actual: keccak256(patterned(50)) });
    const partial = await rejection(store.put(patterned(50), { leafLength: UPDATE_LEAF_BYTES }));
    expect(partial).to.include({ code: "PARTIAL_LEAF" });
    const leaves = patterned(3 * UPDATE_LEAF_BYTES);
    const others = store.putStream([leaves], { leafLength: UPDATE_LEAF_BYTES, expectedHash });
    expect(await rejection(others)).to.include({ code: "BLOB_HASH_MISMATCH" });
    expect((await readdir(directory)).sort()).to.deep.equal(["incoming", "sealed", "trees"]);
    expect(await incoming()).to.deep.equal([]);
    expect(await trees()).to.deep.equal([]);
  });

  it("says so when a blob is not there", async () => {
    const hash = keccak256("0x01");
    expect(await store.has(hash)).to.equal(false);
    expect(await store.openPublished(hash)).to.equal(undefined);
    expect(await store.openPublishedTree(hash)).to.equal(undefined);
    expect(await rejection(store.read({ hash, maxBytes: 1 }))).to.include({ code: "BLOB_NOT_STORED" });
    expect(await rejection(store.publish(hash))).to.include({ code: "BLOB_NOT_STORED" });
  });

  it("refuses a hash that is none, and so any other path", async () => {
    for (const hash of ["../../etc/passwd", `0x${"A".repeat(64)}`, `0x${"0".repeat(63)}`, ""]) {
      expect(await rejection(store.read({ hash, maxBytes: 1 }))).to.include({ code: "BLOB_BAD_HASH" });
      expect(await rejection(store.publish(hash))).to.include({ code: "BLOB_BAD_HASH" });
      expect(await rejection(store.openPublishedTree(hash))).to.include({ code: "BLOB_BAD_HASH" });
      expect(await rejection(store.remove(hash))).to.include({ code: "BLOB_BAD_HASH" });
    }
  });

  it("does not hand out bytes that the disk spoiled", async () => {
    const hash = await store.put(patterned(100));
    await writeFile(join(directory, hash), patterned(100).reverse());
    expect(await rejection(store.read({ hash, maxBytes: 100 }))).to.include({ code: "BLOB_HASH_MISMATCH" });
  });

  it("does not take a zero leaf more or less for the same blob, though the root is the same", async () => {
    const bytes = new Uint8Array(4 * UPDATE_LEAF_BYTES);
    bytes.set(patterned(3 * UPDATE_LEAF_BYTES));
    const hash = await store.put(bytes, { leafLength: UPDATE_LEAF_BYTES });
    expect(hash).to.equal(buildTree(bytes.subarray(0, -UPDATE_LEAF_BYTES), UPDATE_LEAF_BYTES).root);
    const read = (leaves: number) =>
      store.read({ hash, leafLength: UPDATE_LEAF_BYTES, byteLength: leaves * UPDATE_LEAF_BYTES });
    expect(await read(4)).to.deep.equal(bytes);
    expect(await rejection(read(3))).to.include({ code: "BLOB_TOO_LARGE" });
    expect(await rejection(read(5))).to.include({ code: "BLOB_TOO_SHORT" });
  });

  it("shows a sealed blob only to its owner until it is published", async () => {
    const bytes = patterned(100);
    const hash = await store.put(bytes, { sealed: true });
    const reopened = await openBlobStore(directory);
    for (const each of [store, reopened]) {
      expect(await each.openPublished(hash)).to.equal(undefined);
      expect(await each.has(hash)).to.equal(true);
      expect(await each.read({ hash, maxBytes: 100 })).to.deep.equal(bytes);
    }
    await store.publish(hash);
    await store.publish(hash);
    expect(await readFile(join(directory, hash))).to.deep.equal(Buffer.from(bytes));
    expect(await readdir(join(directory, "sealed"))).to.deep.equal([]);
    expect((await stat(join(directory, "sealed"))).mode & 0o077).to.equal(0);
  });

  it("publishes a sealed blob that comes again unsealed, and never seals a published one", async () => {
    const hash = await store.put(patterned(100), { sealed: true });
    for (const sealed of [false, true]) {
      await store.put(patterned(100), { sealed });
      expect(await readdir(join(directory, "sealed"))).to.deep.equal([]);
      expect(await store.has(hash)).to.equal(true);
    }
  });

  describe("of leaves", () => {
    const leaves = patterned(5 * UPDATE_LEAF_BYTES);
    const { root: hash, ...tree } = buildTree(leaves, UPDATE_LEAF_BYTES);
    const reference = { hash, leafLength: UPDATE_LEAF_BYTES, byteLength: leaves.length };

    /** Leaf count, leaf hashes, leaf 3 with its proof; undefined where no tree is shown. */
    async function shown(of = hash, from = store) {
      const opened = await from.openPublishedTree(of);
      if (opened === undefined) return undefined;
      const { leafCount } = opened;
      const hashes = new Uint8Array(await buffer(opened.readLeafHashes()));
      const leaf = await opened.readLeaf(3);
      const proof = await opened.readProof(3);
      await opened.close();
      return { leafCount, hashes, leaf, proof: toHex(proof) };
    }
    const whole = {
      leafCount: 5,
      hashes: tree.leafHashes,
      leaf: leaves.slice(3 * UPDATE_LEAF_BYTES, 4 * UPDATE_LEAF_BYTES),
      proof: `0x${merkleProof({ root: hash, ...tree }, 3)
        .map((sibling) => sibling.slice(2))
        .join("")}`,
    };

    /** As a version before there were trees left it. */
    const forgetTree = (of = hash) => rm(join(directory, "trees", of));
    const spoil = (bytes: Uint8Array) => writeFile(join(directory, hash), bytes);

    it("shows each leaf and its proof, and zeros past the last", async () => {
      await store.put(leaves, { leafLength: UPDATE_LEAF_BYTES });
      expect(await shown()).to.deep.equal(whole);
      const opened = await store.openPublishedTree(hash);
      expect(await opened!.readLeaf(4)).to.deep.equal(leaves.slice(4 * UPDATE_LEAF_BYTES));
      for (const place of [5, 7]) {
        expect(await opened!.readLeaf(place)).to.deep.equal(new Uint8Array(UPDATE_LEAF_BYTES));
      }
      await opened!.close();
    });

    it("shows no tree of a sealed blob", async () => {
      await store.put(leaves, { leafLength: UPDATE_LEAF_BYTES, sealed: true });
      expect(await shown()).to.equal(undefined);
      await store.publish(hash);
      expect(await shown()).to.deep.equal(whole);
      expect((await stat(join(directory, "trees"))).mode & 0o077).to.equal(0);
    });

    it("removes the tree with its blob, sealed or published", async () => {
      for (const sealed of [true, false]) {
        await store.put(leaves, { leafLength: UPDATE_LEAF_BYTES, sealed });
        expect(await trees()).to.deep.equal([hash]);
        await store.remove(hash);
        expect(await readdir(directory, { recursive: true })).to.have.members([
          "incoming",
          "sealed",
          "trees",
        ]);
        expect(await shown()).to.equal(undefined);
      }
    });

    it("drops a tree whose blob is gone when it opens, and no other", async () => {
      await store.put(leaves, { leafLength: UPDATE_LEAF_BYTES });
      const sealed = await store.put(patterned(100), { leafLength: 10, sealed: true });
      await writeFile(join(directory, "trees", "notes"), "of somebody's");
      await rm(join(directory, hash));
      await openBlobStore(directory);
      expect(await trees()).to.have.members([sealed, "notes"]);
    });

    it("follows a blob that comes again with a zero leaf more, under the same root", async () => {
      await store.put(leaves, { leafLength: UPDATE_LEAF_BYTES });
      const longer = new Uint8Array(6 * UPDATE_LEAF_BYTES);
      longer.set(leaves);
      expect(await store.put(longer, { leafLength: UPDATE_LEAF_BYTES })).to.equal(hash);
      const { leafHashes } = buildTree(longer, UPDATE_LEAF_BYTES);
      expect(await shown()).to.deep.equal({ ...whole, leafCount: 6, hashes: leafHashes });
    });

    it("hashes nothing again to show a part", async () => {
      await store.put(leaves, { leafLength: UPDATE_LEAF_BYTES });
      const others = leaves.toReversed();
      others.set(whole.leaf, 3 * UPDATE_LEAF_BYTES);
      await spoil(others);
      expect(await shown()).to.deep.equal(whole);
    });

    it("makes the tree of an older model or update when it is asked for, and keeps it", async () => {
      for (const leafLength of [1024, 136]) {
        const bytes = patterned(5 * leafLength);
        const { root, leafHashes } = buildTree(bytes, leafLength);
        await store.put(bytes, { leafLength });
        await forgetTree(root);
        const all = await Promise.all([shown(root), shown(root), shown(root)]);
        for (const { hashes } of all as (typeof whole)[]) expect(hashes).to.deep.equal(leafHashes);
        expect(await trees()).to.include(root);
        expect(await incoming()).to.deep.equal([]);
        expect((await shown(root, await openBlobStore(directory)))?.hashes).to.deep.equal(leafHashes);
      }
    });

    it("shows no tree of an older sealed blob either, until it is published", async () => {
      await store.put(leaves, { leafLength: UPDATE_LEAF_BYTES, sealed: true });
      await forgetTree();
      expect(await shown()).to.equal(undefined);
      await store.publish(hash);
      expect(await shown()).to.deep.equal(whole);
    });

    it("makes any other older tree when its blob is read", async () => {
      const bytes = patterned(5 * 516);
      const { root, leafHashes } = buildTree(bytes, 516);
      await store.put(bytes, { leafLength: 516 });
      await forgetTree(root);
      expect(await shown(root)).to.equal(undefined);
      await store.read({ hash: root, leafLength: 516, byteLength: bytes.length });
      expect((await shown(root))?.hashes).to.deep.equal(leafHashes);
    });

    it("makes a tree anew whose file is not whole", async () => {
      await store.put(leaves, { leafLength: UPDATE_LEAF_BYTES });
      await writeFile(join(directory, "trees", hash), "cut");
      expect(await shown()).to.deep.equal(whole);
    });

    it("hashes a blob only once where it finds no tree", async () => {
      await store.put(leaves, { leafLength: UPDATE_LEAF_BYTES });
      await forgetTree();
      await spoil(leaves.toReversed());
      expect(await shown()).to.equal(undefined);
      await spoil(leaves);
      expect(await shown()).to.equal(undefined);
      await store.read(reference);
      expect(await shown()).to.deep.equal(whole);
    });

    it("has no tree of a blob that is named by its keccak-256, empty or not", async () => {
      for (const bytes of [new Uint8Array(0), patterned(1024 * 136)]) {
        const name = await store.put(bytes);
        expect(await shown(name)).to.equal(undefined);
      }
      expect(await trees()).to.deep.equal([]);
      expect(await incoming()).to.deep.equal([]);
    });

    it("keeps no tree of a blob that is removed while the tree is made", async () => {
      const large = patterned(5000 * UPDATE_LEAF_BYTES);
      const root = await store.put(large, { leafLength: UPDATE_LEAF_BYTES });
      await forgetTree(root);
      let made = false;
      const search = shown(root).finally(() => {
        made = true;
      });
      while (!made && (await incoming()).length === 0) await nextTurn();
      await store.remove(root);
      await search;
      expect(await trees()).to.deep.equal([]);
    });
  });

  it("removes what a killed process was writing, and nothing that a live one writes", async () => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", endlessPut(directory)]);
    await writing(child);
    expect(await incoming()).to.have.length(1);

    await openBlobStore(directory);
    expect(await incoming(), "while it lives").to.have.length(1);

    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await incoming(), "when it is dead").to.have.length(1);
    await openBlobStore(directory);
    expect(await incoming(), "after opening").to.deep.equal([]);
    expect((await readdir(directory)).sort()).to.deep.equal(["incoming", "sealed", "trees"]);
  });

  it("leaves its own unfinished writing alone when it opens the folder again", async () => {
    const pulled = Promise.withResolvers<void>();
    const resume = Promise.withResolvers<void>();
    async function* paused() {
      yield patterned(10);
      pulled.resolve();
      await resume.promise;
    }
    const put = store.putStream(paused());
    await pulled.promise;
    await openBlobStore(directory);
    resume.resolve();
    expect(await put).to.equal(keccak256(patterned(10)));
  });
});

function patterned(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
}

function* cut(bytes: Uint8Array, pieceBytes: number): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    yield bytes.subarray(offset, offset + pieceBytes);
  }
}

async function rejection(promise: Promise<unknown>): Promise<GradworkError> {
  return promise.then(
    () => expect.fail("expected a rejection"),
    (reason) => reason,
  );
}

function endlessPut(directory: string): string {
  const module = new URL("../../clients/storage/blobStore.ts", import.meta.url);
  return `
    import { openBlobStore } from "${module}";
    const store = await openBlobStore(${JSON.stringify(directory)});
    async function* endless() {
      yield new Uint8Array(1000);
      console.log("writing");
      await new Promise((resolve) => setTimeout(resolve, 1e9));
    }
    await store.putStream(endless());
  `;
}

async function writing(child: ChildProcess): Promise<void> {
  const [line] = await once(child.stdout!, "data");
  expect(String(line)).to.equal("writing\n");
}
