// Connections as the options name them, refused before anything is spent or written.
import { hexlify, randomBytes, Wallet } from "ethers";
import { bindContracts, type Chain, connectChain, type Gradwork } from "../chain/connection.ts";
import { readDeployment } from "../chain/deployment.ts";
import { GradworkError } from "../model/errors.ts";
import type { ChainOptions, SenderOptions } from "./chainOptions.ts";

/** A connection that only reads, at the newest block. */
export async function openReader({ rpc, deploymentFile }: ChainOptions): Promise<Gradwork> {
  const deployment = readDeployment(deploymentFile);
  // Reading signs nothing.
  const nobody = new Wallet(hexlify(randomBytes(32)));
  return bindContracts(await connectChain(rpc, nobody, 0), deployment);
}

/**
 * A connection that sends transactions.
 * @throws {GradworkError} `UNFUNDED_ACCOUNT` where the account has nothing to pay gas with; and as `readDeployment`,
 *   `connectChain` and `bindContracts` do
 */
export async function openSender(options: SenderOptions): Promise<Gradwork> {
  const deployment = readDeployment(options.deploymentFile);
  const chain = await connectChain(options.rpc, options.wallet, options.depth);
  const gradwork = await bindContracts(chain, deployment);
  await requireCurrency(chain);
  return gradwork;
}

/** @throws {GradworkError} `UNFUNDED_ACCOUNT` */
export async function requireCurrency({ provider, wallet, chainId }: Chain): Promise<void> {
  if ((await provider.getBalance(wallet.address)) > 0n) return;
  throw new GradworkError(
    "UNFUNDED_ACCOUNT",
    `${wallet.address} holds none of the currency of chain ${chainId}, in which gas is paid: send it some`,
    { account: wallet.address, chainId: chainId.toString() },
  );
}
