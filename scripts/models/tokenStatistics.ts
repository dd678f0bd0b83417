// What the training documents say of each token, as numbers that an embedding can begin with.
import { createRandom, fillNormal, type Random } from "../../clients/training/random.ts";
import { CORPORA, type Corpus } from "./corpora.ts";
import { PASSAGE_WORDS, type Words } from "./passages.ts";

/** Of V tokens: rarities [V], and the others row by row with as many elements a token as their dimension says. */
export type TokenStatistics = {
  /** From −1, in every passage, to 1, in none. */
  readonly rarities: Float32Array;
  /** Tokens of the same passages, documents or corpus have similar ones; mean square 1. */
  readonly topics: Float32Array;
  /** A random identity of each token; mean square 1. */
  readonly identities: Float32Array;
  /** Similar to the identities of those tokens that come right before unusually often; mean square 1. */
  readonly predecessors: Float32Array;
};

/**
 * Counts tokens, and sums random vectors of what they occur in or after: the sums of tokens that occur alike are alike
 * (random indexing: Kanerva, Kristofersson and Holst 2000).
 * @param documents of both corpora, which weigh alike
 * @param tokensOf tokens of some words
 * @param dimension elements of a topic, an identity and a predecessor
 */
export function tokenStatistics(
  documents: readonly Words[],
  tokensOf: (words: readonly string[]) => number[],
  vocabularySize: number,
  dimension: number,
  seed: number,
): TokenStatistics {
  const random = createRandom(seed);
  const weightOf = corpusWeights(documents);
  const identities = randomVector(vocabularySize * dimension, random);
  const topicSums = createSums(vocabularySize, dimension);
  const predecessorSums = createSums(vocabularySize, dimension);
  const corpusVectors = new Map(CORPORA.map((corpus) => [corpus, randomVector(dimension, random)]));
  for (const { corpus, words } of documents) {
    const weight = weightOf(corpus);
    const documentVector = randomVector(dimension, random);
    for (let start = 0; start + PASSAGE_WORDS <= words.length; start += PASSAGE_WORDS) {
      const tokens = tokensOf(words.slice(start, start + PASSAGE_WORDS));
      const vector = randomVector(dimension, random);
      for (let i = 0; i < dimension; i++) vector[i]! += documentVector[i]! + corpusVectors.get(corpus)![i]!;
      addVector(topicSums, new Set(tokens), vector, weight);
      for (let i = 1; i < tokens.length; i++) {
        const before = identities.subarray(tokens[i - 1]! * dimension, (tokens[i - 1]! + 1) * dimension);
        addVector(predecessorSums, [tokens[i]!], before, weight);
      }
    }
  }
  const rarities = topicSums.weights.map((weight) => -Math.log((weight + 1) / (topicSums.occasions + 1)));
  const rarest = rarities.reduce((most, rarity) => Math.max(most, rarity));
  return {
    rarities: Float32Array.from(rarities, (rarity) => (2 * rarity) / rarest - 1),
    topics: surplus(topicSums),
    identities,
    predecessors: surplus(predecessorSums),
  };
}

/** Sums of vectors over the occasions that a token has part in, and over all. */
type Sums = {
  readonly dimension: number;
  readonly byToken: Float64Array;
  readonly weights: Float64Array;
  readonly all: Float64Array;
  occasions: number;
};

function createSums(vocabularySize: number, dimension: number): Sums {
  return {
    dimension,
    byToken: new Float64Array(vocabularySize * dimension),
    weights: new Float64Array(vocabularySize),
    all: new Float64Array(dimension),
    occasions: 0,
  };
}

function addVector(sums: Sums, tokens: Iterable<number>, vector: Float32Array, weight: number): void {
  const { dimension, byToken, weights, all } = sums;
  sums.occasions += weight;
  for (let i = 0; i < dimension; i++) all[i]! += weight * vector[i]!;
  for (const token of tokens) {
    weights[token]! += weight;
    for (let i = 0; i < dimension; i++) byToken[token * dimension + i]! += weight * vector[i]!;
  }
}

/** By how much each token's sum is more than its share of all, with mean square 1; 0 for a token that never occurs. */
function surplus({ dimension, byToken, weights, all, occasions }: Sums): Float32Array {
  const result = new Float32Array(byToken.length);
  for (const [token, weight] of weights.entries()) {
    const row = byToken.subarray(token * dimension, (token + 1) * dimension);
    const differences = row.map((sum, i) => sum - (weight / occasions) * all[i]!);
    const size = Math.hypot(...differences) / Math.sqrt(dimension);
    if (size > 0)
      result.set(
        differences.map((difference) => difference / size),
        token * dimension,
      );
  }
  return result;
}

/** Weights with which the words of each corpus count as many. */
function corpusWeights(documents: readonly Words[]): (corpus: Corpus) => number {
  const wordsOf = (corpus: Corpus) =>
    documents.reduce((sum, document) => sum + (document.corpus === corpus ? document.words.length : 0), 0);
  const counts = new Map(CORPORA.map((corpus) => [corpus, wordsOf(corpus)]));
  const most = Math.max(...counts.values());
  return (corpus) => most / counts.get(corpus)!;
}

function randomVector(length: number, random: Random): Float32Array {
  const vector = new Float32Array(length);
  fillNormal(vector, random, 1);
  return vector;
}
