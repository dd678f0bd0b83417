import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import { toHex } from "../../clients/model/bytes.ts";
import type { GradworkError } from "../../clients/model/errors.ts";
import { buildTree, merkleProof } from "../../clients/model/merkle.ts";
import { openTreeFile, type TreeFile, writeTreeFile } from "../../clients/storage/treeFile.ts";
import { randomBytes } from "../model/random.ts";

const LEAF_BYTES = 136;

describe("tree file", () => {
  let directory: string;
  let path: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "gradwork-tree-"));
    path = join(directory, "tree");
  });
  afterEach(() => rm(directory, { recursive: true }));

  async function written(leaves: Uint8Array, leafLength: number, chunkBytes: number): Promise<TreeFile> {
    await rm(path, { force: true });
    const root = await writeTreeFile(path, cut(leaves, chunkBytes), leafLength);
    expect(root).to.equal(buildTree(leaves, leafLength).root);
    return (await openTreeFile(path, leaves.length))!;
  }

  async function expectTree(
    file: TreeFile,
    leaves: Uint8Array,
    leafLength: number,
    places: Iterable<number>,
  ) {
    const tree = buildTree(leaves, leafLength);
    const { leafCount, depth } = tree;
    expect(file).to.include({ leafLength, leafCount, depth });
    expect(new Uint8Array(await buffer(file.readLeafHashes()))).to.deep.equal(tree.leafHashes);
    for (const place of places) {
      const proof = merkleProof(tree, place).map((sibling) => sibling.slice(2));
      expect(toHex(await file.readProof(place))).to.equal(`0x${proof.join("")}`);
    }
    await file.close();
  }

  it("gives the hashes of all leaves, and the proof of every place, padding included", async () => {
    for (const count of [1, 2, 3, 4, 5, 8, 9, 33]) {
      const leaves = randomBytes(count * LEAF_BYTES, count);
      for (const chunkBytes of [50, LEAF_BYTES, 1000]) {
        const file = await written(leaves, LEAF_BYTES, chunkBytes);
        await expectTree(file, leaves, LEAF_BYTES, Array(2 ** file.depth).keys());
      }
    }
  });

  it("is the same for a tree whose levels are read in several pieces", async () => {
    const leaves = randomBytes(20_001 * 5, 1);
    const file = await written(leaves, 5, 30_000);
    await expectTree(file, leaves, 5, [0, 1, 8191, 8192, 16_383, 16_384, 19_999, 20_000, 20_001, 32_767]);
  });

  it("is there for a blob of the right length only, and whole", async () => {
    const leaves = randomBytes(5 * LEAF_BYTES, 1);
    await (await written(leaves, LEAF_BYTES, 1000)).close();
    const whole = await readFile(path);
    for (const count of [0, 4, 6, 4.5]) {
      expect(await openTreeFile(path, count * LEAF_BYTES)).to.equal(undefined);
    }
    const spoilings = [
      () => appendFile(path, "x"),
      () => truncate(path, whole.length - 1),
      () => truncate(path, 8),
      () => truncate(path, 0),
      () => writeFile(path, Buffer.alloc(whole.length)),
      () => rm(path),
    ];
    for (const spoil of spoilings) {
      await spoil();
      expect(await openTreeFile(path, leaves.length)).to.equal(undefined);
      await writeFile(path, whole);
      await (await openTreeFile(path, leaves.length))!.close();
    }
  });

  it("refuses what is no stream of leaves", async () => {
    const refusals = [
      { bytes: 300, leafLength: LEAF_BYTES, code: "PARTIAL_LEAF" },
      { bytes: 0, leafLength: LEAF_BYTES, code: "INVALID_LEAF_COUNT" },
      { bytes: 64, leafLength: 64, code: "INVALID_LEAF_LENGTH" },
    ];
    for (const { bytes, leafLength, code } of refusals) {
      await rm(path, { force: true });
      const error = await writeTreeFile(path, [randomBytes(bytes, 1)], leafLength).then(
        () => expect.fail("expected a rejection"),
        (reason: GradworkError) => reason,
      );
      expect(error).to.include({ code });
    }
  });

  it("writes over no other file", async () => {
    await writeFile(path, "other");
    const error = await writeTreeFile(path, [randomBytes(LEAF_BYTES, 1)], LEAF_BYTES).catch(
      (reason) => reason,
    );
    expect(error).to.include({ code: "EEXIST" });
    expect(await readFile(path, "utf8")).to.equal("other");
  });
});

function* cut(bytes: Uint8Array, pieceBytes: number): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    yield bytes.subarray(offset, offset + pieceBytes);
  }
}
