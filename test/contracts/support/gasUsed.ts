import type { ContractTransactionResponse } from "ethers";
import { ethers } from "./scenario.ts";

/** Gas of a transaction that succeeded. */
export async function gasUsed(sending: Promise<ContractTransactionResponse>): Promise<number> {
  const receipt = await (await sending).wait();
  return Number(receipt!.gasUsed);
}

/** Gas of the only transaction of the newest block, which reverted. */
export async function gasWasted(): Promise<number> {
  const block = await ethers.provider.getBlock("latest");
  const [hash, ...others] = block!.transactions;
  const receipt = await ethers.provider.getTransactionReceipt(hash!);
  if (others.length !== 0 || receipt!.status !== 0) throw new Error("expected one reverted transaction");
  return Number(receipt!.gasUsed);
}
