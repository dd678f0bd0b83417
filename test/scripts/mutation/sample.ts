import { expect } from "chai";
import { orderMutants, othersDue } from "../../../scripts/mutation/sample.ts";

const NUMBERS = Array.from({ length: 500 }, (_, i) => i);
const isEven = (n: number) => n % 2 === 0;

describe("sample of mutants", () => {
  it("is the same for the same seed, and another for another", () => {
    const order = orderMutants(NUMBERS, isEven, 7);
    expect(orderMutants(NUMBERS, isEven, 7)).to.deep.equal(order);
    expect(orderMutants(NUMBERS, isEven, 8)).to.not.deep.equal(order);
  });

  it("has what must be in it first, and everything once", () => {
    const order = orderMutants(NUMBERS, isEven, 7);
    expect(order.slice(0, 250).every(isEven)).to.equal(true);
    expect(order.slice(0, 250)).to.not.deep.equal(NUMBERS.filter(isEven));
    expect(order.toSorted((a, b) => a - b)).to.deep.equal(NUMBERS);
  });

  it("has at least 150, and at least 30 beside what must be in it", () => {
    expect([0, 20, 120, 121, 400].map(othersDue)).to.deep.equal([150, 130, 30, 30, 30]);
  });
});
