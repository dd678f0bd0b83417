// node bench/quantization.ts: MXFP4 and the transition over 4 M parameters, beside what bounds them.
import { decodeLeaves, encodeLeaves } from "../clients/model/mxfp4.ts";
import { applyUpdate, makeUpdate } from "../clients/model/update.ts";
import { medianSeconds } from "./measure.ts";

const PARAMETERS = 2 ** 22;
const LEVELS = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

/** The encoding rule in floating point, a value at a time, to compare the speed with; ties are not to even. */
function encodePlainly(values: Float32Array, out: Uint8Array): void {
  for (let start = 0; start < values.length; start += 32) {
    let largest = 0;
    for (let i = start; i < start + 32; i++) largest = Math.max(largest, Math.abs(values[i]!));
    const exponent = largest === 0 ? -125 : Math.floor(Math.log2(largest)) - 2;
    const leaf = Math.floor(start / 256);
    out[leaf * 136 + (start % 256) / 32] = exponent + 127;
    for (let i = start; i < start + 32; i++) {
      const quotient = Math.abs(values[i]!) / 2 ** exponent;
      let index = 0;
      while (index < 7 && Math.abs(LEVELS[index + 1]! - quotient) < Math.abs(LEVELS[index]! - quotient))
        index++;
      const code = (values[i]! < 0 ? 8 : 0) | index;
      const at = leaf * 136 + 8 + ((i % 256) >> 1);
      out[at] = i % 2 === 0 ? code : out[at]! | (code << 4);
    }
  }
}

function addPlainly(a: Float32Array, b: Float32Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = Math.fround(a[i]! + b[i]!);
}

function report(name: string, call: () => unknown, otherName: string, other: () => unknown): void {
  const rate = PARAMETERS / medianSeconds(call) / 1e6;
  const otherRate = PARAMETERS / medianSeconds(other) / 1e6;
  const ratio = (rate / otherRate).toFixed(2);
  console.log(
    `${name}: ${rate.toFixed(0)} M parameters/s; ${otherName} ${otherRate.toFixed(0)}; ratio ${ratio}`,
  );
}

const parameters = Float32Array.from({ length: PARAMETERS }, () => (Math.random() - 0.5) / 10);
const delta = parameters.map((value) => value / 100);
const update = encodeLeaves(delta);
const leaves = new Uint8Array(update.length);
const values = new Float32Array(PARAMETERS);
const error = new Float32Array(PARAMETERS);

report(
  "encode",
  () => encodeLeaves(parameters, leaves),
  "floating point, a value at a time",
  () => encodePlainly(parameters, leaves),
);
report(
  "decode",
  () => decodeLeaves(update, PARAMETERS, values),
  "copying the float32 values (limit)",
  () => values.set(parameters),
);
report(
  "apply",
  () => applyUpdate(parameters, update, values),
  "adding two float32 vectors (limit)",
  () => addPlainly(parameters, delta, values),
);
report(
  "make update",
  () => makeUpdate(delta, error),
  "adding two float32 vectors (limit)",
  () => addPlainly(parameters, delta, values),
);
