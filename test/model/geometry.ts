import { expect } from "chai";
import { leafCount, treeDepth } from "../../clients/model/geometry.ts";
import { thrownBy } from "./thrown.ts";

describe("geometry", () => {
  it("counts leaves of 256 parameters, the last one started", () => {
    expect([1, 255, 256, 257, 1000, 175e9].map(leafCount)).to.deep.equal([1, 1, 1, 2, 4, 683_593_750]);
  });

  it("gives the least depth whose places hold the leaves", () => {
    expect([1, 2, 3, 4, 5, 4096, 4097, 2 ** 40 + 1].map(treeDepth)).to.deep.equal([
      0, 1, 2, 2, 3, 12, 13, 41,
    ]);
  });

  it("refuses counts that are not integers ≥ 1", () => {
    for (const count of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
      expect(thrownBy(() => leafCount(count)).code).to.equal("INVALID_PARAMETER_COUNT");
      expect(thrownBy(() => treeDepth(count)).code).to.equal("INVALID_LEAF_COUNT");
    }
  });
});
