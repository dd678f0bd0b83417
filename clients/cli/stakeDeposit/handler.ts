import { deposit, useFaucet } from "../../roles/money.ts";
import { openSender } from "../chain.ts";
import { formatTokens } from "../formats.ts";
import type { Session } from "../session.ts";
import { during } from "../terminal.ts";
import { FEE_RESERVE, type StakeDepositOptions } from "./options.ts";

export async function handleStakeDeposit(options: StakeDepositOptions, session: Session): Promise<void> {
  const { amount, faucet } = options;
  const { output, progress, signal } = session;
  const gradwork = await openSender(options);
  if (faucet)
    await during(progress, "using the faucet", () => useFaucet(gradwork, amount + FEE_RESERVE, signal));
  await during(progress, "depositing", () => deposit(gradwork, amount, signal));
  const { free } = await gradwork.vault.accounts(gradwork.wallet.address);
  output.say(
    `${gradwork.wallet.address}: deposited ${formatTokens(amount)}, free stake ${formatTokens(free)}`,
  );
}
