import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";

const { areContractsStale, areDependenciesStale } = (await import(
  new URL("../../bin/clone.js", import.meta.url).href
)) as Record<"areContractsStale" | "areDependenciesStale", (root: string) => boolean>;

describe("a clone's readiness", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "gradwork-clone-"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** Writes a file that was last changed at a time, in seconds. */
  function write(path: string, changedAt: number): void {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, "");
    utimesSync(file, changedAt, changedAt);
  }

  describe("dependencies", () => {
    const INSTALLED = "node_modules/.package-lock.json";

    it("are stale before they are installed", () => {
      write("package-lock.json", 1000);
      expect(areDependenciesStale(root)).to.equal(true);
    });

    it("are stale when the lock file is newer", () => {
      write(INSTALLED, 1000);
      write("package-lock.json", 1001);
      expect(areDependenciesStale(root)).to.equal(true);
    });

    it("are ready when they are as old as the lock file or newer", () => {
      write("package-lock.json", 1000);
      for (const installedAt of [1000, 1001]) {
        write(INSTALLED, installedAt);
        expect(areDependenciesStale(root)).to.equal(false);
      }
    });
  });

  describe("contracts", () => {
    const ARTIFACT = "artifacts/contracts/TrainingMarket.sol/TrainingMarket.json";

    it("are stale before they are compiled", () => {
      write("contracts/TrainingMarket.sol", 1000);
      expect(areContractsStale(root)).to.equal(true);
    });

    it("are stale when any source, however deep, is newer", () => {
      write("contracts/TrainingMarket.sol", 1000);
      write(ARTIFACT, 1001);
      expect(areContractsStale(root)).to.equal(false);
      write("contracts/libraries/Draws.sol", 1002);
      expect(areContractsStale(root)).to.equal(true);
    });

    it("are ready whatever else lies among the sources", () => {
      write("contracts/TrainingMarket.sol", 1000);
      write(ARTIFACT, 1001);
      write("contracts/notes.md", 1002);
      expect(areContractsStale(root)).to.equal(false);
    });
  });
});
