import { createRandom, shuffle } from "../../clients/training/random.ts";

/** Least number of mutants in a sample, and of those in it that need not be there. */
export const SAMPLE = { least: 150, leastOthers: 30 };

/**
 * The order in which mutants are tried: first those that must be, then all others, each part shuffled.
 * @param seed an integer; equal seeds give equal orders
 */
export function orderMutants<T>(mutants: readonly T[], mustBe: (mutant: T) => boolean, seed: number): T[] {
  const random = createRandom(seed);
  const shuffled = (part: readonly T[]) => {
    const places = Uint32Array.from(part.keys());
    shuffle(places, random);
    return [...places].map((place) => part[place]!);
  };
  return [...shuffled(mutants.filter(mustBe)), ...shuffled(mutants.filter((mutant) => !mustBe(mutant)))];
}

/** How many others a sample has beside those that must be in it. */
export function othersDue(mustBe: number): number {
  return Math.max(SAMPLE.leastOthers, SAMPLE.least - mustBe);
}
