// ONNX's protobuf encoding (onnx.proto, IR version 8) of a graph: the fields used here, by their numbers in the standard.
import protobuf from "protobufjs/light.js";
import { GradworkError } from "../model/errors.ts";
import {
  type Attributes,
  type ConstantData,
  type Dimension,
  type ElementType,
  Graph,
  graphError,
  reachableNodes,
  type Value,
} from "./graph.ts";
import { isOperatorName } from "./operators.ts";

const IR_VERSION = 8;
const OPSET_VERSION = 18;
const BATCH = "batch";
const DATA_TYPES: Readonly<Record<ElementType, number>> = { float: 1, int32: 6, int64: 7 };
const ATTRIBUTE_FLOAT = 1;
const ATTRIBUTE_INTEGER = 2;
const ATTRIBUTE_STRING = 3;
const ATTRIBUTE_INTEGERS = 7;

const one = (type: string, id: number) => ({ type, id });
const many = (type: string, id: number) => ({ rule: "repeated", type, id });

const schema = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        irVersion: one("int64", 1),
        producerName: one("string", 2),
        graph: one("GraphProto", 7),
        opsetImport: many("OperatorSetIdProto", 8),
      },
    },
    OperatorSetIdProto: { fields: { domain: one("string", 1), version: one("int64", 2) } },
    GraphProto: {
      fields: {
        node: many("NodeProto", 1),
        name: one("string", 2),
        initializer: many("TensorProto", 5),
        input: many("ValueInfoProto", 11),
        output: many("ValueInfoProto", 12),
      },
    },
    NodeProto: {
      fields: {
        input: many("string", 1),
        output: many("string", 2),
        opType: one("string", 4),
        attribute: many("AttributeProto", 5),
      },
    },
    AttributeProto: {
      fields: {
        name: one("string", 1),
        f: one("float", 2),
        i: one("int64", 3),
        s: one("bytes", 4),
        ints: many("int64", 8),
        type: one("int32", 20),
      },
    },
    TensorProto: {
      fields: {
        dims: many("int64", 1),
        dataType: one("int32", 2),
        name: one("string", 8),
        rawData: one("bytes", 9),
      },
    },
    ValueInfoProto: { fields: { name: one("string", 1), type: one("TypeProto", 2) } },
    TypeProto: { fields: { tensorType: one("TensorTypeProto", 1) } },
    TensorTypeProto: { fields: { elemType: one("int32", 1), shape: one("TensorShapeProto", 2) } },
    TensorShapeProto: { fields: { dim: many("DimensionProto", 1) } },
    DimensionProto: { fields: { dimValue: one("int64", 1), dimParam: one("string", 2) } },
  },
});
const modelType = schema.lookupType("ModelProto");

type AttributeMessage = {
  name: string;
  f?: number;
  i?: number;
  s?: Uint8Array;
  ints?: number[];
  type: number;
};
type NodeMessage = { input: string[]; output: string[]; opType: string; attribute: AttributeMessage[] };
type TensorMessage = { dims: number[]; dataType: number; name: string; rawData?: Uint8Array };
type DimensionMessage = { dimValue?: number; dimParam?: string };
type ValueInfoMessage = {
  name: string;
  type: { tensorType: { elemType: number; shape: { dim: DimensionMessage[] } } };
};
type ModelMessage = {
  graph: {
    node: NodeMessage[];
    initializer: TensorMessage[];
    input: ValueInfoMessage[];
    output: ValueInfoMessage[];
  };
  opsetImport: { domain?: string; version: number }[];
};

/** The ONNX model of a graph: the same graph always gives the same bytes. */
export function encodeModel(graph: Graph): Uint8Array {
  const nodes = reachableNodes(graph);
  const names = new Map<Value, string>();
  for (const [name, value] of graph.inputs) names.set(value, name);
  for (const [name, value] of graph.outputs) names.set(value, name);
  for (const [index, { operator, output }] of nodes.entries()) {
    if (!names.has(output)) names.set(output, `${operator}_${index}`);
  }
  const constants = new Map<Value, ConstantData>();
  let unnamed = 0;
  for (const input of nodes.flatMap((node) => node.inputs)) {
    const data = graph.constants.get(input);
    if (data === undefined || constants.has(input)) continue;
    names.set(input, graph.weightNames.get(input) ?? `constant_${unnamed++}`);
    constants.set(input, data);
  }
  const nameOf = (value: Value) => {
    const name = names.get(value);
    if (name === undefined) throw graphError("a node's operand is not part of the graph");
    return name;
  };
  const message = {
    irVersion: IR_VERSION,
    producerName: "gradwork",
    opsetImport: [{ domain: "", version: OPSET_VERSION }],
    graph: {
      name: "gradwork",
      node: nodes.map(({ operator, inputs, attributes, output }) => ({
        input: inputs.map(nameOf),
        output: [nameOf(output)],
        opType: operator,
        attribute: Object.entries(attributes).map(attributeMessage),
      })),
      initializer: Array.from(constants, ([value, data]) => ({
        dims: value.shape,
        dataType: DATA_TYPES[value.type],
        name: nameOf(value),
        rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      })),
      input: Array.from(graph.inputs, valueInfoMessage),
      output: Array.from(graph.outputs, valueInfoMessage),
    },
  };
  return modelType.encode(modelType.fromObject(message)).finish();
}

