import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { consensusVectors, formats } from "./formats.ts";

const SCRIPT = fileURLToPath(new URL("../../scripts/vectors.ts", import.meta.url));

function runVectors(...args: string[]): { status: number | null; lines: string[]; error: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], {
    encoding: "utf8",
    cwd: tmpdir(),
  });
  return { status, lines: stdout.trimEnd().split("\n"), error: stderr };
}

/** Turns a hex digit into another one. */
function flip(hex: string, at: number): string {
  const digit = (Number.parseInt(hex[at]!, 16) ^ 1).toString(16);
  return hex.slice(0, at) + digit + hex.slice(at + 1);
}

describe("vectors script", () => {
  let folder: string;
  const write = (content: string): string => {
    const file = join(folder, "formats.json");
    writeFileSync(file, content);
    return file;
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "gradwork-vectors-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("passes the fixtures in both languages", () => {
    const { status, lines } = runVectors();
    const count = Object.values({ ...formats, ...consensusVectors }).reduce(
      (sum, each) => sum + (Array.isArray(each) ? each.length : 0),
      0,
    );
    expect(lines.at(-1)).to.equal(`${2 * count} passed, 0 failed`);
    expect(lines.at(-2)).to.match(/^consensus +59 of 59 +59 of 59/);
    expect(lines.at(-3)).to.match(/^reject +37 of 37 +37 of 37/);
    expect(status).to.equal(0);
  });

  it("fails each wrong vector in each language, and says where", () => {
    const wrong = structuredClone(formats);
    const { quantization, transition, merkle, draws, reject } = wrong;
    quantization[3]!.mxfp4 = flip(quantization[3]!.mxfp4, 100);
    transition[2]!.newLeaf = flip(transition[2]!.newLeaf, 2000);
    merkle[5]!.root = flip(merkle[5]!.root, 0);
    merkle[6]!.proof[5] = flip(merkle[6]!.proof[5]!, 63);
    merkle[9]!.leaf = flip(merkle[9]!.leaf, 271);
    draws[8]!.value = "0x1";
    reject[1]!.updateLeaf = transition[0]!.updateLeaf;
    reject[7]!.parameterCount = 256;
    const rejectedProof = reject.findIndex(({ what }) => what === "proof");
    Object.assign(reject[rejectedProof]!, { proof: formats.merkle[3]!.proof });

    const { status, lines } = runVectors(write(JSON.stringify(wrong)));
    expect(lines.at(-1)).to.equal("174 passed, 18 failed");
    expect(status).to.equal(1);
    for (const place of [
      "quantization[3]",
      "transition[2]",
      "merkle[5]",
      "merkle[6]",
      "merkle[9]",
      "draws[8]",
      "reject[1]",
      "reject[7]",
      `reject[${rejectedProof}]`,
    ]) {
      for (const language of ["TypeScript", "Solidity"]) {
        const failures = lines.filter((line) => line.startsWith(`${place} ${language}, `));
        expect(failures, `${place} ${language}`).to.not.be.empty;
        for (const line of failures) expect(line).to.match(/: expected .+, got .+/);
      }
    }
  });

  it("fails each wrong consensus in each language", () => {
    const wrong = structuredClone(consensusVectors);
    for (const [i, name] of (["median", "medianDeviation", "mean", "meanDeviation"] as const).entries()) {
      wrong.consensus[10 + i]![name]++;
    }
    const { status, lines } = runVectors(write(JSON.stringify(wrong)));
    expect(lines.at(-1)).to.equal("110 passed, 8 failed");
    expect(status).to.equal(1);
    for (let i = 10; i < 14; i++) {
      for (const language of ["TypeScript", "Solidity"]) {
        const failures = lines.filter((line) => line.startsWith(`consensus[${i}] ${language}, `));
        expect(failures, `${i} ${language}`).to.have.length(1);
      }
    }
  });

  it("refuses a file that is missing, not JSON, of another structure or without vectors, without a stack trace", () => {
    const empty = { quantization: [], transition: [], merkle: [], draws: [], reject: [] };
    const { mxfp4 } = formats.quantization[0]!;
    for (const [file, message] of [
      [join(folder, "missing.json"), /Expected a readable file: ENOENT.*missing\.json/],
      [write(""), /Expected JSON in .*formats\.json/],
    ] as const) {
      expectRefusal(file, message);
    }
    for (const [content, message] of [
      [[], /Expected an object at the top/],
      [{ ...empty, draws: undefined }, /Expected this field at draws/],
      [empty, /Expected at least one vector/],
      [{ consensus: [] }, /Expected at least one vector/],
      [{ consensus: [{ values: [] }] }, /at consensus\[0\]\.values/],
      [{ ...empty, quantization: [{ leaf: "00", mxfp4 }] }, /hex of 1024 bytes at quantization\[0\]\.leaf/],
      [{ ...empty, reject: [{ what: "leaf" }] }, /"transition" or "update" or .* at reject\[0\]\.what/],
    ] as const) {
      expectRefusal(write(JSON.stringify(content)), message);
    }
  });

  it("explains itself", () => {
    const { status, lines } = runVectors("--help");
    expect(lines[0]).to.equal("Usage: npm run vectors -- [FILE]");
    expect(status).to.equal(0);
    expect(runVectors("a", "b").error).to.match(/^Expected one file, got a, b/);
    expect(runVectors("--all").status).to.equal(1);
  });
});

function expectRefusal(file: string, message: RegExp): void {
  const { status, lines, error } = runVectors(file);
  expect(error).to.match(message);
  expect(error).to.not.match(/^\s+at /m);
  expect(lines).to.deep.equal([""]);
  expect(status).to.equal(1);
}
