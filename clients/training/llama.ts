// The Llama decoder (Touvron et al. 2023, arXiv 2302.13971; grouped-query attention from Llama 2, arXiv 2307.09288) and
// its cross-entropy, as ONNX graphs. Names, layouts and conventions are those of Hugging Face's LlamaForCausalLM.
import { GradworkError } from "../model/errors.ts";
import type { LlamaConfig } from "../model/manifest.ts";
import { compareNames, parameterCount, type TensorSpec, tensorViews } from "../model/parameters.ts";
import { gradientOutput, LOSS_OUTPUT, TOKENS_INPUT } from "./engine.ts";
import { gradients } from "./gradient.ts";
import { Graph, type Value } from "./graph.ts";
import { encodeModel } from "./onnxModel.ts";
import { createRandom, fillNormal } from "./random.ts";

/** Standard deviation of the initial weights, as GPT-2's and the default `initializer_range` of Hugging Face. */
const INITIAL_DEVIATION = 0.02;

const EMBEDDING = "model.embed_tokens.weight";
const FINAL_NORM = "model.norm.weight";
const OUTPUT = "lm_head.weight";

/**
 * The tensors of a model, in the order of their names' bytes; weights are [out, in].
 * @throws {GradworkError} `INVALID_MODEL_CONFIG`
 */
export function llamaTensors(config: LlamaConfig): TensorSpec[] {
  requireConfig(config);
  const { vocab_size, hidden_size, intermediate_size } = config;
  const queryWidth = config.num_attention_heads * config.head_dim;
  const keyWidth = config.num_key_value_heads * config.head_dim;
  const shapes: Record<string, number[]> = {
    [EMBEDDING]: [vocab_size, hidden_size],
    [FINAL_NORM]: [hidden_size],
  };
  if (!config.tie_word_embeddings) shapes[OUTPUT] = [vocab_size, hidden_size];
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const name = (part: string) => `model.layers.${layer}.${part}.weight`;
    shapes[name("input_layernorm")] = [hidden_size];
    shapes[name("self_attn.q_proj")] = [queryWidth, hidden_size];
    shapes[name("self_attn.k_proj")] = [keyWidth, hidden_size];
    shapes[name("self_attn.v_proj")] = [keyWidth, hidden_size];
    shapes[name("self_attn.o_proj")] = [hidden_size, queryWidth];
    shapes[name("post_attention_layernorm")] = [hidden_size];
    shapes[name("mlp.gate_proj")] = [intermediate_size, hidden_size];
    shapes[name("mlp.up_proj")] = [intermediate_size, hidden_size];
    shapes[name("mlp.down_proj")] = [hidden_size, intermediate_size];
  }
  return Object.entries(shapes)
    .map(([name, shape]) => ({ name, shape }))
    .sort((a, b) => compareNames(a.name, b.name));
}

/**
 * Initial θ: norms 1, weights normal with deviation 0.02, divided by √(2·layers) where they write to the
 * residual stream (Radford et al. 2019). Equal seeds give equal parameters.
 * @param seed an integer
 */
export function initialParameters(config: LlamaConfig, seed: number): Float32Array {
  const tensors = llamaTensors(config);
  const parameters = new Float32Array(parameterCount(tensors));
  const random = createRandom(seed);
  const residualScale = 1 / Math.sqrt(2 * config.num_hidden_layers);
  for (const [name, view] of tensorViews(parameters, tensors)) {
    const writesToResidual = name.endsWith("o_proj.weight") || name.endsWith("down_proj.weight");
    if (name.endsWith("norm.weight")) view.fill(1);
    else fillNormal(view, random, INITIAL_DEVIATION * (writesToResidual ? residualScale : 1));
  }
  return parameters;
}

/** Shape of the tokens that a graph takes. */
export type SequenceShape = {
  /** Tokens in a sequence; all but the first are predicted. */
  readonly sequenceLength: number;
};

/**
 * The ONNX model that gives the loss in nats of each predicted token.
 *
 * Inputs: `tokens` int32 [batch, sequenceLength], and each tensor by its name. Output: `loss` float32
 * [batch, sequenceLength − 1].
 * @throws {GradworkError} `INVALID_MODEL_CONFIG`
 */
export function lossGraph(config: LlamaConfig, { sequenceLength }: SequenceShape): Uint8Array {
  const { graph, tokenLosses } = buildLoss(config, sequenceLength);
  graph.output(LOSS_OUTPUT, tokenLosses);
  return encodeModel(graph);
}

