// node bench/quality.ts: one quality check, of a prompt and an answer of 256 tokens together, on two cores.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parameterCount } from "../clients/model/parameters.ts";
import { type Assessor, openAssessor } from "../clients/quality/assessor.ts";
import { exportCrossEncoder } from "../clients/quality/exportCrossEncoder.ts";
import { type BertConfig, bertTensors } from "../clients/training/bert.ts";
import { createRandom, fillNormal } from "../clients/training/random.ts";

const THREADS = 2;
const TOKENS = 256;
const SPECIAL_TOKENS = 3;
const WARM_UP_RUNS = 5;
const RUNS = 100;
const P50_LIMIT_MILLISECONDS = 100;
const P99_LIMIT_MILLISECONDS = 1000;
const EMBEDDED = fileURLToPath(new URL("../models/cross-encoder", import.meta.url));
const { signal } = new AbortController();

const bert = {
  vocab_size: 30_522,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
};
const small = { ...bert, hidden_size: 384, num_attention_heads: 12, intermediate_size: 1536 };
const shapes: Readonly<Record<string, BertConfig>> = {
  "MiniLM-L6": { ...small, num_hidden_layers: 6 },
  "MiniLM-L12": { ...small, num_hidden_layers: 12 },
  "BERT-base": {
    ...bert,
    hidden_size: 768,
    num_attention_heads: 12,
    intermediate_size: 3072,
    num_hidden_layers: 12,
  },
};

const tokenizer = await readFile(join(EMBEDDED, "tokenizer.json"));
const vocabulary: Record<string, number> = JSON.parse(tokenizer.toString()).model.vocab;
const words = Object.keys(vocabulary).filter((piece) => /^[a-z]{4,}$/.test(piece));
const random = createRandom(1);

/** A text of so many tokens: words of the vocabulary are one each. */
function textOf(tokens: number): Uint8Array {
  const chosen = Array.from({ length: tokens }, () => words[Math.floor(random() * words.length)]);
  return new TextEncoder().encode(chosen.join(" "));
}

async function measure(assessor: Assessor) {
  const milliseconds: number[] = [];
  for (let run = -WARM_UP_RUNS; run < RUNS; run++) {
    const prompt = textOf(TOKENS / 2 - SPECIAL_TOKENS);
    const answer = textOf(TOKENS / 2);
    const start = performance.now();
    const [assessment] = await assessor.assess(prompt, [answer], signal);
    if (run >= 0) milliseconds.push(performance.now() - start);
    if (assessment!.logit === undefined) throw new Error("the model was not asked");
  }
  milliseconds.sort((a, b) => a - b);
  const [p50, p99] = [milliseconds[RUNS / 2]!, milliseconds[Math.ceil(0.99 * RUNS) - 1]!];
  return {
    "p50 ms": Number(p50.toFixed(1)),
    "p99 ms": Number(p99.toFixed(1)),
    "of 1 s at p99": Number((p99 / P99_LIMIT_MILLISECONDS).toFixed(3)),
    p50,
  };
}

async function row(folder: string, config: BertConfig) {
  const assessor = await openAssessor({ model: folder, threads: THREADS });
  const { p50, ...figures } = await measure(assessor);
  await assessor.close();
  return { parameters: parameterCount(bertTensors(config)), ...figures, p50 };
}

const rows: Record<string, Awaited<ReturnType<typeof row>>> = {};
const embedded: BertConfig = JSON.parse(await readFile(join(EMBEDDED, "config.json"), "utf8"));
rows.embedded = await row(EMBEDDED, embedded);
const home = await mkdtemp(join(tmpdir(), "gradwork-bench-"));
try {
  for (const [name, config] of Object.entries(shapes)) {
    const parameters = new Float32Array(parameterCount(bertTensors(config)));
    fillNormal(parameters, random, 0.02);
    const folder = join(home, name);
    await exportCrossEncoder(folder, { config, parameters, tokenizer });
    rows[name] = await row(folder, config);
    await rm(folder, { recursive: true });
  }
} finally {
  await rm(home, { recursive: true });
}
console.table(
  Object.fromEntries(
    Object.entries(rows).map(([name, { p50, ...figures }]) => [
      name,
      name === "MiniLM-L6"
        ? { ...figures, "of 100 ms at p50": Number((p50 / P50_LIMIT_MILLISECONDS).toFixed(2)) }
        : figures,
    ]),
  ),
);
