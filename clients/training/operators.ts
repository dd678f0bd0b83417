// The ONNX operators (opset 18) that decoder, encoder and their gradients are made of: shape rule and gradient rule of each.
// Reductions keep their axes; softmax and log-softmax work along the last one.
import { type Attributes, type Dimension, type Graph, graphError, type Value } from "./graph.ts";

type Operator = {
  /** Number of operands; any where it is missing. */
  readonly arity?: number;
  readonly infer: (attributes: Attributes, ...inputs: Value[]) => Value;
  /** Gradient of the loss by each operand; undefined for integers. Missing where no gradient passes. */
  readonly gradient?: (use: Use, ...inputs: Value[]) => (Value | undefined)[];
};

/** One use of an operator in reverse: its output y and the gradient of the loss by it, dy, of the same shape. */
type Use = { readonly graph: Graph; readonly attributes: Attributes; readonly y: Value; readonly dy: Value };

export type OperatorName =
  | "Add"
  | "Cast"
  | "Concat"
  | "Div"
  | "Erf"
  | "Exp"
  | "Expand"
  | "Gather"
  | "GatherElements"
  | "Gemm"
  | "Identity"
  | "LayerNormalization"
  | "LogSoftmax"
  | "MatMul"
  | "Mul"
  | "Neg"
  | "Pad"
  | "Reciprocal"
  | "ReduceSum"
  | "ReduceSumSquare"
  | "Reshape"
  | "ScatterElements"
  | "Shape"
  | "Sigmoid"
  | "Size"
  | "Slice"
  | "Softmax"
  | "Softplus"
  | "Sqrt"
  | "Sub"
  | "Tanh"
  | "Transpose"
  | "Trilu"
  | "Unsqueeze";

