/** Where lines go, with one line at its end that says how something goes on. */
export type Terminal = {
  say(line: string): void;
  /**
   * Replaces the last status in a terminal; elsewhere a line of its own, at most one every few seconds.
   * @param share of the work that is done, for a bar in a terminal
   */
  status(line: string, share?: number): void;
  /** Removes the status from a terminal. */
  clear(): void;
};

type Output = { write(text: string): unknown; isTTY?: boolean; columns?: number };

const STATUS_LINE_MS = 5_000;
const BAR_CELLS = 16;

export function openTerminal(output: Output): Terminal {
  let shown = 0;
  let lastStatusAt = Date.now();
  const clear = () => {
    if (shown > 0) output.write(`\r${" ".repeat(shown)}\r`);
    shown = 0;
  };
  const say = (line: string) => {
    clear();
    output.write(`${line}\n`);
    lastStatusAt = Date.now();
  };
  return {
    say,
    clear,
    status(line, share) {
      if (output.isTTY) {
        const text = share === undefined ? line : `${bar(share)} ${line}`;
        const fitting = text.slice(0, (output.columns ?? 80) - 1);
        output.write(`\r${fitting.padEnd(shown)}`);
        shown = fitting.length;
      } else if (Date.now() - lastStatusAt >= STATUS_LINE_MS) {
        say(line);
      }
    },
  };
}

/** Says what is done, and for how long while it lasts. */
export async function during<T>(terminal: Terminal, what: string, work: () => Promise<T>): Promise<T> {
  terminal.say(`${what}…`);
  const startedAt = Date.now();
  const timer = setInterval(() => {
    terminal.status(`${what}: ${Math.round((Date.now() - startedAt) / 1000)} s`);
  }, 1_000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    terminal.clear();
  }
}

function bar(share: number): string {
  const cells = Math.round(BAR_CELLS * share);
  return "█".repeat(cells) + "░".repeat(BAR_CELLS - cells);
}
