import type { Terminal } from "./terminal.ts";

/** What a command works with, beside its options. */
export type Session = {
  env: NodeJS.ProcessEnv;
  /** what was asked for */
  output: Terminal;
  /** how it goes, and what went wrong */
  progress: Terminal;
  /** lines for machines, to where `output` goes */
  stream: { write(text: string): unknown };
  signal: AbortSignal;
};