/** Every operator that a graph can hold. */
export const operators: Readonly<Record<OperatorName, Operator>> = {
  Add: {
    arity: 2,
    infer: (_, a, b) => broadcast(a, b),
    gradient: ({ graph, dy }, a, b) => [sumTo(graph, dy, a), sumTo(graph, dy, b)],
  },
  Sub: {
    arity: 2,
    infer: (_, a, b) => broadcast(a, b),
    gradient: ({ graph, dy }, a, b) => [sumTo(graph, dy, a), sumTo(graph, graph.negate(dy), b)],
  },
  Mul: {
    arity: 2,
    infer: (_, a, b) => broadcast(a, b),
    gradient: ({ graph, dy }, a, b) => [
      sumTo(graph, graph.multiply(dy, b), a),
      sumTo(graph, graph.multiply(dy, a), b),
    ],
  },
  Div: {
    arity: 2,
    infer: (_, a, b) => broadcast(a, b),
    gradient: ({ graph, y, dy }, a, b) => {
      const da = graph.divide(dy, b);
      return [sumTo(graph, da, a), sumTo(graph, graph.negate(graph.multiply(da, y)), b)];
    },
  },
  Identity: { arity: 1, infer: same, gradient: ({ dy }) => [dy] },
  Neg: { arity: 1, infer: same, gradient: ({ graph, dy }) => [graph.negate(dy)] },
  Reciprocal: {
    arity: 1,
    infer: same,
    gradient: ({ graph, y, dy }) => [graph.negate(graph.multiply(dy, graph.multiply(y, y)))],
  },
  Sqrt: {
    arity: 1,
    infer: same,
    gradient: ({ graph, y, dy }) => [graph.divide(graph.multiply(dy, graph.scalar(0.5)), y)],
  },
  Sigmoid: {
    arity: 1,
    infer: same,
    gradient: ({ graph, y, dy }) => [graph.multiply(dy, graph.subtract(y, graph.multiply(y, y)))],
  },
  Tanh: {
    arity: 1,
    infer: same,
    gradient: ({ graph, y, dy }) => [graph.subtract(dy, graph.multiply(dy, graph.multiply(y, y)))],
  },
  Exp: { arity: 1, infer: same, gradient: ({ graph, y, dy }) => [graph.multiply(dy, y)] },
  Softplus: {
    arity: 1,
    infer: same,
    gradient: ({ graph, dy }, x) => [graph.multiply(dy, graph.sigmoid(x))],
  },
  Erf: {
    arity: 1,
    infer: same,
    gradient: ({ graph, dy }, x) => {
      const bell = graph.apply("Exp", [graph.negate(graph.multiply(x, x))]);
      return [graph.multiply(dy, graph.multiply(bell, graph.scalar(2 / Math.sqrt(Math.PI))))];
    },
  },
  LayerNormalization: {
    arity: 3,
    infer: ({ epsilon }, x, scale, shift) => {
      const width = x.shape.at(-1);
      check(scale.shape.join() === `${width}`, `LayerNormalization of ${x.shape} by ${scale.shape}`);
      check(shift.shape.join() === `${width}`, `LayerNormalization of ${x.shape} by ${shift.shape}`);
      check(typeof epsilon === "number", "LayerNormalization takes an epsilon");
      return { type: x.type, shape: x.shape };
    },
    gradient: ({ graph, attributes, dy }, x, scale, shift) => {
      const axis = x.shape.length - 1;
      const share = graph.scalar(1 / fixed(x.shape[axis]));
      const mean = (value: Value) => graph.multiply(graph.sum(value, [axis]), share);
      const centred = graph.subtract(x, mean(x));
      const variance = graph.multiply(graph.sumOfSquares(centred, [axis]), share);
      const deviation = graph.squareRoot(graph.add(variance, graph.scalar(Number(attributes.epsilon))));
      const normal = graph.divide(centred, deviation);
      const dn = graph.multiply(dy, scale);
      const along = graph.multiply(normal, mean(graph.multiply(dn, normal)));
      const across = graph.subtract(graph.subtract(dn, mean(dn)), along);
      return [
        graph.divide(across, deviation),
        sumTo(graph, graph.multiply(dy, normal), scale),
        sumTo(graph, dy, shift),
      ];
    },
  },
  Softmax: {
    arity: 1,
    infer: same,
    gradient: ({ graph, y, dy }, x) => {
      const inner = graph.sum(graph.multiply(dy, y), [x.shape.length - 1]);
      return [graph.multiply(y, graph.subtract(dy, inner))];
    },
  },
  LogSoftmax: {
    arity: 1,
    infer: same,
    gradient: ({ graph, dy }, x) => {
      const total = graph.sum(dy, [x.shape.length - 1]);
      return [graph.subtract(dy, graph.multiply(graph.softmax(x), total))];
    },
  },
  ReduceSum: {
    arity: 2,
    infer: (_, x, axes) => reduce(x, axes),
    gradient: ({ graph, dy }, x) => [graph.expandLike(dy, x), undefined],
  },
  ReduceSumSquare: {
    arity: 2,
    infer: (_, x, axes) => reduce(x, axes),
    gradient: ({ graph, dy }, x) => [graph.multiply(x, graph.multiply(dy, graph.scalar(2))), undefined],
  },
  MatMul: {
    arity: 2,
    infer: (_, a, b) => {
      const [m, inner] = matrix(a);
      const [alsoInner, n] = matrix(b);
      check(inner === alsoInner, `MatMul of ${a.shape} by ${b.shape}`);
      const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
      return { type: a.type, shape: [...batch, m, n] };
    },
    gradient: ({ graph, dy }, a, b) => [
      sumTo(graph, graph.matMul(dy, swapLast(graph, b)), a),
      sumTo(graph, graph.matMul(swapLast(graph, a), dy), b),
    ],
  },
  Gemm: {
    infer: ({ transA, transB }, a, b, c) => {
      check(a?.shape.length === 2 && b?.shape.length === 2, "Gemm takes two matrices");
      const [m, inner] = matrix(a, transA === 1);
      const [alsoInner, n] = matrix(b, transB === 1);
      check(inner === alsoInner, `Gemm of ${a.shape} by ${b.shape}, transposed ${transA}, ${transB}`);
      check(c === undefined || c.shape.join() === `${n}`, `Gemm to ${m},${n} plus ${c?.shape}`);
      return { type: a.type, shape: [m, n] };
    },
    gradient: ({ graph, attributes, dy }, a, b, c) => {
      const [ta, tb] = [attributes.transA === 1, attributes.transB === 1];
      return [
        ta ? graph.gemm(b!, dy, tb, true) : graph.gemm(dy, b!, false, !tb),
        tb ? graph.gemm(dy, a!, true, ta) : graph.gemm(a!, dy, !ta, false),
        c && sumTo(graph, dy, c),
      ];
    },
  },
  Transpose: {
    arity: 1,
    infer: ({ perm }, x) => ({ type: x.type, shape: integerList(perm).map((axis) => x.shape[axis]!) }),
    gradient: ({ graph, attributes, dy }) => {
      const permutation = integerList(attributes.perm);
      return [
        graph.transpose(
          dy,
          permutation.map((_, axis) => permutation.indexOf(axis)),
        ),
      ];
    },
  },
  Reshape: {
    arity: 2,
    infer: (_, x, target) => {
      const lengths = contents(target);
      const known = lengths.filter((length) => length !== -1);
      const rest = quotient(x.shape, known);
      check(
        rest !== undefined && (rest === 1 || known.length < lengths.length),
        `Reshape ${x.shape} to ${lengths}`,
      );
      return { type: x.type, shape: lengths.map((length) => (length === -1 ? rest : length)) };
    },
    gradient: ({ graph, dy }, x) => [graph.reshape(dy, x.shape), undefined],
  },
  Expand: {
    arity: 2,
    infer: (_, x, target) => ({ type: x.type, shape: broadcastShape(x.shape, contents(target)) }),
    gradient: ({ graph, dy }, x) => [sumTo(graph, dy, x), undefined],
  },
  Concat: {
    infer: ({ axis }, ...inputs) => {
      const [first] = inputs;
      check(first !== undefined && typeof axis === "number", "Concat takes an axis and at least one operand");
      const lengths = inputs.map(({ shape }) => shape[axis]);
      const length = lengths.some((one) => typeof one === "string")
        ? lengths.join(" + ")
        : lengths.reduce<number>((sum, one) => sum + fixed(one), 0);
      const parts = inputs.flatMap(({ contents: part }) => (part === undefined ? [] : [part]));
      return {
        type: first.type,
        shape: first.shape.with(axis, length),
        ...(parts.length === inputs.length ? { contents: parts.flat() } : {}),
      };
    },
    gradient: ({ graph, attributes, dy }, ...inputs) => {
      const axis = Number(attributes.axis);
      let end = 0;
      return inputs.map(({ shape }) => {
        const start = end;
        end += fixed(shape[axis]);
        return graph.slice(dy, axis, start, end);
      });
    },
  },
  Slice: {
    arity: 4,
    infer: (_, x, ...bounds) => {
      const [start, end, axis] = bounds.map((bound) => contents(bound)[0]!) as [number, Dimension, number];
      const length = x.shape[axis];
      if (typeof end === "string") {
        check(start === 0, `Slice ${start}…${end} of ${x.shape}`);
        return { type: x.type, shape: x.shape.with(axis, end) };
      }
      // Whether a length that only a run knows is long enough, only the run shows.
      check(
        start >= 0 && start < end && (typeof length === "string" || end <= fixed(length)),
        `Slice ${start}…${end} of ${x.shape}`,
      );
      const part = x.contents === undefined ? {} : { contents: x.contents.slice(start, end) };
      return { type: x.type, shape: x.shape.with(axis, end - start), ...part };
    },
    gradient: ({ graph, dy }, x, ...bounds) => {
      const [start, end, axis] = bounds.map((bound) => contents(bound)[0]!) as [number, number, number];
      const before = x.shape.map((_, i) => (i === axis ? start : 0));
      const after = x.shape.map((length, i) => (i === axis ? fixed(length) - end : 0));
      return [
        graph.apply("Pad", [dy, graph.integers([...before, ...after])]),
        undefined,
        undefined,
        undefined,
      ];
    },
  },
  Gather: {
    arity: 2,
    infer: (_, rows, indices) => ({ type: rows.type, shape: [...indices.shape, ...rows.shape.slice(1)] }),
    gradient: ({ graph, dy }, rows, indices) => {
      const rest = rows.shape.slice(1);
      const updates = graph.reshape(dy, [elementCount(indices.shape), ...rest]);
      const column = graph.reshape(indices, [elementCount(indices.shape), ...rest.map(() => 1)]);
      return [scatterAdd(graph, rows, 0, graph.expandLike(column, updates), updates), undefined];
    },
  },
  GatherElements: {
    arity: 2,
    infer: (_, x, indices) => ({ type: x.type, shape: indices.shape }),
    gradient: ({ graph, attributes, dy }, x, indices) => [
      scatterAdd(graph, x, Number(attributes.axis), indices, dy),
      undefined,
    ],
  },
  // Below: what gradients do not pass through, or what only gradient rules make.
  Pad: {
    arity: 2,
    infer: (_, x, pads) => {
      const added = contents(pads);
      const shape = x.shape.map((length, axis) => {
        const more = Number(added[axis]) + Number(added[axis + x.shape.length]);
        return more === 0 ? length : fixed(length) + more;
      });
      return { type: x.type, shape };
    },
  },
  ScatterElements: { arity: 3, infer: same },
  Trilu: { arity: 2, infer: same },
  Unsqueeze: {
    arity: 2,
    infer: (_, x, axes) => ({ type: x.type, shape: x.shape.toSpliced(Number(contents(axes)[0]), 0, 1) }),
  },
  Cast: { arity: 1, infer: (_, x) => ({ type: "float", shape: x.shape }) },
  Shape: { arity: 1, infer: (_, x) => ({ type: "int64", shape: [x.shape.length], contents: x.shape }) },
  Size: { arity: 1, infer: () => ({ type: "int64", shape: [] }) },
};

