import { expect } from "chai";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { tensorViews } from "../../clients/model/parameters.ts";
import {
  BERT_INPUTS,
  type BertConfig,
  bertGradientGraph,
  bertModel,
  bertTensors,
  LABELS_INPUT,
  LOGITS_OUTPUT,
} from "../../clients/training/bert.ts";
import { gradientOutput, LOSS_OUTPUT } from "../../clients/training/engine.ts";
import { createRandom } from "../../clients/training/random.ts";
import { tinyBert, tinyCrossEncoder } from "../quality/tinyCrossEncoder.ts";

const LENGTH = 7;
/** Pairs [CLS] a [SEP] b [SEP], the second and third with padding. */
const PAIRS = [
  { ids: [2, 5, 6, 3, 7, 8, 3], first: 4, length: 7 },
  { ids: [2, 9, 3, 10, 3, 0, 0], first: 3, length: 5 },
  { ids: [2, 11, 5, 3, 6, 3, 0], first: 4, length: 6 },
];
const LABELS = Float32Array.of(1, 0, 0);

const { parameters } = tinyCrossEncoder();
const tensors = bertTensors(tinyBert);

function inputs(pairs: typeof PAIRS, length: number): Record<string, Tensor> {
  const rows = (valueAt: (pair: (typeof PAIRS)[number], place: number) => number) => {
    const values = pairs.flatMap((pair) => Array.from({ length }, (_, place) => valueAt(pair, place)));
    return new Tensor("int64", BigInt64Array.from(values, BigInt), [pairs.length, length]);
  };
  const [ids, mask, types] = BERT_INPUTS;
  return {
    [ids]: rows((pair, place) => pair.ids[place]!),
    [mask]: rows((pair, place) => Number(place < pair.length)),
    [types]: rows((pair, place) => Number(place >= pair.first && place < pair.length)),
  };
}

function weightInputs(values: Float32Array): Record<string, Tensor> {
  const views = tensorViews(values, tensors);
  return Object.fromEntries(
    tensors.map(({ name, shape }) => [name, new Tensor("float32", views.get(name)!, shape)]),
  );
}

async function withSession<T>(model: Uint8Array, use: (session: InferenceSession) => Promise<T>): Promise<T> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  try {
    return await use(session);
  } finally {
    await session.release();
  }
}

const logitsOf = (pairs: typeof PAIRS, length: number) =>
  withSession(bertModel(tinyBert, parameters), async (session) => {
    const { data, dims } = (await session.run(inputs(pairs, length)))[LOGITS_OUTPUT]!;
    expect(dims).to.deep.equal([pairs.length, 1]);
    return Array.from(data as Float32Array);
  });

describe("BERT", () => {
  it("has the tensors of BertForSequenceClassification with one label", () => {
    const config: BertConfig = {
      vocab_size: 30_522,
      hidden_size: 384,
      num_hidden_layers: 6,
      num_attention_heads: 12,
      intermediate_size: 1536,
      max_position_embeddings: 512,
      type_vocab_size: 2,
      layer_norm_eps: 1e-12,
    };
    const count = bertTensors(config).reduce(
      (sum, { shape }) => sum + shape.reduce((n, length) => n * length, 1),
      0,
    );
    // The 22.7 million of cross-encoder/ms-marco-MiniLM-L-6-v2, which has this shape.
    expect(count).to.equal(22_713_601);
    expect(bertTensors(config).map(({ name }) => name)).to.include.members([
      "bert.embeddings.LayerNorm.bias",
      "bert.encoder.layer.5.attention.output.LayerNorm.weight",
      "bert.encoder.layer.5.intermediate.dense.bias",
      "bert.pooler.dense.weight",
      "classifier.weight",
    ]);
  });

  it("agrees with a plain computation in float64", async () => {
    const logits = await logitsOf(PAIRS, LENGTH);
    for (const [i, pair] of PAIRS.entries()) {
      expect(Math.abs(logits[i]! - plainLogit(tinyBert, parameters, pair))).to.be.below(1e-5);
    }
  });

  it("takes padding for nothing, and any batch and length", async () => {
    const padded = await logitsOf(PAIRS, LENGTH);
    for (const [i, pair] of PAIRS.entries()) {
      const [alone] = await logitsOf([pair], pair.length);
      expect(Math.abs(alone! - padded[i]!)).to.be.below(1e-5);
    }
  });

  it("has the gradient that central differences show, in every tensor", async () => {
    const random = createRandom(9);
    await withSession(bertGradientGraph(tinyBert, LENGTH), async (session) => {
      const labels = new Tensor("float32", LABELS, [LABELS.length]);
      const run = (values: Float32Array) =>
        session.run({ ...inputs(PAIRS, LENGTH), ...weightInputs(values), [LABELS_INPUT]: labels });
      const results = await run(parameters);
      const logits = Array.from(results[LOGITS_OUTPUT]!.data as Float32Array);
      const loss = (z: readonly number[]) =>
        z.reduce((sum, logit, i) => sum + Math.log1p(Math.exp(logit)) - LABELS[i]! * logit, 0) / z.length;
      expect(Math.abs((results[LOSS_OUTPUT]!.data[0] as number) - loss(logits))).to.be.below(1e-5);

      // Along a random direction in one tensor after the other.
      for (const { name } of tensors) {
        const gradient = results[gradientOutput(name)]!.data as Float32Array;
        const direction = Float32Array.from(gradient, () => 2 * random() - 1);
        const slope = gradient.reduce((sum, value, i) => sum + value * direction[i]!, 0);
        const step = 2 ** -9;
        const lossAt = async (sign: number) => {
          const moved = parameters.slice();
          const view = tensorViews(moved, tensors).get(name)!;
          for (let i = 0; i < view.length; i++) view[i]! += sign * step * direction[i]!;
          return loss(Array.from((await run(moved))[LOGITS_OUTPUT]!.data as Float32Array));
        };
        const difference = ((await lossAt(1)) - (await lossAt(-1))) / (2 * step);
        expect(Math.abs(difference - slope), name).to.be.below(0.02 * Math.abs(slope) + 2e-3);
      }
    });
  });

  it("refuses a configuration that is none", () => {
    for (const wrong of [
      { hidden_size: 25 },
      { num_hidden_layers: 0 },
      { vocab_size: 1.5 },
      { layer_norm_eps: 0 },
      { layer_norm_eps: 1 },
    ]) {
      expect(() => bertTensors({ ...tinyBert, ...wrong }))
        .to.throw()
        .with.property("code", "INVALID_MODEL_CONFIG");
    }
  });
});

