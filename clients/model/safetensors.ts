// safetensors (https://github.com/huggingface/safetensors#format): header length (u64, little-endian), JSON header, data.
import { littleEndianBytes } from "./bytes.ts";
import { GradworkError } from "./errors.ts";
import {
  compareNames,
  parameterCount,
  requireParameters,
  type TensorPlace,
  type TensorSpec,
  tensorPlaces,
} from "./parameters.ts";

const LENGTH_BYTES = 8;
const ALIGNMENT = 8;
/** Longest header that the format's reference implementation accepts. */
const MAX_HEADER_BYTES = 100_000_000;

type HeaderEntry = { dtype: string; shape: number[]; begin: number; end: number };

/**
 * A safetensors file of float32 tensors, in the parameter vector's order; the same input gives the same bytes.
 * @param metadata strings for the header's `__metadata__`
 * @throws {GradworkError} `PARAMETERS_WRONG_LENGTH`, `INVALID_TENSOR`, `NON_FINITE_TENSOR` with name and index,
 * `SAFETENSORS_HEADER` above 100 MB of header
 */
export function encodeSafetensors(
  parameters: Float32Array,
  table: readonly TensorSpec[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  requireParameters(parameters, table);
  const places = tensorPlaces(table);
  for (const place of places) requireFiniteTensor(parameters, place);
  const header = encodeHeader(places, metadata);
  const file = new Uint8Array(LENGTH_BYTES + header.length + parameters.byteLength);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, LENGTH_BYTES);
  file.set(littleEndianBytes(parameters), LENGTH_BYTES + header.length);
  return file;
}

/**
 * The parameter vector of a safetensors file that holds exactly the table's tensors as F32, in any order.
 * @throws {GradworkError} `SAFETENSORS_TRUNCATED`, `SAFETENSORS_HEADER`, `SAFETENSORS_TENSOR_MISSING`,
 * `SAFETENSORS_TENSOR_EXTRA`, `SAFETENSORS_DTYPE`, `SAFETENSORS_SHAPE`, `SAFETENSORS_OFFSETS` (overlap, gap or wrong
 * length), `NON_FINITE_TENSOR`; all but the first two name the tensor
 */
export function decodeSafetensors(file: Uint8Array, table: readonly TensorSpec[]): Float32Array {
  const { entries, data } = decodeHeader(file);
  const places = tensorPlaces(table);
  requireTensors(entries, places);
  requireContiguous(entries, data.length);

  const parameters = new Float32Array(parameterCount(table));
  const parameterBytes = littleEndianBytes(parameters);
  for (const place of places) {
    const { begin, end } = entries.get(place.name)!;
    parameterBytes.set(data.subarray(begin, end), 4 * place.offset);
    requireFiniteTensor(parameters, place);
  }
  return parameters;
}

function encodeHeader(
  places: readonly TensorPlace[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  // Written key by key: an object would put names like "0" first.
  const member = (key: string, value: string): string => `${JSON.stringify(key)}:${value}`;
  const names = Object.keys(metadata).sort(compareNames);
  const notes = names.map((name) => member(name, JSON.stringify(metadata[name])));
  const tensors = places.map(({ name, shape, offset, length }) =>
    member(name, JSON.stringify({ dtype: "F32", shape, data_offsets: [4 * offset, 4 * (offset + length)] })),
  );
  const members = notes.length === 0 ? tensors : [member("__metadata__", `{${notes.join(",")}}`), ...tensors];
  const json = Buffer.from(`{${members.join(",")}}`);
  if (json.length > MAX_HEADER_BYTES - ALIGNMENT)
    throw invalidHeader("at most 100 MB of header", json.length);
  const header = new Uint8Array(Math.ceil(json.length / ALIGNMENT) * ALIGNMENT).fill(0x20);
  header.set(json);
  return header;
}

function decodeHeader(file: Uint8Array): { entries: Map<string, HeaderEntry>; data: Uint8Array } {
  if (file.length < LENGTH_BYTES) throw truncated(LENGTH_BYTES, file.length);
  const length = new DataView(file.buffer, file.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) throw invalidHeader("at most 100 MB of header", length);
  const dataStart = LENGTH_BYTES + Number(length);
  if (file.length < dataStart) throw truncated(dataStart, file.length);

  let header: unknown;
  try {
    header = JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(file.subarray(LENGTH_BYTES, dataStart)),
    );
  } catch (error) {
    throw invalidHeader("a JSON header", (error as Error).message);
  }
  if (!isRecord(header)) throw invalidHeader("a JSON object as header", header);
  const entries = new Map<string, HeaderEntry>();
  for (const [name, value] of Object.entries(header)) {
    if (name !== "__metadata__") entries.set(name, decodeEntry(name, value));
    else if (!isRecord(value) || !Object.values(value).every((note) => typeof note === "string")) {
      throw invalidHeader("strings in __metadata__", JSON.stringify(value));
    }
  }
  return { entries, data: file.subarray(dataStart) };
}

