import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { stripVTControlCharacters } from "node:util";

/** Hardhat's command line; what npx puts on the PATH is not for us. */
export const HARDHAT = "node_modules/hardhat/dist/src/cli.js";

/** Runs a Node script in a folder to its end, its output shown and returned. */
export async function runNode(
  cwd: string,
  script: string,
  args: readonly string[],
): Promise<{ exitCode: number; output: string }> {
  const child = spawn(process.execPath, [script, ...args], {
    cwd,
    stdio: ["ignore", "pipe", "inherit"],
    env: process.stdout.isTTY ? { FORCE_COLOR: "1", ...process.env } : process.env,
  });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on("SIGINT", forward).on("SIGTERM", forward);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    process.stdout.write(chunk);
    output += chunk;
  });
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  process.off("SIGINT", forward).off("SIGTERM", forward);
  return {
    exitCode: code ?? 128 + constants.signals[signal!],
    output: stripVTControlCharacters(output),
  };
}
