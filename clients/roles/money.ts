import { formatEther, type TransactionReceipt } from "ethers";
import type { Gradwork } from "../chain/connection.ts";
import { send } from "../chain/transactions.ts";
import { GradworkError } from "../model/errors.ts";

/**
 * Lets the vault take `amount` from the wallet, where it may not already.
 * @param upTo what it may take from then
 */
export async function allow(
  gradwork: Gradwork,
  amount: bigint,
  signal: AbortSignal,
  upTo: bigint = amount,
): Promise<void> {
  const { token, vault, wallet, deployment } = gradwork;
  if ((await token.allowance(wallet.address, vault)) < amount) {
    await send(gradwork, token.approve, [deployment.contracts.StakeVault, upTo], signal);
  }
}

/** @throws {GradworkError} `INSUFFICIENT_TOKENS` */
export async function requireTokens({ token, wallet }: Gradwork, amount: bigint): Promise<void> {
  const balance = await token.balanceOf(wallet.address);
  if (balance < amount) {
    throw new GradworkError(
      "INSUFFICIENT_TOKENS",
      `${wallet.address} holds ${formatEther(balance)} tokens, ${formatEther(amount)} are needed; on a test network \`--faucet\` mints them`,
      { account: wallet.address, balance: balance.toString(), amount: amount.toString() },
    );
  }
}

/** Mints what the wallet lacks for `amount`, on a test network. */
export async function useFaucet(gradwork: Gradwork, amount: bigint, signal: AbortSignal): Promise<void> {
  const missing = amount - (await gradwork.token.balanceOf(gradwork.wallet.address));
  if (missing > 0n) await send(gradwork, gradwork.token.faucet, [missing], signal);
}

/** Moves tokens from the wallet into the vault. */
export async function deposit(
  gradwork: Gradwork,
  amount: bigint,
  signal: AbortSignal,
): Promise<TransactionReceipt> {
  await requireTokens(gradwork, amount);
  await allow(gradwork, amount, signal);
  return send(gradwork, gradwork.vault.deposit, [amount], signal);
}

/** Moves tokens from the wallet into a task's escrow. */
export async function fundTask(
  gradwork: Gradwork,
  taskId: bigint,
  amount: bigint,
  signal: AbortSignal,
): Promise<TransactionReceipt> {
  await requireTokens(gradwork, amount);
  await allow(gradwork, amount, signal);
  return send(gradwork, gradwork.market.fundTask, [taskId, amount], signal);
}

/** All that an account owns: wallet, vault and what it can claim, in token wei. */
export async function wealthOf(gradwork: Gradwork, account: string): Promise<bigint> {
  const { token, vault } = gradwork;
  const [wallet, staked, claimable] = await Promise.all([
    token.balanceOf(account),
    vault.stakeOf(account),
    vault.balanceOf(account),
  ]);
  return wallet + staked + claimable;
}
