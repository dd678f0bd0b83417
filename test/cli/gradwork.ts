import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const EXECUTABLE = fileURLToPath(new URL("../../bin/gradwork.js", import.meta.url));

export type Ended = { exitCode: number | null; stdout: string; stderr: string };

/** A running `gradwork`; `ended` resolves when it has exited and its output is read. */
export type Running = { child: ChildProcess; ended: Promise<Ended> };

/** Starts the real executable in a folder, with nothing in its environment but what is given. */
export function startGradwork(args: string[], folder: string, env: Record<string, string> = {}): Running {
  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, [EXECUTABLE, ...args], {
    cwd: folder,
    env: { PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const result: Ended = { exitCode: null, stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    result.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    result.stderr += text;
  });
  const ended = once(child, "close").then(() => ({ ...result, exitCode: child.exitCode }));
  return { child, ended };
}

/** Runs the real executable to its end. */
export function runGradwork(
  args: string[],
  folder: string,
  env: Record<string, string> = {},
): Promise<Ended> {
  return startGradwork(args, folder, env).ended;
}

/** What a run that should succeed wrote; its errors where it did not. */
export async function outputOf(run: Promise<Ended>): Promise<string> {
  const { exitCode, stdout, stderr } = await run;
  if (exitCode !== 0) throw new Error(`gradwork ended with ${exitCode}: ${stderr}${stdout}`);
  return stdout;
}
