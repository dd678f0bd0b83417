import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { HARDHAT } from "../runNode.ts";
import { COPY_CONFIG, copyProject } from "../workingCopy.ts";
import type { Bytecode } from "./compiler.ts";

/** How a run of tests ended. */
export type TestRun =
  | { result: "passed"; millisecondsOf: Map<string, number> }
  | { result: "failed"; file: string | undefined; test: string }
  | { result: "timed out" };

const REPORT = "report.json";

/** Code that no optimizer went over is larger and dearer than chains allow. */
const CONFIG = `import config from "./hardhat.config.ts";

// So that the report of an assertion on amounts can be written.
BigInt.prototype.toJSON = function () {
  return String(this);
};

export default {
  ...config,
  networks: {
    ...config.networks,
    default: {
      type: "edr-simulated",
      allowUnlimitedContractSize: true,
      blockGasLimit: 200_000_000,
      transactionGasCap: false,
    },
  },
  test: { mocha: { ...config.test.mocha, reporter: "json", reporterOption: { output: "${REPORT}" } } },
};
`;

type MochaTest = { fullTitle: string; file: string; duration?: number; err: { message?: string } };

/** Makes a copy of the project, with its artifacts, in which tests can run. */
export function makeCopy(root: string, folder: string): void {
  copyProject(root, folder, CONFIG);
  rmSync(join(folder, "artifacts"), { recursive: true, force: true });
  cpSync(join(root, "artifacts/contracts"), join(folder, "artifacts/contracts"), { recursive: true });
}

/** Has a copy's tests deploy these bytecodes from now on. */
export function placeBytecodes(folder: string, bytecodes: readonly Bytecode[]): void {
  for (const { file, contract, ...parts } of bytecodes) {
    const path = join(folder, "artifacts", file, `${contract}.json`);
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...parts }));
  }
}

/**
 * Runs tests in a copy up to the first that fails.
 * @param files in this order
 * @param exclude a pattern for names of tests that are left out
 * @param limitMs time limit in milliseconds
 */
export async function runTests(
  folder: string,
  files: readonly string[],
  exclude: string,
  limitMs: number,
  signal: AbortSignal,
): Promise<TestRun> {
  const report = join(folder, REPORT);
  rmSync(report, { force: true });
  const options = ["--no-compile", "--bail", "--grep-exclude", exclude];
  const child = spawn(
    process.execPath,
    [HARDHAT, "--config", COPY_CONFIG, "test", "mocha", ...options, ...files],
    { cwd: folder, stdio: ["ignore", "ignore", "pipe"], timeout: limitMs, killSignal: "SIGKILL", signal },
  );
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-2_000);
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code === null) return { result: "timed out" };
  let text: string;
  try {
    text = readFileSync(report, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    // What tests share is deployed while they are loaded.
    return { result: "failed", file: undefined, test: `loading: ${errors.trim().split("\n")[0]}` };
  }
  const { tests, failures } = JSON.parse(text) as { tests: MochaTest[]; failures: MochaTest[] };
  const fileOf = (test: MochaTest) => relative(folder, test.file).replaceAll("\\", "/");
  const [failure] = failures;
  if (failure !== undefined) return { result: "failed", file: fileOf(failure), test: failure.fullTitle };
  if (code !== 0) return { result: "failed", file: undefined, test: `exit code ${code}: ${errors.trim()}` };
  const millisecondsOf = new Map<string, number>();
  for (const test of tests) {
    millisecondsOf.set(fileOf(test), (millisecondsOf.get(fileOf(test)) ?? 0) + (test.duration ?? 0));
  }
  return { result: "passed", millisecondsOf };
}
