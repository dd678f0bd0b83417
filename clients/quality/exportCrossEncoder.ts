import { requireFree, writeFolder } from "../storage/writeFolder.ts";
import { type BertConfig, bertModel } from "../training/bert.ts";

/** What a cross-encoder's folder in the Hugging Face layout is made of. */
export type CrossEncoder = {
  readonly config: BertConfig;
  /** P values in the order of `bertTensors`. */
  readonly parameters: Float32Array;
  /** A `tokenizer.json` of a BertTokenizer that lowers case. */
  readonly tokenizer: Uint8Array;
};

/**
 * Writes a cross-encoder in the Hugging Face layout: `config.json`, `tokenizer.json`, `tokenizer_config.json` and
 * `onnx/model.onnx` (see `bertModel`), which alone holds the weights. Equal input gives equal bytes.
 * @param folder where nothing is, or an empty folder; it is there whole or not at all
 * @throws {GradworkError} `FOLDER_OCCUPIED`; as `bertModel`
 */
export async function exportCrossEncoder(
  folder: string,
  { config, parameters, tokenizer }: CrossEncoder,
): Promise<void> {
  await requireFree(folder);
  const files = new Map<string, Uint8Array>([
    [
      "config.json",
      json({
        ...config,
        architectures: ["BertForSequenceClassification"],
        attention_probs_dropout_prob: 0,
        dtype: "float32",
        hidden_act: "gelu",
        hidden_dropout_prob: 0,
        id2label: { 0: "LABEL_0" },
        label2id: { LABEL_0: 0 },
        model_type: "bert",
        pad_token_id: 0,
        position_embedding_type: "absolute",
      }),
    ],
    ["tokenizer.json", tokenizer],
    [
      "tokenizer_config.json",
      json({
        cls_token: "[CLS]",
        do_lower_case: true,
        mask_token: "[MASK]",
        model_max_length: config.max_position_embeddings,
        pad_token: "[PAD]",
        sep_token: "[SEP]",
        // transformers.js gives token types for this class only.
        tokenizer_class: "BertTokenizer",
        unk_token: "[UNK]",
      }),
    ],
    ["onnx/model.onnx", bertModel(config, parameters)],
  ]);
  await writeFolder(folder, files);
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
}
