import { readTerms } from "../../chain/taskView.ts";
import { send } from "../../chain/transactions.ts";
import { GradworkError } from "../../model/errors.ts";
import { openSender } from "../chain.ts";
import { formatTime, formatTokens } from "../formats.ts";
import type { Session } from "../session.ts";
import { during } from "../terminal.ts";
import type { VerifierLeaveOptions } from "./options.ts";

/** @throws {GradworkError} `NOT_ENROLLED`, `UNKNOWN_TASK` */
export async function handleVerifierLeave(options: VerifierLeaveOptions, session: Session): Promise<void> {
  const { taskId } = options;
  const { output, progress, signal } = session;
  const gradwork = await openSender(options);
  const { committee, vault, wallet } = gradwork;
  await readTerms(gradwork, taskId);
  const { active } = await committee.enrolment(taskId, wallet.address);
  if (!active) {
    throw new GradworkError("NOT_ENROLLED", `${wallet.address} is not enrolled in task ${taskId}`, {
      account: wallet.address,
      taskId: taskId.toString(),
    });
  }
  await during(progress, "leaving", () => send(gradwork, committee.disenrol, [taskId], signal));
  const { withdrawing, withdrawableAt } = await vault.accounts(wallet.address);
  output.say(
    `left task ${taskId}: ${formatTokens(withdrawing)} can be withdrawn from ${formatTime(withdrawableAt)} on: ` +
      "gradwork stake withdraw --complete",
  );
}
