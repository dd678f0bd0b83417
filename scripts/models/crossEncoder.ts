// The embedded cross-encoder, `models/cross-encoder`: trained by the project's graphs to tell a passage's true
// continuation from bad ones.
import { rm } from "node:fs/promises";
import { Tokenizer } from "@huggingface/tokenizers";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { tensorViews } from "../../clients/model/parameters.ts";
import { openAssessor } from "../../clients/quality/assessor.ts";
import { exportCrossEncoder } from "../../clients/quality/exportCrossEncoder.ts";
import {
  type AdamWOptions,
  adamWStep,
  createAdamWState,
  learningRateAt,
  type Schedule,
} from "../../clients/training/adamw.ts";
import {
  BERT_INPUTS,
  type BertConfig,
  bertGradientGraph,
  bertTensors,
  LABELS_INPUT,
} from "../../clients/training/bert.ts";
import { gradientOutput, LOSS_OUTPUT } from "../../clients/training/engine.ts";
import { createRandom, type Random } from "../../clients/training/random.ts";
import { SPECIAL_TOKENS, trainWordPiece } from "../../clients/training/wordPiece.ts";
import { areaUnderCurve } from "./auc.ts";
import { CORPORA } from "./corpora.ts";
import { STATISTICS_DIMENSION, startParameters } from "./crossEncoderStart.ts";
import type { EmbeddedModel } from "./embedded.ts";
import {
  BAD_ANSWERS,
  type BadAnswer,
  type Case,
  documentWords,
  heldOutCases,
  looped,
  PASSAGE_WORDS,
  shuffled,
  type Words,
} from "./passages.ts";
import { tfidf } from "./tfidf.ts";
import { tokenStatistics } from "./tokenStatistics.ts";

const CONFIG: BertConfig = {
  vocab_size: 8192,
  hidden_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  intermediate_size: 192,
  max_position_embeddings: 256,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
};

/** Cycles of training, each with a fresh optimizer (warm restarts: Loshchilov and Hutter 2017, arXiv 1608.03983). */
const CYCLES: readonly Schedule[] = [
  { peakLearningRate: 2e-3, finalLearningRate: 1e-4, warmUpSteps: 50, totalSteps: 800 },
  { peakLearningRate: 1e-3, finalLearningRate: 5e-5, warmUpSteps: 20, totalSteps: 300 },
];
const OPTIMIZER: AdamWOptions = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.01, clipNorm: 1 };

/** Prompts in a step, as many from each corpus; each comes with its true answer and with a bad one. */
const PROMPTS = 16;
/** Tokens of a pair in training, and of its prompt at most; 64 words of Moby Dick are about 90. */
const PAIR_TOKENS = 184;
const PROMPT_TOKENS = 90;
/** Share of each kind among the bad answers. */
const SHARES: Readonly<Record<BadAnswer, number>> = {
  "other corpus": 0.15,
  "same corpus": 0.45,
  shuffled: 0.35,
  loop: 0.05,
};
/** Share of those shuffled answers that are made of the prompt's words, so that its words alone don't please. */
const SHUFFLED_PROMPTS = 0.15;
/** Share of pairs that are shorter than 64 words each, at random down to 8 and 16. */
const SHORT_PAIRS = 0.2;
const SHORTEST_PROMPT_WORDS = 8;
const SHORTEST_ANSWER_WORDS = 16;
const LONGEST_LOOP = 8;

/** Of the statistics, the initial parameters and the passages of the first cycle. */
const SEED = 1;
/** Of the held-out cases. */
const CASES_SEED = 7;
/** Sums of floating-point numbers depend on how the work is shared out, so the bytes depend on this number. */
const THREADS = 2;
const LOGGED_STEPS = 100;

type Side = { readonly documents: readonly Words[]; readonly words: number };
type Pair = { readonly prompt: readonly number[]; readonly answer: readonly number[]; readonly label: 0 | 1 };
type TokensOf = (words: readonly string[]) => number[];

