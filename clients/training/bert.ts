// BERT with one score for a pair of texts (Devlin et al. 2019, arXiv 1810.04805), as ONNX graphs. Names, layouts and
// conventions are those of Hugging Face's BertForSequenceClassification with one label.
import { GradworkError } from "../model/errors.ts";
import { compareNames, type TensorSpec, tensorViews } from "../model/parameters.ts";
import { gradientOutput, LOSS_OUTPUT } from "./engine.ts";
import { gradients } from "./gradient.ts";
import { type Dimension, Graph, type Value } from "./graph.ts";
import { encodeModel } from "./onnxModel.ts";

/** The fields of Hugging Face's `config.json` that the graphs follow; activations are exact GELUs. */
export type BertConfig = {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly max_position_embeddings: number;
  readonly type_vocab_size: number;
  readonly layer_norm_eps: number;
};

/** Names of a graph's inputs of tokens, int64 [batch, sequence] each. */
export const BERT_INPUTS = ["input_ids", "attention_mask", "token_type_ids"] as const;
/** Name of the gradient graph's input of labels, float32 [batch]: 1 for a good answer, 0 for a bad one. */
export const LABELS_INPUT = "labels";
/** Name of the score's output, float32 [batch, 1]. */
export const LOGITS_OUTPUT = "logits";

/** Added to the attention to padding: its share is then 0 exactly, so that what is beside a text changes nothing. */
const MASKED = -1e9;

/**
 * The tensors of a model, in the order of their names' bytes; weights are [out, in].
 * @throws {GradworkError} `INVALID_MODEL_CONFIG`
 */
export function bertTensors(config: BertConfig): TensorSpec[] {
  requireConfig(config);
  const { hidden_size, intermediate_size } = config;
  const shapes: Record<string, number[]> = {
    "bert.embeddings.word_embeddings.weight": [config.vocab_size, hidden_size],
    "bert.embeddings.position_embeddings.weight": [config.max_position_embeddings, hidden_size],
    "bert.embeddings.token_type_embeddings.weight": [config.type_vocab_size, hidden_size],
  };
  const norm = (name: string) => {
    shapes[`${name}.weight`] = [hidden_size];
    shapes[`${name}.bias`] = [hidden_size];
  };
  const dense = (name: string, outputs: number, inputs: number) => {
    shapes[`${name}.weight`] = [outputs, inputs];
    shapes[`${name}.bias`] = [outputs];
  };
  norm("bert.embeddings.LayerNorm");
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const name = (part: string) => `bert.encoder.layer.${layer}.${part}`;
    for (const part of ["query", "key", "value"])
      dense(name(`attention.self.${part}`), hidden_size, hidden_size);
    dense(name("attention.output.dense"), hidden_size, hidden_size);
    norm(name("attention.output.LayerNorm"));
    dense(name("intermediate.dense"), intermediate_size, hidden_size);
    dense(name("output.dense"), hidden_size, intermediate_size);
    norm(name("output.LayerNorm"));
  }
  dense("bert.pooler.dense", hidden_size, hidden_size);
  dense("classifier", 1, hidden_size);
  return Object.entries(shapes)
    .map(([name, shape]) => ({ name, shape }))
    .sort((a, b) => compareNames(a.name, b.name));
}

/**
 * The ONNX model that gives the mean binary cross-entropy of the scores, in nats, and its gradient by each tensor.
 *
 * Inputs: `input_ids`, `attention_mask` and `token_type_ids` int64 [batch, sequenceLength], `labels` float32 [batch],
 * and each tensor by its name. Outputs: `loss` float32 [], `logits` float32 [batch, 1], and `NAME.gradient` in the shape
 * of each tensor.
 * @throws {GradworkError} `INVALID_MODEL_CONFIG`
 */
export function bertGradientGraph(config: BertConfig, sequenceLength: number): Uint8Array {
  const graph = new Graph();
  const tensors = bertTensors(config);
  const weights = new Map(
    tensors.map(({ name, shape }) => [name, graph.input(name, "float", shape)] as const),
  );
  const logits = buildLogits(graph, config, weights, -1, sequenceLength);
  graph.output(LOGITS_OUTPUT, logits);
  const labels = graph.reshape(graph.input(LABELS_INPUT, "float", [-1]), [-1, 1]);
  // −ln σ(z) for a good answer and −ln(1 − σ(z)) for a bad one.
  const losses = graph.subtract(graph.apply("Softplus", [logits]), graph.multiply(labels, logits));
  const count = graph.apply("Cast", [graph.apply("Size", [losses])], { to: 1 });
  const meanLoss = graph.divide(graph.reshape(graph.sum(losses, [0, 1]), []), count);
  graph.output(LOSS_OUTPUT, meanLoss);
  const byTensor = gradients(graph, meanLoss, [...weights.values()]);
  for (const [i, name] of [...weights.keys()].entries()) graph.output(gradientOutput(name), byTensor[i]!);
  return encodeModel(graph);
}

/**
 * The ONNX model that scores pairs, with its weights, in the inputs and outputs of Hugging Face's exports.
 *
 * Inputs: `input_ids`, `attention_mask` (0 is padding) and `token_type_ids` int64 [batch_size, sequence_length], with at
 * most max_position_embeddings tokens. Output: `logits` float32 [batch_size, 1].
 * @param parameters P values in the order of `bertTensors`
 * @throws {GradworkError} `INVALID_MODEL_CONFIG`, `PARAMETERS_WRONG_LENGTH`
 */
