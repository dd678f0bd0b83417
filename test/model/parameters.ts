import { expect } from "chai";
import {
  compareNames,
  parameterBytes,
  parameterCount,
  parametersFromBytes,
  type TensorSpec,
  tensorPlaces,
  tensorViews,
} from "../../clients/model/parameters.ts";
import { randomParameters } from "./random.ts";
import { thrownBy } from "./thrown.ts";

const TABLE: TensorSpec[] = [
  { name: "model.layers.10.weight", shape: [2, 3] },
  { name: "model.embed", shape: [5] },
  { name: "model.layers.2.weight", shape: [2, 2, 2] },
  { name: "bias", shape: [] },
];

describe("parameter vector", () => {
  it("places tensors by the UTF-8 bytes of their names", () => {
    expect(tensorPlaces(TABLE).map(({ name, offset, length }) => [name, offset, length])).to.deep.equal([
      ["bias", 0, 1],
      ["model.embed", 1, 5],
      ["model.layers.10.weight", 6, 6],
      ["model.layers.2.weight", 12, 8],
    ]);
    expect(parameterCount(TABLE)).to.equal(20);
  });

  it("orders by UTF-8 where UTF-16 differs", () => {
    const names = ["\u{1f600}", "\uffee", "z"];
    expect(names.toSorted(compareNames)).to.deep.equal(["z", "\uffee", "\u{1f600}"]);
    expect(names.toSorted()).to.deep.equal(["z", "\u{1f600}", "\uffee"]);
  });

  it("shows each tensor as a view of the vector", () => {
    const parameters = randomParameters(20, 1);
    const views = tensorViews(parameters, TABLE);
    expect([...views.keys()]).to.deep.equal([
      "bias",
      "model.embed",
      "model.layers.10.weight",
      "model.layers.2.weight",
    ]);
    views.get("model.layers.2.weight")![7] = 42;
    expect(parameters[19]).to.equal(42);
  });

  it("refuses a vector of another length", () => {
    const call = () => tensorViews(new Float32Array(21), TABLE);
    expect(thrownBy(call)).to.deep.equal({
      code: "PARAMETERS_WRONG_LENGTH",
      data: { expected: 20, received: 21 },
    });
  });

  it("refuses repeated, empty, reserved and ill-formed names", () => {
    for (const names of [["a", "b", "a"], [""], ["__metadata__"], ["\ud800"]]) {
      const table = names.map((name) => ({ name, shape: [1] }));
      expect(thrownBy(() => tensorPlaces(table)).code).to.equal("INVALID_TENSOR");
    }
  });

  it("refuses dimensions that are not integers ≥ 1, and tables without parameters or beyond 2^53", () => {
    for (const dimension of [0, -1, 1.5, Number.NaN]) {
      expect(thrownBy(() => parameterCount([{ name: "a", shape: [2, dimension] }])).code).to.equal(
        "INVALID_TENSOR",
      );
    }
    expect(thrownBy(() => parameterCount([])).code).to.equal("INVALID_PARAMETER_COUNT");
    const shape = [2 ** 30, 2 ** 30];
    expect(thrownBy(() => parameterCount([{ name: "a", shape }])).code).to.equal("INVALID_PARAMETER_COUNT");
  });
});

describe("parameter bytes", () => {
  it("are little-endian float32, padded with +0 to whole leaves", () => {
    const bytes = parameterBytes(Float32Array.of(1, -2));
    expect(bytes.length).to.equal(1024);
    expect([...bytes.subarray(0, 8)]).to.deep.equal([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
    expect(bytes.subarray(8).every((byte) => byte === 0)).to.equal(true);
  });

  it("are not copied where they are whole leaves", () => {
    const parameters = randomParameters(512, 1);
    expect(parameterBytes(parameters).buffer).to.equal(parameters.buffer);
  });

  it("give the parameters back, aligned or not", () => {
    for (const length of [1, 255, 256, 257, 1000]) {
      const parameters = randomParameters(length, length);
      const bytes = parameterBytes(parameters);
      expect(parametersFromBytes(bytes, length)).to.deep.equal(parameters);
      const shifted = Buffer.concat([Buffer.of(0), bytes]);
      expect(parametersFromBytes(shifted.subarray(1), length)).to.deep.equal(parameters);
    }
  });

  it("are refused with a wrong length, a value that is not finite or padding that is not +0", () => {
    const bytes = parameterBytes(randomParameters(300, 1)).slice();
    expect(thrownBy(() => parametersFromBytes(bytes.subarray(4), 300))).to.deep.equal({
      code: "PARAMETERS_WRONG_LENGTH",
      data: { expected: 2048, received: 2044 },
    });
    bytes[4 * 310 + 3] = 0x80;
    expect(thrownBy(() => parametersFromBytes(bytes, 300))).to.deep.equal({
      code: "NON_ZERO_PADDING",
      data: { index: 310 },
    });
    bytes[4 * 310 + 3] = 0;
    bytes.set([0, 0, 0x80, 0xff], 4 * 299);
    expect(thrownBy(() => parametersFromBytes(bytes, 300))).to.deep.equal({
      code: "NON_FINITE_PARAMETER",
      data: { index: 299, value: Number.NEGATIVE_INFINITY },
    });
  });
});
