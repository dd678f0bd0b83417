import { expect } from "chai";
import { dataLength } from "ethers";
import { ARTIFACT_NAMES, loadArtifact } from "../../clients/chain/artifacts.ts";
import { expectSnapshot } from "./support/snapshot.ts";

/** EIP-170. */
const MAX_CONTRACT_BYTES = 24_576;

/** EIP-3860: what creates a contract, its arguments and the contracts that it makes included. */
const MAX_INIT_CODE_BYTES = 49_152;

/** No contract's constructor takes more than four words. */
const ARGUMENTS_BYTES = 4 * 32;

describe("bytecode", () => {
  const sizes: Record<string, number> = {};
  for (const name of ARTIFACT_NAMES) {
    const { bytecode, deployedBytecode } = loadArtifact(name);
    sizes[name] = dataLength(deployedBytecode);
    const initCodeBytes = dataLength(bytecode) + ARGUMENTS_BYTES;

    it(`of ${name} fits in ${MAX_CONTRACT_BYTES} bytes, and what creates it in ${MAX_INIT_CODE_BYTES}`, () => {
      expect(sizes[name]).to.be.within(1, MAX_CONTRACT_BYTES);
      expect(initCodeBytes).to.be.within(ARGUMENTS_BYTES + 1, MAX_INIT_CODE_BYTES);
    });
  }

  it("has the sizes of snapshots/bytecode.json", () => {
    expectSnapshot("bytecode", sizes);
  });
});
