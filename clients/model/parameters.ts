import { littleEndianBytes, requireLittleEndian } from "./bytes.ts";
import { GradworkError } from "./errors.ts";
import { FULL_LEAF_BYTES, leafCount } from "./geometry.ts";
import { nonFiniteParameter } from "./mxfp4.ts";

/** A tensor's name and row-major shape; `[]` is a scalar. */
export type TensorSpec = { readonly name: string; readonly shape: readonly number[] };

/** A tensor's place in the parameter vector, in parameters. */
export type TensorPlace = TensorSpec & { readonly offset: number; readonly length: number };

/** Order of tensors in the parameter vector: by the UTF-8 bytes of their names. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Whether a tensor may have this name: ill-formed UTF-16 has no UTF-8 bytes; safetensors reserves __metadata__. */
export function isTensorName(name: string): boolean {
  return name !== "" && name !== "__metadata__" && name.isWellFormed();
}

/**
 * The tensors in their order with their places in the parameter vector.
 * @throws {GradworkError} `INVALID_TENSOR` for a repeated, empty, reserved or ill-formed name, or a dimension that is
 * not an integer ≥ 1; `INVALID_PARAMETER_COUNT` without tensors or above 2^53 parameters
 */
export function tensorPlaces(table: readonly TensorSpec[]): TensorPlace[] {
  const places: TensorPlace[] = [];
  let offset = 0;
  for (const { name, shape } of table.toSorted((a, b) => compareNames(a.name, b.name))) {
    if (!isTensorName(name)) throw invalidTensor(name, shape, "a well-formed name other than __metadata__");
    if (name === places.at(-1)?.name) throw invalidTensor(name, shape, "unique names");
    if (!shape.every((dimension) => Number.isSafeInteger(dimension) && dimension >= 1)) {
      throw invalidTensor(name, shape, "dimensions that are integers ≥ 1");
    }
    const length = shape.reduce((product, dimension) => product * dimension, 1);
    places.push({ name, shape, offset, length });
    offset += length;
  }
  leafCount(offset);
  return places;
}

/** P: parameters in all tensors. @throws as {@link tensorPlaces} */
export function parameterCount(table: readonly TensorSpec[]): number {
  const last = tensorPlaces(table).at(-1)!;
  return last.offset + last.length;
}

/**
 * Each tensor's values as a view of the parameter vector, in the vector's order.
 * @throws {GradworkError} `PARAMETERS_WRONG_LENGTH`; and as {@link tensorPlaces}
 */
export function tensorViews(
  parameters: Float32Array,
  table: readonly TensorSpec[],
): Map<string, Float32Array> {
  requireParameters(parameters, table);
  return new Map(
    tensorPlaces(table).map(({ name, offset, length }) => [
      name,
      parameters.subarray(offset, offset + length),
    ]),
  );
}

/** @throws {GradworkError} `PARAMETERS_WRONG_LENGTH` unless the vector has the table's length */
export function requireParameters(parameters: Float32Array, table: readonly TensorSpec[]): void {
  const expected = parameterCount(table);
  if (parameters.length !== expected) throw wrongLength("parameters", expected, parameters.length);
}

/** Bytes of θ's leaves: a view where P is a multiple of 256, else a copy padded with +0. */
export function parameterBytes(parameters: Float32Array): Uint8Array {
  const bytes = littleEndianBytes(parameters);
  const length = leafCount(parameters.length) * FULL_LEAF_BYTES;
  if (bytes.length === length) return bytes;
  const padded = new Uint8Array(length);
  padded.set(bytes);
  return padded;
}

/**
 * θ from the bytes of its leaves.
 * @param bytes ⌈P/256⌉·1024 bytes, little-endian float32
 * @returns P values: a view where the bytes are aligned to 4, else a copy
 * @throws {GradworkError} `PARAMETERS_WRONG_LENGTH` in bytes, `NON_FINITE_PARAMETER` with the index, `NON_ZERO_PADDING`
 */
export function parametersFromBytes(bytes: Uint8Array, parameterCount: number): Float32Array {
  requireLittleEndian();
  const expected = leafCount(parameterCount) * FULL_LEAF_BYTES;
  if (bytes.length !== expected) throw wrongLength("bytes", expected, bytes.length);
  const padding = bytes.subarray(4 * parameterCount).findIndex((byte) => byte !== 0);
  if (padding !== -1) {
    const index = parameterCount + Math.floor(padding / 4);
    throw new GradworkError(
      "NON_ZERO_PADDING",
      `Expected +0 past the ${parameterCount} parameters, not at ${index}`,
      { index },
    );
  }
  // Not slice(): a Buffer's is a view, as unaligned as before.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  const parameters = new Float32Array(aligned.buffer, aligned.byteOffset, parameterCount);
  requireFinite(parameters);
  return parameters;
}

/** @throws {GradworkError} `NON_FINITE_PARAMETER` with the first index */
export function requireFinite(parameters: Float32Array): void {
  for (let i = 0; i < parameters.length; i++) {
    if (!Number.isFinite(parameters[i])) throw nonFiniteParameter(i, parameters[i]!);
  }
}

function wrongLength(unit: string, expected: number, received: number): GradworkError {
  return new GradworkError("PARAMETERS_WRONG_LENGTH", `Expected ${expected} ${unit}, got ${received}`, {
    expected,
    received,
  });
}

function invalidTensor(name: string, shape: readonly number[], expected: string): GradworkError {
  return new GradworkError(
    "INVALID_TENSOR",
    `Expected tensors with ${expected}, got "${name}" of shape [${shape.join(", ")}]`,
    { name, shape },
  );
}
