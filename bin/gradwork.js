#!/usr/bin/env node
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ensureContracts, ensureDependencies } from "./clone.js";
import { requireNode, shellWords } from "./nodeVersion.js";
import "./quietSqlite.js";

requireNode(`node${shellWords([fileURLToPath(import.meta.url), ...process.argv.slice(2)])}`);

// The published package holds only what was compiled from it: Node strips no types under node_modules.
const source = new URL("../clients/cli/main.ts", import.meta.url);
const isClone = existsSync(source);
if (isClone) {
  const root = fileURLToPath(new URL("..", import.meta.url));
  ensureDependencies(root);
  ensureContracts(root);
}
import(isClone ? source.href : new URL("../dist/clients/cli/main.js", import.meta.url).href);
