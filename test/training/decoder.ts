import { expect } from "chai";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { LlamaConfig } from "../../clients/model/manifest.ts";
import { parameterCount } from "../../clients/model/parameters.ts";
import { decoderModel } from "../../clients/training/decoder.ts";
import { llamaTensors } from "../../clients/training/llama.ts";
import { createRandom, fillNormal } from "../../clients/training/random.ts";
import { thrownBy } from "../model/thrown.ts";
import { randomTokens, tinyConfig } from "./tinyModel.ts";
import { trainingLogits } from "./trainingLogits.ts";

const LENGTH = 12;
const LAYERS = tinyConfig.num_hidden_layers;

/** Logits, one vector for each token, and the cache after them. */
type Output = { readonly logits: Float32Array; readonly cache: Record<string, Tensor> };

describe("decoder", () => {
  for (const [kind, config] of Object.entries<LlamaConfig>({
    "own output projection": tinyConfig,
    "tied embedding": { ...tinyConfig, tie_word_embeddings: true },
    "a key for each query": { ...tinyConfig, num_key_value_heads: tinyConfig.num_attention_heads },
  })) {
    describe(kind, () => {
      const parameters = new Float32Array(parameterCount(llamaTensors(config)));
      fillNormal(parameters, createRandom(5), 0.4);
      const first = randomTokens(LENGTH, config.vocab_size, 3);
      const second = randomTokens(LENGTH, config.vocab_size, 4);
      let session: InferenceSession;
      let expected: { first: Float32Array; second: Float32Array };

      before(async () => {
        session = await InferenceSession.create(decoderModel(config, parameters), { intraOpNumThreads: 1 });
        expected = {
          first: await trainingLogits(config, parameters, first),
          second: await trainingLogits(config, parameters, second),
        };
      });
      after(() => session.release());

      it("gives the training graph's logits", async () => {
        const { logits } = await run(session, config, [first]);
        expectClose(logits, expected.first);
      });

      it("gives them token by token and in pieces, from its cache", async () => {
        for (const pieces of [
          Array.from(first, (token) => [token]),
          [[...first.slice(0, 5)], [...first.slice(5)]],
        ]) {
          let cache = emptyCache(config, 1);
          let done = 0;
          for (const piece of pieces) {
            const output = await run(session, config, [piece], { cache, done });
            const start = done * config.vocab_size;
            expectClose(output.logits, expected.first.subarray(start, start + output.logits.length));
            cache = output.cache;
            done += piece.length;
          }
          expect(done).to.equal(LENGTH);
        }
      });

      it("gives them for each sequence of a batch", async () => {
        const { logits } = await run(session, config, [first, second]);
        expectClose(logits.subarray(0, expected.first.length), expected.first);
        expectClose(logits.subarray(expected.first.length), expected.second);
      });

      it("gives them behind padding on the left, with the cache and without", async () => {
        // The second sequence is the first tokens of `second`, as long a sequence behind padding.
        const padding = 5;
        const short = second.subarray(0, LENGTH - padding);
        const padded = Uint32Array.of(...new Array<number>(padding).fill(7), ...short);
        const shortLogits = expected.second.subarray(0, short.length * config.vocab_size);
        const behind = (LENGTH + padding) * config.vocab_size;

        const whole = await run(session, config, [first, padded], { padding: [0, padding] });
        expectClose(whole.logits.subarray(0, expected.first.length), expected.first);
        expectClose(whole.logits.subarray(behind), shortLogits);

        const split = LENGTH - 2;
        const head = [first.subarray(0, split), padded.subarray(0, split)];
        const tail = [first.subarray(split), padded.subarray(split)];
        const { cache } = await run(session, config, head, { padding: [0, padding] });
        const last = await run(session, config, tail, { cache, done: split, padding: [0, padding] });
        expectClose(
          last.logits.subarray(0, 2 * config.vocab_size),
          expected.first.subarray(split * config.vocab_size),
        );
        expectClose(
          last.logits.subarray(2 * config.vocab_size),
          shortLogits.subarray(-2 * config.vocab_size),
        );
      });
    });
  }

  it("has the inputs and outputs of Hugging Face's exports, and the weights inside", async () => {
    const parameters = new Float32Array(parameterCount(llamaTensors(tinyConfig))).fill(0.1);
    const session = await InferenceSession.create(decoderModel(tinyConfig, parameters), {
      intraOpNumThreads: 1,
    });
    const layers = [...Array(LAYERS).keys()];
    expect(session.inputNames).to.have.members([
      "input_ids",
      "attention_mask",
      "position_ids",
      ...layers.flatMap((layer) => [`past_key_values.${layer}.key`, `past_key_values.${layer}.value`]),
    ]);
    expect(session.outputNames).to.have.members([
      "logits",
      ...layers.flatMap((layer) => [`present.${layer}.key`, `present.${layer}.value`]),
    ]);
    const shapes = Object.fromEntries(
      [...session.inputMetadata, ...session.outputMetadata].map((one) => [
        one.name,
        one.isTensor ? `${one.type} ${one.shape.join(", ")}` : "",
      ]),
    );
    expect(shapes.input_ids).to.equal("int64 batch_size, sequence_length");
    expect(shapes.position_ids).to.equal("int64 batch_size, sequence_length");
    expect(shapes.attention_mask).to.equal("int64 batch_size, past_sequence_length + sequence_length");
    expect(shapes["past_key_values.0.key"]).to.equal("float32 batch_size, 2, past_sequence_length, 4");
    expect(shapes["present.1.value"]).to.equal(
      "float32 batch_size, 2, past_sequence_length + sequence_length, 4",
    );
    expect(shapes.logits).to.equal("float32 batch_size, sequence_length, 29");
    await session.release();
  });

  it("is refused for parameters of another model", () => {
    expect(thrownBy(() => decoderModel(tinyConfig, new Float32Array(7))).code).to.equal(
      "PARAMETERS_WRONG_LENGTH",
    );
  });
});

