import { expect } from "chai";
import { parameterCount } from "../../clients/model/parameters.ts";
import { gradientGraph, initialParameters, llamaTensors, lossGraph } from "../../clients/training/llama.ts";
import { createOnnxEngine } from "../../clients/training/onnxEngine.ts";
import { createEngine, graphFile, randomTokens, tinyConfig } from "./tinyModel.ts";

const SEQUENCE_LENGTH = 9;
const POSITIONS = SEQUENCE_LENGTH - 1;

describe("ONNX engine", () => {
  const tensors = llamaTensors(tinyConfig);
  const parameters = initialParameters(tinyConfig, 1);
  const engine = createEngine(tinyConfig, SEQUENCE_LENGTH);
  after(() => engine.release());

  it("refuses a graph whose hash differs from the manifest's", () => {
    const loss = graphFile(lossGraph(tinyConfig, { sequenceLength: SEQUENCE_LENGTH }));
    const gradient = graphFile(gradientGraph(tinyConfig, { sequenceLength: SEQUENCE_LENGTH }));
    const changed = Uint8Array.from(loss.bytes);
    changed[changed.length - 1]! ^= 1;
    const cases = [
      { role: "loss", options: { tensors, gradient, loss: { ...loss, bytes: changed } } },
      { role: "gradient", options: { tensors, loss, gradient: { ...gradient, hash: loss.hash } } },
    ];
    for (const { role, options } of cases) {
      expect(() => createOnnxEngine(options))
        .to.throw(`the ${role} graph`)
        .with.property("code", "GRAPH_HASH_MISMATCH");
    }
  });

  it("refuses a graph that does not take the manifest's tensors", () => {
    const loss = graphFile(lossGraph(tinyConfig, { sequenceLength: SEQUENCE_LENGTH }));
    const other = { ...tinyConfig, intermediate_size: 8 };
    const gradient = graphFile(gradientGraph(other, { sequenceLength: SEQUENCE_LENGTH }));
    expect(() => createOnnxEngine({ tensors, loss, gradient }))
      .to.throw(
        "the gradient graph must take model.layers.0.mlp.down_proj.weight of shape [20,28], it takes [20,8]",
      )
      .with.property("code", "INVALID_GRAPH");
  });

  it("gives each sequence the same losses, whatever stands beside it", async () => {
    const tokens = randomTokens(5 * SEQUENCE_LENGTH, tinyConfig.vocab_size, 2);
    const together = await engine.tokenLosses(parameters, tokens);
    expect(together.length).to.equal(5 * POSITIONS);
    const alone = await engine.tokenLosses(
      parameters,
      tokens.subarray(3 * SEQUENCE_LENGTH, 4 * SEQUENCE_LENGTH),
    );
    for (const [i, loss] of alone.entries())
      expect(Math.abs(loss - together[3 * POSITIONS + i]!)).to.be.below(1e-5);
  });

  it("writes the whole gradient where it is told, and leaves the parameters", async () => {
    const before = parameters.slice();
    const tokens = randomTokens(2 * SEQUENCE_LENGTH, tinyConfig.vocab_size, 2);
    const gradient = new Float32Array(parameters.length).fill(Number.NaN);
    const loss = await engine.gradient(parameters, tokens, gradient);
    expect(Math.abs(loss - Math.log(tinyConfig.vocab_size))).to.be.below(0.1);
    expect(gradient.every(Number.isFinite)).to.equal(true);
    expect(parameters).to.deep.equal(before);
  });

  it("counts the floating-point operations of a Llama", () => {
    const { vocab_size, hidden_size, intermediate_size, num_hidden_layers, head_dim } = tinyConfig;
    const { num_attention_heads: queryHeads, num_key_value_heads: keyHeads } = tinyConfig;
    const projections = (2 * queryHeads + 2 * keyHeads) * head_dim * hidden_size;
    const attention = 2 * queryHeads * head_dim * POSITIONS;
    const layer = projections + attention + 3 * hidden_size * intermediate_size;
    const perPosition = 2 * (num_hidden_layers * layer + hidden_size * vocab_size);
    expect(engine.lossFlops(7)).to.equal(7 * POSITIONS * perPosition);
    // Each product has two gradients, as costly as itself.
    expect(engine.gradientFlops(7)).to.equal(3 * 7 * POSITIONS * perPosition);
  });

  it("refuses parts of sequences, and vectors of a wrong length", async () => {
    const tokens = randomTokens(2 * SEQUENCE_LENGTH, tinyConfig.vocab_size, 2);
    const gradient = new Float32Array(parameterCount(tensors));
    const failures = [
      { code: "PARTIAL_SEQUENCE", call: () => engine.tokenLosses(parameters, tokens.subarray(1)) },
      { code: "PARTIAL_SEQUENCE", call: () => engine.gradient(parameters, new Uint32Array(), gradient) },
      { code: "PARAMETERS_WRONG_LENGTH", call: () => engine.tokenLosses(parameters.subarray(1), tokens) },
      {
        code: "PARAMETERS_WRONG_LENGTH",
        call: () => engine.gradient(parameters, tokens, gradient.subarray(1)),
      },
    ];
    for (const { code, call } of failures) {
      const error: unknown = await call().then(
        () => undefined,
        (reason) => reason,
      );
      expect(error).to.have.property("code", code);
    }
  });
});
