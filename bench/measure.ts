/** Median seconds of one call, over calls that take about `budgetSeconds` together, after two to warm up. */
export function medianSeconds(call: () => unknown, budgetSeconds = 1): number {
  call();
  call();
  const seconds: number[] = [];
  const start = performance.now();
  while (seconds.length < 3 || performance.now() - start < 1000 * budgetSeconds) {
    const before = performance.now();
    call();
    seconds.push((performance.now() - before) / 1000);
  }
  return seconds.toSorted((a, b) => a - b)[seconds.length >> 1]!;
}
