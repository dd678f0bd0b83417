// The embedded Llama, `models/llama`: trained by the project's engine on both corpora, from seeds.
import { rm } from "node:fs/promises";
import { exportModel } from "../../clients/inference/exportModel.ts";
import { openLocalModel } from "../../clients/inference/localModel.ts";
import { openPretrained } from "../../clients/inference/pretrained.ts";
import { keccak256Bytes } from "../../clients/model/keccak.ts";
import type { LlamaConfig } from "../../clients/model/manifest.ts";
import { type AdamWOptions, createAdamWState, type Schedule } from "../../clients/training/adamw.ts";
import type { Dataset } from "../../clients/training/dataset.ts";
import { gradientGraph, initialParameters, llamaTensors, lossGraph } from "../../clients/training/llama.ts";
import { createOnnxEngine, type GraphFile } from "../../clients/training/onnxEngine.ts";
import { loadTokenizer, trainTokenizer } from "../../clients/training/tokenizer.ts";
import { trainRound } from "../../clients/training/trainer.ts";
import { CORPORA, type Corpus, corpusDocuments, type Split } from "./corpora.ts";
import type { EmbeddedModel } from "./embedded.ts";

const CONFIG: LlamaConfig = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: 2048,
  hidden_size: 128,
  intermediate_size: 352,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: true,
};

/** The last token of a sequence is only predicted. */
const SEQUENCE_LENGTH = CONFIG.max_position_embeddings + 1;
const BATCH_SIZE = 4;
const STEPS = 2_600;
const SCHEDULE: Schedule = {
  peakLearningRate: 3e-3,
  finalLearningRate: 1e-4,
  warmUpSteps: 100,
  totalSteps: STEPS,
};
const OPTIMIZER: AdamWOptions = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 };

/** Moby Dick stands so often in the training text, which makes it as long as the addresses. */
const MOBY_DICK_COPIES = 9;
/** Of the initial parameters and of the order of sequences. */
const SEED = 1;
/** Sums of floating-point numbers depend on how the work is shared out, so the bytes depend on this number. */
const THREADS = 2;

const LOGGED_STEPS = 100;

/** Of each corpus's held-out text. */
const EVALUATED_SEQUENCES = 100;
/** Of the continuations that an evaluation shows. */
const PROMPT_WORDS = 64;
const ANSWER_TOKENS = 96;

export const llama: EmbeddedModel = {
  name: "llama",

  async build(folder, log, signal) {
    const mobyDick = corpusText("moby-dick", "train");
    const addresses = corpusText("state-of-the-union", "train");
    const tokenizerJson = trainTokenizer(mobyDick.repeat(MOBY_DICK_COPIES) + addresses, CONFIG.vocab_size);
    const { encode } = loadTokenizer(tokenizerJson);
    const dataset = cut([
      ...new Array<Uint32Array>(MOBY_DICK_COPIES).fill(encode(mobyDick)),
      encode(addresses),
    ]);
    log(`${dataset.tokens.length} tokens in ${dataset.train.count} sequences`);

    const parameters = initialParameters(CONFIG, SEED);
    const shape = { sequenceLength: SEQUENCE_LENGTH };
    const engine = createOnnxEngine({
      tensors: llamaTensors(CONFIG),
      loss: graphFile(lossGraph(CONFIG, shape)),
      gradient: graphFile(gradientGraph(CONFIG, shape)),
      threads: THREADS,
    });
    try {
      const { delta } = await trainRound({
        engine,
        tensors: llamaTensors(CONFIG),
        parameters,
        optimizerState: createAdamWState(parameters.length),
        optimizer: OPTIMIZER,
        schedule: SCHEDULE,
        dataset,
        steps: STEPS,
        batchSize: BATCH_SIZE,
        seed: SEED,
        signal,
        onProgress({ step, lossNats }) {
          if (step % LOGGED_STEPS === 0)
            log(`step ${step} of ${STEPS}, loss ${lossNats.toFixed(3)} nats a token`);
        },
      });
      for (let i = 0; i < parameters.length; i++) parameters[i]! += delta[i]!;
    } finally {
      await engine.release();
    }
    await rm(folder, { recursive: true, force: true });
    // The weights are in the ONNX file: a second copy would not be worth its place in the repository.
    await exportModel(folder, { config: CONFIG, parameters, tokenizer: tokenizerJson, safetensors: false });
  },

  /** Loss of each corpus's held-out documents, and how a passage of each is continued. */
  async evaluate(folder, signal) {
    const rows = [["corpus", "tokens", "nats a token", "bits a byte"]];
    const evaluation = await openEvaluation(folder);
    for (const corpus of CORPORA) {
      const { tokens, nats, bytes } = await evaluation.loss(corpusText(corpus, "heldOut"), signal);
      rows.push([corpus, `${tokens}`, (nats / tokens).toFixed(3), (nats / Math.LN2 / bytes).toFixed(3)]);
    }
    await evaluation.close();
    for (const row of rows)
      console.log(
        row
          .map((cell) => cell.padEnd(22))
          .join("")
          .trimEnd(),
      );

    const generator = await openLocalModel({ model: folder, threads: THREADS });
    for (const corpus of CORPORA) {
      const words = corpusDocuments(corpus, "heldOut")[0]!.text.split(/\s+/);
      const prompt = words.slice(0, PROMPT_WORDS).join(" ");
      const { text } = await generator.generate(new TextEncoder().encode(prompt), {
        maxTokens: ANSWER_TOKENS,
        seed: SEED,
        signal,
      });
      console.log(`\n${prompt}\n  →${text.replaceAll("\n", " ")}`);
    }
    await generator.close();
  },
};