export const crossEncoder: EmbeddedModel = {
  name: "cross-encoder",

  async build(folder, log, signal) {
    const sides = CORPORA.map((corpus): Side => {
      const documents = documentWords(corpus, "train");
      return { documents, words: documents.reduce((sum, { words }) => sum + words.length, 0) };
    });
    const tokenizer = vocabulary(sides);
    const tokensOf = createTokensOf(tokenizer);
    const documents = sides.flatMap((side) => side.documents);
    const statistics = tokenStatistics(documents, tokensOf, CONFIG.vocab_size, STATISTICS_DIMENSION, SEED);
    const parameters = startParameters(CONFIG, statistics, SEED);
    log(`${parameters.length} parameters`);
    for (const [cycle, schedule] of CYCLES.entries()) {
      const random = createRandom(SEED + cycle);
      await train(parameters, schedule, () => drawPairs(sides, tokensOf, random), log, signal);
    }
    await rm(folder, { recursive: true, force: true });
    await exportCrossEncoder(folder, { config: CONFIG, parameters, tokenizer });
  },

  /** Area under the curve of the scores of true answers against each kind of bad ones, beside that of TF-IDF. */
  async evaluate(folder, signal) {
    const cases = heldOutCases(createRandom(CASES_SEED));
    const passages = CORPORA.flatMap((corpus) => documentWords(corpus, "train").flatMap(passagesOf));
    const similarity = tfidf(passages);
    const assessor = await openAssessor({ model: folder, threads: THREADS });
    const encoder = new TextEncoder();
    const score = async (prompt: string, answers: readonly string[]) => {
      const assessments = await assessor.assess(
        encoder.encode(prompt),
        answers.map((answer) => encoder.encode(answer)),
        signal,
      );
      return assessments.map((assessment) => assessment.score);
    };
    const rows = {
      "cross-encoder": await areas(cases, ({ prompt }, answers) => score(prompt, answers)),
      "prompt blanked": await areas(cases, (_, answers) => score(" ", answers)),
      "TF-IDF": await areas(cases, async ({ prompt }, answers) =>
        answers.map((answer) => similarity(prompt, answer)),
      ),
    };
    await assessor.close();
    console.log(
      `${cases.length} held-out passages of ${PASSAGE_WORDS} words; area under the curve against bad answers`,
    );
    console.table(rows);
  },
};

/** Areas under the curve of true answers against bad ones of each kind. */
async function areas(
  cases: readonly Case[],
  score: (one: Case, answers: readonly string[]) => Promise<number[]>,
): Promise<Record<BadAnswer, number>> {
  const scores: number[][] = [];
  for (const one of cases) {
    scores.push(await score(one, [one.trueAnswer, ...BAD_ANSWERS.map((kind) => one.badAnswers[kind])]));
  }
  const column = (at: number) => scores.map((row) => row[at]!);
  const entries = BAD_ANSWERS.map((kind, i) => {
    const area = areaUnderCurve(column(0), column(i + 1));
    return [kind, Number(area.toFixed(3))];
  });
  return Object.fromEntries(entries);
}

/** Learned from both corpora alike: the smaller one is read as many times as makes it as long as the other. */
function vocabulary(sides: readonly Side[]): Uint8Array {
  const longest = Math.max(...sides.map(({ words }) => words));
  const texts = sides.flatMap(({ documents, words }) => {
    const times = Math.round(longest / words);
    return Array.from({ length: times }, () => documents.map((document) => document.words.join(" "))).flat();
  });
  return trainWordPiece(texts, CONFIG.vocab_size);
}

/** Words are tokenized one by one, which is the same because no token of BERT's crosses a blank. */
function createTokensOf(tokenizerJson: Uint8Array): TokensOf {
  const tokenizer = new Tokenizer(JSON.parse(new TextDecoder().decode(tokenizerJson)), {});
  const known = new Map<string, number[]>();
  return (words) =>
    words.flatMap((word) => {
      const tokens = known.get(word) ?? tokenizer.encode(word, { add_special_tokens: false }).ids;
      known.set(word, tokens);
      return tokens;
    });
}

function passagesOf({ words }: Words): string[] {
  return Array.from({ length: Math.floor(words.length / PASSAGE_WORDS) }, (_, i) =>
    words.slice(i * PASSAGE_WORDS, (i + 1) * PASSAGE_WORDS).join(" "),
  );
}

/**
 * The pairs of a step. Answers from other passages are those of other prompts in the step, so that as many of them are
 * true as are bad, and an answer alone says nothing.
 */
function drawPairs(sides: readonly Side[], tokensOf: TokensOf, random: Random): Pair[] {
  const drawn = sides.map((side) =>
    Array.from({ length: PROMPTS / sides.length }, () => drawPassage(side, random)),
  );
  return drawn.flatMap((passages, own) =>
    passages.flatMap(({ prompt, answer }, i) => {
      const bad: Readonly<Record<BadAnswer, () => readonly string[]>> = {
        "other corpus": () => drawn[1 - own]![i]!.answer,
        "same corpus": () => passages[(i + 1) % passages.length]!.answer,
        shuffled: () => shuffled(random() < SHUFFLED_PROMPTS ? prompt : answer, random),
        loop: () => looped(answer, 1 + Math.floor(LONGEST_LOOP * random())),
      };
      const tokens = tokensOf(prompt);
      return [
        { prompt: tokens, answer: tokensOf(answer), label: 1 },
        { prompt: tokens, answer: tokensOf(bad[drawKind(random)]()), label: 0 },
      ] as const;
    }),
  );
}

