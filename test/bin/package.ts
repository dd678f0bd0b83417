import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Under node_modules, where Node strips no types, and within reach of the clone's dependencies. */
const INSTALLED = join(ROOT, "cache/packed/node_modules/gradwork");

describe("the published package", () => {
  let paths: string[];

  before(() => {
    const PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
    const listing = execFileSync("npm", ["pack", "--dry-run", "--json"], {
      cwd: ROOT,
      env: { ...process.env, PATH },
      encoding: "utf8",
      shell: process.platform === "win32",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [packed] = Object.values(JSON.parse(listing) as Record<string, { files: { path: string }[] }>);
    paths = packed!.files.map(({ path }) => path);
    for (const path of paths) {
      mkdirSync(dirname(join(INSTALLED, path)), { recursive: true });
      cpSync(join(ROOT, path), join(INSTALLED, path));
    }
  });
  after(() => rmSync(join(ROOT, "cache/packed"), { recursive: true, force: true }));

  it("holds the launcher, the compiled clients, what they deploy and the embedded models", () => {
    expect(paths).to.include.members([
      "LICENSE",
      "README.md",
      "bin/gradwork.js",
      "dist/clients/cli/main.js",
      "dist/deploy/gradwork.js",
      "dist/models/llama/onnx/model.onnx",
      "dist/models/cross-encoder/onnx/model.onnx",
      "dist/artifacts/contracts/TrainingMarket.sol/TrainingMarket.json",
      "dist/artifacts/contracts/randomness/BlockHashRandomness.sol/BlockHashRandomness.json",
      "dist/artifacts/contracts/randomness/DrandRandomness.sol/DrandRandomness.json",
    ]);
  });

  it("holds nothing else: no tests, sources, keys or state", () => {
    const expected =
      /^(LICENSE|README\.md|package\.json|bin\/\w+\.js|dist\/package\.json|dist\/(clients|deploy)\/[\w/]+\.js|dist\/artifacts\/contracts\/[\w/]+\.sol\/\w+\.json|dist\/models\/(llama|cross-encoder)\/(onnx\/model\.onnx|\w+\.json))$/;
    expect(paths.filter((path) => !expected.test(path))).to.deep.equal([]);
  });

  it("finds its models where they are packed", async () => {
    const { embeddedModelFolder } = (await import(
      join(INSTALLED, "dist/clients/inference/embedded.js")
    )) as typeof import("../../clients/inference/embedded.ts");
    for (const name of ["llama", "cross-encoder"] as const) {
      const folder = embeddedModelFolder(name);
      expect(folder).to.equal(join(INSTALLED, "dist/models", name));
      for (const file of ["config.json", "tokenizer.json", "onnx/model.onnx"]) {
        expect(existsSync(join(folder, file)), file).to.equal(true);
      }
    }
  });

  it("runs from under node_modules", () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(INSTALLED, "bin/gradwork.js"), "--version"],
      { encoding: "utf8" },
    );
    expect({ status, stdout, stderr }).to.deep.equal({ status: 0, stdout: `${version}\n`, stderr: "" });
  });
});
