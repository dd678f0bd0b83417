import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const EXECUTABLE = fileURLToPath(new URL("../../bin/gradwork.js", import.meta.url));

export type Ended = { exitCode: number | null; stdout: string; stderr: string };

/** A running `gradwork`. */
export type Running = {
  child: ChildProcess;
  /** Resolves once it has written the text; rejects where it ends without. */
  wrote(text: string): Promise<void>;
  /** Resolves when it has exited and its output is read. */
  ended: Promise<Ended>;
};

/** Starts the real executable in a folder, with nothing in its environment but what is given. */
export function startGradwork(args: string[], folder: string, env: Record<string, string> = {}): Running {
  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, [EXECUTABLE, ...args], {
    cwd: folder,
    env: { PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const result: Ended = { exitCode: null, stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      result[name] += text;
    });
  }
  const ended = once(child, "close").then(() => ({ ...result, exitCode: child.exitCode }));
  return {
    child,
    ended,
    wrote: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (result.stdout.includes(text) || result.stderr.includes(text)) resolve();
        };
        child.stdout.on("data", look);
        child.stderr.on("data", look);
        child.once("close", () => reject(new Error(`gradwork ended before "${text}": ${result.stderr}`)));
        look();
      }),
  };
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
