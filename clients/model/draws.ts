// Draws from a round's or a query's seed (protocol §1), as Solidity's keccak256(abi.encode(…)) of six static words.
import { fromHex } from "./bytes.ts";
import { GradworkError } from "./errors.ts";
import { keccak256Bytes } from "./keccak.ts";

const WORD_BYTES = 32;

/** What a draw is for: leaves to check, evaluation sequences, committee members; who answers a query, who scores. */
export type DrawTag = "LEAF" | "EVAL" | "COMMITTEE" | "RESPONDER" | "ASSESSOR";

/**
 * uint256(keccak256(abi.encode(seed, tag, task, round, proposal, j))).
 * @param seed 32 bytes, 0x-prefixed hex
 * @param task the model for RESPONDER and ASSESSOR
 * @param round the query for these
 * @param proposal of LEAF; 0 for all others
 * @param j the draw's number; the address for COMMITTEE
 * @throws {GradworkError} `INVALID_HEX` for the seed, `UINT256_OUT_OF_RANGE`
 */
export function draw(
  seed: string,
  tag: DrawTag,
  task: bigint,
  round: bigint,
  proposal: bigint,
  j: bigint,
): bigint {
  const words = new Uint8Array(6 * WORD_BYTES);
  words.set(fromHex(seed, WORD_BYTES));
  words.set(Buffer.from(tag, "ascii"), WORD_BYTES);
  for (const [at, value] of [task, round, proposal, j].entries())
    words.set(uint256(value), (2 + at) * WORD_BYTES);
  return BigInt(keccak256Bytes(words));
}

/** The draws j = 0 … count − 1, each mod n, with replacement. @throws as {@link draw} */
export function drawIndices(
  seed: string,
  tag: "LEAF" | "EVAL",
  task: bigint,
  round: bigint,
  proposal: bigint,
  count: number,
  n: number,
): number[] {
  return Array.from({ length: count }, (_, j) =>
    Number(draw(seed, tag, task, round, proposal, BigInt(j)) % BigInt(n)),
  );
}

function uint256(value: bigint): Uint8Array {
  if (value < 0n || value >> 256n !== 0n) {
    throw new GradworkError("UINT256_OUT_OF_RANGE", `Expected 0 ≤ value < 2^256, got ${value}`, { value });
  }
  return fromHex(`0x${value.toString(16).padStart(2 * WORD_BYTES, "0")}`);
}
