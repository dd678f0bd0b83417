/**
 * Area under the ROC curve: the probability that a good case's score is above a bad one's; equal ones count half.
 */
export function areaUnderCurve(good: readonly number[], bad: readonly number[]): number {
  const ranked = [
    ...good.map((score) => ({ score, isGood: true })),
    ...bad.map((score) => ({ score, isGood: false })),
  ];
  ranked.sort((a, b) => a.score - b.score);
  let wins = 0;
  let below = 0;
  for (let start = 0; start < ranked.length; ) {
    let end = start;
    let goods = 0;
    for (; end < ranked.length && ranked[end]!.score === ranked[start]!.score; end++)
      goods += Number(ranked[end]!.isGood);
    const bads = end - start - goods;
    wins += goods * (below + bads / 2);
    below += bads;
    start = end;
  }
  return wins / (good.length * bad.length);
}
