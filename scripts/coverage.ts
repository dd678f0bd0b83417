// Runs the contract tests under coverage, and fails where they miss too many lines or statements of contracts/.
import { globSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HARDHAT, runNode } from "./runNode.ts";
import { coveredTests } from "./testFiles.ts";
import { COPY_CONFIG, copyProject } from "./workingCopy.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Of lines and of statements, each. */
const LEAST_PERCENT = 95;

/**
 * Its loops go over each element of a leaf, and coverage makes a call of each statement: covered apart from the rest,
 * where every round checks leaves.
 */
const LEAF_CHECK = [
  "contracts/LeafChecker.sol",
  "contracts/libraries/Float32.sol",
  "contracts/libraries/LeafCheck.sol",
  "contracts/libraries/MXFP4.sol",
];

/** Covers one part with its tests, in a copy of the project, and gives the exit code. */
async function cover(name: string, skipFiles: string[], keep: string[], tests: string[]): Promise<number> {
  const folder = join(ROOT, "coverage", name);
  copyProject(
    ROOT,
    folder,
    `import config from "./hardhat.config.ts";\nexport default { ...config, coverage: { skipFiles: ${JSON.stringify(skipFiles)} } };\n`,
  );
  // Neither Solidity's tests nor what this part does not use are worth the time to compile.
  const unused = globSync(["test/**/*.t.sol", "contracts/**/*.sol"], { cwd: folder }).filter(
    (file) => file.endsWith(".t.sol") || !keep.some((kept) => file.startsWith(kept)),
  );
  for (const file of unused) rmSync(join(folder, file));

  const { exitCode, output } = await runNode(folder, HARDHAT, [
    ...["--config", COPY_CONFIG, "--coverage", "test", "mocha"],
    ...tests,
  ]);
  if (exitCode !== 0) return exitCode;
  const total = /^║ Total +│ +([\d.]+) +│ +([\d.]+) /m.exec(output);
  if (total === null) throw new Error("no total in Hardhat's coverage report");
  const [lines, statements] = [Number(total[1]), Number(total[2])];
  const isEnough = lines >= LEAST_PERCENT && statements >= LEAST_PERCENT;
  console.log(
    `coverage of ${name}: ${lines} % of lines, ${statements} % of statements, at least ${LEAST_PERCENT} % of each are due`,
  );
  return isEnough ? 0 : 1;
}

const name = process.argv[2];
const { protocol, leafCheck } = coveredTests();
if (name === "protocol") {
  process.exitCode = await cover(name, ["contracts/test/**", ...LEAF_CHECK], ["contracts/"], protocol);
} else if (name === "leafCheck") {
  const others = globSync("contracts/**/*.sol", { cwd: ROOT }).filter((file) => !LEAF_CHECK.includes(file));
  const keep = [...LEAF_CHECK, "contracts/interfaces/", "contracts/libraries/"];
  process.exitCode = await cover(name, others, keep, leafCheck);
} else {
  throw new Error(`Expected protocol or leafCheck, got ${name}`);
}
