// Where the training of the cross-encoder starts: parameters with which it compares already, though badly. From random
// ones the same training finds how to compare only after many more steps.
import { parameterCount, tensorViews } from "../../clients/model/parameters.ts";
import { type BertConfig, bertTensors } from "../../clients/training/bert.ts";
import { createRandom, fillNormal } from "../../clients/training/random.ts";
import { SPECIAL_TOKENS } from "../../clients/training/wordPiece.ts";
import type { TokenStatistics } from "./tokenStatistics.ts";

/** Elements of a topic, an identity and a predecessor. */
export const STATISTICS_DIMENSION = 20;

// What the elements of an embedding are at the start; from CONTENT on, random numbers.
const PLACE = 0;
const PLACES = 16;
const RARITY = PLACES;
const TEXT = RARITY + 1;
const MATCH = TEXT + 1;
const SINK = MATCH + 1;
const TOPIC = SINK + 1;
const PREDECESSOR = TOPIC + STATISTICS_DIMENSION;
const IDENTITY = PREDECESSOR + STATISTICS_DIMENSION;
const CONTENT = IDENTITY + STATISTICS_DIMENSION;

/** Sizes of parts of the embedding. */
const PLACE_SIZE = 0.5;
const TEXT_SIZE = 0.7;
const SINK_SIZE = 3;
const TOKEN_SIZE = 0.3;
/** Of all other weights, as a part of what keeps the size of their input. */
const WEIGHT_SIZE = 0.7;

/**
 * Initial parameters. In the first layer one head looks from a token to the same token in the other text, or else to
 * [SEP], and notes how rare it is; one looks to the token before; one takes the mean topic of the other text. In the last
 * layer a head gathers in [CLS] what the first noted, and the score begins as that.
 * @param config with three heads or more, and a width above what the statistics take
 */
