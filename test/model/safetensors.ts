import { expect } from "chai";
import type { TensorSpec } from "../../clients/model/parameters.ts";
import { decodeSafetensors, encodeSafetensors } from "../../clients/model/safetensors.ts";
import { randomParameters } from "./random.ts";
import { thrownBy } from "./thrown.ts";

const TABLE: TensorSpec[] = [
  { name: "b", shape: [2, 3] },
  { name: "a", shape: [5] },
  { name: "0", shape: [] },
];
const PARAMETERS = randomParameters(12, 1);

type Entry = { dtype: string; shape: number[]; data_offsets: number[] };

/** A file with any header, right or wrong. */
function fileOf(header: unknown, data: Uint8Array): Uint8Array {
  return Buffer.concat([
    lengthOf(Buffer.from(JSON.stringify(header)).length),
    Buffer.from(JSON.stringify(header)),
    data,
  ]);
}

function lengthOf(headerBytes: number | bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(headerBytes));
  return bytes;
}

function headerOf(file: Uint8Array): { [name: string]: Entry } {
  const length = Number(Buffer.from(file).readBigUInt64LE(0));
  return JSON.parse(Buffer.from(file.subarray(8, 8 + length)).toString());
}

function goodHeader(): { a: Entry; b: Entry; 0: Entry } {
  return {
    0: { dtype: "F32", shape: [], data_offsets: [0, 4] },
    a: { dtype: "F32", shape: [5], data_offsets: [4, 24] },
    b: { dtype: "F32", shape: [2, 3], data_offsets: [24, 48] },
  };
}

const DATA = new Uint8Array(PARAMETERS.buffer);

