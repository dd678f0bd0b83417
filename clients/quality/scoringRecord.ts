import { readFile } from "node:fs/promises";
import { join } from "node:path";
import canonicalize from "canonicalize";
import { GradworkError } from "../model/errors.ts";
import { keccak256Bytes } from "../model/keccak.ts";
import { isMissing } from "../storage/files.ts";
import { GRAM_TOKENS, MAX_ECHO_SHARE, MIN_DISTINCT_SHARE } from "./degenerate.ts";
import { pairLimits } from "./pairs.ts";

/** All that a score follows from, beside prompt and answer: what the assessors of one model agree on. */
export type ScoringRecord = {
  /** keccak-256 of each file that makes the model, by its path in the folder. */
  readonly files: Readonly<Record<(typeof MODEL_FILES)[number], string>>;
  readonly architecture: "BertForSequenceClassification";
  readonly precision: "float32";
  /** What is cut off: the prompt's first tokens above its limit, the answer's last above the pair's. */
  readonly maxTokens: number;
  readonly maxPromptTokens: number;
  readonly degenerate: {
    readonly gramTokens: number;
    readonly minDistinctShare: number;
    readonly maxEchoShare: number;
    readonly score: 0;
  };
  /** 1,000,000 · 1/(1 + e^−logit), in float64, to the nearest integer. */
  readonly scoreMap: "sigmoid";
  readonly unit: "millionths";
  readonly rounding: "half up";
};

const MODEL_FILES = ["config.json", "onnx/model.onnx", "tokenizer.json", "tokenizer_config.json"] as const;

/**
 * The record of a model's folder.
 * @throws {GradworkError} `MODEL_FILE_MISSING`, `MODEL_CONFIG_INVALID`, `MODEL_UNSUPPORTED`
 */
export async function scoringRecord(folder: string): Promise<ScoringRecord> {
  const contents = await Promise.all(MODEL_FILES.map((file) => readModelFile(folder, file)));
  const files = Object.fromEntries(MODEL_FILES.map((file, i) => [file, keccak256Bytes(contents[i]!)]));
  return {
    files: files as ScoringRecord["files"],
    architecture: "BertForSequenceClassification",
    precision: "float32",
    ...pairLimits(placesOf(folder, contents[0]!)),
    degenerate: {
      gramTokens: GRAM_TOKENS,
      minDistinctShare: MIN_DISTINCT_SHARE,
      maxEchoShare: MAX_ECHO_SHARE,
      score: 0,
    },
    scoreMap: "sigmoid",
    unit: "millionths",
    rounding: "half up",
  };
}

/** keccak-256 of a record's RFC 8785 form. */
export function scoringRecordHash(record: ScoringRecord): string {
  return keccak256Bytes(new TextEncoder().encode(canonicalize(record)));
}

async function readModelFile(folder: string, file: string): Promise<Uint8Array> {
  try {
    return await readFile(join(folder, file));
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new GradworkError("MODEL_FILE_MISSING", `Expected the file ${file} in ${folder}`, { folder, file });
  }
}

function placesOf(folder: string, config: Uint8Array): number {
  try {
    const places: unknown = JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(config),
    ).max_position_embeddings;
    if (Number.isSafeInteger(places)) return places as number;
  } catch {
    // Told below.
  }
  throw new GradworkError(
    "MODEL_CONFIG_INVALID",
    `Expected an integer max_position_embeddings in config.json of ${folder}`,
    { model: folder },
  );
}