export function isOperatorName(name: string): name is OperatorName {
  return Object.hasOwn(operators, name);
}

function same(_: Attributes, x: Value): Value {
  return { type: x.type, shape: x.shape };
}

function broadcast(a: Value, b: Value): Value {
  check(a.type === b.type, `operands are ${a.type} and ${b.type}`);
  return { type: a.type, shape: broadcastShape(a.shape, b.shape) };
}

function broadcastShape(a: readonly Dimension[], b: readonly Dimension[]): Dimension[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const [left, right] = [a[axis - rank + a.length] ?? 1, b[axis - rank + b.length] ?? 1];
    check(left === right || left === 1 || right === 1, `${a} does not broadcast with ${b}`);
    return left === 1 ? right : left;
  });
}

function reduce(x: Value, axes: Value): Value {
  return {
    type: x.type,
    shape: contents(axes).reduce<readonly Dimension[]>((shape, axis) => shape.with(Number(axis), 1), x.shape),
  };
}

/** The reverse of broadcasting: sums dy over the axes along which `like` was repeated. */
function sumTo(graph: Graph, dy: Value, like: Value): Value {
  const added = dy.shape.length - like.shape.length;
  const axes = dy.shape.flatMap((length, axis) => (length !== (like.shape[axis - added] ?? 1) ? [axis] : []));
  const summed = axes.length === 0 ? dy : graph.sum(dy, axes);
  return added === 0 ? summed : graph.reshape(summed, like.shape);
}

