// The compiler in a thread of its own, where it stays warm: standard JSON in, standard JSON out.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parentPort } from "node:worker_threads";

const require = createRequire(import.meta.url);
const solc = require("solc") as {
  compile(
    input: string,
    callbacks: { import: (path: string) => { contents: string } | { error: string } },
  ): string;
};

function readPackage(path: string): { contents: string } | { error: string } {
  try {
    return { contents: readFileSync(require.resolve(path), "utf8") };
  } catch (error) {
    return { error: String(error) };
  }
}

parentPort!.on("message", (input: string) => {
  parentPort!.postMessage(solc.compile(input, { import: readPackage }));
});
