import { expect } from "chai";
import { nodesAt } from "../../../scripts/mutation/ast.ts";
import { findMoneyPaths } from "../../../scripts/mutation/moneyPaths.ts";
import { type Fixture, openFixture } from "./support/fixture.ts";

const SOURCES = {
  "contracts/Vault.sol": `
interface IVault {
    function pay(uint256 amount) external;
    function held() external view returns (uint256);
}
contract Vault is IVault {
    uint256 public held;
    modifier onlyFull() { if (held == 0) revert(); _; }
    function pay(uint256 amount) external onlyFull { held -= amount; }
    function half() external view returns (uint256) { return held / 2; }
}
`,
  "contracts/Market.sol": `
import {IVault} from "./Vault.sol";
interface IMarket { function settle() external; }
contract Market is IMarket {
    IVault internal vault;
    function settle() external { _end(); if (_isOpen()) revert(); }
    function _isOpen() internal view returns (bool) { return vault.held() > 1; }
    function isOpen() external view returns (bool) { return _isOpen(); }
    function look() external view returns (uint256) { return vault.held(); }
    function rename() external {}
    function _end() internal { if (vault.held() != 0) vault.pay(1); }
}
contract Court {
    IMarket internal market;
    function convict() external { market.settle(); }
    function hear() external {}
}
`,
};

describe("money paths", () => {
  let fixture: Fixture;

  before(async () => {
    fixture = await openFixture(SOURCES);
  });

  after(async () => fixture.close());

  it("are what changes the vault, what leads there, through interfaces too, and what that calls at home", () => {
    const units = [...fixture.project.trees.values()];
    const paths = findMoneyPaths(units, "Vault");
    const names = units
      .flatMap((unit) => nodesAt(unit, "nodes"))
      .filter(({ nodeType }) => nodeType === "ContractDefinition")
      .flatMap((contract) =>
        nodesAt(contract, "nodes")
          .filter(({ id }) => paths.has(Number(id)))
          .map(({ name }) => `${contract.name}.${name}`),
      );
    expect(names).to.have.members([
      "IVault.pay",
      "Vault.onlyFull",
      "Vault.pay",
      "IMarket.settle",
      "Market.settle",
      "Market._isOpen",
      "Market._end",
      "Court.convict",
    ]);
  });

  it("are not looked for without a vault", () => {
    expect(() => findMoneyPaths([...fixture.project.trees.values()], "Safe")).to.throw("Safe");
  });
});
