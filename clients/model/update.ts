// PoGO's quantized gradient Δ and the transition θ′ = θ ⊕ Δ (arXiv 2504.07540; protocol §1).
import { GradworkError } from "./errors.ts";
import { PARAMETERS_PER_LEAF } from "./geometry.ts";
import { decodeLeaf, encodeLeaves, nonFiniteParameter, requireEncoding } from "./mxfp4.ts";

/**
 * Update Δ = Q(delta + errorFeedback); what the quantization lost is left in `errorFeedback` for the next update
 * (error feedback, Seide et al. 2014).
 * @param delta wanted change of each parameter, P values
 * @param errorFeedback the last update's error, P values; overwritten with delta + errorFeedback − Δ
 * @returns ⌈P/256⌉·136 bytes
 * @throws {GradworkError} `NON_FINITE_PARAMETER` or `LENGTH_MISMATCH`, with `errorFeedback` as it was
 */
export function makeUpdate(delta: Float32Array, errorFeedback: Float32Array): Uint8Array {
  requireSameLength("error feedback", delta.length, errorFeedback.length);
  const index = firstNonFiniteSum(delta, errorFeedback, 0, delta.length);
  if (index !== undefined) {
    throw nonFiniteParameter(index, Math.fround(delta[index]! + errorFeedback[index]!));
  }
  for (let i = 0; i < delta.length; i++) errorFeedback[i] = delta[i]! + errorFeedback[i]!;
  const update = encodeLeaves(errorFeedback);
  const decoded = new Float32Array(PARAMETERS_PER_LEAF);
  for (let start = 0, leaf = 0; start < delta.length; start += PARAMETERS_PER_LEAF, leaf++) {
    decodeLeaf(update, leaf, decoded, 0);
    const live = Math.min(PARAMETERS_PER_LEAF, delta.length - start);
    for (let i = 0; i < live; i++) errorFeedback[start + i]! -= decoded[i]!;
  }
  return update;
}

/**
 * Transition θ′ = θ ⊕ Δ: element-wise float32 addition to nearest even, subnormals kept (IEEE 754).
 * @param parameters θ, P finite values
 * @param update Δ, ⌈P/256⌉·136 bytes
 * @param out P values; may be `parameters` itself; partly written when a sum is not finite
 * @throws {GradworkError} `UPDATE_WRONG_LENGTH`; `UPDATE_INVALID_ENCODING` with leaf, element and reason;
 * `UPDATE_SUM_NOT_FINITE` with leaf and element; `NON_FINITE_PARAMETER` where θ itself is not finite
 */
export function applyUpdate(
  parameters: Float32Array,
  update: Uint8Array,
  out: Float32Array = new Float32Array(parameters.length),
): Float32Array {
  requireSameLength("output", parameters.length, out.length);
  requireEncoding(update, parameters.length, "UPDATE");
  const decoded = new Float32Array(PARAMETERS_PER_LEAF);
  for (let start = 0, leaf = 0; start < parameters.length; start += PARAMETERS_PER_LEAF, leaf++) {
    decodeLeaf(update, leaf, decoded, 0);
    const live = Math.min(PARAMETERS_PER_LEAF, parameters.length - start);
    const element = firstNonFiniteSum(parameters, decoded, start, live);
    if (element !== undefined) {
      throw nonFiniteSum(parameters[start + element]!, decoded[element]!, leaf, element);
    }
    for (let i = 0; i < live; i++) out[start + i] = parameters[start + i]! + decoded[i]!;
  }
  return out;
}

/** The first i < length for which the float32 sum a[start + i] + b[i] is not finite. */
function firstNonFiniteSum(
  a: Float32Array,
  b: Float32Array,
  start: number,
  length: number,
): number | undefined {
  // 0 times a finite number is ±0, times anything else NaN, so one sum tells for all.
  let zero = 0;
  for (let i = 0; i < length; i++) zero += Math.fround(a[start + i]! + b[i]!) * 0;
  if (zero === 0) return undefined;
  let i = 0;
  while (Number.isFinite(Math.fround(a[start + i]! + b[i]!))) i++;
  return i;
}

function nonFiniteSum(parameter: number, update: number, leaf: number, element: number): GradworkError {
  if (!Number.isFinite(parameter)) return nonFiniteParameter(leaf * PARAMETERS_PER_LEAF + element, parameter);
  return new GradworkError(
    "UPDATE_SUM_NOT_FINITE",
    `Expected finite sums, got ${parameter} + ${update} at leaf ${leaf}, element ${element}; discard this update`,
    { leaf, element, parameter, update },
  );
}

function requireSameLength(what: string, expected: number, received: number): void {
  if (expected !== received) {
    throw new GradworkError("LENGTH_MISMATCH", `Expected ${expected} values of ${what}, got ${received}`, {
      expected,
      received,
    });
  }
}
