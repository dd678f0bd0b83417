import { basename } from "node:path";
import type { SourceMutant } from "./sources.ts";

/** Puts test files into the order in which they most likely fail for a mutant, by what failed for others before. */
export type TestOrder = {
  /** The files for a mutant, all of them. */
  of(mutant: SourceMutant): string[];
  /** Remembers that a file's test failed for a mutant. */
  learn(mutant: SourceMutant, file: string): void;
};

/** @param millisecondsOf how long each test file takes */
export function learnTestOrder(millisecondsOf: ReadonlyMap<string, number>): TestOrder {
  const failures = new Map<string, number>();
  const failuresOf = (place: string, file: string) => failures.get(`${place} ${file}`) ?? 0;
  return {
    of(mutant) {
      const contract = basename(mutant.file, ".sol").toLowerCase();
      const isNamesake = (file: string) => basename(file).toLowerCase().startsWith(contract);
      const rank = (file: string) => [
        -failuresOf(mutant.scope, file),
        -failuresOf(mutant.file, file),
        isNamesake(file) ? 0 : 1,
        millisecondsOf.get(file) ?? 0,
      ];
      const ranked = [...millisecondsOf.keys()].map((file) => ({ file, rank: rank(file) }));
      ranked.sort((a, b) => a.rank.map((value, i) => value - b.rank[i]!).find((order) => order !== 0) ?? 0);
      return ranked.map(({ file }) => file);
    },
    learn(mutant, file) {
      for (const place of [mutant.scope, mutant.file]) {
        failures.set(`${place} ${file}`, failuresOf(place, file) + 1);
      }
    },
  };
}
