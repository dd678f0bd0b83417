// What a task's manifest hash on chain stands for: canonical JSON (RFC 8785) that names all that is mined (protocol §1).
import canonicalize from "canonicalize";
import { MIN_SEQUENCE_LENGTH } from "./dataset.ts";
import { GradworkError } from "./errors.ts";
import { keccak256Bytes } from "./keccak.ts";
import { compareNames, isTensorName, type TensorSpec } from "./parameters.ts";
import {
  boolean,
  integer,
  list,
  matching,
  oneOf,
  positiveNumber,
  record,
  type SchemaProblem,
  text,
} from "./schema.ts";

/** The one version this code reads and writes. */
export const MANIFEST_SCHEMA = "gradwork/manifest/1";

/** Llama configuration in Hugging Face's terms (`config.json`). */
export type LlamaConfig = {
  readonly architectures: readonly ["LlamaForCausalLM"];
  readonly model_type: "llama";
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
  readonly max_position_embeddings: number;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  readonly tie_word_embeddings: boolean;
};

/** Sequences `first` … `first + count − 1` of the dataset. */
export type SequenceRange = { readonly first: number; readonly count: number };

/** A task's manifest. Hashes are keccak-256, 0x-prefixed lower-case hex. */
export type Manifest = {
  readonly schema: typeof MANIFEST_SCHEMA;
  readonly model: LlamaConfig;
  /** In the order of the parameter vector: by the UTF-8 bytes of their names. */
  readonly tensors: readonly TensorSpec[];
  /** Hashes of the ONNX files that define the computation. */
  readonly graphs: { readonly loss: string; readonly gradient: string };
  /** Hash of the tokenizer's file. */
  readonly tokenizer: string;
  readonly dataset: {
    /** Merkle root over the sequences. */
    readonly root: string;
    readonly sequences: number;
    /** Tokens in a sequence, ≥ 32. */
    readonly sequenceLength: number;
    readonly train: SequenceRange;
    /** The last sequences, none of them in `train`. */
    readonly evaluation: SequenceRange;
  };
  readonly evaluation: {
    /** Sequences drawn for a round, with replacement. */
    readonly sequences: number;
    /** Precision of the model whose loss is measured. */
    readonly precision: "mxfp4" | "float32";
  };
};

const hash = matching("32 bytes as 0x-prefixed lower-case hex", /^0x[0-9a-f]{64}$/);
const range = record({ first: integer(0), count: integer(1) });

const manifestSchema = record({
  schema: oneOf(MANIFEST_SCHEMA),
  model: record({
    architectures: list(oneOf("LlamaForCausalLM"), 1),
    model_type: oneOf("llama"),
    vocab_size: integer(2),
    hidden_size: integer(1),
    intermediate_size: integer(1),
    num_hidden_layers: integer(1),
    num_attention_heads: integer(1),
    num_key_value_heads: integer(1),
    head_dim: integer(1),
    max_position_embeddings: integer(1),
    rms_norm_eps: positiveNumber,
    rope_theta: positiveNumber,
    tie_word_embeddings: boolean,
  }),
  tensors: list(record({ name: text, shape: list(integer(1)) }), 1),
  graphs: record({ loss: hash, gradient: hash }),
  tokenizer: hash,
  dataset: record({
    root: hash,
    sequences: integer(2),
    sequenceLength: integer(MIN_SEQUENCE_LENGTH),
    train: range,
    evaluation: range,
  }),
  evaluation: record({ sequences: integer(1), precision: oneOf("mxfp4", "float32") }),
});

/**
 * A manifest's canonical bytes (RFC 8785), the ones that its hash is of.
 * @throws {GradworkError} `MANIFEST_SCHEMA_UNSUPPORTED`, `MANIFEST_INVALID_FIELD` with the field's path
 */
export function encodeManifest(manifest: Manifest): Uint8Array {
  requireManifest(manifest);
  return canonicalBytes(manifest);
}

/**
 * The manifest in bytes that are their own canonical form.
 * @throws {GradworkError} `MANIFEST_NOT_JSON`, `MANIFEST_SCHEMA_UNSUPPORTED`, `MANIFEST_INVALID_FIELD` with the field's
 * path, `MANIFEST_NOT_CANONICAL`
 */
export function decodeManifest(bytes: Uint8Array): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw new GradworkError("MANIFEST_NOT_JSON", `Expected JSON in UTF-8, got: ${(error as Error).message}`);
  }
  requireManifest(value);
  if (Buffer.compare(canonicalBytes(value), bytes) !== 0) {
    throw new GradworkError(
      "MANIFEST_NOT_CANONICAL",
      "Expected a manifest in its RFC 8785 form; write it with encodeManifest",
    );
  }
  return value;
}

/** Keccak-256 of a manifest's bytes, as it stands on chain. */
export function manifestHash(bytes: Uint8Array): string {
  return keccak256Bytes(bytes);
}

function requireManifest(value: unknown): asserts value is Manifest {
  const schema = (value as { schema?: unknown } | null)?.schema;
  if (typeof schema === "string" && schema !== MANIFEST_SCHEMA) {
    throw new GradworkError(
      "MANIFEST_SCHEMA_UNSUPPORTED",
      `Expected a manifest of schema ${MANIFEST_SCHEMA}, got ${schema}; update this program`,
      { expected: MANIFEST_SCHEMA, received: schema },
    );
  }
  const problem = manifestSchema(value, "") ?? relationProblem(value as Manifest);
  if (problem !== undefined) {
    const { path, expected, received } = problem;
    throw new GradworkError(
      "MANIFEST_INVALID_FIELD",
      `Expected ${expected} at manifest.${path}, got ${JSON.stringify(received)}`,
      problem,
    );
  }
}

/** What holds between fields that are right by themselves. */
function relationProblem({ model, tensors, dataset }: Manifest): SchemaProblem | undefined {
  if (model.num_attention_heads % model.num_key_value_heads !== 0) {
    return {
      path: "model.num_key_value_heads",
      expected: `a divisor of num_attention_heads (${model.num_attention_heads})`,
      received: model.num_key_value_heads,
    };
  }
  if (model.head_dim % 2 !== 0) {
    return { path: "model.head_dim", expected: "an even number, for rotary pairs", received: model.head_dim };
  }
  for (const [at, { name }] of tensors.entries()) {
    const path = `tensors[${at}].name`;
    if (!isTensorName(name))
      return { path, expected: "a well-formed name other than __metadata__", received: name };
    if (at > 0 && compareNames(tensors[at - 1]!.name, name) >= 0) {
      return { path, expected: "unique names in UTF-8 order", received: name };
    }
  }
  const { train, evaluation, sequences } = dataset;
  if (evaluation.first + evaluation.count !== sequences) {
    const expected = `a range that ends with the last of ${sequences} sequences`;
    return { path: "dataset.evaluation", expected, received: evaluation };
  }
  if (train.first + train.count > evaluation.first) {
    const expected = `a range that ends before the evaluation's first sequence (${evaluation.first})`;
    return { path: "dataset.train", expected, received: train };
  }
  return undefined;
}

function canonicalBytes(manifest: Manifest): Uint8Array {
  return new TextEncoder().encode(canonicalize(manifest)!);
}