/**
 * The ONNX model that gives the mean loss in nats and its gradient by each tensor.
 *
 * Inputs: those of the loss graph. Outputs: `loss` float32 [], and `NAME.gradient` in the shape of each tensor.
 * @throws {GradworkError} `INVALID_MODEL_CONFIG`
 */
export function gradientGraph(config: LlamaConfig, { sequenceLength }: SequenceShape): Uint8Array {
  const { graph, tokenLosses, weights } = buildLoss(config, sequenceLength);
  const count = graph.apply("Cast", [graph.apply("Size", [tokenLosses])], { to: 1 });
  const meanLoss = graph.divide(graph.reshape(graph.sum(tokenLosses, [0, 1]), []), count);
  graph.output(LOSS_OUTPUT, meanLoss);
  const byTensor = gradients(graph, meanLoss, [...weights.values()]);
  for (const [i, name] of [...weights.keys()].entries()) graph.output(gradientOutput(name), byTensor[i]!);
  return encodeModel(graph);
}

/** The decoder and its loss [batch, positions]. An axis −n is n·batch (see `Dimension`). */
function buildLoss(config: LlamaConfig, sequenceLength: number) {
  requireConfig(config);
  const { num_attention_heads, num_key_value_heads, head_dim: headSize } = config;
  const queriesPerKey = num_attention_heads / num_key_value_heads;
  const positions = sequenceLength - 1;
  if (!Number.isInteger(positions) || positions < 1 || positions > config.max_position_embeddings) {
    const limit = config.max_position_embeddings + 1;
    throw configError(
      `sequences of 2 to ${limit} tokens (max_position_embeddings + 1), got ${sequenceLength}`,
    );
  }
  const graph = new Graph();
  const tokens = graph.input(TOKENS_INPUT, "int32", [-1, sequenceLength]);
  const weights = new Map(
    llamaTensors(config).map(({ name, shape }) => [name, graph.input(name, "float", shape)] as const),
  );

  // [batch·positions, heads·headSize] → [batch, heads, positions, headSize]
  const splitHeads = (x: Value, heads: number) =>
    graph.transpose(graph.reshape(x, [-1, positions, heads, headSize]), [0, 2, 1, 3]);
  const tables = rotaryTables(graph, config, positions);
  // −∞ above the diagonal: no position sees a later one.
  const blocked = graph.apply("Expand", [
    graph.scalar(Number.NEGATIVE_INFINITY),
    graph.integers([positions, positions]),
  ]);
  const one = graph.constant([], BigInt64Array.of(1n));
  const causalMask = graph.apply("Trilu", [blocked, one], { upper: 1 });

  // The queries that share a key stand below each other in one matrix, so no key is repeated.
  const attend: Attention = (project) => {
    const queries = rotate(graph, splitHeads(project("q"), num_attention_heads), tables);
    const keys = rotate(graph, splitHeads(project("k"), num_key_value_heads), tables);
    const values = splitHeads(project("v"), num_key_value_heads);
    const stacked = [-1, num_key_value_heads, queriesPerKey * positions];
    const products = graph.matMul(
      graph.reshape(graph.multiply(queries, graph.scalar(1 / Math.sqrt(headSize))), [...stacked, headSize]),
      graph.transpose(keys, [0, 1, 3, 2]),
    );
    const scores = graph.reshape(products, [-1, num_attention_heads, positions, positions]);
    const shares = graph.softmax(graph.add(scores, causalMask));
    const mixed = graph.reshape(graph.matMul(graph.reshape(shares, [...stacked, positions]), values), [
      -1,
      num_attention_heads,
      positions,
      headSize,
    ]);
    return graph.reshape(graph.transpose(mixed, [0, 2, 1, 3]), [-positions, num_attention_heads * headSize]);
  };

  // The last token is only predicted.
  const inputTokens = graph.reshape(graph.slice(tokens, 1, 0, positions), [-positions]);
  const logits = decode(graph, config, (name) => weights.get(name)!, inputTokens, attend);

  // Cross-entropy: minus the log-probability of each next token.
  const targets = graph.reshape(graph.slice(tokens, 1, 1, sequenceLength), [-positions, 1]);
  const losses = graph.negate(
    graph.apply("GatherElements", [graph.logSoftmax(logits), targets], { axis: 1 }),
  );
  return { graph, weights, tokenLosses: graph.reshape(losses, [-1, positions]) };
}

