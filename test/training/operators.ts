import { expect } from "chai";
import { gradients } from "../../clients/training/gradient.ts";
import { type Dimension, Graph, lengthIn, type Value } from "../../clients/training/graph.ts";
import { type OperatorName, operators } from "../../clients/training/operators.ts";
import { createRandom, fillNormal, type Random } from "../../clients/training/random.ts";
import { withGraph } from "./runGraph.ts";

const TRIALS = 4;
const BATCH = 3;
const STEP = 2 ** -6;

/** Adds to a graph an expression of its inputs, whose gradient is then checked. */
type Case = {
  readonly shapes: readonly (readonly Dimension[])[];
  readonly build: (graph: Graph, ...inputs: Value[]) => Value;
  /** Keeps operands away from 0, for divisions and roots. */
  readonly positive?: boolean;
};

/** For each operator, expressions with random lengths a to d; −1 and −a are symbolic. */
const cases: Partial<Record<OperatorName, (a: number, b: number, c: number, d: number) => Case[]>> = {
  Add: (a, b, c) => binary((graph, x, y) => graph.add(x, y), a, b, c),
  Sub: (a, b, c) => binary((graph, x, y) => graph.subtract(x, y), a, b, c),
  Mul: (a, b, c) => binary((graph, x, y) => graph.multiply(x, y), a, b, c),
  Div: (a, b, c) =>
    binary((graph, x, y) => graph.divide(x, y), a, b, c).map((one) => ({ ...one, positive: true })),
  Identity: (a, b) => [{ shapes: [[-1, a, b]], build: (graph, x) => graph.apply("Identity", [x]) }],
  Neg: (a, b) => [{ shapes: [[-1, a, b]], build: (graph, x) => graph.negate(x) }],
  Reciprocal: (a, b) => [{ shapes: [[a, b]], positive: true, build: (graph, x) => graph.reciprocal(x) }],
  Sqrt: (a, b) => [{ shapes: [[a, b]], positive: true, build: (graph, x) => graph.squareRoot(x) }],
  Sigmoid: (a, b) => [{ shapes: [[-a, b]], build: (graph, x) => graph.sigmoid(x) }],
  Tanh: (a, b) => [{ shapes: [[-a, b]], build: (graph, x) => graph.apply("Tanh", [x]) }],
  Exp: (a, b) => [{ shapes: [[-a, b]], build: (graph, x) => graph.apply("Exp", [x]) }],
  Softplus: (a, b) => [{ shapes: [[-a, b]], build: (graph, x) => graph.apply("Softplus", [x]) }],
  Erf: (a, b) => [{ shapes: [[-a, b]], build: (graph, x) => graph.apply("Erf", [x]) }],
  // Of two elements the normal forms are ±1 whatever they are, with a gradient of nearly 0.
  LayerNormalization: (a, b) => [
    {
      shapes: [[-a, b + 2], [b + 2], [b + 2]],
      build: (graph, x, scale, shift) => graph.layerNormalization(x, scale, shift, 2 ** -10),
    },
    {
      shapes: [[-1, a, b + 2], [b + 2], [b + 2]],
      build: (graph, x, scale, shift) => graph.layerNormalization(x, scale, shift, 0.5),
    },
  ],
  Softmax: (a, b) => [{ shapes: [[-a, b + 1]], build: (graph, x) => graph.softmax(x) }],
  LogSoftmax: (a, b) => [{ shapes: [[-a, b + 1]], build: (graph, x) => graph.logSoftmax(x) }],
  ReduceSum: (a, b, c) => [
    { shapes: [[a, b, c]], build: (graph, x) => graph.sum(x, [1]) },
    { shapes: [[-1, b, c]], build: (graph, x) => graph.sum(x, [0, 2]) },
  ],
  ReduceSumSquare: (a, b, c) => [
    { shapes: [[-1, a, b, c]], build: (graph, x) => graph.sumOfSquares(x, [1, 3]) },
  ],
  MatMul: (a, b, c, d) => [
    {
      shapes: [
        [a, b],
        [b, c],
      ],
      build: (graph, x, y) => graph.matMul(x, y),
    },
    {
      shapes: [
        [-1, d, a, b],
        [-1, d, b, c],
      ],
      build: (graph, x, y) => graph.matMul(x, y),
    },
    {
      shapes: [
        [-1, d, a, b],
        [1, b, c],
      ],
      build: (graph, x, y) => graph.matMul(x, y),
    },
    {
      shapes: [
        [a, b],
        [-1, b, c],
      ],
      build: (graph, x, y) => graph.matMul(x, y),
    },
  ],
  Gemm: (a, b, c) => [
    {
      shapes: [
        [-a, b],
        [b, c],
      ],
      build: (graph, x, y) => graph.gemm(x, y, false, false),
    },
    {
      shapes: [
        [-a, b],
        [c, b],
      ],
      build: (graph, x, y) => graph.gemm(x, y, false, true),
    },
    {
      shapes: [
        [-a, b],
        [-a, c],
      ],
      build: (graph, x, y) => graph.gemm(x, y, true, false),
    },
    {
      shapes: [
        [b, -a],
        [c, b],
      ],
      build: (graph, x, y) => graph.gemm(x, y, true, true),
    },
    {
      shapes: [[-a, b], [c, b], [c]],
      build: (graph, x, weight, bias) => graph.affine(x, weight, bias),
    },
  ],
  Transpose: (a, b, c) => [
    { shapes: [[-1, a, b, c]], build: (graph, x) => graph.transpose(x, [2, 0, 3, 1]) },
  ],
  Reshape: (a, b, c) => [
    { shapes: [[-a, b * c]], build: (graph, x) => graph.reshape(x, [-1, a, c, b]) },
    { shapes: [[a, b, c]], build: (graph, x) => graph.reshape(x, [c * b * a]) },
  ],
  Expand: (a, b, c) => [
    {
      shapes: [
        [b, 1],
        [-a, b, c],
      ],
      build: (graph, x, like) => graph.multiply(graph.expandLike(x, like), like),
    },
    { shapes: [[1]], build: (graph, x) => graph.apply("Expand", [x, graph.integers([a, c])]) },
  ],
  Concat: (a, b, c, d) => [
    {
      shapes: [
        [-1, a, d],
        [-1, b, d],
        [-1, c, d],
      ],
      build: (graph, ...inputs) => graph.concat(inputs, 1),
    },
  ],
  Slice: (a, b, c) => [{ shapes: [[-1, a + b + c, 2]], build: (graph, x) => graph.slice(x, 1, a, a + b) }],
  // Indices repeat, so that the gradients of equal rows add up.
  Gather: (a, b) => [
    { shapes: [[a + 1, b]], build: (graph, x) => graph.gather(x, graph.integers([a, 0, a, a, 1])) },
    {
      shapes: [[a + 1, b, 2]],
      build: (graph, x) => graph.gather(x, graph.reshape(graph.integers([a, 0, 1, a]), [2, 2])),
    },
  ],
  GatherElements: (a) => [
    {
      shapes: [[2, a + 1]],
      build: (graph, x) => {
        const indices = graph.reshape(graph.integers([a, 0, a, 1, 1, 1]), [2, 3]);
        return graph.apply("GatherElements", [x, indices], { axis: 1 });
      },
    },
  ],
};