function drawKind(random: Random): BadAnswer {
  let rest = random();
  for (const kind of BAD_ANSWERS) {
    rest -= SHARES[kind];
    if (rest < 0) return kind;
  }
  return "same corpus";
}

/** A passage of a corpus and its continuation; every place is equally likely. */
function drawPassage({ documents, words }: Side, random: Random): { prompt: string[]; answer: string[] } {
  const isShort = random() < SHORT_PAIRS;
  const length = (shortest: number) =>
    isShort ? shortest + Math.floor((PASSAGE_WORDS - shortest + 1) * random()) : PASSAGE_WORDS;
  const promptLength = length(SHORTEST_PROMPT_WORDS);
  const answerLength = length(SHORTEST_ANSWER_WORDS);
  for (;;) {
    let start = Math.floor(random() * words);
    const document = documents.find((one) => {
      const isHere = start < one.words.length;
      if (!isHere) start -= one.words.length;
      return isHere;
    })!;
    const middle = start + promptLength;
    if (middle + answerLength > document.words.length) continue;
    return {
      prompt: document.words.slice(start, middle),
      answer: document.words.slice(middle, middle + answerLength),
    };
  }
}

async function train(
  parameters: Float32Array,
  schedule: Schedule,
  nextPairs: () => Pair[],
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const tensors = bertTensors(CONFIG);
  const gradient = new Float32Array(parameters.length);
  const loss = new Float32Array(1);
  const tensorsOver = (values: Float32Array, nameOf: (name: string) => string) => {
    const views = tensorViews(values, tensors);
    return tensors.map(
      ({ name, shape }) => [nameOf(name), new Tensor("float32", views.get(name)!, shape)] as const,
    );
  };
  const weights = Object.fromEntries(tensorsOver(parameters, (name) => name));
  const results = {
    ...Object.fromEntries(tensorsOver(gradient, gradientOutput)),
    [LOSS_OUTPUT]: new Tensor("float32", loss, []),
  };
  const state = createAdamWState(parameters.length);
  const session = await InferenceSession.create(bertGradientGraph(CONFIG, PAIR_TOKENS), {
    intraOpNumThreads: THREADS,
  });
  try {
    let meanLoss = 0;
    for (let step = 1; step <= schedule.totalSteps; step++) {
      signal.throwIfAborted();
      await session.run({ ...weights, ...inputsOf(nextPairs()) }, results);
      adamWStep(parameters, gradient, state, tensors, learningRateAt(schedule, step), OPTIMIZER);
      meanLoss += loss[0]! / LOGGED_STEPS;
      if (step % LOGGED_STEPS > 0) continue;
      log(`step ${step} of ${schedule.totalSteps}, loss ${meanLoss.toFixed(3)} nats a pair`);
      meanLoss = 0;
    }
  } finally {
    await session.release();
  }
}

/** `[CLS] prompt [SEP] answer [SEP]` and padding, of each pair. */
function inputsOf(pairs: readonly Pair[]): Record<string, Tensor> {
  const shape = [pairs.length, PAIR_TOKENS];
  const [ids, mask, types] = BERT_INPUTS.map((name) => ({
    name,
    values: new BigInt64Array(pairs.length * PAIR_TOKENS),
  })) as [Input, Input, Input];
  const first = SPECIAL_TOKENS.indexOf("[CLS]");
  const end = SPECIAL_TOKENS.indexOf("[SEP]");
  for (const [row, { prompt, answer }] of pairs.entries()) {
    const head = [first, ...prompt.slice(-PROMPT_TOKENS), end];
    const tokens = [...head, ...answer.slice(0, PAIR_TOKENS - head.length - 1), end];
    for (const [place, token] of tokens.entries()) {
      const at = row * PAIR_TOKENS + place;
      ids.values[at] = BigInt(token);
      mask.values[at] = 1n;
      types.values[at] = place < head.length ? 0n : 1n;
    }
  }
  const labels = Float32Array.from(pairs, ({ label }) => label);
  return {
    ...Object.fromEntries(
      [ids, mask, types].map(({ name, values }) => [name, new Tensor("int64", values, shape)]),
    ),
    [LABELS_INPUT]: new Tensor("float32", labels, [pairs.length]),
  };
}

type Input = { readonly name: string; readonly values: BigInt64Array };