function emptyCache(config: LlamaConfig, batch: number): Record<string, Tensor> {
  const dims = [batch, config.num_key_value_heads, 0, config.head_dim];
  return Object.fromEntries(
    [...Array(LAYERS).keys()].flatMap((layer) =>
      ["key", "value"].map((part) => [
        `past_key_values.${layer}.${part}`,
        new Tensor("float32", new Float32Array(0), dims),
      ]),
    ),
  );
}

/** @param padding of each sequence, on its left; @param done tokens in the cache, padding included */
async function run(
  session: InferenceSession,
  config: LlamaConfig,
  sequences: readonly ArrayLike<number>[],
  {
    cache = emptyCache(config, sequences.length),
    done = 0,
    padding = sequences.map(() => 0),
  }: { cache?: Record<string, Tensor>; done?: number; padding?: number[] } = {},
): Promise<Output> {
  const batch = sequences.length;
  const length = sequences[0]!.length;
  const integers = (values: number[][]) =>
    new Tensor("int64", BigInt64Array.from(values.flat(), BigInt), [batch, values[0]!.length]);
  const places = [...Array(done + length).keys()];
  const results = await session.run({
    ...cache,
    input_ids: integers(sequences.map((tokens) => Array.from(tokens))),
    attention_mask: integers(padding.map((count) => places.map((place) => Number(place >= count)))),
    position_ids: integers(
      padding.map((count) => places.slice(done).map((place) => (place < count ? 1 : place - count))),
    ),
  });
  const { logits, ...present } = results;
  const renamed = Object.entries(present).map(([name, tensor]) => [
    name.replace("present", "past_key_values"),
    tensor,
  ]);
  return { logits: logits!.data as Float32Array, cache: Object.fromEntries(renamed) };
}

function expectClose(logits: Float32Array, expected: Float32Array): void {
  expect(logits.length).to.equal(expected.length);
  expect(Math.max(...logits.map((logit, i) => Math.abs(logit - expected[i]!)))).to.be.below(1e-4);
  // Weights are large enough to tell tokens apart.
  expect(Math.max(...expected) - Math.min(...expected)).to.be.above(1);
}
