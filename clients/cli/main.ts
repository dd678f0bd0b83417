// The entry point of `gradwork`: runs one command and sets the exit code.
import { constants } from "node:os";
import { CommanderError } from "commander";
import { errorLine } from "./errorLine.ts";
import { createProgram } from "./program.ts";
import { openTerminal } from "./terminal.ts";

/** For a command that was stopped to let go of what it holds; a step that can't be cut short may take longer. */
const GRACE_MS = 5_000;

const { stdout, stderr, env } = process;
const stopping = new AbortController();
let stoppedExitCode = 0;
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    // npm passes Ctrl-C on, so that it comes twice.
    if (stopping.signal.aborted) return;
    stoppedExitCode = 128 + constants.signals[name];
    setTimeout(() => process.exit(stoppedExitCode), GRACE_MS).unref();
    stopping.abort();
  });
}
// A reader that has seen enough, as `head`, is no fault.
stdout.on("error", ({ code }: NodeJS.ErrnoException) => process.exit(code === "EPIPE" ? 0 : 1));

const [output, progress] = [openTerminal(stdout), openTerminal(stderr)];
const program = createProgram({ env, output, progress, stream: stdout, signal: stopping.signal });
try {
  await program.parseAsync(process.argv);
  output.clear();
} catch (error) {
  output.clear();
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode;
  } else if (stopping.signal.aborted) {
    stderr.write("stopped\n");
    process.exitCode = stoppedExitCode;
  } else {
    stderr.write(`error: ${errorLine(error)}\n`);
    if (env.GRADWORK_DEBUG && error instanceof Error) stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
  }
}
