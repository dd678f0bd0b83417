import { expect } from "chai";
import { keccak256Bytes } from "../../clients/model/keccak.ts";
import type { LlamaConfig } from "../../clients/model/manifest.ts";
import { parameterCount, tensorViews } from "../../clients/model/parameters.ts";
import { gradientGraph, initialParameters, llamaTensors, lossGraph } from "../../clients/training/llama.ts";
import { createRandom, fillNormal } from "../../clients/training/random.ts";
import { createEngine, randomTokens, tinyConfig } from "./tinyModel.ts";

const SEQUENCE_LENGTH = 11;
const SEQUENCES = 3;
const tied: LlamaConfig = { ...tinyConfig, tie_word_embeddings: true };

/** Weights large enough for every part to matter to the loss. */
function largeParameters(config: LlamaConfig): Float32Array {
  const parameters = new Float32Array(parameterCount(llamaTensors(config)));
  fillNormal(parameters, createRandom(5), 0.4);
  return parameters;
}

describe("Llama", () => {
  const tokens = randomTokens(SEQUENCES * SEQUENCE_LENGTH, tinyConfig.vocab_size, 3);

  it("has the tensors of Hugging Face's LlamaForCausalLM", () => {
    const names = llamaTensors({ ...tinyConfig, num_hidden_layers: 1 }).map(
      ({ name, shape }) => `${name} ${shape}`,
    );
    expect(names).to.deep.equal([
      "lm_head.weight 29,20",
      "model.embed_tokens.weight 29,20",
      "model.layers.0.input_layernorm.weight 20",
      "model.layers.0.mlp.down_proj.weight 20,28",
      "model.layers.0.mlp.gate_proj.weight 28,20",
      "model.layers.0.mlp.up_proj.weight 28,20",
      "model.layers.0.post_attention_layernorm.weight 20",
      "model.layers.0.self_attn.k_proj.weight 8,20",
      "model.layers.0.self_attn.o_proj.weight 20,24",
      "model.layers.0.self_attn.q_proj.weight 24,20",
      "model.layers.0.self_attn.v_proj.weight 8,20",
      "model.norm.weight 20",
    ]);
    expect(llamaTensors(tied).map(({ name }) => name)).not.to.include("lm_head.weight");
  });

  for (const [kind, config] of Object.entries({
    "own output projection": tinyConfig,
    "tied embedding": tied,
  })) {
    it(`${kind}: each token's loss agrees with a plain float64 decoder`, async () => {
      const parameters = largeParameters(config);
      const engine = createEngine(config, SEQUENCE_LENGTH);
      const losses = await engine.tokenLosses(parameters, tokens);
      await engine.release();
      const expected = Array.from({ length: SEQUENCES }, (_, sequence) =>
        plainLosses(
          config,
          parameters,
          tokens.subarray(sequence * SEQUENCE_LENGTH, (sequence + 1) * SEQUENCE_LENGTH),
        ),
      ).flat();
      expect(losses.length).to.equal(expected.length);
      for (const [i, loss] of expected.entries()) expect(Math.abs(losses[i]! - loss)).to.be.below(1e-4);
    });

    it(`${kind}: the gradient by each tensor agrees with central differences`, async () => {
      const parameters = largeParameters(config);
      const gradient = new Float32Array(parameters.length);
      const engine = createEngine(config, SEQUENCE_LENGTH);
      const meanOf = (values: Float32Array) => values.reduce((sum, x) => sum + x, 0) / values.length;
      const meanLoss = await engine.gradient(parameters, tokens, gradient);
      expect(Math.abs(meanLoss - meanOf(await engine.tokenLosses(parameters, tokens)))).to.be.below(1e-5);

      const random = createRandom(8);
      const byTensor = tensorViews(gradient, llamaTensors(config));
      for (const [name, view] of tensorViews(parameters, llamaTensors(config))) {
        const slopes = byTensor.get(name)!;
        const steepness = Math.hypot(...slopes);
        const start = view.slice();
        for (let trial = 0; trial < 3; trial++) {
          // Along the gradient and, half as far, at random: neither a missing nor an extra part goes unseen.
          const direction = new Float32Array(view.length);
          fillNormal(direction, random, 0.5 / Math.sqrt(view.length));
          for (const [i, slope] of slopes.entries()) direction[i]! += slope / steepness;
          const lossAt = async (distance: number) => {
            for (const [i, x] of start.entries()) view[i] = x + distance * direction[i]!;
            return meanOf(await engine.tokenLosses(parameters, tokens));
          };
          const step = 2 ** -7;
          const difference = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
          const slope = slopes.reduce((sum, x, i) => sum + x * direction[i]!, 0);
          expect(Math.abs(slope - difference) / Math.abs(difference), name).to.be.below(1e-2);
        }
        view.set(start);
      }
      await engine.release();
    });
  }

  it("writes the same graph for the same configuration, on every machine", () => {
    const shape = { sequenceLength: SEQUENCE_LENGTH };
    expect(lossGraph({ ...tinyConfig }, shape)).to.deep.equal(lossGraph(tinyConfig, shape));
    expect(lossGraph(tinyConfig, { sequenceLength: 12 })).not.to.deep.equal(lossGraph(tinyConfig, shape));
    // Golden: a change here changes what every registered task is defined by.
    expect(keccak256Bytes(lossGraph(tinyConfig, shape))).to.equal(
      "0x2c613085d15c97109b039779d23ea2ea333d72e463ded9e21a7db83c99a905d3",
    );
    expect(keccak256Bytes(gradientGraph(tinyConfig, shape))).to.equal(
      "0xcc6a8cc0339970ee5696fbe329ef0eae85a1218141090e5b03dc4a8acaa9e694",
    );
  });

  it("starts from parameters that follow from the seed", () => {
    const parameters = initialParameters(tinyConfig, 1);
    expect(initialParameters(tinyConfig, 1)).to.deep.equal(parameters);
    expect(initialParameters(tinyConfig, 2)).not.to.deep.equal(parameters);
    const views = tensorViews(parameters, llamaTensors(tinyConfig));
    expect(views.get("model.norm.weight")!.every((x) => x === 1)).to.equal(true);
    const deviation = (name: string) => {
      const view = views.get(name)!;
      return Math.hypot(...view) / Math.sqrt(view.length);
    };
    expect(Math.abs(deviation("lm_head.weight") - 0.02)).to.be.below(0.002);
    expect(Math.abs(deviation("model.layers.0.mlp.down_proj.weight") - 0.01)).to.be.below(0.001);
  });

  it("refuses a configuration that makes no model", () => {
    for (const wrong of [
      { num_attention_heads: 5 },
      { head_dim: 3 },
      { hidden_size: 0 },
      { num_hidden_layers: 1.5 },
      { rms_norm_eps: 0 },
      { max_position_embeddings: SEQUENCE_LENGTH - 2 },
    ]) {
      expect(() => lossGraph({ ...tinyConfig, ...wrong }, { sequenceLength: SEQUENCE_LENGTH }))
        .to.throw()
        .with.property("code", "INVALID_MODEL_CONFIG");
    }
  });
});

