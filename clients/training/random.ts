/** A source of numbers that are uniform in [0, 1). */
export type Random = () => number;

/**
 * Deterministic generator (sfc32 of PractRand, Doty-Humphrey): equal seeds give equal numbers on every machine.
 * @param seed an integer; its low 32 bits count
 */
export function createRandom(seed: number): Random {
  let [a, b, c, counter] = [0, 0, seed | 0, 1];
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let warmUp = 0; warmUp < 12; warmUp++) next();
  return next;
}

/** Fills `out` with normal deviates of mean 0 (Box and Muller 1958). */
export function fillNormal(out: Float32Array, random: Random, standardDeviation: number): void {
  for (let i = 0; i < out.length; i += 2) {
    const radius = standardDeviation * Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    out[i] = radius * Math.cos(angle);
    if (i + 1 < out.length) out[i + 1] = radius * Math.sin(angle);
  }
}

/** Puts the elements into a random order, each order equally likely (Fisher and Yates). */
export function shuffle(elements: Uint32Array, random: Random): void {
  for (let last = elements.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [elements[last], elements[other]] = [elements[other]!, elements[last]!];
  }
}
