import type { RoleEvent } from "../../clients/roles/observer.ts";
import type { Member } from "./cast.ts";
import type { RoundReport } from "./ledger.ts";

const BAR_CELLS = 24;
const LINE_SECONDS = 5;

/** Writes progress for a person: a bar in a terminal, a line every few seconds elsewhere. */
export type Display = {
  say(line: string): void;
  show(member: Member, event: RoleEvent): void;
  table(report: RoundReport): void;
};

export function openDisplay(out: NodeJS.WriteStream): Display {
  let barLength = 0;
  let lastLineAt = 0;
  const say = (line: string) => {
    out.write(`${barLength > 0 ? `\r${" ".repeat(barLength)}\r` : ""}${line}\n`);
    barLength = 0;
  };
  const progress = (round: bigint, step: number, steps: number, lossNats: number) => {
    const text = `round ${round}: training, step ${step} of ${steps}, loss ${lossNats.toFixed(3)} nats`;
    if (out.isTTY) {
      const cells = Math.round((BAR_CELLS * step) / steps);
      const bar = `${"█".repeat(cells)}${"░".repeat(BAR_CELLS - cells)} ${text}`;
      out.write(`\r${bar}${" ".repeat(Math.max(0, barLength - bar.length))}`);
      barLength = bar.length;
    } else if (step === steps || Date.now() - lastLineAt >= LINE_SECONDS * 1000) {
      lastLineAt = Date.now();
      say(text);
    }
  };

  return {
    say,
    show({ name }, event) {
      switch (event.kind) {
        case "serving":
          return say(`${name} serves blobs at ${event.endpoint}`);
        case "training":
          return progress(event.round, event.step, event.steps, event.lossNats);
        case "trained":
          return say(
            `round ${event.round}: ${name} trained ${event.steps} steps in ${event.seconds.toFixed(1)} s`,
          );
        case "measured": {
          const { round, lossBeforeNats, lossAfterNats, seconds } = event;
          const losses = `${lossBeforeNats.toFixed(4)} → ${lossAfterNats.toFixed(4)} nats`;
          return say(
            `round ${round}: ${name} rebuilt the model and measured ${losses} in ${seconds.toFixed(1)} s`,
          );
        }
        case "difference":
          return say(`round ${event.round}: ${name} found: ${event.reason} ${JSON.stringify(event.detail)}`);
        case "waiting":
          return say(`${name} waits: ${event.why}`);
        case "retrying":
          return say(`${name} tries again (${event.action}): ${event.error.message}`);
        default:
          return;
      }
    },
    table(report) {
      const gas = Object.entries(report.gas).map(([step, used]) => [
        `gas, ${step}`,
        used.toLocaleString("en"),
      ]);
      const rows: [string, string][] = [
        ["loss of the 4-bit model before", `${report.lossBefore.toFixed(4)} nats`],
        ["loss of the 4-bit model after", `${report.lossAfter.toFixed(4)} nats`],
        ["attestations", `${report.positive} positive, ${report.negative} negative`],
        ["training", `${report.trainSeconds.toFixed(1)} s, ${(report.trainFlops / 1e9).toFixed(1)} GFLOP`],
        [
          "verifying, one verifier",
          `${report.verifySeconds.toFixed(1)} s, ${(report.verifyFlops / 1e9).toFixed(1)} GFLOP`,
        ],
        ["update", `${report.updateBytes.toLocaleString("en")} bytes`],
        ...(gas as [string, string][]),
      ];
      const width = Math.max(...rows.map(([name]) => name.length));
      say("");
      say(`Round ${report.round}: ${report.confirmed ? "confirmed" : "not confirmed"}`);
      for (const [name, value] of rows) say(`  ${name.padEnd(width)}  ${value}`);
      say("");
    },
  };
}