/**
 * Zeros in the shape of `like`, with the updates added at their indices. ScatterElements adds equal indices one after
 * another in ONNX Runtime, so that sums are reproducible; ScatterND adds them in a race.
 */
function scatterAdd(graph: Graph, like: Value, axis: number, indices: Value, updates: Value): Value {
  const zeros = graph.expandLike(graph.scalar(0), like);
  return graph.apply("ScatterElements", [zeros, indices, updates], { axis, reduction: "add" });
}

function swapLast(graph: Graph, x: Value): Value {
  const last = x.shape.length - 1;
  return graph.transpose(x, [...x.shape.keys()].with(last, last - 1).with(last - 1, last));
}

function matrix(x: Value, transposed = false): [Dimension, Dimension] {
  const [rows, columns] = [x.shape.at(-2), x.shape.at(-1)];
  check(rows !== undefined && columns !== undefined, `expected a matrix, got shape ${x.shape}`);
  return transposed ? [columns, rows] : [rows, columns];
}

function elementCount(shape: readonly Dimension[]): number {
  const { number, names } = factors(shape);
  check(names.length === 0, `the number of elements of shape ${shape} is not known`);
  return number;
}

/** Elements of one shape for each element of another; undefined where no length says it. */
function quotient(shape: readonly Dimension[], divisor: readonly Dimension[]): Dimension | undefined {
  const [all, known] = [factors(shape), factors(divisor)];
  for (const name of known.names) {
    const at = all.names.indexOf(name);
    if (at === -1) return undefined;
    all.names.splice(at, 1);
  }
  const number = all.number / known.number;
  if (all.names.length === 0) return Number.isInteger(number) ? number : undefined;
  return number === 1 ? all.names.join("*") : undefined;
}

function factors(shape: readonly Dimension[]): { number: number; names: string[] } {
  const numbers = shape.filter((length) => typeof length === "number");
  check(numbers.filter((length) => length < 0).length <= 1, `shape ${shape} has two symbolic axes`);
  return {
    number: numbers.reduce((product, length) => product * length, 1),
    names: shape.flatMap((length) => (typeof length === "string" ? length.split("*") : [])),
  };
}

function fixed(length: Dimension | undefined): number {
  check(typeof length === "number" && length > 0, `expected an axis of fixed length, got ${length}`);
  return length;
}

function contents(value: Value): readonly Dimension[] {
  check(value.contents !== undefined, "axes, shapes and bounds are constants or shapes");
  return value.contents;
}

function integerList(attribute: Attributes[string] | undefined): readonly number[] {
  check(Array.isArray(attribute), "expected an attribute that is a list of integers");
  return attribute;
}

function check(condition: boolean, reason: string): asserts condition {
  if (!condition) throw graphError(reason);
}
