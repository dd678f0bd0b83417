import { expect } from "chai";
import { Graph, matMulFlops } from "../../clients/training/graph.ts";
import { gradientGraph } from "../../clients/training/llama.ts";
import { decodeModel, encodeModel } from "../../clients/training/onnxModel.ts";
import { withGraph } from "./runGraph.ts";
import { tinyConfig } from "./tinyModel.ts";

describe("ONNX model", () => {
  it("is read back as the graph that it was written from", () => {
    const bytes = gradientGraph(tinyConfig, { sequenceLength: 9 });
    expect(encodeModel(decodeModel(bytes))).to.deep.equal(bytes);
  });

  it("holds only what the outputs depend on", () => {
    const build = (extra: boolean) => {
      const graph = new Graph();
      const x = graph.input("x", "float", [-1, 2]);
      if (extra) graph.softmax(graph.add(x, graph.scalar(7)));
      graph.output("y", graph.multiply(x, graph.scalar(3)));
      return encodeModel(graph);
    };
    expect(build(true)).to.deep.equal(build(false));
  });

  it("gives an input, a constant and a value several names", async () => {
    const graph = new Graph();
    const x = graph.input("x", "float", [2]);
    const sum = graph.add(x, graph.scalar(1));
    for (const [name, value] of Object.entries({ same: x, one: graph.scalar(1), first: sum, second: sum })) {
      graph.output(name, value);
    }
    await withGraph(graph, 1, async (run) => {
      const results = await run({ x: Float32Array.of(4, 5) });
      const values = Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, [...data]]));
      expect(values).to.deep.equal({ same: [4, 5], one: [1], first: [5, 6], second: [5, 6] });
    });
  });

  it("counts 2·m·n·k over every MatMul and Gemm of a batch", () => {
    const graph = new Graph();
    const a = graph.input("a", "float", [-1, 3, 5, 7]);
    const b = graph.input("b", "float", [7, 11]);
    const c = graph.input("c", "float", [-15, 13]);
    const product = graph.reshape(graph.matMul(a, b), [-15, 11]);
    graph.output("y", graph.gemm(product, c, true, false));
    graph.matMul(b, graph.transpose(b, [1, 0]));
    const batch = 4;
    const matMul = 2 * (batch * 3 * 5) * 11 * 7;
    const gemm = 2 * 11 * 13 * (batch * 15);
    expect(matMulFlops(graph, batch)).to.equal(matMul + gemm);
  });

  it("is refused when it is no model, or one with an operator that is not supported", () => {
    const graph = new Graph();
    graph.output("y", graph.negate(graph.input("x", "float", [2])));
    const bytes = encodeModel(graph);
    const otherOperator = Uint8Array.from(bytes);
    const at = Buffer.from(bytes).lastIndexOf("Neg");
    otherOperator.set(Buffer.from("Abs"), Buffer.from(bytes).indexOf("Neg", at));
    for (const wrong of [new Uint8Array(), Uint8Array.of(1, 2, 3), bytes.subarray(0, -5), otherOperator]) {
      expect(() => decodeModel(wrong))
        .to.throw()
        .with.property("code", "INVALID_GRAPH");
    }
  });
});