/**
 * The graph of an ONNX model, with every shape inferred again.
 * @throws {GradworkError} `INVALID_GRAPH` when the bytes are no ONNX model, or use what `operators` does not have
 */
export function decodeModel(bytes: Uint8Array): Graph {
  try {
    return readModel(
      modelType.toObject(modelType.decode(bytes), { longs: Number, arrays: true }) as ModelMessage,
    );
  } catch (error) {
    if (error instanceof GradworkError) throw error;
    throw graphError(`the bytes are no ONNX model (${error instanceof Error ? error.message : error})`);
  }
}

function readModel({ graph: message, opsetImport }: ModelMessage): Graph {
  const sets = opsetImport.map(({ domain = "", version }) => `${domain} ${version}`);
  if (sets.join() !== ` ${OPSET_VERSION}`) {
    throw graphError(`it must use ONNX's operator set ${OPSET_VERSION} only, got "${sets}"`);
  }
  const graph = new Graph();
  const values = new Map<string, Value>();
  for (const { name, type } of message.input) {
    const { elemType, shape } = type.tensorType;
    values.set(name, graph.input(name, elementType(elemType), shape.dim.map(dimension)));
  }
  for (const { name, dims, dataType, rawData } of message.initializer) {
    values.set(name, graph.constant(dims, constantData(elementType(dataType), rawData)));
  }
  const valueNamed = (name: string) => {
    const value = values.get(name);
    if (value === undefined) throw graphError(`"${name}" is used before it is computed`);
    return value;
  };
  for (const { input, output, opType, attribute } of message.node) {
    if (!isOperatorName(opType)) throw graphError(`operator ${opType} is not supported`);
    const [name] = output;
    if (name === undefined || output.length > 1)
      throw graphError(`${opType} has one output, got ${output.length}`);
    const attributes = Object.fromEntries(attribute.map((one) => [one.name, attributeValue(one)]));
    values.set(name, graph.apply(opType, input.map(valueNamed), attributes));
  }
  for (const { name } of message.output) graph.output(name, valueNamed(name));
  return graph;
}

function attributeMessage([name, value]: [string, Attributes[string]]): AttributeMessage {
  if (typeof value === "number") {
    // No float attribute of an operator used here takes a whole number.
    return Number.isInteger(value)
      ? { name, i: value, type: ATTRIBUTE_INTEGER }
      : { name, f: value, type: ATTRIBUTE_FLOAT };
  }
  if (typeof value === "string") return { name, s: new TextEncoder().encode(value), type: ATTRIBUTE_STRING };
  return { name, ints: [...value], type: ATTRIBUTE_INTEGERS };
}

function attributeValue({ name, f, i, s, ints, type }: AttributeMessage): Attributes[string] {
  if (type === ATTRIBUTE_FLOAT) return f ?? 0;
  if (type === ATTRIBUTE_INTEGER) return i ?? 0;
  if (type === ATTRIBUTE_STRING) return new TextDecoder().decode(s);
  if (type === ATTRIBUTE_INTEGERS) return ints ?? [];
  throw graphError(`attribute ${name} is of unsupported type ${type}`);
}

function valueInfoMessage([name, { type, shape }]: [string, Value]) {
  const dim = shape.map((length) => {
    if (typeof length === "string") return { dimParam: length };
    if (length > 0) return { dimValue: length };
    return length === -1 ? { dimParam: BATCH } : {};
  });
  return { name, type: { tensorType: { elemType: DATA_TYPES[type], shape: { dim } } } };
}

function dimension({ dimValue, dimParam }: DimensionMessage): Dimension {
  if (dimValue !== undefined && dimValue > 0) return dimValue;
  if (dimParam === BATCH) return -1;
  throw graphError(`an input's axis must have a fixed length or be "${BATCH}"`);
}

function elementType(code: number): ElementType {
  for (const type of ["float", "int32", "int64"] as const) if (DATA_TYPES[type] === code) return type;
  throw graphError(`element type ${code} is not supported`);
}

function constantData(type: ElementType, rawData: Uint8Array = new Uint8Array()): ConstantData {
  const { buffer } = Uint8Array.from(rawData);
  if (type === "float") return new Float32Array(buffer);
  if (type === "int64") return new BigInt64Array(buffer);
  throw graphError(`constants of type ${type} are not supported`);
}
