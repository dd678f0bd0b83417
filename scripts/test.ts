// npm test: every check of the project, in turn, up to the first that fails.
import { fileURLToPath } from "node:url";
import { HARDHAT, runNode } from "./runNode.ts";
import { uncoveredTests } from "./testFiles.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const STEPS: readonly (readonly [name: string, script: string, ...args: string[]])[] = [
  ["lint TypeScript", "node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."],
  ["format Solidity", "node_modules/prettier/bin/prettier.cjs", "--check", "contracts/**/*.sol"],
  ["lint Solidity", "node_modules/solhint/solhint.js", "--max-warnings", "0", "contracts/**/*.sol"],
  ["compile contracts", HARDHAT, "build"],
  ["check types", "node_modules/typescript/bin/tsc", "-p", "."],
  ["test in Solidity", HARDHAT, "test", "solidity", "--no-compile", "--grep-exclude", "^invariant_"],
  ["test invariants", "scripts/invariants.ts"],
  ["test contracts under coverage", "scripts/coverage.ts", "protocol"],
  ["test the leaf check under coverage", "scripts/coverage.ts", "leafCheck"],
  ["test in TypeScript", HARDHAT, "test", "mocha", "--no-compile", ...uncoveredTests()],
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

let [passed, failed] = [0, 0];
for (const [name, script, ...args] of STEPS) {
  console.log(`▶ ${name}`);
  const start = performance.now();
  const { exitCode, output } = await runNode(ROOT, script, args);
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
