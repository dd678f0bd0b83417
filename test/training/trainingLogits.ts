import type { LlamaConfig } from "../../clients/model/manifest.ts";
import { tensorViews } from "../../clients/model/parameters.ts";
import { llamaTensors, lossGraph } from "../../clients/training/llama.ts";
import { decodeModel } from "../../clients/training/onnxModel.ts";
import { withGraph } from "./runGraph.ts";

/** [tokens, vocabulary]: the logits inside the loss graph that miners and verifiers run: what its LogSoftmax takes. */
export async function trainingLogits(
  config: LlamaConfig,
  parameters: Float32Array,
  tokens: Uint32Array,
): Promise<Float32Array> {
  const graph = decodeModel(lossGraph(config, { sequenceLength: tokens.length + 1 }));
  graph.output("logits", graph.nodes.find(({ operator }) => operator === "LogSoftmax")!.inputs[0]!);
  const feeds = Object.fromEntries(tensorViews(parameters, llamaTensors(config)));
  // The last token is only predicted.
  const results = await withGraph(graph, 1, (run) => run({ ...feeds, tokens: Int32Array.of(...tokens, 0) }));
  return results.logits!.data;
}
