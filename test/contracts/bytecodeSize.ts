import { expect } from "chai";
import { dataLength } from "ethers";
import { CONTRACT_NAMES, loadArtifact } from "../../clients/chain/artifacts.ts";
import { expectSnapshot } from "./support/snapshot.ts";

/** EIP-170. */
const MAX_CONTRACT_BYTES = 24_576;

describe("bytecode", () => {
  const sizes = Object.fromEntries(
    CONTRACT_NAMES.map((name) => [name, dataLength(loadArtifact(name).deployedBytecode)]),
  );

  for (const [name, bytes] of Object.entries(sizes)) {
    it(`of ${name} fits in ${MAX_CONTRACT_BYTES} bytes`, () => {
      expect(bytes).to.be.within(1, MAX_CONTRACT_BYTES);
    });
  }

  it("has the sizes of snapshots/bytecode.json", () => {
    expectSnapshot("bytecode", sizes);
  });
});
