import { readModel, roleIndex } from "../../chain/queryView.ts";
import { send } from "../../chain/transactions.ts";
import { GradworkError } from "../../model/errors.ts";
import { openSender } from "../chain.ts";
import { formatTime, formatTokens } from "../formats.ts";
import type { Session } from "../session.ts";
import { during } from "../terminal.ts";
import type { NodeLeaveOptions } from "./options.ts";

/** @throws {GradworkError} `NOT_JOINED`, `UNKNOWN_MODEL` */
export async function handleNodeLeave(options: NodeLeaveOptions, session: Session): Promise<void> {
  const { model, role } = options;
  const { output, progress, signal } = session;
  const gradwork = await openSender(options);
  const { registry, vault, wallet } = gradwork;
  await readModel(gradwork, model);
  if (!(await registry.isJoined(model, roleIndex(role), wallet.address))) {
    throw new GradworkError("NOT_JOINED", `${wallet.address} is no ${role.toLowerCase()} of model ${model}`, {
      account: wallet.address,
      model: model.toString(),
    });
  }
  await during(progress, "leaving", () => send(gradwork, registry.quit, [model, roleIndex(role)], signal));
  const { withdrawing, withdrawableAt } = await vault.accounts(wallet.address);
  output.say(
    `left model ${model}: ${formatTokens(withdrawing)} can be withdrawn from ${formatTime(withdrawableAt)} on: ` +
      "gradwork stake withdraw --complete",
  );
}
