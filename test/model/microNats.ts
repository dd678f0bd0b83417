import { expect } from "chai";
import { toMicroNats } from "../../clients/model/microNats.ts";
import { randomUint32 } from "./random.ts";
import { thrownBy } from "./thrown.ts";

/** A double as an exact fraction over 2^1074. */
function exactly(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return value < 0 ? -magnitude : magnitude;
}

describe("micro-nats", () => {
  it("round half up", () => {
    expect(toMicroNats(2.5)).to.equal(2_500_000n);
    expect(toMicroNats(1 / 128)).to.equal(7813n);
    expect(toMicroNats(3 / 128)).to.equal(23_438n);
    expect(toMicroNats(-1 / 128)).to.equal(-7812n);
    expect(toMicroNats(0)).to.equal(0n);
    expect(toMicroNats(-0)).to.equal(0n);
    expect(toMicroNats(Number.MIN_VALUE)).to.equal(0n);
    expect(toMicroNats(-Number.MIN_VALUE)).to.equal(0n);
  });

  it("do not round twice: a loss just under a half goes down", () => {
    const half = 0.5e-6;
    expect(exactly(half) * 2_000_000n < 1n << 1074n).to.equal(true);
    expect(toMicroNats(half)).to.equal(0n);
    expect(Math.floor(half * 1e6 + 0.5)).to.equal(1);
  });

  it("are exact for any double", () => {
    const next = randomUint32(1);
    const losses = Array.from(
      { length: 2000 },
      () => (next() / 2 ** 32 + next()) * 2 ** ((next() % 120) - 90),
    );
    for (const loss of [...losses, ...losses.map((each) => -each), 1e300, 2 ** 53 + 2, 11.000_000_5]) {
      const rounded = toMicroNats(loss);
      const twiceError = 2_000_000n * exactly(loss) - ((2n * rounded) << 1074n);
      expect(twiceError >= -(1n << 1074n) && twiceError < 1n << 1074n).to.equal(true, `${loss} → ${rounded}`);
    }
  });

  it("refuse a loss that is not finite", () => {
    for (const lossNats of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(thrownBy(() => toMicroNats(lossNats))).to.deep.equal({
        code: "LOSS_NOT_FINITE",
        data: { lossNats },
      });
    }
  });
});
