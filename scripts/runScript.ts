import { errorLine } from "../clients/cli/errorLine.ts";
import { GradworkError } from "../clients/model/errors.ts";

/** Runs a script to its end or to the first signal, after which it ends with 130; a failure is one line, and ends with 1. */
export async function runScript(main: (argv: string[], signal: AbortSignal) => Promise<void>): Promise<void> {
  const interruption = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    // npm passes Ctrl-C on, so that it comes twice; the first is enough.
    process.on(name, () => interruption.abort(new GradworkError("INTERRUPTED", `stopped by ${name}`)));
  }
  try {
    await main(process.argv.slice(2), interruption.signal);
  } catch (error) {
    process.stderr.write(`error: ${errorLine(error)}\n`);
    process.exitCode = interruption.signal.aborted ? 130 : 1;
  }
}