/** BERT as its paper has it, in plain loops. */
function plainLogit(config: BertConfig, values: Float32Array, pair: (typeof PAIRS)[number]): number {
  const views = tensorViews(values, bertTensors(config));
  const { hidden_size: width, num_attention_heads: heads, layer_norm_eps } = config;
  const headSize = width / heads;
  const dense = (x: number[], name: string) =>
    Array.from(views.get(`${name}.bias`)!, (bias, row) =>
      x.reduce((sum, value, i) => sum + value * views.get(`${name}.weight`)![row * x.length + i]!, bias),
    );
  const normalize = (x: number[], name: string) => {
    const mean = x.reduce((sum, value) => sum + value, 0) / width;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width;
    return x.map(
      (value, i) =>
        ((value - mean) / Math.sqrt(variance + layer_norm_eps)) * views.get(`${name}.weight`)![i]! +
        views.get(`${name}.bias`)![i]!,
    );
  };
  const embedding = (name: string, row: number) =>
    Array.from(
      views.get(`bert.embeddings.${name}_embeddings.weight`)!.subarray(row * width, (row + 1) * width),
    );
  const add = (x: number[], y: number[]) => x.map((value, i) => value + y[i]!);

  let hidden = pair.ids.slice(0, pair.length).map((id, place) => {
    const token = add(embedding("word", id), embedding("token_type", Number(place >= pair.first)));
    return normalize(add(token, embedding("position", place)), "bert.embeddings.LayerNorm");
  });
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const name = (part: string) => `bert.encoder.layer.${layer}.${part}`;
    const [queries, keys, mixed] = ["query", "key", "value"].map((part) =>
      hidden.map((x) => dense(x, name(`attention.self.${part}`))),
    ) as [number[][], number[][], number[][]];
    hidden = hidden.map((x, place) => {
      const attended = Array.from({ length: width }, (_, i) => {
        const start = i - (i % headSize);
        const scores = keys.map((key) => {
          let product = 0;
          for (let j = start; j < start + headSize; j++) product += queries[place]![j]! * key[j]!;
          return Math.exp(product / Math.sqrt(headSize));
        });
        const total = scores.reduce((sum, score) => sum + score, 0);
        return scores.reduce((sum, score, other) => sum + (score / total) * mixed[other]![i]!, 0);
      });
      const inner = normalize(
        add(x, dense(attended, name("attention.output.dense"))),
        name("attention.output.LayerNorm"),
      );
      const fed = dense(dense(inner, name("intermediate.dense")).map(gelu), name("output.dense"));
      return normalize(add(inner, fed), name("output.LayerNorm"));
    });
  }
  const pooled = dense(hidden[0]!, "bert.pooler.dense").map(Math.tanh);
  return dense(pooled, "classifier")[0]!;
}

/** x·Φ(x), with Φ from the series of the error function. */
function gelu(x: number): number {
  let term = x / Math.sqrt(2 * Math.PI);
  let sum = term;
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / (2 * n);
    sum += term / (2 * n + 1);
  }
  return x * (0.5 + sum);
}
