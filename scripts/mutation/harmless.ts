import type { SourceMutant } from "./sources.ts";

type Identity = Pick<SourceMutant, "file" | "scope" | "from" | "to">;

/** A mutant that no test can tell from the contract, or has to, and why. Line numbers would not last. */
export type Harmless = Identity & { reason: string };

const IDENTITY = ["file", "scope", "from", "to"] as const;

/**
 * Reads the list of harmless mutants.
 * @param json the list
 * @param mutants all there are
 * @throws {Error} where an entry lacks a field, stands twice, or is none of the mutants
 */
export function parseHarmless(json: string, mutants: readonly Identity[]): Harmless[] {
  const entries = JSON.parse(json) as Harmless[];
  for (const [index, entry] of entries.entries()) {
    const problem = problemOf(entry, entries.slice(0, index), mutants);
    if (problem !== undefined) throw new Error(`harmless mutants: ${problem}: ${JSON.stringify(entry)}`);
  }
  return entries;
}

function problemOf(
  entry: Harmless,
  earlier: readonly Harmless[],
  mutants: readonly Identity[],
): string | undefined {
  const missing = [...IDENTITY, "reason" as const].find(
    (field) => typeof entry[field] !== "string" || entry[field].trim() === "",
  );
  if (missing !== undefined) return `an entry has no ${missing}`;
  if (findSame(earlier, entry) !== undefined) return "an entry stands twice";
  if (findSame(mutants, entry) === undefined) return "an entry is no mutant of the contracts";
  return undefined;
}

/** The first that is the same mutant. */
export function findSame<T extends Identity>(list: readonly T[], mutant: Identity): T | undefined {
  return list.find((other) => IDENTITY.every((field) => other[field] === mutant[field]));
}
