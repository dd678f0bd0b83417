import { GradworkError } from "../model/errors.ts";
import { type OperatorName, operators } from "./operators.ts";

/**
 * Length of an axis: n > 0 is n, n < 0 is |n| times the batch, and a string names a length that only a run knows, or a
 * product of such ("batch_size*sequence_length"). A training graph has no length but numbers, so lengths multiply as
 * they are, and a reshape target of −1 is never ambiguous.
 */
export type Dimension = number | string;

/** Element type, by the name that ONNX gives it. */
export type ElementType = "float" | "int32" | "int64";

/** What one node computes, or an input, or a constant: handles are compared by identity. */
export type Value = {
  readonly type: ElementType;
  readonly shape: readonly Dimension[];
  /** Elements of an int64 vector, where they are known while the graph is built: axes, shapes, bounds. */
  readonly contents?: readonly Dimension[];
};

export type Attributes = Readonly<Record<string, number | string | readonly number[]>>;

/** One application of an ONNX operator; each operator used here has one output. */
export type Node = {
  readonly operator: OperatorName;
  readonly inputs: readonly Value[];
  readonly attributes: Attributes;
  readonly output: Value;
};

export type ConstantData = Float32Array | BigInt64Array;

/** A dataflow graph of standard ONNX operators, in the order in which its nodes can run. */
export class Graph {
  readonly inputs = new Map<string, Value>();
  readonly outputs = new Map<string, Value>();
  readonly constants = new Map<Value, ConstantData>();
  /** Names of those constants that are a model's weights. */
  readonly weightNames = new Map<Value, string>();
  readonly nodes: Node[] = [];
  readonly #constantsByContent = new Map<string, Value>();

  input(name: string, type: ElementType, shape: readonly Dimension[]): Value {
    if (this.inputs.has(name)) throw graphError(`input ${name} is already there`);
    const value: Value = { type, shape };
    this.inputs.set(name, value);
    return value;
  }

  /** Names a result. A value has one name in ONNX, so one that has its name already is copied. */
  output(name: string, value: Value): void {
    if (this.outputs.has(name)) throw graphError(`output ${name} is already there`);
    const named = [...this.inputs.values(), ...this.outputs.values(), ...this.constants.keys()].includes(
      value,
    );
    this.outputs.set(name, named ? this.apply("Identity", [value]) : value);
  }

  /** A constant; equal ones are one value. */
  constant(shape: readonly number[], data: ConstantData): Value {
    const count = shape.reduce((product, length) => product * length, 1);
    if (data.length !== count) throw graphError(`a constant of shape [${shape}] has ${data.length} elements`);
    const type = data instanceof Float32Array ? "float" : "int64";
    const key = `${type} ${shape} ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64")}`;
    const known = this.#constantsByContent.get(key);
    if (known !== undefined) return known;
    const contents = data instanceof BigInt64Array ? { contents: Array.from(data, Number) } : {};
    const value: Value = { type, shape, ...contents };
    this.#constantsByContent.set(key, value);
    this.constants.set(value, data);
    return value;
  }

  /** A model's weight, part of the graph under its name. */
  weight(name: string, shape: readonly number[], data: Float32Array): Value {
    const value: Value = { type: "float", shape };
    this.constants.set(value, data);
    this.weightNames.set(value, name);
    return value;
  }

  scalar(value: number): Value {
    return this.constant([], Float32Array.of(value));
  }

  integers(values: readonly number[]): Value {
    return this.constant([values.length], BigInt64Array.from(values, BigInt));
  }

  /**
   * Adds a node and returns its output, with the type and shape that the operator's rule gives.
   * @throws {GradworkError} `INVALID_GRAPH` where the operands do not fit the operator
   */
  apply(operator: OperatorName, inputs: readonly Value[], attributes: Attributes = {}): Value {
    const { arity, infer } = operators[operator];
    if (arity !== undefined && arity !== inputs.length) {
      throw graphError(`${operator} takes ${arity} operands, got ${inputs.length}`);
    }
    const output = infer(attributes, ...inputs);
    this.nodes.push({ operator, inputs, attributes, output });
    return output;
  }

  add(a: Value, b: Value): Value {
    return this.apply("Add", [a, b]);
  }

  subtract(a: Value, b: Value): Value {
    return this.apply("Sub", [a, b]);
  }

  multiply(a: Value, b: Value): Value {
    return this.apply("Mul", [a, b]);
  }

  divide(a: Value, b: Value): Value {
    return this.apply("Div", [a, b]);
  }

  negate(x: Value): Value {
    return this.apply("Neg", [x]);
  }

  reciprocal(x: Value): Value {
    return this.apply("Reciprocal", [x]);
  }

  squareRoot(x: Value): Value {
    return this.apply("Sqrt", [x]);
  }

  sigmoid(x: Value): Value {
    return this.apply("Sigmoid", [x]);
  }

  /** Softmax along the last axis. */
  softmax(x: Value): Value {
    return this.apply("Softmax", [x], { axis: -1 });
  }

  /** Logarithm of the softmax along the last axis. */
  logSoftmax(x: Value): Value {
    return this.apply("LogSoftmax", [x], { axis: -1 });
  }

