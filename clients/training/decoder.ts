// A trained Llama as an ONNX model that generates: weights inside, and a cache of keys and values.
import { GradworkError } from "../model/errors.ts";
import type { LlamaConfig } from "../model/manifest.ts";
import { tensorViews } from "../model/parameters.ts";
import { Graph, type Value } from "./graph.ts";
import { type Attention, decode, llamaTensors, rotaryTables, rotate } from "./llama.ts";
import { encodeModel } from "./onnxModel.ts";

const BATCH_SIZE = "batch_size";
const SEQUENCE_LENGTH = "sequence_length";
const PAST_LENGTH = "past_sequence_length";
/** Length of the past and the new keys together, as `graph.concat` names it. */
const TOTAL_LENGTH = `${PAST_LENGTH} + ${SEQUENCE_LENGTH}`;

/** Protobuf's limit of 2 GiB, less 64 MiB for the graph and its tables. */
const MAX_WEIGHT_BYTES = 2 ** 31 - 2 ** 26;

/** Finite, so that the softmax of a row in which everything is masked is a number; nothing else is left beside it. */
const MASKED = -1e30;

/**
 * The ONNX model of a decoder with its weights and a cache of keys and values, in the inputs and outputs of Hugging
 * Face's exports (Optimum's task `text-generation-with-past`).
 *
 * Inputs: `input_ids` and `position_ids` int64 [batch_size, sequence_length], `attention_mask` int64 (0 is padding)
 * [batch_size, past_sequence_length + sequence_length], and for each layer N `past_key_values.N.key` and `.value`
 * float32 [batch_size, num_key_value_heads, past_sequence_length, head_dim]. Outputs: `logits` float32 [batch_size,
 * sequence_length, vocab_size], and `present.N.key` and `.value`, the cache with the new tokens. Positions are below
 * max_position_embeddings.
 * @param parameters P values in the order of `llamaTensors`
 * @throws {GradworkError} `INVALID_MODEL_CONFIG`, `PARAMETERS_WRONG_LENGTH`; `MODEL_TOO_LARGE` above 2 GB of weights
 */
export function decoderModel(config: LlamaConfig, parameters: Float32Array): Uint8Array {
  const tensors = llamaTensors(config);
  if (parameters.byteLength > MAX_WEIGHT_BYTES) {
    throw new GradworkError(
      "MODEL_TOO_LARGE",
      `Expected at most ${MAX_WEIGHT_BYTES} bytes of weights in one ONNX file, got ${parameters.byteLength}`,
      { bytes: parameters.byteLength },
    );
  }
  const views = tensorViews(parameters, tensors);
  const { num_attention_heads, num_key_value_heads, head_dim: headSize, vocab_size } = config;
  const queriesPerKey = num_attention_heads / num_key_value_heads;
  const graph = new Graph();
  const tokens = graph.input("input_ids", "int64", [BATCH_SIZE, SEQUENCE_LENGTH]);
  const attended = graph.input("attention_mask", "int64", [BATCH_SIZE, TOTAL_LENGTH]);
  const positions = graph.input("position_ids", "int64", [BATCH_SIZE, SEQUENCE_LENGTH]);
  const pastShape = [BATCH_SIZE, num_key_value_heads, PAST_LENGTH, headSize];
  const past = Array.from({ length: config.num_hidden_layers }, (_, layer) => ({
    keys: graph.input(`past_key_values.${layer}.key`, "float", pastShape),
    values: graph.input(`past_key_values.${layer}.value`, "float", pastShape),
  }));
  const weights = new Map(
    tensors.map(({ name, shape }) => [name, graph.weight(name, shape, views.get(name)!)] as const),
  );

  // A query sees what is neither padding nor later; query i is position past + i of the keys.
  const batchAndLength = graph.shape(tokens);
  const newLength = graph.slice(batchAndLength, 0, 1, 2);
  const totalLength = graph.slice(graph.shape(attended), 0, 1, 2);
  const firstLater = graph.add(graph.slice(graph.shape(past[0]!.keys), 0, 2, 3), graph.integers([1]));
  const blocked = graph.apply("Expand", [graph.scalar(MASKED), graph.concat([newLength, totalLength], 0)]);
  const later = graph.apply("Trilu", [blocked, firstLater], { upper: 1 });
  const notPadding = graph.apply("Cast", [attended], { to: 1 });
  const padding = graph.multiply(graph.subtract(graph.scalar(1), notPadding), graph.scalar(MASKED));
  const mask = graph.add(graph.unsqueeze(graph.unsqueeze(graph.unsqueeze(padding, 1), 1), 1), later);

  // [batch·length, …heads·headSize] → [batch, …heads, length, headSize]
  const splitHeads = (x: Value, ...heads: number[]) => {
    const split = graph.reshapeTo(x, graph.concat([batchAndLength, graph.integers([...heads, headSize])], 0));
    const axes = heads.map((_, axis) => axis + 2);
    return graph.transpose(split, [0, ...axes, 1, heads.length + 2]);
  };
  const turns = rotaryTables(graph, config, config.max_position_embeddings);
  const cosines = graph.unsqueeze(graph.gather(turns.cosines, positions), 1);
  const sines = graph.unsqueeze(graph.gather(turns.sines, positions), 1);
  const queryTurns = { cosines: graph.unsqueeze(cosines, 1), sines: graph.unsqueeze(sines, 1) };

  // Queries are [batch, keyHeads, queriesPerKey, length, headSize], and the queries of a key share it by broadcasting.
  const attend: Attention = (project, layer) => {
    const queries = rotate(graph, splitHeads(project("q"), num_key_value_heads, queriesPerKey), queryTurns);
    const newKeys = rotate(graph, splitHeads(project("k"), num_key_value_heads), { cosines, sines });
    const keys = graph.concat([past[layer]!.keys, newKeys], 2);
    const values = graph.concat([past[layer]!.values, splitHeads(project("v"), num_key_value_heads)], 2);
    graph.output(`present.${layer}.key`, keys);
    graph.output(`present.${layer}.value`, values);
    const scores = graph.matMul(
      graph.multiply(queries, graph.scalar(1 / Math.sqrt(headSize))),
      graph.unsqueeze(graph.transpose(keys, [0, 1, 3, 2]), 2),
    );
    const mixed = graph.matMul(graph.softmax(graph.add(scores, mask)), graph.unsqueeze(values, 2));
    const joined = graph.transpose(mixed, [0, 3, 1, 2, 4]);
    return graph.reshape(joined, [`${BATCH_SIZE}*${SEQUENCE_LENGTH}`, num_attention_heads * headSize]);
  };

  const inputTokens = graph.reshape(tokens, [`${BATCH_SIZE}*${SEQUENCE_LENGTH}`]);
  const logits = decode(graph, config, (name) => weights.get(name)!, inputTokens, attend);
  const logitsShape = graph.concat([batchAndLength, graph.integers([vocab_size])], 0);
  graph.output("logits", graph.reshapeTo(logits, logitsShape));
  return encodeModel(graph);
}
