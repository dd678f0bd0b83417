// npm test: every check of the project, in turn, up to the first that fails.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const HARDHAT = "node_modules/hardhat/dist/src/cli.js";

// Paths, not names of commands: what npx puts on the PATH is not for us.
const STEPS: readonly (readonly [name: string, script: string, ...args: string[]])[] = [
  ["lint TypeScript", "node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."],
  ["format Solidity", "node_modules/prettier/bin/prettier.cjs", "--check", "contracts/**/*.sol"],
  ["lint Solidity", "node_modules/solhint/solhint.js", "--max-warnings", "0", "contracts/**/*.sol"],
  ["compile contracts", HARDHAT, "build"],
  ["check types", "node_modules/typescript/bin/tsc", "-p", "."],
  ["test in Solidity", HARDHAT, "test", "solidity", "--no-compile"],
  ["test in TypeScript", HARDHAT, "test", "mocha", "--no-compile"],
  ["check vectors", "scripts/vectors.ts"],
];

/** How many tests a runner says passed and failed; mocha and Hardhat's Solidity runner word it alike. */
function countTests(output: string): { passed: number; failed: number } {
  const count = (word: string) =>
    Number(
      output
        .match(new RegExp(`^ *(\\d+) ${word}\\b`, "gm"))
        ?.at(-1)
        ?.match(/\d+/)?.[0] ?? 0,
    );
  return { passed: count("passing"), failed: count("failing") };
}

/** Runs a Node script to its end, its output shown and returned. */
async function runStep(
  script: string,
  args: readonly string[],
): Promise<{ exitCode: number; output: string }> {
  const child = spawn(process.execPath, [script, ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
    env: process.stdout.isTTY ? { FORCE_COLOR: "1", ...process.env } : process.env,
  });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on("SIGINT", forward).on("SIGTERM", forward);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    process.stdout.write(chunk);
    output += chunk;
  });
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  process.off("SIGINT", forward).off("SIGTERM", forward);
  return {
    exitCode: code ?? 128 + constants.signals[signal!],
    output: stripVTControlCharacters(output),
  };
}

let [passed, failed] = [0, 0];
for (const [name, script, ...args] of STEPS) {
  console.log(`▶ ${name}`);
  const start = performance.now();
  const { exitCode, output } = await runStep(script, args);
  console.log(`▶ ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  const tests = countTests(output);
  passed += tests.passed;
  failed += tests.failed;
  if (exitCode !== 0) {
    // A step without tests of its own counts as one.
    failed += tests.failed === 0 ? 1 : 0;
    process.exitCode = exitCode;
    break;
  }
}
console.log(`${passed} passed, ${failed} failed`);
