/** Similarity of two texts in [0, 1]. */
export type Similarity = (a: string, b: string) => number;

/**
 * Cosine of TF-IDF vectors (Salton and Buckley 1988): a word counts as often as it is there, times the logarithm of how
 * rare the passages with it are. The plain way to tell whether two texts are of the same thing.
 * @param passages in which words are counted
 */
export function tfidf(passages: Iterable<string>): Similarity {
  let total = 1;
  const passagesWith = new Map<string, number>();
  for (const passage of passages) {
    total++;
    for (const word of new Set(wordsOf(passage))) passagesWith.set(word, (passagesWith.get(word) ?? 0) + 1);
  }
  const vectorOf = (text: string) => {
    const vector = new Map<string, number>();
    for (const word of wordsOf(text)) {
      const rarity = Math.log(total / (1 + (passagesWith.get(word) ?? 0)));
      vector.set(word, (vector.get(word) ?? 0) + rarity);
    }
    return vector;
  };
  return (a, b) => {
    const [left, right] = [vectorOf(a), vectorOf(b)];
    let product = 0;
    for (const [word, weight] of left) product += weight * (right.get(word) ?? 0);
    return product === 0 ? 0 : product / (Math.hypot(...left.values()) * Math.hypot(...right.values()));
  };
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
