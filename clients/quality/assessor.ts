// Scores answers with a cross-encoder: a BERT that reads prompt and answer together.
import type { PreTrainedTokenizer } from "@huggingface/transformers";
import { MAX_PROMPT_BYTES, promptText } from "../inference/generator.ts";
import { type ModelSource, openPretrained, type PretrainedModel } from "../inference/pretrained.ts";
import { GradworkError } from "../model/errors.ts";
import { type Degeneracy, degeneracyOf } from "./degenerate.ts";
import { cutPair, type PairLimits, pairLimits } from "./pairs.ts";
import { scoreOfLogit } from "./score.ts";

/** What an assessor says of an answer. */
export type Assessment = {
  /** In millionths. */
  readonly score: number;
  /** What the model gave; missing where it was not asked. */
  readonly logit?: number;
  /** Why the score is 0 whatever the model would say. */
  readonly reason?: Degeneracy | "not UTF-8";
};

export type Assessor = {
  readonly limits: PairLimits;

  /**
   * Scores each answer to a prompt. A score depends on nothing but the prompt and its answer: on one machine it is always
   * the same, whatever other answers there are.
   * @param prompt UTF-8
   * @param answers UTF-8; one that is not scores 0
   * @throws {GradworkError} `PROMPT_EMPTY`, `PROMPT_NOT_UTF8`, `PROMPT_TOO_LONG` above 65,536 bytes
   * @throws the signal's reason on abort
   */
  readonly assess: (
    prompt: Uint8Array,
    answers: readonly Uint8Array[],
    signal: AbortSignal,
  ) => Promise<Assessment[]>;

  /** Frees the model; the assessor must not be used afterwards. */
  readonly close: () => Promise<void>;
};

/** The documented choice online: a small model on the hub that is trained on questions and passages in English. */
export const DEFAULT_HUB_MODEL = "cross-encoder/ms-marco-MiniLM-L-6-v2";

/** Characters (UTF-16 units) of an answer that are read: more than any model has places for. Bounds the work. */
const MAX_ANSWER_CHARACTERS = 65_536;

/**
 * A BERT cross-encoder with one label (architecture BertForSequenceClassification) in the Hugging Face layout, in float32.
 * @throws {GradworkError} `MODEL_UNSUPPORTED` when it has another tokenizer than BERT's, or more labels; as
 * `openPretrained`
 */
export async function openAssessor(source: Omit<ModelSource, "dtype">): Promise<Assessor> {
  const pretrained = await openPretrained(source, {
    architecture: "BertForSequenceClassification",
    loader: "AutoModelForSequenceClassification",
  });
  const { tokenizer, model, maxPositions } = pretrained;
  const limits = pairLimits(maxPositions);
  const special = specialTokens(tokenizer, source.model);
  const encode = (text: string) => tokenizer.encode(text, { add_special_tokens: false });
  await logitOf(pretrained, source.model, [special.first, special.end, special.end], 2);

  async function assessOne(promptTokens: readonly number[], answer: Uint8Array): Promise<Assessment> {
    const text = decodeUtf8(answer);
    if (text === undefined) return { score: 0, reason: "not UTF-8" };
    const pair = cutPair(promptTokens, encode(text.slice(0, MAX_ANSWER_CHARACTERS).toWellFormed()), limits);
    const reason = degeneracyOf(pair.prompt, pair.answer, special.unknown);
    if (reason !== undefined) return { score: 0, reason };
    const head = [special.first, ...pair.prompt, special.end];
    const logit = await logitOf(
      pretrained,
      source.model,
      [...head, ...pair.answer, special.end],
      head.length,
    );
    return { score: scoreOfLogit(logit), logit };
  }

  return {
    limits,
    async assess(prompt, answers, signal) {
      const promptTokens = encode(promptText(prompt, MAX_PROMPT_BYTES));
      const assessments: Assessment[] = [];
      // Each in a run of its own: beside longer answers one would be padded, which changes a logit's last bits.
      for (const answer of answers) {
        signal.throwIfAborted();
        assessments.push(await assessOne(promptTokens, answer));
      }
      return assessments;
    },
    close: async () => void (await model.dispose()),
  };
}

type SpecialTokens = { readonly first: number; readonly end: number; readonly unknown: number | undefined };

/** [CLS], [SEP] and [UNK], from how the tokenizer joins two texts. */
function specialTokens(tokenizer: PreTrainedTokenizer, model: string): SpecialTokens {
  // Not empty: transformers.js takes an empty second text for none.
  const text = "a";
  const tokens = tokenizer.encode(text, { add_special_tokens: false });
  const { input_ids, token_type_ids } = tokenizer(text, { text_pair: text, return_tensor: false }) as {
    input_ids: number[];
    token_type_ids?: number[];
  };
  const [first, end] = [input_ids[0]!, input_ids.at(-1)!];
  const expected = [first, ...tokens, end, ...tokens, end];
  const types = expected.map((_, place) => Number(place >= tokens.length + 2));
  if (input_ids.join() === expected.join() && token_type_ids?.join() === types.join()) {
    return { first, end, unknown: tokenizer.unk_token_id };
  }
  throw unsupported(
    model,
    "a BertTokenizer, which joins texts as [CLS] a [SEP] b [SEP] with token types 0 and 1",
    `[${input_ids}] with token types [${token_type_ids}]`,
  );
}

/** The model's logit for a pair of which the first `firstLength` tokens are the first text's. */
async function logitOf(
  { transformers: { Tensor }, model }: PretrainedModel,
  name: string,
  tokens: readonly number[],
  firstLength: number,
): Promise<number> {
  const tensor = (valueAt: (place: number) => number) =>
    new Tensor(
      "int64",
      BigInt64Array.from(tokens, (_, place) => BigInt(valueAt(place))),
      [1, tokens.length],
    );
  const { logits } = (await model({
    input_ids: tensor((place) => tokens[place]!),
    attention_mask: tensor(() => 1),
    token_type_ids: tensor((place) => Number(place >= firstLength)),
  })) as { logits: { dims: readonly number[]; data: Float32Array } };
  const [logit] = logits.data;
  if (logits.dims.join() === "1,1" && Number.isFinite(logit)) return logit!;
  throw unsupported(name, "one finite logit for a pair", `${logits.data} of shape [${logits.dims}]`);
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function unsupported(model: string, expected: string, received: string): GradworkError {
  return new GradworkError("MODEL_UNSUPPORTED", `Expected ${expected}, ${model} gives ${received}`, {
    model,
    expected,
    received,
  });
}
