import { littleEndianBytes } from "./bytes.ts";
import { GradworkError } from "./errors.ts";
import { buildTree, type MerkleTree } from "./merkle.ts";

/** Fewest tokens in a dataset leaf: keeps a leaf longer than two hashes (protocol §1). */
export const MIN_SEQUENCE_LENGTH = 32;

/**
 * Merkle tree of a dataset: a leaf is one sequence of uint32 little-endian tokens.
 * @param tokens sequences one after another
 * @param sequenceLength tokens in a sequence, ≥ 32
 * @throws {GradworkError} `INVALID_SEQUENCE_LENGTH`; `PARTIAL_SEQUENCE` unless there are whole sequences, at least one
 */
export function commitDataset(tokens: Uint32Array, sequenceLength: number): MerkleTree {
  if (!Number.isSafeInteger(sequenceLength) || sequenceLength < MIN_SEQUENCE_LENGTH) {
    throw new GradworkError(
      "INVALID_SEQUENCE_LENGTH",
      `Expected a sequence length ≥ ${MIN_SEQUENCE_LENGTH} tokens, got ${sequenceLength}`,
      { sequenceLength },
    );
  }
  if (tokens.length === 0 || tokens.length % sequenceLength !== 0) {
    throw new GradworkError(
      "PARTIAL_SEQUENCE",
      `Expected whole sequences of ${sequenceLength} tokens, at least one, got ${tokens.length} tokens`,
      { sequenceLength, tokens: tokens.length },
    );
  }
  return buildTree(littleEndianBytes(tokens), 4 * sequenceLength);
}
