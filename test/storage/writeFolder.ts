import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { GradworkError } from "../../clients/model/errors.ts";
import { writeFolder } from "../../clients/storage/writeFolder.ts";

describe("writing a folder", () => {
  const files = new Map([
    ["a.txt", new TextEncoder().encode("a")],
    ["deep/er/b.txt", new TextEncoder().encode("b")],
  ]);
  let home: string;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "gradwork-folder-"));
  });
  afterEach(() => rm(home, { recursive: true }));

  it("makes it with all its files, and the folders above it", async () => {
    const path = join(home, "above", "folder");
    await writeFolder(path, files);
    expect(await readFile(join(path, "deep", "er", "b.txt"), "utf8")).to.equal("b");
    expect(await readdir(join(home, "above"))).to.deep.equal(["folder"]);
    // As any other folder of the user's, not private as a temporary one.
    await mkdir(join(home, "other"));
    expect((await stat(path)).mode).to.equal((await stat(join(home, "other"))).mode);
  });

  it("takes the place of an empty folder, and of nothing else", async () => {
    const empty = join(home, "empty");
    await mkdir(empty);
    await writeFolder(empty, files);
    expect(await readdir(empty)).to.include("a.txt");

    const file = join(home, "file");
    await writeFile(file, "mine");
    const link = join(home, "link");
    await symlink(empty, link);
    for (const path of [empty, file, link]) {
      const error = await writeFolder(path, files).catch((reason) => reason);
      expect(error).to.be.instanceOf(GradworkError).with.property("code", "FOLDER_OCCUPIED");
    }
    expect(await readFile(file, "utf8")).to.equal("mine");
    expect((await readdir(home)).sort()).to.deep.equal(["empty", "file", "link"]);
  });

  it("leaves nothing when a file cannot be written", async () => {
    const path = join(home, "folder");
    const clash = new Map([...files, ["a.txt/c", new Uint8Array()]]);
    const error = await writeFolder(path, clash).catch((reason) => reason);
    expect(error).to.be.instanceOf(Error);
    expect(await readdir(home)).to.deep.equal([]);
  });
});