describe("safetensors", () => {
  it("gives back what was written, for any table", () => {
    for (const length of [1, 255, 256, 257, 1000]) {
      const table = [
        { name: "weight", shape: [length] },
        { name: "bias", shape: [1, 1] },
      ];
      const parameters = randomParameters(length + 1, length);
      expect(decodeSafetensors(encodeSafetensors(parameters, table), table)).to.deep.equal(parameters);
    }
  });

  it("writes the documented layout with an aligned header", () => {
    const file = encodeSafetensors(PARAMETERS, TABLE, { source: "gradwork", format: "pt" });
    const length = Number(Buffer.from(file).readBigUInt64LE(0));
    expect(length % 8).to.equal(0);
    const metadata = { __metadata__: { format: "pt", source: "gradwork" } };
    expect(headerOf(file)).to.deep.equal({ ...metadata, ...goodHeader() });
    expect(file.subarray(8 + length)).to.deep.equal(DATA);
  });

  it("writes the same bytes for tables and metadata in any order", () => {
    const file = encodeSafetensors(PARAMETERS, TABLE, { x: "1", format: "pt" });
    expect(encodeSafetensors(PARAMETERS, TABLE.toReversed(), { format: "pt", x: "1" })).to.deep.equal(file);
    const names = ["__metadata__", "0", "a", "b"].map((name) => Buffer.from(file).indexOf(`"${name}":`));
    expect(names).to.deep.equal(names.toSorted((a, b) => a - b));
  });

  it("reads tensors in any order of the file, at any alignment", () => {
    const header = {
      b: { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] },
      0: { dtype: "F32", shape: [], data_offsets: [24, 28] },
      a: { dtype: "F32", shape: [5], data_offsets: [28, 48] },
      __metadata__: { note: "unaligned" },
    };
    const data = Buffer.concat([DATA.subarray(24, 48), DATA.subarray(0, 24)]);
    expect(decodeSafetensors(fileOf(header, data), TABLE)).to.deep.equal(PARAMETERS);
  });

  it("refuses a missing tensor", () => {
    const { a: _, ...header } = goodHeader();
    const { code, data } = thrownBy(() => decodeSafetensors(fileOf(header, DATA), TABLE));
    expect([code, data.name]).to.deep.equal(["SAFETENSORS_TENSOR_MISSING", "a"]);
  });

  it("refuses an extra tensor", () => {
    const header = { ...goodHeader(), c: { dtype: "F32", shape: [0], data_offsets: [48, 48] } };
    const { code, data } = thrownBy(() => decodeSafetensors(fileOf(header, DATA), TABLE));
    expect([code, data.name]).to.deep.equal(["SAFETENSORS_TENSOR_EXTRA", "c"]);
  });

  it("refuses a wrong shape, type or length of a tensor", () => {
    for (const [change, expected] of [
      [{ shape: [3, 2] }, "SAFETENSORS_SHAPE"],
      [{ shape: [6] }, "SAFETENSORS_SHAPE"],
      [{ dtype: "BF16" }, "SAFETENSORS_DTYPE"],
      [{ data_offsets: [24, 44] }, "SAFETENSORS_OFFSETS"],
    ] as const) {
      const header = goodHeader();
      const file = fileOf({ ...header, b: { ...header.b, ...change } }, DATA);
      const { code, data } = thrownBy(() => decodeSafetensors(file, TABLE));
      expect([code, data.name]).to.deep.equal([expected, "b"]);
    }
  });

  it("refuses tensors that overlap or leave a gap", () => {
    for (const offsets of [
      [20, 44],
      [28, 52],
    ]) {
      const header = goodHeader();
      header.b.data_offsets = offsets;
      const file = fileOf(header, Buffer.concat([DATA, new Uint8Array(4)]));
      expect(thrownBy(() => decodeSafetensors(file, TABLE)).code).to.equal("SAFETENSORS_OFFSETS");
    }
  });

  it("refuses a file that ends early, wherever", () => {
    const file = fileOf(goodHeader(), DATA);
    for (let length = 0; length < file.length; length++) {
      const call = () => decodeSafetensors(file.subarray(0, length), TABLE);
      expect(thrownBy(call).code).to.equal("SAFETENSORS_TRUNCATED");
    }
  });

  it("refuses bytes after the last tensor", () => {
    const file = fileOf(goodHeader(), Buffer.concat([DATA, new Uint8Array(1)]));
    expect(thrownBy(() => decodeSafetensors(file, TABLE)).code).to.equal("SAFETENSORS_HEADER");
  });

  it("refuses a header longer than 100 MB before it reads it", () => {
    for (const length of [100_000_001, 2n ** 64n - 1n]) {
      const { code, data } = thrownBy(() => decodeSafetensors(lengthOf(length), TABLE));
      expect([code, data.received]).to.deep.equal(["SAFETENSORS_HEADER", BigInt(length)]);
    }
  });

  it("refuses a header that is not the documented JSON", () => {
    const entry = goodHeader().a;
    for (const header of [
      null,
      [],
      "{}",
      { __metadata__: { note: 1 } },
      { __metadata__: [] },
      { a: null },
      { a: { ...entry, note: "" } },
      { a: { ...entry, dtype: 1 } },
      { a: { ...entry, shape: [-5] } },
      { a: { ...entry, shape: "5" } },
      { a: { ...entry, data_offsets: [4] } },
      { a: { ...entry, data_offsets: [4, 24.5] } },
    ]) {
      expect(thrownBy(() => decodeSafetensors(fileOf(header, DATA), TABLE)).code).to.equal(
        "SAFETENSORS_HEADER",
      );
    }
    for (const bytes of [Buffer.from("{]"), Buffer.from([0x7b, 0xff, 0x7d])]) {
      const file = Buffer.concat([lengthOf(bytes.length), bytes]);
      expect(thrownBy(() => decodeSafetensors(file, TABLE)).code).to.equal("SAFETENSORS_HEADER");
    }
  });

  it("refuses values that are not finite, read or written", () => {
    const parameters = PARAMETERS.slice();
    parameters[3] = Number.NaN;
    const place = { name: "a", index: 2, value: Number.NaN };
    const file = fileOf(goodHeader(), new Uint8Array(parameters.buffer));
    expect(thrownBy(() => decodeSafetensors(file, TABLE))).to.deep.equal({
      code: "NON_FINITE_TENSOR",
      data: place,
    });
    expect(thrownBy(() => encodeSafetensors(parameters, TABLE))).to.deep.equal({
      code: "NON_FINITE_TENSOR",
      data: place,
    });
  });

  it("refuses to write a vector of another length than the table's", () => {
    const call = () => encodeSafetensors(new Float32Array(11), TABLE);
    expect(thrownBy(call).code).to.equal("PARAMETERS_WRONG_LENGTH");
  });
});
