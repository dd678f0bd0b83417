// npm pack: compiles to dist/ what the published package runs. Silent on stdout, which `npm pack --json` fills.
import { execFileSync } from "node:child_process";
import { cpSync, rmSync, statSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { CONTRACT_NAMES } from "../clients/chain/artifacts.ts";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

function run(script: string, ...args: string[]): void {
  execFileSync(process.execPath, [script, ...args], { stdio: ["ignore", 2, 2] });
}

rmSync("dist", { recursive: true, force: true });
run("node_modules/hardhat/dist/src/cli.js", "build", "--quiet");
run("node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json");
// Imported for their types alone.
rmSync("dist/types", { recursive: true });
// As far from the compiled clients as artifacts/ is from their sources.
const deployed: ReadonlySet<string> = new Set(CONTRACT_NAMES);
cpSync("artifacts/contracts", "dist/artifacts/contracts", {
  recursive: true,
  filter: (path) => statSync(path).isDirectory() || deployed.has(basename(path, ".json")),
});
