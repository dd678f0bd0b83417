/**
 * The z that a standard normal deviate exceeds with a probability, to 2 parts in 10⁷: the tail's branch of PPND7 (Wichura
 * 1988, Algorithm AS 241).
 * @param probability in [10⁻¹⁰, 0.075]
 */
export function upperNormalQuantile(probability: number): number {
  const r = Math.sqrt(-Math.log(probability)) - 1.6;
  const numerator = ((1.7023821103e-1 * r + 1.3067284816) * r + 2.75681539) * r + 1.4234372777;
  const denominator = (1.2021132975e-1 * r + 7.370016425e-1) * r + 1;
  return numerator / denominator;
}
