import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { ADVERSARIES } from "../../../scripts/adversaries/all.ts";
import { readOptions } from "../../../scripts/demo/options.ts";
import { thrownBy } from "../../model/thrown.ts";

const DEMO = fileURLToPath(new URL("../../../scripts/demo.ts", import.meta.url));

const NAMES = ADVERSARIES.map(({ name }) => name);

function read(line: string, env: NodeJS.ProcessEnv = {}) {
  return readOptions(
    line.split(" ").filter((word) => word !== ""),
    env,
  );
}

/** Runs the demo itself to its end. */
async function runDemo(...args: string[]) {
  const child = spawn(process.execPath, [DEMO, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { stdout, stderr, exitCode: child.exitCode };
}

describe("the demo's options", () => {
  it("default to three rounds on a chain in the same process", () => {
    expect(read("")).to.deep.equal({ rounds: 3, seed: 1, listAdversaries: false });
  });

  it("take another chain with the key that pays there, and not the one without the other", () => {
    const chain = "--rpc http://127.0.0.1:8545";
    const { remote } = read(`${chain} --private-key-env KEY`, { KEY: "0x01" });
    expect(remote).to.deep.equal({ rpc: "http://127.0.0.1:8545", privateKeyEnv: "KEY", privateKey: "0x01" });
    expect(thrownBy(() => read(chain))).to.include({ code: "INVALID_OPTION" });
    expect(thrownBy(() => read(`${chain} --private-key-env KEY`))).to.include({ code: "MISSING_KEY" });
  });

  it("take an adversary by its name", () => {
    for (const [i, name] of NAMES.entries()) {
      expect(read(`--adversary ${name}`).adversary, name).to.equal(ADVERSARIES[i]);
    }
  });

  it("answer an unknown adversary with the names that share a word with it, else with all", () => {
    const near = NAMES.filter((name) => name.split("-").includes("lazy"));
    expect(near.length).to.be.within(1, NAMES.length - 1);
    for (const [name, expected] of [
      ["lazy-miner", near],
      ["nobody", NAMES],
    ] as const) {
      const error = thrownBy(() => read(`--adversary ${name}`));
      expect(error).to.include({ code: "INVALID_OPTION" });
      expect(error.data).to.include({ given: name, expected: expected.join(" or ") });
    }
  });

  it("refuse to play or list adversaries beside anything else", () => {
    const [name] = NAMES;
    for (const other of [
      "--rounds 3",
      "--seed 1",
      "--json a.json",
      "--keep a",
      "--rpc http://a --private-key-env A",
    ]) {
      for (const alone of [`--adversary ${name}`, "--list-adversaries"]) {
        const { code, data } = thrownBy(() => read(`${alone} ${other}`, { A: "0x01" }));
        const [option, given] = [alone.split(" ")[0], other.split(" ")[0]];
        expect({ code, ...data }).to.include({ code: "INVALID_OPTION", option, given });
      }
    }
    expect(thrownBy(() => read(`--adversary ${name} --list-adversaries`))).to.include({
      code: "INVALID_OPTION",
    });
  });
});

describe("the demo", () => {
  it("lists the adversaries, a name a line, and nothing else", async () => {
    const stdout = NAMES.map((name) => `${name}\n`).join("");
    expect(await runDemo("--list-adversaries")).to.deep.equal({ stdout, stderr: "", exitCode: 0 });
  });

  it("explains how to play one", async () => {
    const { stdout, exitCode } = await runDemo("--help");
    expect(exitCode).to.equal(0);
    for (const option of ["--adversary <name>", "--list-adversaries"]) expect(stdout).to.include(option);
    expect(stdout).to.include(`npm run demo -- --adversary ${NAMES[0]}`);
  });

  it("ends with 1 where there is no such adversary", async () => {
    const { stdout, stderr, exitCode } = await runDemo("--adversary", "lazy-miner");
    expect({ stdout, exitCode }).to.deep.equal({ stdout: "", exitCode: 1 });
    expect(stderr).to.match(/^error: --adversary takes .*lazy/);
  });
});
