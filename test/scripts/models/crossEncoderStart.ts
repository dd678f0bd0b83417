import { expect } from "chai";
import { tensorViews } from "../../../clients/model/parameters.ts";
import { type BertConfig, bertTensors } from "../../../clients/training/bert.ts";
import { STATISTICS_DIMENSION, startParameters } from "../../../scripts/models/crossEncoderStart.ts";
import type { Words } from "../../../scripts/models/passages.ts";
import { tokenStatistics } from "../../../scripts/models/tokenStatistics.ts";

/** Tokens 5 … 24; documents of the first corpus have 5 … 14, those of the second 15 … 24, in rising runs. */
const VOCABULARY = 25;
const documents = (["moby-dick", "state-of-the-union"] as const).map((corpus, side): Words => {
  const words = Array.from({ length: 640 }, (_, i) => `${5 + 10 * side + (i % 10)}`);
  return { corpus, name: corpus, words };
});
const statistics = tokenStatistics(
  documents,
  (words) => words.map(Number),
  VOCABULARY,
  STATISTICS_DIMENSION,
  1,
);
const config: BertConfig = {
  vocab_size: VOCABULARY,
  hidden_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  intermediate_size: 32,
  max_position_embeddings: 40,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
};

function cosine(values: Float32Array, a: number, others: Float32Array, b: number): number {
  const row = (of: Float32Array, token: number) =>
    of.subarray(token * STATISTICS_DIMENSION, (token + 1) * STATISTICS_DIMENSION);
  const [x, y] = [row(values, a), row(others, b)];
  return x.reduce((sum, value, i) => sum + value * y[i]!, 0) / (Math.hypot(...x) * Math.hypot(...y));
}

describe("token statistics", () => {
  it("give tokens of the same texts like topics", () => {
    expect(cosine(statistics.topics, 5, statistics.topics, 9)).to.be.above(0.99);
    expect(cosine(statistics.topics, 5, statistics.topics, 20)).to.be.below(-0.99);
  });

  it("give a token as predecessors what comes before it", () => {
    for (const token of [6, 14, 18]) {
      const likeness = (other: number) =>
        cosine(statistics.predecessors, token, statistics.identities, other);
      expect(likeness(token - 1)).to.be.above(0.8);
      expect(likeness(token)).to.be.below(likeness(token - 1));
    }
  });

  it("call tokens rarer that fewer passages have", () => {
    expect(statistics.rarities[0]).to.equal(1);
    expect(statistics.rarities[5]).to.be.below(statistics.rarities[0]!);
    expect(statistics.rarities[5]).to.be.within(-1, 1);
  });
});

describe("start of the cross-encoder", () => {
  const parameters = startParameters(config, statistics, 1);

  it("is the same for the same seed, and finite", () => {
    expect(startParameters(config, statistics, 1)).to.deep.equal(parameters);
    expect(startParameters(config, statistics, 2)).to.not.deep.equal(parameters);
    expect(parameters.every(Number.isFinite)).to.equal(true);
  });

  it("makes the second head look one place back", () => {
    const views = tensorViews(parameters, bertTensors(config));
    const places = views.get("bert.embeddings.position_embeddings.weight")!;
    const [query, key] = ["query", "key"].map((part) => {
      const rows = views
        .get(`bert.encoder.layer.0.attention.self.${part}.weight`)!
        .subarray(32 * 96, 64 * 96);
      return (place: number) =>
        Array.from({ length: 32 }, (_, row) =>
          places
            .subarray(place * 96, (place + 1) * 96)
            .reduce((sum, x, i) => sum + x * rows[row * 96 + i]!, 0),
        );
    });
    for (const place of [1, 7, 39]) {
      const asked = query!(place);
      const answers = Array.from({ length: 40 }, (_, other) =>
        key!(other).reduce((sum, value, i) => sum + value * asked[i]!, 0),
      );
      expect(answers.indexOf(Math.max(...answers))).to.equal(place - 1);
    }
  });
});
