import { spawnSync } from "node:child_process";
import { expect } from "chai";

describe("the launchers' filter of warnings", () => {
  it("drops SQLite's and passes every other on", () => {
    const script = `
      process.emitWarning("SQLite is an experimental feature and might change at any time", "ExperimentalWarning");
      process.emitWarning("of another kind", "ExperimentalWarning");
      process.emitWarning(new Error("an error"));`;
    const { stderr } = spawnSync(
      process.execPath,
      ["--import", new URL("../../bin/quietSqlite.js", import.meta.url).href, "--eval", script],
      { encoding: "utf8" },
    );
    expect(stderr).to.not.contain("SQLite");
    expect(stderr).to.contain("ExperimentalWarning: of another kind");
    expect(stderr).to.contain("Error: an error");
  });
});
