import type { TrainedModel } from "../../clients/inference/exportModel.ts";
import type { LlamaConfig } from "../../clients/model/manifest.ts";
import { parameterCount } from "../../clients/model/parameters.ts";
import { llamaTensors } from "../../clients/training/llama.ts";
import { createRandom, fillNormal } from "../../clients/training/random.ts";
import { trainTokenizer } from "../../clients/training/tokenizer.ts";
import { tinyConfig } from "../training/tinyModel.ts";

const TEXT = "the whale, the sea, the ship and the captain; the whale again, and then the sea again.";
const VOCABULARY_SIZE = 270;

/** A model that has learned nothing, with weights large enough for every part to matter. */
export function tinyModel(overrides: Partial<LlamaConfig> = {}): TrainedModel {
  const config = { ...tinyConfig, vocab_size: VOCABULARY_SIZE, ...overrides };
  const parameters = new Float32Array(parameterCount(llamaTensors(config)));
  fillNormal(parameters, createRandom(5), 0.4);
  return { config, parameters, tokenizer: trainTokenizer(TEXT, VOCABULARY_SIZE) };
}