export function bertModel(config: BertConfig, parameters: Float32Array): Uint8Array {
  const graph = new Graph();
  const tensors = bertTensors(config);
  const views = tensorViews(parameters, tensors);
  const weights = new Map(
    tensors.map(({ name, shape }) => [name, graph.weight(name, shape, views.get(name)!)] as const),
  );
  graph.output(LOGITS_OUTPUT, buildLogits(graph, config, weights, "batch_size", "sequence_length"));
  return encodeModel(graph);
}

/** The encoder and its score [batch, 1], over inputs [batch, sequence]. */
function buildLogits(
  graph: Graph,
  config: BertConfig,
  weights: ReadonlyMap<string, Value>,
  batch: Dimension,
  sequence: Dimension,
): Value {
  const { hidden_size, num_attention_heads, layer_norm_eps } = config;
  const headSize = hidden_size / num_attention_heads;
  const tokens = typeof sequence === "number" ? -sequence : `${batch}*${sequence}`;
  const weight = (name: string) => weights.get(name)!;
  const scalar = (value: number) => graph.scalar(value);
  const dense = (x: Value, name: string) => graph.affine(x, weight(`${name}.weight`), weight(`${name}.bias`));
  const normalize = (x: Value, name: string) =>
    graph.layerNormalization(x, weight(`${name}.weight`), weight(`${name}.bias`), layer_norm_eps);
  // x·Φ(x) (Hendrycks and Gimpel 2016, arXiv 1606.08415)
  const gelu = (x: Value) => {
    const erf = graph.apply("Erf", [graph.divide(x, scalar(Math.SQRT2))]);
    return graph.multiply(graph.multiply(x, graph.add(erf, scalar(1))), scalar(0.5));
  };

  const [ids, mask, types] = BERT_INPUTS.map((name) => graph.input(name, "int64", [batch, sequence])) as [
    Value,
    Value,
    Value,
  ];
  const batchAndLength = graph.shape(ids);
  // [tokens, hidden] ↔ [batch, heads, sequence, headSize]
  const headsShape = graph.concat([batchAndLength, graph.integers([num_attention_heads, headSize])], 0);
  const splitHeads = (x: Value) => graph.transpose(graph.reshapeTo(x, headsShape), [0, 2, 1, 3]);
  const joinHeads = (x: Value) => graph.reshape(graph.transpose(x, [0, 2, 1, 3]), [tokens, hidden_size]);
  const present = graph.apply("Cast", [mask], { to: 1 });
  const absent = graph.multiply(graph.subtract(scalar(1), present), scalar(MASKED));
  const maskBias = graph.unsqueeze(graph.unsqueeze(absent, 1), 1);

  // Embeddings of token, place and text.
  const words = graph.gather(weight("bert.embeddings.word_embeddings.weight"), ids);
  const texts = graph.gather(weight("bert.embeddings.token_type_embeddings.weight"), types);
  const length = graph.slice(batchAndLength, 0, 1, 2);
  const places = graph.sliceTo(weight("bert.embeddings.position_embeddings.weight"), 0, length);
  const embedded = graph.reshape(graph.add(graph.add(words, texts), places), [tokens, hidden_size]);
  let hidden = normalize(embedded, "bert.embeddings.LayerNorm");

  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const name = (part: string) => `bert.encoder.layer.${layer}.${part}`;

    // Attention, each token to all.
    const queries = splitHeads(dense(hidden, name("attention.self.query")));
    const keys = splitHeads(dense(hidden, name("attention.self.key")));
    const values = splitHeads(dense(hidden, name("attention.self.value")));
    const products = graph.matMul(queries, graph.transpose(keys, [0, 1, 3, 2]));
    const scores = graph.add(graph.multiply(products, scalar(1 / Math.sqrt(headSize))), maskBias);
    const mixed = joinHeads(graph.matMul(graph.softmax(scores), values));
    const attended = dense(mixed, name("attention.output.dense"));
    hidden = normalize(graph.add(hidden, attended), name("attention.output.LayerNorm"));

    // Feed-forward.
    const fed = dense(gelu(dense(hidden, name("intermediate.dense"))), name("output.dense"));
    hidden = normalize(graph.add(hidden, fed), name("output.LayerNorm"));
  }

  // The score, from what the first token, [CLS], has become.
  const sequences = graph.reshapeTo(hidden, graph.concat([batchAndLength, graph.integers([hidden_size])], 0));
  const first = graph.reshape(graph.slice(sequences, 1, 0, 1), [batch, hidden_size]);
  return dense(graph.apply("Tanh", [dense(first, "bert.pooler.dense")]), "classifier");
}

const INTEGERS = [
  "vocab_size",
  "hidden_size",
  "num_hidden_layers",
  "num_attention_heads",
  "intermediate_size",
  "max_position_embeddings",
  "type_vocab_size",
] as const;

function requireConfig(config: BertConfig): void {
  for (const name of INTEGERS) {
    const value = config[name];
    if (!(Number.isSafeInteger(value) && value > 0)) {
      throw configError(`a ${name} that is a positive integer, got ${value}`);
    }
  }
  const { layer_norm_eps } = config;
  if (!(layer_norm_eps > 0 && layer_norm_eps < 1)) {
    throw configError(`a layer_norm_eps between 0 and 1, got ${layer_norm_eps}`);
  }
  const { hidden_size, num_attention_heads } = config;
  if (hidden_size % num_attention_heads !== 0) {
    throw configError(
      `hidden_size to be a multiple of num_attention_heads, got ${hidden_size} and ${num_attention_heads}`,
    );
  }
}

function configError(expected: string): GradworkError {
  return new GradworkError("INVALID_MODEL_CONFIG", `Expected ${expected}`, { expected });
}
