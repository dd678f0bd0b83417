import { eventLine } from "../../clients/cli/eventLine.ts";
import { formatNats, formatRows } from "../../clients/cli/formats.ts";
import { openTerminal } from "../../clients/cli/terminal.ts";
import type { RoleEvent } from "../../clients/roles/observer.ts";
import type { RoundReport } from "./ledger.ts";

/** The events that a person follows; the others are in the table of their round. */
const FOLLOWED: readonly RoleEvent["kind"][] = [
  "serving",
  "trained",
  "measured",
  "difference",
  "waiting",
  "retrying",
];

/** Those of a run without such tables. */
export const FOLLOWED_ALONE: readonly RoleEvent["kind"][] = [
  "trained",
  "measured",
  "difference",
  "waiting",
  "retrying",
  "sent",
  "attested",
  "finalized",
  "answered",
  "assessed",
];

/** Shows a run to a person. */
export type Display = {
  say(line: string): void;
  show(member: { name: string }, event: RoleEvent): void;
  table(report: RoundReport): void;
};

/** @param followed the kinds of events to show */
export function openDisplay(
  out: { write(text: string): unknown; isTTY?: boolean; columns?: number },
  followed: readonly RoleEvent["kind"][] = FOLLOWED,
): Display {
  const terminal = openTerminal(out);
  const gflop = (flops: number) => `${(flops / 1e9).toFixed(1)} GFLOP`;
  return {
    say: terminal.say,
    show({ name }, event) {
      const line = `${name}: ${eventLine(event)}`;
      if (event.kind === "training") terminal.status(line, event.step / event.steps);
      else if (followed.includes(event.kind)) terminal.say(line);
    },
    table(report) {
      const { lossBefore, lossAfter, trainSeconds, trainFlops, verifySeconds, verifyFlops } = report;
      terminal.say("");
      terminal.say(`Round ${report.round}: ${report.confirmed ? "confirmed" : "not confirmed"}`);
      const rows: [string, string][] = [
        ["loss of the 4-bit model before", formatNats(lossBefore)],
        ["loss of the 4-bit model after", formatNats(lossAfter)],
        ["attestations", `${report.positive} positive, ${report.negative} negative`],
        ["training", `${trainSeconds.toFixed(1)} s, ${gflop(trainFlops)}`],
        ["verifying, one verifier", `${verifySeconds.toFixed(1)} s, ${gflop(verifyFlops)}`],
        ["update", `${report.updateBytes.toLocaleString("en")} bytes`],
        ["gas: propose", report.gas.propose.toLocaleString("en")],
        ["gas: leaf check, a leaf", report.gas.leafCheck.toLocaleString("en")],
        ["gas: commit attestation", report.gas.commitAttestation.toLocaleString("en")],
        ["gas: reveal attestation", report.gas.revealAttestation.toLocaleString("en")],
        ["gas: finalize", report.gas.finalize.toLocaleString("en")],
      ];
      for (const line of formatRows(rows)) terminal.say(line);
      terminal.say("");
    },
  };
}
