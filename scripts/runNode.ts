import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { stripVTControlCharacters } from "node:util";

/** Hardhat's command line; what npx puts on the PATH is not for us. */
export const HARDHAT = "node_modules/hardhat/dist/src/cli.js";

/**
 * Runs a Node script in a folder to its end, its output returned and shown.
 * @param isQuiet whether it is not shown, but returned only
 * @param signal ends the script
 */
export async function runNode(
  cwd: string,
  script: string,
  args: readonly string[],
  { isQuiet = false, signal }: { isQuiet?: boolean; signal?: AbortSignal } = {},
): Promise<{ exitCode: number; output: string }> {
  const child = spawn(process.execPath, [script, ...args], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: process.stdout.isTTY ? { FORCE_COLOR: "1", ...process.env } : process.env,
  });
  const forward = (name: NodeJS.Signals) => child.kill(name);
  const abort = () => child.kill("SIGTERM");
  process.on("SIGINT", forward).on("SIGTERM", forward);
  signal?.addEventListener("abort", abort);
  let output = "";
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ] as const) {
    from.setEncoding("utf8").on("data", (chunk: string) => {
      if (!isQuiet) to.write(chunk);
      output += chunk;
    });
  }
  const [code, killedBy] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  process.off("SIGINT", forward).off("SIGTERM", forward);
  signal?.removeEventListener("abort", abort);
  return {
    exitCode: code ?? 128 + constants.signals[killedBy!],
    output: stripVTControlCharacters(output),
  };
}
