import { parameterCount } from "../../clients/model/parameters.ts";
import type { CrossEncoder } from "../../clients/quality/exportCrossEncoder.ts";
import { type BertConfig, bertTensors } from "../../clients/training/bert.ts";
import { createRandom, fillNormal } from "../../clients/training/random.ts";
import { trainWordPiece } from "../../clients/training/wordPiece.ts";

const TEXT = "The whale, the sea, the ship and the captain; the whale again, and then the sea again.";
const VOCABULARY_SIZE = 56;

export const tinyBert: BertConfig = {
  vocab_size: VOCABULARY_SIZE,
  hidden_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  intermediate_size: 40,
  max_position_embeddings: 48,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
};

/** A model that has learned nothing, with weights large enough for every part to matter. */
export function tinyCrossEncoder(overrides: Partial<BertConfig> = {}): CrossEncoder {
  const config = { ...tinyBert, ...overrides };
  const parameters = new Float32Array(parameterCount(bertTensors(config)));
  fillNormal(parameters, createRandom(5), 0.4);
  return { config, parameters, tokenizer: trainWordPiece([TEXT], VOCABULARY_SIZE) };
}
