import { keccak256Bytes } from "../../clients/model/keccak.ts";
import type { LlamaConfig } from "../../clients/model/manifest.ts";
import type { Engine } from "../../clients/training/engine.ts";
import { gradientGraph, llamaTensors, lossGraph } from "../../clients/training/llama.ts";
import { createOnnxEngine, type GraphFile } from "../../clients/training/onnxEngine.ts";
import { createRandom } from "../../clients/training/random.ts";

/** A decoder that has every part, small enough for float64 oracles: heads that do not fill the hidden size. */
export const tinyConfig: LlamaConfig = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: 29,
  hidden_size: 20,
  intermediate_size: 28,
  num_hidden_layers: 2,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  head_dim: 4,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 100,
  tie_word_embeddings: false,
};

export function graphFile(bytes: Uint8Array): GraphFile {
  return { bytes, hash: keccak256Bytes(bytes) };
}

export function createEngine(config: LlamaConfig, sequenceLength: number): Engine {
  return createOnnxEngine({
    tensors: llamaTensors(config),
    loss: graphFile(lossGraph(config, { sequenceLength })),
    gradient: graphFile(gradientGraph(config, { sequenceLength })),
    threads: 1,
  });
}

export function randomTokens(count: number, vocabularySize: number, seed: number): Uint32Array {
  const random = createRandom(seed);
  return Uint32Array.from({ length: count }, () => Math.floor(vocabularySize * random()));
}
