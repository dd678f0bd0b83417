import { expect } from "chai";
import { decodeLeaves, encodeLeaves } from "../../clients/model/mxfp4.ts";
import { applyUpdate, makeUpdate } from "../../clients/model/update.ts";
import { bytesOf, floatsOf, formats } from "./formats.ts";
import { randomParameters, smallParameters } from "./random.ts";
import { thrownBy } from "./thrown.ts";

/** One leaf of one value: a scale byte for all blocks and a code for all elements. */
function uniformLeaf(scale: number, code: number): Uint8Array {
  return new Uint8Array(136).fill(scale, 0, 8).fill(code | (code << 4), 8);
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

describe("update", () => {
  describe("making", () => {
    it("quantizes the delta and keeps the error", () => {
      const delta = smallParameters(1000, 1, 0.01);
      const error = new Float32Array(1000);
      const update = makeUpdate(delta, error);
      expect(update).to.deep.equal(encodeLeaves(delta));
      const decoded = decodeLeaves(update, 1000);
      expect(error).to.deep.equal(delta.map((value, i) => value - decoded[i]!));
    });

    it("feeds the error into the next update, so that updates sum to the deltas", () => {
      const error = new Float32Array(777);
      const sumOfUpdates = new Float64Array(777);
      const sumOfDeltas = new Float64Array(777);
      for (let round = 0; round < 20; round++) {
        const delta = smallParameters(777, round, 0.01);
        const update = decodeLeaves(makeUpdate(delta, error), 777);
        for (const [i, value] of update.entries()) {
          sumOfUpdates[i]! += value;
          sumOfDeltas[i]! += delta[i]!;
        }
      }
      for (const [i, value] of error.entries()) {
        expect(Math.abs(sumOfDeltas[i]! - sumOfUpdates[i]! - value)).to.be.below(1e-6);
        expect(Math.abs(value)).to.be.below(0.004);
      }
    });

    it("refuses a sum that is not finite and leaves the error as it was", () => {
      const delta = new Float32Array(300).fill(1);
      const error = new Float32Array(300).fill(2);
      delta[299] = 3e38;
      error[299] = 3e38;
      const { code, data } = thrownBy(() => makeUpdate(delta, error));
      expect([code, data]).to.deep.equal([
        "NON_FINITE_PARAMETER",
        { index: 299, value: Number.POSITIVE_INFINITY },
      ]);
      expect(error.subarray(0, 299).every((value) => value === 2)).to.equal(true);
    });

    it("refuses an error of another length", () => {
      const call = () => makeUpdate(new Float32Array(3), new Float32Array(4));
      expect(thrownBy(call)).to.deep.equal({ code: "LENGTH_MISMATCH", data: { expected: 3, received: 4 } });
    });
  });

  describe("applying", () => {
    it("gives the fixture's transitions", () => {
      for (const { oldLeaf, updateLeaf, newLeaf } of formats.transition) {
        const sum = applyUpdate(floatsOf(oldLeaf), bytesOf(updateLeaf));
        expect(new Uint8Array(sum.buffer)).to.deep.equal(bytesOf(newLeaf));
      }
    });

    it("adds each element in float32, for any length", () => {
      for (const length of [1, 255, 256, 257, 1000]) {
        const parameters = smallParameters(length, length, 1);
        const update = encodeLeaves(smallParameters(length, length + 1, 0.1));
        const decoded = decodeLeaves(update, length);
        const sums = parameters.map((value, i) => Math.fround(value + decoded[i]!));
        expect(bitsOf(applyUpdate(parameters, update))).to.deep.equal(bitsOf(sums));
      }
    });

    it("keeps −0 + −0 and gives +0 for any other zero sum", () => {
      const zero = uniformLeaf(0, 0);
      const minusZero = uniformLeaf(0, 8);
      const half = uniformLeaf(127, 1);
      const first = (value: number, update: Uint8Array) =>
        applyUpdate(Float32Array.of(value), clip(update))[0];
      expect(Object.is(first(-0, minusZero), -0)).to.equal(true);
      expect(Object.is(first(-0, zero), 0)).to.equal(true);
      expect(Object.is(first(0, minusZero), 0)).to.equal(true);
      expect(Object.is(first(-0.5, half), 0)).to.equal(true);
    });

    it("keeps subnormal sums", () => {
      const smallest = clip(uniformLeaf(3, 9));
      const parameters = Float32Array.of(2 ** -125 + 2 ** -148);
      expect(applyUpdate(parameters, smallest)[0]).to.equal(2 ** -148);
    });

    it("may write over its input", () => {
      const parameters = smallParameters(600, 4, 1);
      const update = encodeLeaves(smallParameters(600, 5, 1));
      const expected = applyUpdate(parameters, update);
      expect(applyUpdate(parameters, update, parameters)).to.equal(parameters);
      expect(parameters).to.deep.equal(expected);
    });

    it("refuses a sum that is not finite, and says which", () => {
      const parameters = new Float32Array(600).fill(1);
      parameters[513] = 3.4e38;
      const update = new Uint8Array(3 * 136);
      update.set(uniformLeaf(252, 7), 2 * 136);
      const { code, data } = thrownBy(() => applyUpdate(parameters, padCodes(update, 600)));
      expect([code, data.leaf, data.element]).to.deep.equal(["UPDATE_SUM_NOT_FINITE", 2, 1]);
      const [overflow] = formats.reject.filter(({ what }) => what === "transition");
      const call = () => applyUpdate(floatsOf(overflow!.oldLeaf!), bytesOf(overflow!.updateLeaf!));
      expect(thrownBy(call).code).to.equal("UPDATE_SUM_NOT_FINITE");
    });

    it("tells a parameter that was not finite from a sum that overflows", () => {
      const parameters = new Float32Array(300);
      parameters[280] = Number.NaN;
      const { code, data } = thrownBy(() => applyUpdate(parameters, new Uint8Array(2 * 136)));
      expect([code, data.index]).to.deep.equal(["NON_FINITE_PARAMETER", 280]);
    });

    it("refuses an update of a wrong length", () => {
      const call = () => applyUpdate(randomParameters(257, 1), new Uint8Array(136));
      expect(thrownBy(call)).to.deep.equal({
        code: "UPDATE_WRONG_LENGTH",
        data: { expected: 272, received: 136 },
      });
    });

    it("refuses an output of another length", () => {
      const call = () => applyUpdate(new Float32Array(3), new Uint8Array(136), new Float32Array(4));
      expect(thrownBy(call).code).to.equal("LENGTH_MISMATCH");
    });

    it("refuses an invalid scale byte, a magnitude under scale 0 and a code past the parameter count", () => {
      const badScale = new Uint8Array(272);
      badScale[136 + 3] = 254;
      const badMagnitude = new Uint8Array(272);
      badMagnitude[8 + 2] = 1;
      const badPadding = new Uint8Array(272);
      badPadding[136 + 8 + 22] = 8;
      for (const [update, place] of [
        [badScale, { leaf: 1, element: 96, reason: "SCALE_BYTE" }],
        [badMagnitude, { leaf: 0, element: 4, reason: "MAGNITUDE_UNDER_SCALE_ZERO" }],
        [badPadding, { leaf: 1, element: 44, reason: "CODE_PAST_PARAMETER_COUNT" }],
      ] as const) {
        const call = () => applyUpdate(new Float32Array(300), update);
        expect(thrownBy(call)).to.deep.equal({ code: "UPDATE_INVALID_ENCODING", data: place });
      }
    });
  });
});

/** Keeps a leaf's first element only. */
function clip(leaf: Uint8Array): Uint8Array {
  return padCodes(leaf.slice(), 1);
}

/** Sets the codes past the parameter count to 0. */
function padCodes(leaves: Uint8Array, parameterCount: number): Uint8Array {
  for (let element = parameterCount; element < (leaves.length / 136) * 256; element++) {
    const at = Math.floor(element / 256) * 136 + 8 + ((element % 256) >> 1);
    leaves[at]! &= element % 2 === 0 ? 0xf0 : 0x0f;
  }
  return leaves;
}
