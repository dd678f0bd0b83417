import { expect } from "chai";
import { findSame, parseHarmless } from "../../../scripts/mutation/harmless.ts";

const MUTANT = { file: "contracts/A.sol", scope: "A.f", from: "a + b", to: "a - b" };
const ENTRY = { ...MUTANT, reason: "b is 0" };

const parse = (...entries: object[]) => parseHarmless(JSON.stringify(entries), [MUTANT]);

describe("harmless mutants", () => {
  it("are found by source, function and change", () => {
    const entries = parse(ENTRY);
    expect(findSame(entries, { ...MUTANT })?.reason).to.equal("b is 0");
    for (const field of ["file", "scope", "from", "to"]) {
      expect(findSame(entries, { ...MUTANT, [field]: "other" })).to.equal(undefined);
    }
  });

  it("have a reason", () => {
    expect(() => parse(MUTANT)).to.throw("no reason");
    expect(() => parse({ ...ENTRY, reason: " " })).to.throw("no reason");
  });

  it("are mutants of the contracts as they are", () => {
    expect(() => parse({ ...ENTRY, from: "a + c" })).to.throw("no mutant");
  });

  it("stand once", () => {
    expect(() => parse(ENTRY, { ...ENTRY, reason: "a is 0" })).to.throw("twice");
  });
});
