import { availableParallelism } from "node:os";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { GradworkError } from "../model/errors.ts";
import { keccak256Bytes } from "../model/keccak.ts";
import { type TensorSpec, tensorViews } from "../model/parameters.ts";
import { type Engine, gradientOutput, LOSS_OUTPUT, TOKENS_INPUT } from "./engine.ts";
import { type Graph, graphError, matMulFlops } from "./graph.ts";
import { decodeModel } from "./onnxModel.ts";

type Runtime = typeof import("onnxruntime-node");

/** An ONNX model and the keccak-256 that the task's manifest gives for it. */
export type GraphFile = { readonly bytes: Uint8Array; readonly hash: string };

export type OnnxEngineOptions = {
  readonly tensors: readonly TensorSpec[];
  readonly loss: GraphFile;
  readonly gradient: GraphFile;
  /** Threads that share one operator; by default one for each core. */
  readonly threads?: number;
};

/**
 * An engine on ONNX Runtime's CPU provider. A graph is loaded when it is first needed.
 * @throws {GradworkError} `GRAPH_HASH_MISMATCH` for a graph that is not the manifest's, `INVALID_GRAPH` for one that
 * cannot be read or does not take the tensors
 */
export function createOnnxEngine(options: OnnxEngineOptions): Engine {
  const loss = readGraph("loss", options.loss, options.tensors);
  const gradient = readGraph("gradient", options.gradient, options.tensors);
  const sequenceLength = loss.inputs.get(TOKENS_INPUT)?.shape[1];
  if (typeof sequenceLength !== "number") throw graphError(`the loss graph has no input "${TOKENS_INPUT}"`);

  const sessions = new Map<GraphFile, Promise<InferenceSession>>();
  const session = (runtime: Runtime, file: GraphFile) => {
    const loaded = sessions.get(file) ?? load(runtime, file.bytes, options.threads ?? availableParallelism());
    sessions.set(file, loaded);
    return loaded;
  };
  const feeds = (runtime: Runtime, parameters: Float32Array, tokens: Uint32Array) => ({
    ...tensorsOver(runtime, parameters, options.tensors, (name) => name),
    [TOKENS_INPUT]: tokensTensor(runtime, tokens, sequenceLength),
  });

  return {
    sequenceLength,
    async tokenLosses(parameters, tokens) {
      const runtime = await loadRuntime();
      const inputs = feeds(runtime, parameters, tokens);
      const results = await (await session(runtime, options.loss)).run(inputs, [LOSS_OUTPUT]);
      return results[LOSS_OUTPUT]!.data as Float32Array;
    },
    async gradient(parameters, tokens, out) {
      const runtime = await loadRuntime();
      const meanLoss = new Float32Array(1);
      const inputs = feeds(runtime, parameters, tokens);
      await (await session(runtime, options.gradient)).run(inputs, {
        ...tensorsOver(runtime, out, options.tensors, gradientOutput),
        [LOSS_OUTPUT]: new runtime.Tensor("float32", meanLoss, []),
      });
      return meanLoss[0]!;
    },
    lossFlops: (sequences) => matMulFlops(loss, sequences),
    gradientFlops: (sequences) => matMulFlops(gradient, sequences),
    async release() {
      const loaded = [...sessions.values()];
      sessions.clear();
      await Promise.all(loaded.map(async (one) => (await one).release()));
    },
  };
}

function readGraph(role: string, { bytes, hash }: GraphFile, tensors: readonly TensorSpec[]): Graph {
  const received = keccak256Bytes(bytes);
  if (received !== hash) {
    throw new GradworkError(
      "GRAPH_HASH_MISMATCH",
      `Expected the ${role} graph with keccak-256 ${hash}, got ${received}; fetch it again or from another party`,
      { role, expected: hash, received },
    );
  }
  const graph = decodeModel(bytes);
  for (const { name, shape } of tensors) {
    const taken = graph.inputs.get(name)?.shape;
    if (taken?.join() !== shape.join()) {
      throw graphError(`the ${role} graph must take ${name} of shape [${shape}], it takes [${taken}]`);
    }
  }
  return graph;
}

/** Loaded when needed: it is an optional dependency, and where it could not be installed all but training works. */
async function loadRuntime(): Promise<Runtime> {
  try {
    return await import("onnxruntime-node");
  } catch (error) {
    throw new GradworkError(
      "ENGINE_NOT_INSTALLED",
      `ONNX Runtime does not load (${(error as Error).message}); install gradwork again with npm's --ignore-scripts`,
    );
  }
}

function load(runtime: Runtime, bytes: Uint8Array, threads: number): Promise<InferenceSession> {
  return runtime.InferenceSession.create(bytes, {
    executionProviders: ["cpu"],
    graphOptimizationLevel: "all",
    intraOpNumThreads: threads,
  });
}

/** Tensors that read and write the flat vector itself. */
function tensorsOver(
  runtime: Runtime,
  vector: Float32Array,
  table: readonly TensorSpec[],
  nameOf: (tensor: string) => string,
) {
  const views = tensorViews(vector, table);
  return Object.fromEntries(
    table.map(({ name, shape }) => [nameOf(name), new runtime.Tensor("float32", views.get(name)!, shape)]),
  );
}

function tokensTensor(runtime: Runtime, tokens: Uint32Array, sequenceLength: number): Tensor {
  const sequences = tokens.length / sequenceLength;
  if (!Number.isInteger(sequences) || sequences === 0) {
    throw new GradworkError(
      "PARTIAL_SEQUENCE",
      `Expected whole sequences of ${sequenceLength} tokens, at least one, got ${tokens.length} tokens`,
      { sequenceLength, tokens: tokens.length },
    );
  }
  const signed = new Int32Array(tokens.buffer, tokens.byteOffset, tokens.length);
  return new runtime.Tensor("int32", signed, [sequences, sequenceLength]);
}
