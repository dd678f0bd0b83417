import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const BIN = new URL("../../bin/", import.meta.url);
const { checkNode, shellWords } = (await import(`${BIN}nodeVersion.js`)) as {
  checkNode(version: string): boolean;
  shellWords(args: string[]): string;
};

/** Runs a launcher in a process that takes itself for an old Node. */
function runUnderNode20(launcher: string, ...args: string[]) {
  const preload = `data:text/javascript,Object.defineProperty(process, "version", { value: "v20.20.2" })`;
  return spawnSync(process.execPath, ["--import", preload, fileURLToPath(new URL(launcher, BIN)), ...args], {
    encoding: "utf8",
  });
}

describe("the launchers' check of Node", () => {
  it("takes the versions that strip types without a flag", () => {
    for (const version of ["v22.18.0", "v22.23.3", "v23.6.0", "v24.0.0", "v100.1.0", process.version]) {
      expect(checkNode(version), version).to.equal(true);
    }
  });

  it("refuses every other version", () => {
    for (const version of ["v14.21.3", "v20.20.2", "v22.17.1", "v22.2.0", "v23.5.0"]) {
      expect(checkNode(version), version).to.equal(false);
    }
  });

  it("quotes arguments for a shell only where they need it", () => {
    expect(shellWords([])).to.equal("");
    expect(shellWords(["--rpc", "http://127.0.0.1:8545", "two words", "it's"])).to.equal(
      " --rpc http://127.0.0.1:8545 'two words' 'it'\\''s'",
    );
  });

  for (const [launcher, args, command] of [
    ["launch.js", ["test"], "npm test"],
    ["launch.js", ["demo", "--rounds", "1"], "npm run demo -- --rounds 1"],
    ["gradwork.js", ["status"], `node ${fileURLToPath(new URL("gradwork.js", BIN))} status`],
  ] as const) {
    it(`ends ${launcher} ${args.join(" ")} at once, with the command that works`, () => {
      const { status, stdout, stderr } = runUnderNode20(launcher, ...args);
      expect(status).to.equal(1);
      expect(stdout).to.equal("");
      expect(stderr.split("\n").filter((line) => line !== "")).to.deep.equal([
        "gradwork needs Node 22.18 or newer; this is v20.20.2. This command brings Node 24 with it:",
        `    npx -y -p node@24 ${command}`,
      ]);
    });
  }
});
