// node bench/training.ts: a training step, beside a plain matrix product in the same run.
import { InferenceSession, Tensor } from "onnxruntime-node";
import { keccak256Bytes } from "../clients/model/keccak.ts";
import { DEFAULT_DATA, DEFAULT_MODEL, DEFAULT_TRAINING } from "../clients/roles/defaults.ts";
import { adamWStep, createAdamWState } from "../clients/training/adamw.ts";
import { Graph } from "../clients/training/graph.ts";
import { gradientGraph, initialParameters, llamaTensors, lossGraph } from "../clients/training/llama.ts";
import { createOnnxEngine } from "../clients/training/onnxEngine.ts";
import { encodeModel } from "../clients/training/onnxModel.ts";
import { createRandom } from "../clients/training/random.ts";

const { sequenceLength: SEQUENCE_LENGTH } = DEFAULT_DATA;
const { batchSize: BATCH_SIZE } = DEFAULT_TRAINING;
const WARM_UP_RUNS = 5;
const RUNS = 20;
const MATRIX_SIZE = 1024;

/** Median seconds of a call. */
async function medianSeconds(call: () => unknown): Promise<number> {
  for (let run = 0; run < WARM_UP_RUNS; run++) await call();
  const seconds: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    await call();
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds.sort((a, b) => a - b)[RUNS / 2]!;
}

/** Floating-point operations a second of a product of two square matrices in ONNX Runtime. */
async function productFlopsPerSecond(): Promise<number> {
  const graph = new Graph();
  const shape = [MATRIX_SIZE, MATRIX_SIZE];
  graph.output("y", graph.matMul(graph.input("a", "float", shape), graph.input("b", "float", shape)));
  const session = await InferenceSession.create(encodeModel(graph));
  const feeds = Object.fromEntries(
    ["a", "b"].map((name) => [
      name,
      new Tensor("float32", new Float32Array(MATRIX_SIZE ** 2).fill(0.5), shape),
    ]),
  );
  const seconds = await medianSeconds(() => session.run(feeds));
  await session.release();
  return (2 * MATRIX_SIZE ** 3) / seconds;
}

const file = (bytes: Uint8Array) => ({ bytes, hash: keccak256Bytes(bytes) });
const tensors = llamaTensors(DEFAULT_MODEL);
const parameters = initialParameters(DEFAULT_MODEL, 1);
const gradient = new Float32Array(parameters.length);
const state = createAdamWState(parameters.length);
const random = createRandom(1);
const tokens = Uint32Array.from({ length: BATCH_SIZE * SEQUENCE_LENGTH }, () =>
  Math.floor(DEFAULT_MODEL.vocab_size * random()),
);
const engine = createOnnxEngine({
  tensors,
  loss: file(lossGraph(DEFAULT_MODEL, { sequenceLength: SEQUENCE_LENGTH })),
  gradient: file(gradientGraph(DEFAULT_MODEL, { sequenceLength: SEQUENCE_LENGTH })),
});

const product = await productFlopsPerSecond();
const stepSeconds = await medianSeconds(async () => {
  await engine.gradient(parameters, tokens, gradient);
  const options = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.01, clipNorm: 1 };
  adamWStep(parameters, gradient, state, tensors, 1e-4, options);
});
const lossSeconds = await medianSeconds(() => engine.tokenLosses(parameters, tokens));
await engine.release();

const step = engine.gradientFlops(BATCH_SIZE) / stepSeconds;
const loss = engine.lossFlops(BATCH_SIZE) / lossSeconds;
console.table({
  [`${MATRIX_SIZE}³ product`]: { "GFLOP/s": Math.round(product / 1e9), "of product": 1 },
  "training step": {
    "GFLOP/s": Math.round(step / 1e9),
    "of product": Number((step / product).toFixed(2)),
    milliseconds: Number((stepSeconds * 1000).toFixed(1)),
    "tokens/s": Math.round(tokens.length / stepSeconds),
  },
  loss: {
    "GFLOP/s": Math.round(loss / 1e9),
    "of product": Number((loss / product).toFixed(2)),
    milliseconds: Number((lossSeconds * 1000).toFixed(1)),
    "tokens/s": Math.round(tokens.length / lossSeconds),
  },
});
console.log(`${parameters.length} parameters, ${BATCH_SIZE} sequences of ${SEQUENCE_LENGTH} tokens a step`);
