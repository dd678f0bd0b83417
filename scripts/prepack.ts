// npm pack: makes dist/, which the published package runs, from the clients, the compiled contracts and the models.
import { execFileSync } from "node:child_process";
import { cpSync, rmSync, statSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { ARTIFACT_NAMES } from "../clients/chain/artifacts.ts";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

rmSync("dist", { recursive: true, force: true });
// Standard output is for `npm pack --json`.
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
  stdio: ["ignore", 2, 2],
});
// Imported for their types alone.
rmSync("dist/types", { recursive: true });
// As far from the compiled clients as artifacts/ is from their sources.
const deployed: ReadonlySet<string> = new Set(ARTIFACT_NAMES);
cpSync("models", "dist/models", { recursive: true });
cpSync("artifacts/contracts", "dist/artifacts/contracts", {
  recursive: true,
  filter: (path) => statSync(path).isDirectory() || deployed.has(basename(path, ".json")),
});
