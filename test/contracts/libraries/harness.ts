import { network } from "hardhat";

/** A chain in this process. */
export const { ethers } = await network.create();

export type Harness = Awaited<ReturnType<typeof deployHarness>>;

/** The libraries as calls. */
export function deployHarness() {
  return ethers.deployContract("LibraryHarness");
}
