import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Gas and bytecode sizes are those of exactly what is deployed. */
const EXACT_BYTECODE = /(gas|bytecodeSize)\.ts$/i;

function testFiles(folder: string): string[] {
  return globSync(`${folder}/**/*.ts`, { cwd: ROOT })
    .map((file) => file.replaceAll("\\", "/"))
    .sort();
}

/** The tests of contracts that hold however the contracts are compiled, from the project's folder. */
export function contractTests(): string[] {
  return testFiles("test/contracts").filter(
    (file) => !file.includes("/support/") && !EXACT_BYTECODE.test(file),
  );
}

/**
 * Of {@link contractTests} those that run under coverage, by what they cover. Those of the libraries do not: they check
 * many thousand random inputs, and that the optimizer keeps the assembly right.
 */
export function coveredTests(): { protocol: string[]; leafCheck: string[] } {
  const files = contractTests().filter((file) => !file.includes("/libraries/"));
  const isLeafCheck = (file: string) => file.endsWith("/leafChecker.ts");
  return { protocol: files.filter((file) => !isLeafCheck(file)), leafCheck: files.filter(isLeafCheck) };
}

/** All tests in TypeScript but {@link coveredTests}; those apart in which parties play whole rounds, or commands run. */
export function uncoveredTests(): { clients: string[]; parties: string[]; commands: string[] } {
  const { protocol, leafCheck } = coveredTests();
  const covered: ReadonlySet<string> = new Set([...protocol, ...leafCheck]);
  const files = testFiles("test").filter((file) => !covered.has(file));
  const parties = files.filter((file) => file.startsWith("test/e2e/"));
  const commands = files.filter((file) => file.startsWith("test/cli/"));
  const apart: ReadonlySet<string> = new Set([...parties, ...commands]);
  return { clients: files.filter((file) => !apart.has(file)), parties, commands };
}
