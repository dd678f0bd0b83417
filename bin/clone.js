// What a clone needs before its TypeScript runs: the locked dependencies and the compiled contracts.
import { spawnSync } from "node:child_process";
import { readdirSync, statSync, utimesSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";

const MARKET_ARTIFACT = "artifacts/contracts/TrainingMarket.sol/TrainingMarket.json";

/**
 * Whether the dependencies are missing or older than the lock file.
 * @param {string} root folder of the clone
 * @returns {boolean}
 */
export function areDependenciesStale(root) {
  return isStale(join(root, "node_modules/.package-lock.json"), [join(root, "package-lock.json")]);
}

/**
 * Whether the contracts were never compiled, or not since one of them changed.
 * @param {string} root folder of the clone
 * @returns {boolean}
 */
export function areContractsStale(root) {
  return isStale(join(root, MARKET_ARTIFACT), solidityFiles(join(root, "contracts")));
}

/**
 * Installs the dependencies where they are stale. Ends the process with npm's exit code where that fails.
 * @param {string} root folder of the clone
 */
export function ensureDependencies(root) {
  if (!areDependenciesStale(root)) return;
  process.stderr.write("installing dependencies…\n");
  // No install script is needed; `allowScripts` in package.json says so only to npm 11 and later.
  const args = ["ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  if (npm && basename(npm) === "npm-cli.js") return runToEnd(process.execPath, [npm, ...args], root);
  // npm leaves out native parts that are not for the Node it runs under: let it find this one first.
  const PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
  runToEnd("npm", args, root, { env: { ...process.env, PATH }, shell: process.platform === "win32" });
}

/**
 * Compiles the contracts where they are stale. Ends the process with the compiler's exit code where that fails.
 * @param {string} root folder of the clone
 */
export function ensureContracts(root) {
  if (!areContractsStale(root)) return;
  process.stderr.write("compiling contracts…\n");
  const hardhat = join(root, "node_modules/hardhat/dist/src/cli.js");
  runToEnd(process.execPath, [hardhat, "build"], root, { stdio: ["ignore", "pipe", "pipe"] });
  // Hardhat leaves an artifact alone that a change did not touch.
  utimesSync(join(root, MARKET_ARTIFACT), new Date(), new Date());
}

function isStale(product, sources) {
  const made = statSync(product, { throwIfNoEntry: false });
  return made === undefined || sources.some((source) => statSync(source).mtimeMs > made.mtimeMs);
}

function solidityFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return solidityFiles(path);
    return entry.name.endsWith(".sol") ? [path] : [];
  });
}

/** Standard output stays free for what the user asked for; what is piped shows only where it ended badly. */
function runToEnd(file, args, cwd, options = {}) {
  const { status, signal, error, output } = spawnSync(file, args, {
    cwd,
    stdio: ["ignore", 2, 2],
    ...options,
  });
  if (error) throw error;
  if (status !== 0 && output) for (const text of output) process.stderr.write(text || "");
  if (signal) process.kill(process.pid, signal);
  if (status !== 0) process.exit(status ?? 1);
}
