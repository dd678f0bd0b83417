import { toHex } from "../model/bytes.ts";
import { GradworkError } from "../model/errors.ts";
import { PARAMETERS_PER_LEAF, QUANT_LEAF_BYTES } from "../model/geometry.ts";
import { parameterBytes } from "../model/parameters.ts";
import type { BlobReference } from "../storage/blobReference.ts";
import { type CommittedModel, fullReference, quantReference } from "./head.ts";
import { obtain, type Party } from "./party.ts";

/** Where a model under another root differs first, for the log; or why that can't be said. */
export type Difference = Record<string, unknown>;

/** The first parameter in which the model under `root`, as its miner serves it, is not the rebuilt one. */
export async function findFullDifference(
  party: Party,
  rebuilt: CommittedModel,
  root: string,
  location: string[],
): Promise<Difference> {
  const { parameters, commitment } = rebuilt;
  const roots = { expectedRoot: commitment.fullTree.root, givenRoot: root };
  const bytes = await obtainServed(party, fullReference(root, parameters.length), location);
  if (bytes === undefined) return { ...roots, leaf: "unknown: the miner does not serve the model" };
  // Bits, not values: -0 is not +0.
  const expected = parameterBytes(parameters);
  const [expectedBits, givenBits] = [expected, bytes].map(
    ({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length / 4),
  ) as [Uint32Array, Uint32Array];
  const at = expectedBits.findIndex((bits, i) => bits !== givenBits[i]);
  const valueIn = ({ buffer, byteOffset }: Uint8Array) => new Float32Array(buffer, byteOffset + 4 * at, 1)[0];
  return {
    ...roots,
    leaf: Math.floor(at / PARAMETERS_PER_LEAF),
    element: at % PARAMETERS_PER_LEAF,
    expected: valueIn(expected),
    given: valueIn(bytes),
  };
}

/** The first leaf in which the quantized model under `root`, as its miner serves it, is not the rebuilt one. */
export async function findQuantDifference(
  party: Party,
  rebuilt: CommittedModel,
  root: string,
  location: string[],
): Promise<Difference> {
  const { quantLeaves, quantTree } = rebuilt.commitment;
  const roots = { expectedRoot: quantTree.root, givenRoot: root };
  const given = await obtainServed(party, quantReference(root, rebuilt.parameters.length), location);
  if (given === undefined) return { ...roots, leaf: "unknown: the miner does not serve the model" };
  const byte = quantLeaves.findIndex((value, i) => value !== given[i]);
  const leaf = Math.floor(byte / QUANT_LEAF_BYTES);
  const at = (bytes: Uint8Array) =>
    toHex(bytes.subarray(leaf * QUANT_LEAF_BYTES, (leaf + 1) * QUANT_LEAF_BYTES));
  return { ...roots, leaf, byte: byte % QUANT_LEAF_BYTES, expected: at(quantLeaves), given: at(given) };
}

async function obtainServed(
  party: Party,
  reference: BlobReference,
  location: string[],
): Promise<Uint8Array | undefined> {
  try {
    return await obtain(party, reference, location);
  } catch (error) {
    if (error instanceof GradworkError && error.code === "BLOB_UNAVAILABLE") return undefined;
    throw error;
  }
}
