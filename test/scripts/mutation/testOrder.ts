import { expect } from "chai";
import { learnTestOrder } from "../../../scripts/mutation/testOrder.ts";
import { mutantOf } from "./support/mutantOf.ts";

const [QUICK, SLOW, MARKET] = [
  "test/contracts/quick.ts",
  "test/contracts/slow.ts",
  "test/contracts/marketRounds.ts",
];
const TIMES = new Map([
  [SLOW, 300],
  [MARKET, 200],
  [QUICK, 100],
]);

const MUTANT = mutantOf({ file: "contracts/Market.sol", scope: "Market.f" });

describe("order of test files", () => {
  it("has those named after the source first, then the quick ones", () => {
    expect(learnTestOrder(TIMES).of(MUTANT)).to.deep.equal([MARKET, QUICK, SLOW]);
  });

  it("has those first that failed in the same function, then in the same source", () => {
    const order = learnTestOrder(TIMES);
    order.learn(MUTANT, SLOW);
    order.learn({ ...MUTANT, scope: "Market.g" }, QUICK);
    order.learn({ ...MUTANT, scope: "Market.g" }, QUICK);
    expect(order.of(MUTANT)).to.deep.equal([SLOW, QUICK, MARKET]);
    expect(order.of({ ...MUTANT, scope: "Market.h" })).to.deep.equal([QUICK, SLOW, MARKET]);
    expect(order.of({ ...MUTANT, file: "contracts/Vault.sol", scope: "Vault.f" })).to.deep.equal([
      QUICK,
      MARKET,
      SLOW,
    ]);
  });
});
