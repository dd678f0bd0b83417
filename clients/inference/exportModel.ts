import { GradworkError } from "../model/errors.ts";
import type { LlamaConfig } from "../model/manifest.ts";
import { encodeSafetensors } from "../model/safetensors.ts";
import { requireFree, writeFolder } from "../storage/writeFolder.ts";
import { decoderModel } from "../training/decoder.ts";
import { llamaTensors } from "../training/llama.ts";
import { loadTokenizer } from "../training/tokenizer.ts";

/** What a folder in the Hugging Face layout is made of. */
export type TrainedModel = {
  readonly config: LlamaConfig;
  /** θ, P values. */
  readonly parameters: Float32Array;
  /** A `tokenizer.json`. */
  readonly tokenizer: Uint8Array;
  /** Jinja template that turns a conversation into a prompt, for a model that has learned one. */
  readonly chatTemplate?: string;
  /** Whether the weights are written once more, for PyTorch; by default they are. */
  readonly safetensors?: boolean;
};

/**
 * Writes a trained model in the Hugging Face layout, which `@huggingface/transformers` and, with the weights in
 * safetensors, Python's `transformers` load: `config.json`, `generation_config.json`, `tokenizer.json`,
 * `tokenizer_config.json`, `onnx/model.onnx` (see `decoderModel`) and `model.safetensors`. Equal input gives equal bytes.
 * @param folder where nothing is, or an empty folder; it is there whole or not at all
 * @throws {GradworkError} `FOLDER_OCCUPIED`; `VOCABULARY_MISMATCH` when the tokenizer has tokens that the model has not;
 * `INVALID_TOKENIZER`; `NON_FINITE_TENSOR`; as `decoderModel`
 */
export async function exportModel(folder: string, model: TrainedModel): Promise<void> {
  await requireFree(folder);
  await writeFolder(folder, modelFiles(model));
}

function modelFiles({
  config,
  parameters,
  tokenizer,
  chatTemplate,
  safetensors = true,
}: TrainedModel): Map<string, Uint8Array> {
  const { vocabularySize } = loadTokenizer(tokenizer);
  if (vocabularySize > config.vocab_size) {
    throw new GradworkError(
      "VOCABULARY_MISMATCH",
      `Expected a tokenizer of at most ${config.vocab_size} tokens, the model's, got ${vocabularySize}`,
      { vocabularySize, modelVocabularySize: config.vocab_size },
    );
  }
  const weights = encodeSafetensors(parameters, llamaTensors(config), { format: "pt" });
  const files = new Map<string, Uint8Array>([
    [
      "config.json",
      json({
        ...config,
        attention_bias: false,
        attention_dropout: 0,
        bos_token_id: null,
        dtype: "float32",
        eos_token_id: null,
        hidden_act: "silu",
        mlp_bias: false,
        use_cache: true,
      }),
    ],
    ["generation_config.json", json({ bos_token_id: null, eos_token_id: null, use_cache: true })],
    ["tokenizer.json", tokenizer],
    [
      "tokenizer_config.json",
      json({
        add_prefix_space: false,
        ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
        clean_up_tokenization_spaces: false,
        model_max_length: config.max_position_embeddings,
        padding_side: "left",
        tokenizer_class: "PreTrainedTokenizerFast",
      }),
    ],
    ["onnx/model.onnx", decoderModel(config, parameters)],
  ]);
  if (safetensors) files.set("model.safetensors", weights);
  return files;
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
}