function binary(build: Case["build"], a: number, b: number, c: number): Case[] {
  const shapes: [Dimension[], Dimension[]][] = [
    [
      [a, b, c],
      [a, b, c],
    ],
    [[-a, b], [b]],
    [
      [-a, 1],
      [-a, c],
    ],
    [[], [-1, a, b]],
    [
      [b, c],
      [-1, a, 1, c],
    ],
  ];
  return shapes.map((pair) => ({ shapes: pair, build }));
}

describe("operators", () => {
  const differentiable = Object.entries(operators).flatMap(([name, { gradient }]) =>
    gradient ? [name] : [],
  );

  it("are all checked here, if they have a gradient", () => {
    expect(Object.keys(cases)).to.have.members(differentiable);
  });

  for (const [name, casesOf] of Object.entries(cases)) {
    it(`${name}: gradient agrees with central differences on random shapes`, async () => {
      const random = createRandom(1);
      const length = () => 1 + Math.floor(4 * random());
      for (let trial = 0; trial < TRIALS; trial++) {
        for (const one of casesOf(length(), length(), length(), length())) await checkGradient(one, random);
      }
    });
  }

  it("follow lengths that only a run knows by their names", () => {
    const graph = new Graph();
    const x = graph.input("x", "float", ["batch", "length", 6]);
    expect(graph.reshape(x, ["batch*length", 6]).shape).to.deep.equal(["batch*length", 6]);
    const target = graph.concat([graph.slice(graph.shape(x), 0, 0, 2), graph.integers([2, 3])], 0);
    expect(graph.reshapeTo(graph.reshape(x, ["batch*length", 6]), target).shape).to.deep.equal([
      "batch",
      "length",
      2,
      3,
    ]);
    expect(graph.concat([x, graph.input("past", "float", ["batch", "past", 6])], 1).shape).to.deep.equal([
      "batch",
      "length + past",
      6,
    ]);
    for (const build of [
      () => graph.add(x, graph.input("y", "float", ["batch", "other", 6])),
      () => graph.reshape(x, ["batch", 6]),
      () => graph.reshape(x, ["batch*length", 5]),
      () => graph.reshapeTo(x, graph.integers([6, 6])),
      () => graph.reshapeTo(x, graph.shape(graph.input("z", "float", ["other", "length", 6]))),
    ]) {
      expect(build).to.throw().with.property("code", "INVALID_GRAPH");
    }
  });

  it("refuse operands that do not fit", () => {
    const graph = new Graph();
    const [a, b] = [graph.input("a", "float", [2, 3]), graph.input("b", "float", [4, 5])];
    for (const build of [
      () => graph.add(a, b),
      () => graph.matMul(a, b),
      () => graph.gemm(a, b, true, true),
      () => graph.apply("Gemm", [a]),
      () => graph.affine(a, a, b),
      () => graph.layerNormalization(a, a, a, 0.5),
      () => graph.reshape(a, [4]),
      () => graph.slice(a, 1, 2, 4),
      () => graph.apply("Add", [a]),
      () => gradients(graph, a, [a]),
      () => gradients(graph, graph.scalar(1), [a]),
    ]) {
      expect(build).to.throw().with.property("code", "INVALID_GRAPH");
    }
  });
});

