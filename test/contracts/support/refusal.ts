import { expect } from "chai";
import type { BaseContract } from "ethers";
import { connection, type Scenario } from "./scenario.ts";

/** Storage roots: equal before and after where nothing was stored. */
export async function storageRoots(contracts: readonly BaseContract[]): Promise<string[]> {
  return Promise.all(
    contracts.map(async (contract) => {
      const params = [await contract.getAddress(), [], "latest"];
      const proof = await connection.provider.request({ method: "eth_getProof", params });
      return (proof as { storageHash: string }).storageHash;
    }),
  );
}

/**
 * Expects a transaction to revert with a custom error and its values, and to leave what is stored as it was.
 * @param stored the contracts that hold state
 * @param send with a gas limit, so that the transaction is mined
 * @param declaring the contract whose ABI has the error
 */
export async function expectRefusal(
  stored: readonly BaseContract[],
  send: () => Promise<unknown>,
  declaring: BaseContract,
  error: string,
  args: unknown[],
): Promise<void> {
  const { provider } = connection.ethers;
  const [before, block] = [await storageRoots(stored), await provider.getBlockNumber()];
  await expect(send())
    .to.be.revertedWithCustomError(declaring, error)
    .withArgs(...args);
  expect(await provider.getBlockNumber(), "blocks mined").to.equal(block + 1);
  expect(await storageRoots(stored)).to.deep.equal(before);
}

/** {@link expectRefusal} with the contracts of a scenario; the error is the market's where none is given. */
export async function expectRefused(
  { token, vault, market, committee, disputes, quality, registry }: Scenario,
  send: () => Promise<unknown>,
  error: string,
  args: unknown[],
  declaring: BaseContract = market,
): Promise<void> {
  const stored = [token, vault, market, committee, disputes, quality, registry];
  await expectRefusal(stored, send, declaring, error, args);
}