function decodeEntry(name: string, value: unknown): HeaderEntry {
  if (
    isRecord(value) &&
    Object.keys(value).length === 3 &&
    typeof value.dtype === "string" &&
    isSizes(value.shape) &&
    isSizes(value.data_offsets) &&
    value.data_offsets.length === 2
  ) {
    const [begin, end] = value.data_offsets;
    return { dtype: value.dtype, shape: value.shape, begin: begin!, end: end! };
  }
  throw invalidHeader(`dtype, shape and data_offsets for "${name}"`, JSON.stringify(value));
}

function requireTensors(entries: ReadonlyMap<string, HeaderEntry>, places: readonly TensorPlace[]): void {
  const names = new Set(places.map(({ name }) => name));
  for (const name of entries.keys()) {
    if (!names.has(name)) throw invalidTensor("TENSOR_EXTRA", name, "no tensor of this name", "one");
  }
  for (const { name, shape, length } of places) {
    const entry = entries.get(name);
    if (entry === undefined) throw invalidTensor("TENSOR_MISSING", name, "this tensor", "none");
    if (entry.dtype !== "F32") throw invalidTensor("DTYPE", name, "F32", entry.dtype);
    if (
      shape.length !== entry.shape.length ||
      shape.some((dimension, axis) => dimension !== entry.shape[axis])
    ) {
      throw invalidTensor("SHAPE", name, `[${shape.join(", ")}]`, `[${entry.shape.join(", ")}]`);
    }
    if (entry.end - entry.begin !== 4 * length) {
      throw invalidTensor("OFFSETS", name, `${4 * length} bytes`, `${entry.begin}…${entry.end}`);
    }
  }
}

/** Requires that the tensors cover the data from its first byte to its last, each byte once. */
function requireContiguous(entries: ReadonlyMap<string, HeaderEntry>, dataLength: number): void {
  let covered = 0;
  for (const [name, { begin, end }] of [...entries].sort(([, a], [, b]) => a.begin - b.begin)) {
    if (begin !== covered)
      throw invalidTensor("OFFSETS", name, `a tensor at byte ${covered}`, `it at byte ${begin}`);
    covered = end;
  }
  if (dataLength < covered) throw truncated(covered, dataLength);
  if (dataLength > covered)
    throw invalidHeader(`offsets that cover all ${dataLength} bytes of data`, covered);
}

function requireFiniteTensor(parameters: Float32Array, { name, offset, length }: TensorPlace): void {
  for (let i = offset; i < offset + length; i++) {
    if (Number.isFinite(parameters[i])) continue;
    const data = { name, index: i - offset, value: parameters[i] };
    throw new GradworkError(
      "NON_FINITE_TENSOR",
      `Expected finite values, got ${data.value} in "${name}" at ${data.index}`,
      data,
    );
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function truncated(expected: number, received: number): GradworkError {
  return new GradworkError(
    "SAFETENSORS_TRUNCATED",
    `Expected a safetensors file of at least ${expected} bytes here, got ${received}; fetch it again`,
    { expected, received },
  );
}

function invalidHeader(expected: string, received: unknown): GradworkError {
  return new GradworkError("SAFETENSORS_HEADER", `Expected ${expected}, got ${received}`, {
    expected,
    received,
  });
}

function invalidTensor(code: string, name: string, expected: string, received: string): GradworkError {
  return new GradworkError(
    `SAFETENSORS_${code}`,
    `Expected ${expected} for tensor "${name}", got ${received}; check that the file belongs to this model`,
    { name, expected, received },
  );
}
