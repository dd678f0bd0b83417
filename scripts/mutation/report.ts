import { findSame, type Harmless } from "./harmless.ts";
import type { Outcome } from "./run.ts";
import type { SourceMutant } from "./sources.ts";

/** Of the mutants that count, the share of which tests have to fail. */
export const LEAST_KILLED_PERCENT = 90;

const RESULTS = ["killed", "survived", "equivalent", "invalid"] as const;

export function formatMutant({ file, line, scope, from, to }: SourceMutant): string {
  return `${file}:${line} ${scope}\n    - ${from}\n    + ${to}`;
}

/**
 * A line on the outcome that came last.
 * @param due how many outcomes there will be
 */
export function formatProgress(outcomes: readonly Outcome[], due: number, elapsedMs: number): string {
  const { mutant, result, by, compileMs, testMs } = outcomes.at(-1)!;
  const counts = RESULTS.map((name) => `${countOf(outcomes, name)} ${name}`).join(", ");
  const minutesLeft = Math.ceil((elapsedMs / outcomes.length) * ((due - outcomes.length) / 60_000));
  const seconds = [compileMs, testMs].map((ms) => (ms / 1000).toFixed(1)).join(" + ");
  const what = `${result} in ${seconds} s: ${mutant.file}:${mutant.line} ${mutant.scope}: ${mutant.to}`;
  return `${outcomes.length} of ${due} (${counts}), ${minutesLeft} min left\n  ${what}${by === "" ? "" : `\n  by ${by}`}`;
}

function countOf(outcomes: readonly Outcome[], name: Outcome["result"]): number {
  return outcomes.filter(({ result }) => result === name).length;
}

/** Counts by source, the survivors with their reasons, and whether all is well. */
export function summarize(
  outcomes: readonly Outcome[],
  harmless: readonly Harmless[],
): { text: string; isGood: boolean } {
  const files = [...new Set(outcomes.map(({ mutant }) => mutant.file))].sort();
  const rows = [...files, "total"].map((file) => {
    const some = file === "total" ? outcomes : outcomes.filter(({ mutant }) => mutant.file === file);
    return [file, ...RESULTS.map((name) => String(countOf(some, name)))];
  });
  const table = [["", ...RESULTS], ...rows].map(([file, ...cells]) =>
    [file!.padEnd(48), ...cells.map((cell) => cell.padStart(18))].join(""),
  );

  const survivors = outcomes.filter(({ result }) => result === "survived").map(({ mutant }) => mutant);
  const explained = survivors.map((mutant) => ({ mutant, reason: findSame(harmless, mutant)?.reason }));
  const unexplained = explained.filter(({ reason }) => reason === undefined);
  const refuted = outcomes.filter(
    ({ result, mutant }) => result === "killed" && findSame(harmless, mutant) !== undefined,
  );
  const killed = countOf(outcomes, "killed");
  const counted = killed + survivors.length;
  const percent = counted === 0 ? 0 : (100 * killed) / counted;
  const lines = [
    ...table,
    "",
    ...explained.map(
      ({ mutant, reason }) => `survived, ${reason ?? "no reason given"}: ${formatMutant(mutant)}`,
    ),
    ...refuted.map(({ mutant, by }) => `called harmless, but killed by ${by}: ${formatMutant(mutant)}`),
    `${killed} of ${counted} killed, ${percent.toFixed(1)} %; at least ${LEAST_KILLED_PERCENT} % are due`,
    `${unexplained.length} survivors without a reason in scripts/mutation/harmless.json, ${refuted.length} reasons refuted`,
  ];
  const isGood = percent >= LEAST_KILLED_PERCENT && unexplained.length === 0 && refuted.length === 0;
  return { text: lines.join("\n"), isGood };
}
