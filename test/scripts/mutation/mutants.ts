import { expect } from "chai";
import { compileFiles } from "../../../scripts/mutation/compiler.ts";
import { applyMutant, findMutants, type Mutant } from "../../../scripts/mutation/mutants.ts";
import { type Fixture, openFixture } from "./support/fixture.ts";

const FILE = "contracts/Shop.sol";

const SOURCE = `
contract Shop {
    // Offsets count bytes, of which § and ⌈ have more than one.
    uint256 internal stock;
    error Empty();
    event Sold(uint256 left);

    modifier stocked() {
        if (stock == 0) revert Empty();
        _;
    }

    function sell(uint256 count) external stocked {
        require(count <= 10);
        stock -= count;
        emit Sold(stock);
    }

    function price(uint256 a, uint256 b, bool rare) external pure returns (uint256) {
        uint256 sum = (a + b) * 2;
        return rare && a > b || b > 7 ? sum % 5 : sum << 1;
    }

    function sign(int256 x) external pure returns (int256 y) {
        y = x;
        if (x < 0) {
            y = -x;
            y++;
        } else y = 1;
    }

    function count(uint256 n) external pure returns (uint256 steps) {
        for (uint256 i = 0; i != n; ++i) steps++;
        while (steps > 100) {
            if (!(steps == 150)) continue;
            break;
        }
    }

    function low(uint256 x) external pure returns (uint256 y) {
        assembly {
            if lt(x, 5) { y := add(x, 1) }
            mstore(0, not(y))
        }
    }
}
`;

describe("mutants of a source", () => {
  let fixture: Fixture;
  let mutants: Mutant[];
  let content: Buffer;

  before(async () => {
    fixture = await openFixture({ [FILE]: SOURCE });
    content = fixture.project.contents.get(FILE)!;
    mutants = findMutants(content, fixture.project.trees.get(FILE)!);
  });

  after(async () => fixture.close());

  /** The changes of a kind in a function, as pairs of lines. */
  function changesOf(scope: string, kind: Mutant["kind"]): [from: string, to: string][] {
    return mutants
      .filter((mutant) => mutant.scope === `Shop.${scope}` && mutant.kind === kind)
      .map(({ from, to }) => [from, to]);
  }

  /** Those that put each of these in the place of one text on a line. */
  function replaced(line: string, part: string, ...others: string[]): [from: string, to: string][] {
    return others.map((other) => [line, line.replace(part, () => other)]);
  }

  it("force the conditions of if, require, ternaries and loops both ways", () => {
    const zero = "if (stock == 0) revert Empty();";
    expect(changesOf("stocked", "condition")).to.deep.equal(replaced(zero, "stock == 0", "true", "false"));
    const most = "require(count <= 10);";
    expect(changesOf("sell", "condition")).to.deep.equal(replaced(most, "count <= 10", "true", "false"));
    const loop = "for (uint256 i = 0; i != n; ++i) steps++;";
    const skip = "if (!(steps == 150)) continue;";
    expect(changesOf("count", "condition")).to.deep.equal([
      ...replaced(loop, "i != n", "true", "false"),
      ...replaced("while (steps > 100) {", "steps > 100", "true", "false"),
      ...replaced(skip, "!(steps == 150)", "(steps == 150)", "true", "false"),
    ]);
  });

  it("leave the decision to either operand of && and ||", () => {
    const line = "return rare && a > b || b > 7 ? sum % 5 : sum << 1;";
    expect(changesOf("price", "condition")).to.have.deep.members([
      ...replaced(line, "rare && a > b || b > 7", "true", "false"),
      ...replaced(line, "rare && a > b", "false"),
      ...replaced(line, "b > 7", "false"),
      ...replaced(line, "rare", "true"),
      ...replaced(line, "a > b", "true"),
    ]);
  });

  it("move the bound of a comparison, and turn equality round", () => {
    expect(changesOf("price", "comparison").map(([, to]) => to)).to.deep.equal([
      "return rare && a >= b || b > 7 ? sum % 5 : sum << 1;",
      "return rare && a > b || b >= 7 ? sum % 5 : sum << 1;",
    ]);
    expect(changesOf("sell", "comparison").map(([, to]) => to)).to.deep.equal(["require(count < 10);"]);
    expect(changesOf("stocked", "comparison").map(([, to]) => to)).to.deep.equal([
      "if (stock != 0) revert Empty();",
    ]);
  });

  it("change arithmetic operators, compound and unary ones too", () => {
    const line = "return rare && a > b || b > 7 ? sum % 5 : sum << 1;";
    expect(changesOf("price", "arithmetic")).to.deep.equal([
      ...replaced("uint256 sum = (a + b) * 2;", "+", "-"),
      ...replaced("uint256 sum = (a + b) * 2;", "*", "/"),
      ...replaced(line, "%", "*"),
      ...replaced(line, "<<", ">>"),
    ]);
    expect(changesOf("sell", "arithmetic")).to.deep.equal(replaced("stock -= count;", "-=", "+="));
    expect(changesOf("sign", "arithmetic").map(([, to]) => to)).to.deep.equal(["y = x;", "y--;"]);
    expect(changesOf("count", "arithmetic").map(([, to]) => to)).to.deep.equal([
      "for (uint256 i = 0; i != n; --i) steps++;",
      "for (uint256 i = 0; i != n; ++i) steps--;",
    ]);
  });

  it("remove statements, steps of loops and modifiers", () => {
    expect(changesOf("sell", "statement").map(([, to]) => to)).to.deep.equal([
      "function sell(uint256 count) external {",
      "{}",
      "{}",
      "{}",
    ]);
    expect(changesOf("sign", "statement")).to.deep.equal([
      ["y = x;", "{}"],
      ["y = -x;", "{}"],
      ["y++;", "{}"],
      ["} else y = 1;", "} else {}"],
    ]);
  });

  it("remove no statement that is all that an if or a loop does", () => {
    expect(changesOf("stocked", "statement")).to.deep.equal([]);
    expect(changesOf("count", "statement")).to.deep.equal([
      ["for (uint256 i = 0; i != n; ++i) steps++;", "for (uint256 i = 0; i != n; ) steps++;"],
      ["break;", "{}"],
    ]);
  });

  it("change assembly", () => {
    const line = "if lt(x, 5) { y := add(x, 1) }";
    expect(changesOf("low", "condition")).to.deep.equal(replaced(line, "lt(x, 5)", "1", "0"));
    expect(changesOf("low", "comparison")).to.deep.equal(replaced(line, "lt(x, 5)", "iszero(gt(x, 5))"));
    expect(changesOf("low", "arithmetic").map(([, to]) => to)).to.deep.equal([
      "if lt(x, 5) { y := sub(x, 1) }",
      "mstore(0, y)",
    ]);
    expect(changesOf("low", "statement")).to.deep.equal([["mstore(0, not(y))", "{}"]]);
  });

  it("all compile, each to another text", async () => {
    const texts = mutants.map((mutant) => applyMutant(content, mutant));
    expect(new Set([...texts, content.toString("utf8")]).size).to.equal(mutants.length + 1);
    const cheap = { viaIR: false, optimizer: { enabled: false } };
    for (const text of texts) {
      const compiled = await compileFiles(fixture.compiler, fixture.project, [FILE], cheap, {
        file: FILE,
        content: text,
      });
      expect(compiled, text).to.be.an("array").with.lengthOf(1);
    }
  });
});
