import { expect } from "chai";
import { decodeLeaves, encodeLeaves, findInvalidEncoding } from "../../clients/model/mxfp4.ts";
import { bytesOf, floatsOf, formats } from "./formats.ts";
import { randomParameters } from "./random.ts";
import { thrownBy } from "./thrown.ts";

const LEVELS = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
const LENGTHS = [1, 31, 32, 33, 255, 256, 257, 1000, 4096];

/** The encoding rule as the protocol words it, in doubles, which hold every quotient exactly. */
function encodePlainly(parameters: Float32Array): Uint8Array {
  const leaves = Math.ceil(parameters.length / 256);
  const values = new Float32Array(leaves * 256);
  values.set(parameters);
  const out = new Uint8Array(leaves * 136);
  for (let start = 0; start < values.length; start += 32) {
    const block = values.subarray(start, start + 32);
    const largest = Math.max(...block.map(Math.abs));
    let exponent = largest < 2 ** -126 ? 0 : 127;
    if (exponent !== 0) {
      while (largest >= 2 ** (exponent - 126)) exponent++;
      while (largest < 2 ** (exponent - 127)) exponent--;
    }
    const scale = exponent < 5 ? 0 : exponent - 2;
    const leaf = Math.floor(start / 256);
    out[leaf * 136 + (start % 256) / 32] = scale;
    for (const [i, value] of block.entries()) {
      const quotient = scale === 0 ? 0 : Math.abs(value) / 2 ** (scale - 127);
      const distances = LEVELS.map((level) => Math.abs(quotient - level));
      const nearest = Math.min(...distances);
      const tied = [0, 1, 2, 3, 4, 5, 6, 7].filter((index) => distances[index] === nearest);
      const index = tied.find((each) => each % 2 === 0) ?? tied[0]!;
      const sign = Object.is(Math.sign(value), -0) || value < 0 ? 8 : 0;
      const element = (start % 256) + i;
      out[leaf * 136 + 8 + (element >> 1)]! |= (sign | index) << (4 * (element & 1));
    }
  }
  return out;
}

