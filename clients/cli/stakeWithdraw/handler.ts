import type { Gradwork } from "../../chain/connection.ts";
import { send } from "../../chain/transactions.ts";
import { GradworkError } from "../../model/errors.ts";
import { openSender } from "../chain.ts";
import { formatTime, formatTokens } from "../formats.ts";
import type { Session } from "../session.ts";
import { during } from "../terminal.ts";
import type { StakeWithdrawOptions } from "./options.ts";

/** @throws {GradworkError} `INSUFFICIENT_STAKE`, `NOTHING_TO_WITHDRAW`, `WITHDRAWAL_NOT_READY` */
export async function handleStakeWithdraw(options: StakeWithdrawOptions, session: Session): Promise<void> {
  const gradwork = await openSender(options);
  if (options.amount === undefined) await complete(gradwork, session);
  else await request(gradwork, options.amount, session);
}

async function request(gradwork: Gradwork, amount: bigint, session: Session): Promise<void> {
  const { output, progress, signal } = session;
  const { vault, wallet } = gradwork;
  const { free } = await vault.accounts(wallet.address);
  if (free < amount) {
    throw new GradworkError(
      "INSUFFICIENT_STAKE",
      `${wallet.address} has ${formatTokens(free)} of free stake, less than ${formatTokens(amount)}`,
      { account: wallet.address, free: free.toString(), amount: amount.toString() },
    );
  }
  await during(progress, "requesting", () => send(gradwork, vault.requestWithdrawal, [amount], signal));
  const { withdrawing, withdrawableAt } = await vault.accounts(wallet.address);
  output.say(
    `${formatTokens(withdrawing)} can be withdrawn from ${formatTime(withdrawableAt)} on: gradwork stake withdraw --complete`,
  );
}

async function complete(gradwork: Gradwork, session: Session): Promise<void> {
  const { output, progress, signal } = session;
  const { vault, wallet, provider } = gradwork;
  const { withdrawing, withdrawableAt } = await vault.accounts(wallet.address);
  if (withdrawing === 0n) {
    throw new GradworkError("NOTHING_TO_WITHDRAW", `${wallet.address} has requested no withdrawal`, {
      account: wallet.address,
    });
  }
  const now = BigInt((await provider.getBlock("latest"))?.timestamp ?? 0);
  if (now < withdrawableAt) {
    throw new GradworkError(
      "WITHDRAWAL_NOT_READY",
      `${formatTokens(withdrawing)} can be withdrawn from ${formatTime(withdrawableAt)} on, on chain it is ${formatTime(now)}`,
      { withdrawableAt: withdrawableAt.toString(), timestamp: now.toString() },
    );
  }
  await during(progress, "withdrawing", () => send(gradwork, vault.completeWithdrawal, [], signal));
  output.say(`${formatTokens(withdrawing)} moved to ${wallet.address}`);
}