/** Measures the model of a folder as transformers.js runs it, on sequences that are spread over a text. */
async function openEvaluation(folder: string) {
  const source = { model: folder, threads: THREADS };
  const kind = { architecture: "LlamaForCausalLM", loader: "AutoModelForCausalLM" } as const;
  const { transformers, tokenizer, model } = await openPretrained(source, kind);
  const inputs = (tokens: Uint32Array) => {
    const tensor = (values: BigInt64Array) => new transformers.Tensor("int64", values, [1, values.length]);
    return {
      input_ids: tensor(BigInt64Array.from(tokens, BigInt)),
      attention_mask: tensor(new BigInt64Array(tokens.length).fill(1n)),
    };
  };

  return {
    /** @returns predicted tokens, their loss in all, and the bytes that they stand for */
    async loss(text: string, signal: AbortSignal): Promise<{ tokens: number; nats: number; bytes: number }> {
      const all = Uint32Array.from(tokenizer.encode(text));
      const count = Math.floor(all.length / SEQUENCE_LENGTH);
      let nats = 0;
      for (let i = 0; i < EVALUATED_SEQUENCES; i++) {
        signal.throwIfAborted();
        const start = Math.floor((i * count) / EVALUATED_SEQUENCES) * SEQUENCE_LENGTH;
        const sequence = all.subarray(start, start + SEQUENCE_LENGTH);
        const { logits } = await model(inputs(sequence.subarray(0, -1)));
        nats += lossOf(logits.data as Float32Array, sequence.subarray(1));
      }
      const tokens = EVALUATED_SEQUENCES * (SEQUENCE_LENGTH - 1);
      return { tokens, nats, bytes: (Buffer.byteLength(text) * tokens) / all.length };
    },
    close: () => model.dispose(),
  };
}

/** Loss in nats of the tokens that come. @param logits [tokens, vocabulary] */
function lossOf(logits: Float32Array, tokens: Uint32Array): number {
  let sum = 0;
  for (const [place, token] of tokens.entries()) {
    const scores = logits.subarray(place * CONFIG.vocab_size, (place + 1) * CONFIG.vocab_size);
    sum += Math.log(scores.reduce((total, score) => total + Math.exp(score), 0)) - scores[token]!;
  }
  return sum;
}

function corpusText(corpus: Corpus, split: Split): string {
  return corpusDocuments(corpus, split)
    .map(({ text }) => `${text}\n\n`)
    .join("");
}

/** One after another, all for training. */
function cut(parts: readonly Uint32Array[]): Dataset {
  const all = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  const count = Math.floor(end / SEQUENCE_LENGTH);
  return {
    tokens: all.subarray(0, count * SEQUENCE_LENGTH),
    sequenceLength: SEQUENCE_LENGTH,
    train: { first: 0, count },
    evaluation: { first: count, count: 0 },
  };
}

function graphFile(bytes: Uint8Array): GraphFile {
  return { bytes, hash: keccak256Bytes(bytes) };
}