/** The decoder again, token by token in float64, with each query head's own copy of its key and value head. */
function plainLosses(config: LlamaConfig, parameters: Float32Array, tokens: Uint32Array): number[] {
  const { hidden_size, num_attention_heads, num_key_value_heads, head_dim, rms_norm_eps, rope_theta } =
    config;
  const views = tensorViews(parameters, llamaTensors(config));
  const weight = (name: string) => views.get(`${name}.weight`)!;
  const embedding = (token: number) =>
    Array.from(weight("model.embed_tokens").subarray(token * hidden_size, (token + 1) * hidden_size));
  const linear = (x: number[], name: string) => {
    const matrix = weight(name);
    return Array.from({ length: matrix.length / x.length }, (_, row) =>
      dot(x, matrix.subarray(row * x.length)),
    );
  };
  const normalize = (x: number[], name: string) => {
    const scale = 1 / Math.sqrt(dot(x, x) / x.length + rms_norm_eps);
    return x.map((value, i) => value * scale * weight(name)[i]!);
  };
  const rotate = (x: number[], position: number) =>
    x.map((value, i) => {
      const half = head_dim / 2;
      const angle = position / rope_theta ** ((2 * (i % half)) / head_dim);
      const turned = i < half ? -x[i + half]! : x[i - half]!;
      return value * Math.cos(angle) + turned * Math.sin(angle);
    });
  const head = (x: number[], index: number) => x.slice(index * head_dim, (index + 1) * head_dim);

  let hidden = Array.from(tokens.subarray(0, -1), embedding);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const name = (part: string) => `model.layers.${layer}.${part}`;
    const inputs = hidden.map((x) => normalize(x, name("input_layernorm")));
    const [queries, keys, values] = ["q", "k", "v"].map((part) =>
      inputs.map((x) => linear(x, name(`self_attn.${part}_proj`))),
    ) as [number[][], number[][], number[][]];
    hidden = hidden.map((x, position) => {
      const joined = Array.from({ length: num_attention_heads }, (_, queryHead) => {
        const keyHead = Math.floor((queryHead * num_key_value_heads) / num_attention_heads);
        const query = rotate(head(queries[position]!, queryHead), position);
        const scores = keys
          .slice(0, position + 1)
          .map((key, earlier) => dot(query, rotate(head(key, keyHead), earlier)) / Math.sqrt(head_dim));
        const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
        return query.map((_, i) =>
          scores.reduce(
            (sum, score, at) => sum + (Math.exp(score) / total) * head(values[at]!, keyHead)[i]!,
            0,
          ),
        );
      });
      return plus(x, linear(joined.flat(), name("self_attn.o_proj")));
    });
    hidden = hidden.map((x) => {
      const input = normalize(x, name("post_attention_layernorm"));
      const gate = linear(input, name("mlp.gate_proj"));
      const up = linear(input, name("mlp.up_proj"));
      const activated = gate.map((value, i) => (value / (1 + Math.exp(-value))) * up[i]!);
      return plus(x, linear(activated, name("mlp.down_proj")));
    });
  }
  return hidden.map((x, position) => {
    const output = config.tie_word_embeddings ? "model.embed_tokens" : "lm_head";
    const logits = linear(normalize(x, "model.norm"), output);
    return Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - logits[tokens[position + 1]!]!;
  });
}

function dot(a: number[], b: ArrayLike<number>): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function plus(a: number[], b: number[]): number[] {
  return a.map((value, i) => value + b[i]!);
}
