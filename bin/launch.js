// `node bin/launch.js NAME ARGS…` behind the scripts of package.json: checks Node, makes the clone ready, then runs
// scripts/NAME.ts in this process.
import { fileURLToPath } from "node:url";
import { ensureContracts, ensureDependencies } from "./clone.js";
import { requireNode, shellWords } from "./nodeVersion.js";
import "./quietSqlite.js";

const [name, ...args] = process.argv.slice(2);
const npmScripts = {
  test: "npm test",
  invariants: "npm run test:deep",
  mutation: "npm run test:mutation",
  simulation: "npm run sim",
  modelsBuild: "npm run models:build",
  modelsEval: "npm run models:eval",
  prepack: "npm pack",
};
// What is not named as its script, by the command that its user gave.
const npmScript = npmScripts[name] || `npm run ${name}`;
requireNode(npmScript + (args.length > 0 ? ` --${shellWords(args)}` : ""));

const root = fileURLToPath(new URL("..", import.meta.url));
ensureDependencies(root);
// For the tests, compiling is one of the checks.
if (name !== "test") ensureContracts(root);
const script = new URL(`../scripts/${name}.ts`, import.meta.url);
process.argv.splice(1, 2, fileURLToPath(script));
import(script.href);