/**
 * Attention of a layer: [tokens, heads·headSize] from the projections of its input to queries, keys and values, of the
 * same form.
 */
export type Attention = (project: (part: "q" | "k" | "v") => Value, layer: number) => Value;

/** The decoder, from tokens [tokens] to logits [tokens, vocabulary]; what they attend to is the caller's. */
export function decode(
  graph: Graph,
  config: LlamaConfig,
  weight: (name: string) => Value,
  tokens: Value,
  attend: Attention,
): Value {
  const linear = (x: Value, name: string) => graph.gemm(x, weight(name), false, true);
  const normalize = (x: Value, name: string) => {
    const meanSquare = graph.multiply(graph.sumOfSquares(x, [1]), graph.scalar(1 / config.hidden_size));
    const scale = graph.reciprocal(
      graph.squareRoot(graph.add(meanSquare, graph.scalar(config.rms_norm_eps))),
    );
    return graph.multiply(graph.multiply(x, scale), weight(name));
  };

  let hidden = graph.gather(weight(EMBEDDING), tokens);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const name = (part: string) => `model.layers.${layer}.${part}.weight`;

    const attentionInput = normalize(hidden, name("input_layernorm"));
    const joined = attend((part) => linear(attentionInput, name(`self_attn.${part}_proj`)), layer);
    hidden = graph.add(hidden, linear(joined, name("self_attn.o_proj")));

    // Feed-forward: SwiGLU (Shazeer 2020, arXiv 2002.05202).
    const feedInput = normalize(hidden, name("post_attention_layernorm"));
    const gate = linear(feedInput, name("mlp.gate_proj"));
    const activated = graph.multiply(
      graph.multiply(gate, graph.sigmoid(gate)),
      linear(feedInput, name("mlp.up_proj")),
    );
    hidden = graph.add(hidden, linear(activated, name("mlp.down_proj")));
  }
  return linear(normalize(hidden, FINAL_NORM), config.tie_word_embeddings ? EMBEDDING : OUTPUT);
}

/** Cosines and sines of rotary positions, by which the elements of a head turn. */
export type RotaryTables = { readonly cosines: Value; readonly sines: Value };

/** Of the positions 0 … count − 1: [count, headSize/2] (Su et al. 2021, arXiv 2104.09864). */
export function rotaryTables(graph: Graph, config: LlamaConfig, count: number): RotaryTables {
  const half = config.head_dim / 2;
  const angles = Array.from(
    { length: count * half },
    (_, i) => Math.floor(i / half) * config.rope_theta ** -((i % half) / half),
  );
  return {
    cosines: graph.constant([count, half], Float32Array.from(angles, Math.cos)),
    sines: graph.constant([count, half], Float32Array.from(angles, Math.sin)),
  };
}

/** Turns heads by their positions, in Hugging Face's layout: element i with i + headSize/2. */
export function rotate(graph: Graph, x: Value, { cosines, sines }: RotaryTables): Value {
  const last = x.shape.length - 1;
  const headSize = Number(x.shape[last]);
  const [low, high] = [graph.slice(x, last, 0, headSize / 2), graph.slice(x, last, headSize / 2, headSize)];
  const turnedLow = graph.subtract(graph.multiply(low, cosines), graph.multiply(high, sines));
  const turnedHigh = graph.add(graph.multiply(high, cosines), graph.multiply(low, sines));
  return graph.concat([turnedLow, turnedHigh], last);
}

function requireConfig(config: LlamaConfig): void {
  for (const [name, value] of Object.entries(config)) {
    if (typeof value !== "number") continue;
    const real = name === "rms_norm_eps" || name === "rope_theta";
    if (!(value > 0 && (real ? Number.isFinite(value) : Number.isSafeInteger(value)))) {
      throw configError(`a positive ${real ? "number" : "integer"} ${name}, got ${value}`);
    }
  }
  const { head_dim, num_attention_heads, num_key_value_heads } = config;
  if (head_dim % 2 !== 0) throw configError(`an even head_dim, for rotary pairs, got ${head_dim}`);
  if (num_attention_heads % num_key_value_heads !== 0) {
    const heads = `${num_attention_heads} and ${num_key_value_heads}`;
    throw configError(`num_attention_heads to be a multiple of num_key_value_heads, got ${heads}`);
  }
}

function configError(expected: string): GradworkError {
  return new GradworkError("INVALID_MODEL_CONFIG", `Expected ${expected}`, { expected });
}