/** Compares the gradient of Σ weight·y with central differences of it, element by element. */
async function checkGradient({ shapes, build, positive }: Case, random: Random): Promise<void> {
  const graph = new Graph();
  const inputs = shapes.map((shape, i) => graph.input(`x${i}`, "float", shape));
  const y = build(graph, ...inputs);
  const weight = graph.input("weight", "float", y.shape);
  const product = graph.multiply(y, weight);
  const loss = graph.reshape(graph.sum(product, [...product.shape.keys()]), []);
  graph.output("y", y);
  for (const [i, gradient] of gradients(graph, loss, inputs).entries())
    graph.output(`gradient${i}`, gradient);

  const feeds = Object.fromEntries(
    Array.from(graph.inputs, ([name, { shape }]) => {
      const data = new Float32Array(
        shape.reduce<number>((product, length) => product * lengthIn(length, BATCH), 1),
      );
      fillNormal(data, random, 1);
      return [name, positive ? data.map((x) => 1 + Math.abs(x)) : data];
    }),
  );
  await withGraph(graph, BATCH, async (run) => {
    const lossOf = async () => {
      const { data } = (await run(feeds)).y!;
      return data.reduce((sum, value, i) => sum + value * feeds.weight![i]!, 0);
    };
    const results = await run(feeds);
    for (const i of inputs.keys()) {
      const x = feeds[`x${i}`]!;
      const { data: gradient } = results[`gradient${i}`]!;
      expect(gradient.length).to.equal(x.length);
      const differences = new Float64Array(x.length);
      for (const [at, value] of x.entries()) {
        x[at] = value + STEP;
        const above = await lossOf();
        x[at] = value - STEP;
        differences[at] = (above - (await lossOf())) / (2 * STEP);
        x[at] = value;
      }
      const error = Math.hypot(...differences.map((difference, at) => difference - gradient[at]!));
      expect(error / (Math.hypot(...differences) || 1)).to.be.below(1e-2);
    }
  });
}
