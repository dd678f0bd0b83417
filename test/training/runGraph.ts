import { InferenceSession, Tensor } from "onnxruntime-node";
import { type Graph, lengthIn } from "../../clients/training/graph.ts";
import { encodeModel } from "../../clients/training/onnxModel.ts";

export type Run = (
  feeds: Record<string, Float32Array | Int32Array>,
) => Promise<Record<string, { data: Float32Array; dims: readonly number[] }>>;

/** Loads a graph into ONNX Runtime, and hands a function that runs it to `use`; a batch is `batch` long. */
export async function withGraph<T>(graph: Graph, batch: number, use: (run: Run) => Promise<T>): Promise<T> {
  const session = await InferenceSession.create(encodeModel(graph), { intraOpNumThreads: 1 });
  try {
    return await use(async (feeds) => {
      const tensors = Object.entries(feeds).map(([name, data]) => {
        const dims = graph.inputs.get(name)!.shape.map((length) => lengthIn(length, batch));
        return [name, new Tensor(data instanceof Int32Array ? "int32" : "float32", data, dims)] as const;
      });
      const results = await session.run(Object.fromEntries(tensors));
      return Object.fromEntries(
        Object.entries(results).map(([name, { data, dims }]) => [name, { data: data as Float32Array, dims }]),
      );
    });
  } finally {
    await session.release();
  }
}