describe("MXFP4", () => {
  it("encodes the fixture's leaves to the fixture's bytes", () => {
    for (const { leaf, mxfp4 } of formats.quantization) {
      expect(encodeLeaves(floatsOf(leaf))).to.deep.equal(bytesOf(mxfp4));
    }
  });

  it("encodes as the rule says, for any length and magnitude", () => {
    for (const length of LENGTHS) {
      const parameters = randomParameters(length, length);
      expect(encodeLeaves(parameters)).to.deep.equal(encodePlainly(parameters));
    }
  });

  it("encodes every midpoint, and its neighbours, as the rule says under every scale", () => {
    const parameters = new Float32Array(32);
    const bits = new Uint32Array(parameters.buffer);
    for (let scale = 3; scale <= 252; scale++) {
      for (const [i, midpoint] of [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5].entries()) {
        for (const [j, step] of [-1, 0, 1].entries()) {
          const at = 3 * i + j;
          parameters[at] = midpoint * 2 ** (scale - 127);
          bits[at]! += step;
        }
      }
      parameters[31] = -7.5 * 2 ** (scale - 127);
      expect(encodeLeaves(parameters)).to.deep.equal(encodePlainly(parameters));
    }
  });

  it("decodes to the code's level times the scale, −0 included", () => {
    for (const { mxfp4 } of formats.quantization) {
      const leaf = bytesOf(mxfp4);
      const decoded = decodeLeaves(leaf, 256);
      for (const [element, value] of decoded.entries()) {
        const code = (leaf[8 + (element >> 1)]! >> (4 * (element & 1))) & 15;
        const magnitude = LEVELS[code & 7]! * 2 ** (leaf[element >> 5]! - 127);
        expect(Object.is(value, (code & 8) === 0 ? magnitude : -magnitude)).to.equal(true);
      }
    }
  });

  it("encodes what it decoded to the same values", () => {
    for (const length of LENGTHS) {
      const leaves = encodeLeaves(randomParameters(length, 7 * length));
      const decoded = decodeLeaves(leaves, length);
      expect(decodeLeaves(encodeLeaves(decoded), length)).to.deep.equal(decoded);
    }
  });

  it("gives valid encodings", () => {
    for (const length of LENGTHS) {
      expect(findInvalidEncoding(encodeLeaves(randomParameters(length, length + 1)), length)).to.equal(
        undefined,
      );
    }
  });

  it("takes views and writes into the output it is given", () => {
    const backing = randomParameters(1001, 5);
    const out = new Uint8Array(4 * 136).fill(255);
    expect(encodeLeaves(backing.subarray(1), out)).to.equal(out);
    expect(out).to.deep.equal(encodeLeaves(backing.slice(1)));
    const values = new Float32Array(1000).fill(1);
    expect(decodeLeaves(out, 1000, values)).to.equal(values);
    expect(values).to.deep.equal(decodeLeaves(out, 1000));
  });

  it("refuses NaN and infinities, and says where they stand", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const index of [0, 40, 300, 999]) {
        const parameters = randomParameters(1001, 3).subarray(1);
        parameters[index] = value;
        const { code, data } = thrownBy(() => encodeLeaves(parameters));
        expect([code, data.index, data.value]).to.deep.equal(["NON_FINITE_PARAMETER", index, value]);
      }
    }
  });

  it("refuses outputs and inputs of a wrong length", () => {
    const leaves = encodeLeaves(randomParameters(300, 1));
    for (const call of [
      () => encodeLeaves(new Float32Array(300), new Uint8Array(271)),
      () => decodeLeaves(leaves.subarray(1), 300),
      () => decodeLeaves(leaves, 256),
      () => decodeLeaves(leaves, 300, new Float32Array(299)),
      () => findInvalidEncoding(leaves.subarray(1), 300),
    ]) {
      expect(thrownBy(call).code).to.equal("MXFP4_WRONG_LENGTH");
    }
  });

  it("finds a scale byte that is neither 0 nor 3…252", () => {
    for (const scale of [1, 2, 253, 254, 255]) {
      const leaves = encodeLeaves(randomParameters(600, 2));
      leaves[136 + 5] = scale;
      const place = { leaf: 1, element: 160, reason: "SCALE_BYTE" };
      expect(findInvalidEncoding(leaves, 600)).to.deep.equal(place);
      expect(thrownBy(() => decodeLeaves(leaves, 600))).to.deep.equal({
        code: "MXFP4_INVALID_ENCODING",
        data: place,
      });
    }
  });

  it("finds a magnitude under scale 0, but lets −0 stand there", () => {
    const leaves = new Uint8Array(2 * 136);
    leaves[136 + 8 + 20] = 0x80;
    expect(findInvalidEncoding(leaves, 512)).to.equal(undefined);
    leaves[136 + 8 + 20] = 0x90;
    expect(findInvalidEncoding(leaves, 512)).to.deep.equal({
      leaf: 1,
      element: 41,
      reason: "MAGNITUDE_UNDER_SCALE_ZERO",
    });
  });

  it("finds a code past the parameter count, −0 included, in leaves of padding too", () => {
    const leaves = new Uint8Array(3 * 136);
    leaves[136 + 8 + 64] = 0x08;
    expect(findInvalidEncoding(leaves, 256 + 129)).to.equal(undefined);
    for (const count of [256 + 128, 256, 1]) {
      expect(findInvalidEncoding(leaves, count)).to.deep.equal({
        leaf: 1,
        element: 128,
        reason: "CODE_PAST_PARAMETER_COUNT",
      });
    }
  });

  it("rejects the fixture's invalid updates", () => {
    const cases = formats.reject.filter(({ what }) => what === "update" || what === "padding");
    expect(cases).to.have.length(7);
    for (const { updateLeaf, parameterCount = 256 } of cases) {
      expect(findInvalidEncoding(bytesOf(updateLeaf!), parameterCount)).to.not.equal(undefined);
    }
  });
});
