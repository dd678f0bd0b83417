// Files with fields that replace a default's.
import { contractInterface } from "../chain/artifacts.ts";
import { GradworkError } from "../model/errors.ts";
import type { LlamaConfig } from "../model/manifest.ts";
import type { TaskParams } from "../roles/createTask.ts";
import {
  DEFAULT_MODEL,
  DEFAULT_MODEL_PARAMS,
  DEFAULT_TASK_PARAMS,
  type ModelParams,
} from "../roles/defaults.ts";
import { llamaTensors } from "../training/llama.ts";

/** A byte-level vocabulary has the 256 bytes and at least one pair. */
const MIN_VOCABULARY = 257;

/**
 * The default model with the fields of a JSON object.
 * @param source what the object is called in errors
 * @throws {GradworkError} `INVALID_FIELD` with the field's name, `INVALID_MODEL_CONFIG`
 */
export function mergeModel(overrides: unknown, source: string): LlamaConfig {
  const model: Record<string, unknown> = { ...DEFAULT_MODEL };
  for (const [field, given] of fieldsOf(overrides, source, DEFAULT_MODEL)) {
    const standard = DEFAULT_MODEL[field];
    const isFixed = typeof standard !== "number" && typeof standard !== "boolean";
    if (isFixed && JSON.stringify(given) !== JSON.stringify(standard)) {
      throw invalidField(source, field, given, JSON.stringify(standard));
    }
    if (typeof given !== typeof standard) throw invalidField(source, field, given, `a ${typeof standard}`);
    model[field] = given;
  }
  const merged = model as LlamaConfig;
  if (merged.vocab_size < MIN_VOCABULARY) {
    throw invalidField(source, "vocab_size", merged.vocab_size, `at least ${MIN_VOCABULARY}`);
  }
  llamaTensors(merged);
  return merged;
}

/**
 * The default task parameters with the fields of a JSON object: whole numbers, or decimal strings.
 * @param source what the object is called in errors
 * @throws {GradworkError} `INVALID_FIELD` with the field's name
 */
export function mergeTaskParams(overrides: unknown, source: string): TaskParams {
  return mergeParams(overrides, source, DEFAULT_TASK_PARAMS, "TrainingMarket", "registerTask");
}

/** The same for the parameters of a model. */
export function mergeModelParams(overrides: unknown, source: string): ModelParams {
  return mergeParams(overrides, source, DEFAULT_MODEL_PARAMS, "NodeRegistry", "registerModel");
}

/** @param method of the contract whose first argument the parameters are */
function mergeParams<Params extends Record<string, bigint>>(
  overrides: unknown,
  source: string,
  defaults: Params,
  contract: "TrainingMarket" | "NodeRegistry",
  method: string,
): Params {
  const [types] = contractInterface(contract).getFunction(method)!.inputs;
  const params: Record<string, bigint> = { ...defaults };
  for (const [field, given] of fieldsOf(overrides, source, defaults)) {
    const type = types!.components!.find(({ name }) => name === field)!.type;
    const limit = 2n ** BigInt(type.replace("uint", "")) - 1n;
    const isInteger = Number.isSafeInteger(given) || (typeof given === "string" && /^\d+$/.test(given));
    const value = isInteger ? BigInt(given as number | string) : -1n;
    if (value < 0n || value > limit) {
      const expected = `a whole number from 0 to ${limit}, as a string above 2^53`;
      throw invalidField(source, field, given, expected);
    }
    params[field] = value;
  }
  return params as Params;
}

function fieldsOf<T extends object>(
  value: unknown,
  source: string,
  defaults: T,
): [field: keyof T & string, given: unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new GradworkError("INVALID_FIELD", `${source} should hold a JSON object`, { source });
  }
  const names = Object.keys(defaults);
  for (const [field, given] of Object.entries(value)) {
    if (names.includes(field)) continue;
    const message = `${source} has a field ${JSON.stringify(field)}; there are only ${names.join(", ")}`;
    throw new GradworkError("INVALID_FIELD", message, { source, field, given });
  }
  return Object.entries(value) as [keyof T & string, unknown][];
}

function invalidField(source: string, field: string, given: unknown, expected: string): GradworkError {
  return new GradworkError(
    "INVALID_FIELD",
    `${source}: ${field} should be ${expected}, it is ${JSON.stringify(given)}`,
    { source, field, given, expected },
  );
}