export function startParameters(config: BertConfig, statistics: TokenStatistics, seed: number): Float32Array {
  const tensors = bertTensors(config);
  const parameters = new Float32Array(parameterCount(tensors));
  const views = tensorViews(parameters, tensors);
  const random = createRandom(seed);
  const width = config.hidden_size;
  const headSize = width / config.num_attention_heads;
  const headLength = headSize * width;
  for (const { name, shape } of tensors) {
    const view = views.get(name)!;
    if (name.endsWith("LayerNorm.weight")) view.fill(1);
    else if (shape.length > 1) fillNormal(view, random, WEIGHT_SIZE / Math.sqrt(shape[1]!));
  }

  const words = views.get("bert.embeddings.word_embeddings.weight")!;
  fillNormal(words, random, TOKEN_SIZE);
  const parts = [
    [TOPIC, statistics.topics],
    [PREDECESSOR, statistics.predecessors],
    [IDENTITY, statistics.identities],
  ] as const;
  for (let token = 0; token < config.vocab_size; token++) {
    const row = words.subarray(token * width, (token + 1) * width);
    row.fill(0, 0, CONTENT);
    row[RARITY] = token < SPECIAL_TOKENS.length ? -1 : statistics.rarities[token]!;
    for (const [first, values] of parts) {
      const own = values.subarray(token * STATISTICS_DIMENSION, (token + 1) * STATISTICS_DIMENSION);
      for (const [i, value] of own.entries()) row[first + i] = TOKEN_SIZE * value;
    }
    // Of one length, so that every token is as like itself as any other.
    const identity = row.subarray(IDENTITY);
    const scale = (TOKEN_SIZE * Math.sqrt(identity.length)) / Math.hypot(...identity);
    for (let i = 0; i < identity.length; i++) identity[i]! *= scale;
  }
  const end = SPECIAL_TOKENS.indexOf("[SEP]") * width;
  words.fill(0, end + IDENTITY, end + width);
  words[end + SINK] = SINK_SIZE;

  // Places are points on circles that turn at different speeds, so that one place further is a rotation.
  const speeds = Array.from({ length: PLACES / 2 }, (_, i) => 0.9 * Math.PI * 0.55 ** i);
  const places = views.get("bert.embeddings.position_embeddings.weight")!.fill(0);
  for (let place = 0; place < config.max_position_embeddings; place++) {
    for (const [i, speed] of speeds.entries()) {
      places[place * width + PLACE + 2 * i] = PLACE_SIZE * Math.cos(place * speed);
      places[place * width + PLACE + 2 * i + 1] = PLACE_SIZE * Math.sin(place * speed);
    }
  }
  const texts = views.get("bert.embeddings.token_type_embeddings.weight")!.fill(0);
  texts[TEXT] = TEXT_SIZE;
  texts[width + TEXT] = -TEXT_SIZE;

  /** The rows of a head in each matrix of a layer's attention; those of queries and keys are cleared. */
  const headOf = (layer: number, head: number) => {
    const rows = (part: string) =>
      views
        .get(`bert.encoder.layer.${layer}.attention.self.${part}.weight`)!
        .subarray(head * headLength, (head + 1) * headLength);
    const biases = (part: string) =>
      views
        .get(`bert.encoder.layer.${layer}.attention.self.${part}.bias`)!
        .subarray(head * headSize, (head + 1) * headSize);
    return { query: rows("query").fill(0), key: rows("key").fill(0), value: rows("value"), biases };
  };
  /** Makes a row of values the only one that an element of the layer's output takes up, and takes it up nowhere else. */
  const noteOnly = (layer: number, valueRow: number, element: number, size: number) => {
    const out = views.get(`bert.encoder.layer.${layer}.attention.output.dense.weight`)!;
    for (let row = 0; row < width; row++) out[row * width + valueRow] = 0;
    out.fill(0, element * width, (element + 1) * width);
    out[element * width + valueRow] = size;
  };

  const match = headOf(0, 0);
  const compared = headSize - 2;
  for (let row = 0; row < compared; row++) {
    match.query[row * width + IDENTITY + row] = 2.1;
    match.key[row * width + IDENTITY + row] = 2.1;
  }
  match.biases("query")[compared] = 1;
  match.key[compared * width + SINK] = 11;
  match.query[(compared + 1) * width + TEXT] = 2.9;
  match.key[(compared + 1) * width + TEXT] = -2.9;
  match.value.fill(0, 0, width);
  match.value[RARITY] = 0.33;
  match.biases("value")[0] = 1;
  noteOnly(0, 0, MATCH, 1.5);

  const before = headOf(0, 1);
  const sharpness = 1.5;
  for (const [i, speed] of speeds.entries()) {
    const [even, odd] = [2 * i, 2 * i + 1];
    before.query[even * width + PLACE + even] = sharpness * Math.cos(speed);
    before.query[even * width + PLACE + odd] = sharpness * Math.sin(speed);
    before.query[odd * width + PLACE + even] = -sharpness * Math.sin(speed);
    before.query[odd * width + PLACE + odd] = sharpness * Math.cos(speed);
    before.key[even * width + PLACE + even] = sharpness;
    before.key[odd * width + PLACE + odd] = sharpness;
  }
  before.value.fill(0);
  for (let row = 0; row < headSize; row++) before.value[row * width + IDENTITY + row] = 1.5;

  const other = headOf(0, 2);
  other.query[TEXT] = 3;
  other.key[TEXT] = -3;
  other.value.fill(0, 0, STATISTICS_DIMENSION * width);
  for (let i = 0; i < STATISTICS_DIMENSION; i++) other.value[i * width + TOPIC + i] = 2;

  const last = config.num_hidden_layers - 1;
  headOf(last, 0);
  const gather = headOf(last, 1);
  gather.biases("query")[0] = 11;
  gather.key[MATCH] = 1;
  gather.value.fill(0, 0, width);
  gather.value[MATCH] = 1;
  noteOnly(last, headSize, MATCH, 2);
  views.get("bert.pooler.dense.weight")!.fill(0, 0, width)[MATCH] = 0.7;
  views.get("bert.pooler.dense.bias")![0] = -0.7;
  views.get("classifier.weight")![0] = 2;
  return parameters;
}