  /** Sum over the axes, which stay, with length 1. */
  sum(x: Value, axes: readonly number[]): Value {
    return this.apply("ReduceSum", [x, this.integers(axes)]);
  }

  /** Sum of squares over the axes, which stay, with length 1. */
  sumOfSquares(x: Value, axes: readonly number[]): Value {
    return this.apply("ReduceSumSquare", [x, this.integers(axes)]);
  }

  /** a·b over the last two axes, with the axes before them broadcast. */
  matMul(a: Value, b: Value): Value {
    return this.apply("MatMul", [a, b]);
  }

  /** a·b of two matrices, each transposed first where asked. */
  gemm(a: Value, b: Value, transposeA: boolean, transposeB: boolean): Value {
    return this.apply("Gemm", [a, b], { transA: Number(transposeA), transB: Number(transposeB) });
  }

  /** x·Wᵀ + b of a matrix, as a fully connected layer with weights [out, in] computes it. */
  affine(x: Value, weight: Value, bias: Value): Value {
    return this.apply("Gemm", [x, weight, bias], { transA: 0, transB: 1 });
  }

  /** Normal form of each row of the last axis, scaled and shifted element by element. */
  layerNormalization(x: Value, scale: Value, shift: Value, epsilon: number): Value {
    return this.apply("LayerNormalization", [x, scale, shift], { epsilon });
  }

  transpose(x: Value, permutation: readonly number[]): Value {
    return this.apply("Transpose", [x], { perm: permutation });
  }

  reshape(x: Value, shape: readonly Dimension[]): Value {
    const target = this.integers(shape.map((length) => (isSymbolic(length) ? -1 : length)));
    const reshaped = this.apply("Reshape", [x, target]);
    if (reshaped.shape.join() !== shape.join()) {
      throw graphError(`Reshape ${x.shape} to ${shape} would give ${reshaped.shape}`);
    }
    return reshaped;
  }

  /** Reshapes to a shape that only a run knows. */
  reshapeTo(x: Value, shape: Value): Value {
    return this.apply("Reshape", [x, shape]);
  }

  /** The shape of a value, an int64 vector. */
  shape(x: Value): Value {
    return this.apply("Shape", [x]);
  }

  /** Gives x one more axis, of length 1. */
  unsqueeze(x: Value, axis: number): Value {
    return this.apply("Unsqueeze", [x, this.integers([axis])]);
  }

  /** Broadcasts x to the shape of another value. */
  expandLike(x: Value, like: Value): Value {
    const target = like.shape.some(isSymbolic) ? this.shape(like) : this.integers(like.shape as number[]);
    return this.apply("Expand", [x, target]);
  }

  concat(inputs: readonly Value[], axis: number): Value {
    return this.apply("Concat", inputs, { axis });
  }

  /** Elements start ≤ i < end along one axis of fixed length. */
  slice(x: Value, axis: number, start: number, end: number): Value {
    return this.apply("Slice", [x, this.integers([start]), this.integers([end]), this.integers([axis])]);
  }

  /** Elements 0 ≤ i < length along one axis; the length, an int64 vector of one element, is that of another value's axis. */
  sliceTo(x: Value, axis: number, length: Value): Value {
    return this.apply("Slice", [x, this.integers([0]), length, this.integers([axis])]);
  }

  /** Rows of `table` at `indices`, along axis 0. */
  gather(table: Value, indices: Value): Value {
    return this.apply("Gather", [table, indices], { axis: 0 });
  }
}

/** Whether a length is known only when the graph runs. */
export function isSymbolic(length: Dimension): length is number | string {
  return typeof length === "string" || length < 0;
}

/** A length in a run of `batch` sequences. @throws {GradworkError} `INVALID_GRAPH` where another name is in it */
export function lengthIn(dimension: Dimension, batch: number): number {
  if (typeof dimension === "string") throw graphError(`the length ${dimension} is not known`);
  return dimension < 0 ? -dimension * batch : dimension;
}

/** Nodes that the outputs depend on, in running order: what gradient rules made in vain is left out. */
export function reachableNodes(graph: Graph): Node[] {
  const needed = new Set<Value>(graph.outputs.values());
  const nodes = graph.nodes.toReversed().filter(({ output, inputs }) => {
    if (!needed.has(output)) return false;
    for (const input of inputs) needed.add(input);
    return true;
  });
  return nodes.reverse();
}

/**
 * Floating-point operations of one run: 2·m·n·k over every MatMul and Gemm.
 * @param batch sequences in the run
 */
export function matMulFlops(graph: Graph, batch: number): number {
  const lengthOf = (dimension: Dimension) => lengthIn(dimension, batch);
  let flops = 0;
  for (const { operator, inputs, attributes, output } of reachableNodes(graph)) {
    if (operator !== "MatMul" && operator !== "Gemm") continue;
    const inner = inputs[0]!.shape.at(attributes.transA === 1 ? -2 : -1)!;
    flops += output.shape.reduce<number>(
      (product, dimension) => product * lengthOf(dimension),
      2 * lengthOf(inner),
    );
  }
  return flops;
}

export function graphError(reason: string): GradworkError {
  return new GradworkError("INVALID_GRAPH", `Expected a well-formed graph: ${reason}`, { reason });
}
