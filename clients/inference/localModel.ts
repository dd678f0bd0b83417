import type { LogitsProcessor, PreTrainedTokenizer, Tensor, TextStreamer } from "@huggingface/transformers";
import { createRandom } from "../training/random.ts";
import {
  type Answer,
  DEFAULT_SAMPLING,
  type GenerateOptions,
  type Generator,
  MAX_PROMPT_BYTES,
  promptText,
  promptTooLong,
  requireTokenLimit,
  type Sampling,
} from "./generator.ts";
import { type ModelSource, openPretrained } from "./pretrained.ts";
import { drawToken } from "./sampling.ts";

export type LocalModelOptions = ModelSource & {
  readonly sampling?: Sampling;
  readonly maxPromptBytes?: number;
};

/**
 * A Llama-class model (architecture LlamaForCausalLM) in the Hugging Face layout, run by transformers.js. On one machine
 * equal prompts, seeds and limits give equal answers, whatever else runs. Where the tokenizer has a chat template the
 * prompt is put to the model as a user's message.
 * @throws {GradworkError} as `openPretrained`
 */
export async function openLocalModel(options: LocalModelOptions): Promise<Generator> {
  const { sampling = DEFAULT_SAMPLING, maxPromptBytes = MAX_PROMPT_BYTES } = options;
  const pretrained = await openPretrained(options, {
    architecture: "LlamaForCausalLM",
    loader: "AutoModelForCausalLM",
  });
  const { transformers, tokenizer, model, maxPositions } = pretrained;
  const { eos_token_id: modelEnds } = model.config as { eos_token_id?: number | number[] | null };
  const ends = new Set([model.generation_config?.eos_token_id ?? modelEnds ?? []].flat());

  function encode(prompt: Uint8Array, maxTokens: number): number[] {
    const text = promptText(prompt, maxPromptBytes);
    requireTokenLimit(maxTokens);
    const tokens = promptTokens(tokenizer, text);
    const limit = maxPositions - maxTokens;
    if (tokens.length > limit) throw promptTooLong("tokens", Math.max(0, limit), tokens.length);
    return tokens;
  }

  async function generate(prompt: Uint8Array, generation: GenerateOptions): Promise<Answer> {
    const { maxTokens, seed, signal, onText } = generation;
    signal.throwIfAborted();
    const tokens = encode(prompt, maxTokens);

    // transformers.js draws from a generator that the whole process shares. So the token is drawn here, and all others
    // are ruled out.
    const random = createRandom(seed);
    const choose = (_: bigint[][], logits: Tensor): Tensor => {
      const values = logits.data as Float32Array;
      const token = drawToken(values, sampling, random);
      values.fill(Number.NEGATIVE_INFINITY);
      values[token] = 0;
      return logits;
    };
    const processors = new transformers.LogitsProcessorList();
    processors.push(choose as unknown as LogitsProcessor);

    const stream = createStream(tokenizer, ends, onText);
    const interruption = new transformers.InterruptableStoppingCriteria();
    const interrupt = () => interruption.interrupt();
    signal.addEventListener("abort", interrupt);
    try {
      await model.generate({
        inputs: new transformers.Tensor("int64", BigInt64Array.from(tokens, BigInt), [1, tokens.length]),
        do_sample: false,
        max_new_tokens: maxTokens,
        logits_processor: processors,
        stopping_criteria: interruption,
        // Only `put` and `end` of a streamer are called.
        streamer: stream as unknown as TextStreamer,
      });
    } finally {
      signal.removeEventListener("abort", interrupt);
    }
    signal.throwIfAborted();
    return { text: stream.text(), truncated: !stream.ended() };
  }

  return {
    check: (prompt, maxTokens) => void encode(prompt, maxTokens),
    generate,
    close: async () => void (await model.dispose()),
  };
}

function promptTokens(tokenizer: PreTrainedTokenizer, text: string): number[] {
  if (tokenizer.chat_template === null) return tokenizer.encode(text);
  return tokenizer.apply_chat_template([{ role: "user", content: text }], {
    add_generation_prompt: true,
    return_tensor: false,
    return_dict: false,
  });
}

/** Takes tokens as transformers.js makes them, and calls `onText` once their bytes are whole characters. */
function createStream(
  tokenizer: PreTrainedTokenizer,
  ends: ReadonlySet<number>,
  onText?: (piece: string) => void,
) {
  const tokens: number[] = [];
  let promptCame = false;
  let ended = false;
  let told = 0;
  const text = () =>
    tokens.length === 0
      ? ""
      : tokenizer.decode(tokens, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
  const tell = (whole: string) => {
    if (whole.length > told) onText?.(whole.slice(told));
    told = Math.max(told, whole.length);
  };
  return {
    text,
    ended: () => ended,
    put([sequence]: [bigint[]]) {
      if (!promptCame) {
        promptCame = true;
        return;
      }
      const token = Number(sequence[0]);
      ended = ends.has(token);
      if (ended) return;
      tokens.push(token);
      // The decoder puts U+FFFD for a character that the next token may complete.
      if (onText !== undefined) tell(text().replace(/\uFFFD+$/, ""));
    },
    end: () => tell(text()),
  };
}
