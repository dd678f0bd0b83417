import { readTerms } from "../../chain/taskView.ts";
import { fundTask, useFaucet } from "../../roles/money.ts";
import { openSender } from "../chain.ts";
import { formatTokens } from "../formats.ts";
import type { Session } from "../session.ts";
import { during } from "../terminal.ts";
import type { TaskFundOptions } from "./options.ts";

export async function handleTaskFund(options: TaskFundOptions, session: Session): Promise<void> {
  const { taskId, amount, faucet } = options;
  const { output, progress, signal } = session;
  const gradwork = await openSender(options);
  await readTerms(gradwork, taskId);
  if (faucet) await during(progress, "using the faucet", () => useFaucet(gradwork, amount, signal));
  await during(progress, `funding task ${taskId}`, () => fundTask(gradwork, taskId, amount, signal));
  const { escrow } = await gradwork.market.task(taskId);
  output.say(`task ${taskId}: added ${formatTokens(amount)}, the escrow is ${formatTokens(escrow)}`);
}
