// npm test: every check of the project, up to the first that fails.
import { fileURLToPath } from "node:url";
import { HARDHAT, runNode } from "./runNode.ts";
import { uncoveredTests } from "./testFiles.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

type Step = readonly [name: string, script: string, ...args: string[]];

const CHECKS: readonly Step[] = [
  ["lint TypeScript", "node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."],
  ["format Solidity", "node_modules/prettier/bin/prettier.cjs", "--check", "contracts/**/*.sol"],
  ["lint Solidity", "node_modules/solhint/solhint.js", "--max-warnings", "0", "contracts/**/*.sol"],
  ["compile contracts", HARDHAT, "build"],
  ["check types", "node_modules/typescript/bin/tsc", "-p", "."],
];

const { clients, parties, commands } = uncoveredTests();

/** Run beside each other, each in turn: parties wait for blocks most of their time, and what computes fills it. */
const LANES: readonly (readonly Step[])[] = [
  [["test parties", HARDHAT, "test", "mocha", "--no-compile", ...parties]],
  [["test commands", HARDHAT, "test", "mocha", "--no-compile", ...commands]],
  [
    ["test in Solidity", HARDHAT, "test", "solidity", "--no-compile", "--grep-exclude", "^invariant_"],
    ["test invariants", "scripts/invariants.ts"],
    ["test contracts under coverage", "scripts/coverage.ts", "protocol"],
    ["test the leaf check under coverage", "scripts/coverage.ts", "leafCheck"],
    ["test clients", HARDHAT, "test", "mocha", "--no-compile", ...clients],
    ["check vectors", "scripts/vectors.ts"],
  ],
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

let [passed, failed] = [0, 0];
const stop = new AbortController();

/** Runs steps in turn, until one fails anywhere. */
async function runSteps(steps: readonly Step[], isQuiet: boolean): Promise<void> {
  for (const [name, script, ...args] of steps) {
    if (stop.signal.aborted) return;
    console.log(`▶ ${name}`);
    const start = performance.now();
    const { exitCode, output } = await runNode(ROOT, script, args, { isQuiet, signal: stop.signal });
    // Stopped because another failed.
    if (stop.signal.aborted) return;
    if (isQuiet) console.log(output);
    console.log(`▶ ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
    const tests = countTests(output);
    passed += tests.passed;
    failed += tests.failed;
    if (exitCode === 0) continue;
    // A step without tests of its own counts as one.
    failed += tests.failed === 0 ? 1 : 0;
    process.exitCode = exitCode;
    stop.abort();
  }
}

await runSteps(CHECKS, false);
await Promise.all(LANES.map((steps, lane) => runSteps(steps, lane > 0)));
console.log(`${passed} passed, ${failed} failed`);
