import type { Gradwork } from "../../chain/connection.ts";
import { named, PHASES } from "../../chain/phase.ts";
import { readTerms } from "../../chain/taskView.ts";
import { send } from "../../chain/transactions.ts";
import { GradworkError } from "../../model/errors.ts";
import { openSender } from "../chain.ts";
import { formatTime, formatTokens } from "../formats.ts";
import type { Session } from "../session.ts";
import { during } from "../terminal.ts";
import type { TaskCloseOptions } from "./options.ts";

/** @throws {GradworkError} `NOT_OWNER`, `CLOSING_REQUESTED`, `TASK_NOT_CLOSABLE`, `TASK_CLOSED`, `UNKNOWN_TASK` */
export async function handleTaskClose(options: TaskCloseOptions, session: Session): Promise<void> {
  const { taskId } = options;
  const gradwork = await openSender(options);
  await readTerms(gradwork, taskId);
  if (options.complete) await complete(gradwork, taskId, session);
  else await request(gradwork, taskId, session);
}

async function request(gradwork: Gradwork, taskId: bigint, session: Session): Promise<void> {
  const { output, progress, signal } = session;
  const { market, wallet } = gradwork;
  const { owner, closed, closableAt } = await market.task(taskId);
  if (closed) throw refusal("TASK_CLOSED", taskId, "is closed already");
  if (owner !== wallet.address) throw refusal("NOT_OWNER", taskId, `is ${owner}'s to close`);
  if (closableAt !== 0n) {
    throw refusal("CLOSING_REQUESTED", taskId, `can be closed from ${formatTime(closableAt)} on: --complete`);
  }
  await during(progress, "requesting", () => send(gradwork, market.requestClose, [taskId], signal));
  const requested = await market.task(taskId);
  output.say(
    `task ${taskId} starts no round from ${formatTime(requested.closableAt)} on, and can then be closed: ` +
      `gradwork task close ${taskId} --complete`,
  );
}

async function complete(gradwork: Gradwork, taskId: bigint, session: Session): Promise<void> {
  const { output, progress, signal } = session;
  const { market, vault } = gradwork;
  const { owner, closed } = await market.task(taskId);
  if (!closed) {
    await requireClosable(gradwork, taskId);
    await during(progress, "closing", () => send(gradwork, market.closeTask, [taskId], signal));
  }
  // A keeper may have closed it, which leaves the claim.
  const amount = await vault.balanceOf(owner);
  if (closed && amount === 0n)
    throw refusal("TASK_CLOSED", taskId, "is closed, its owner has nothing to claim");
  if (amount > 0n) {
    await during(progress, "claiming", () => send(gradwork, vault.claim, [owner], signal));
  }
  output.say(`task ${taskId} is closed, ${formatTokens(amount)} moved to ${owner}`);
}

async function requireClosable({ market, provider }: Gradwork, taskId: bigint): Promise<void> {
  const { closableAt, round } = await market.task(taskId);
  if (closableAt === 0n) throw refusal("TASK_NOT_CLOSABLE", taskId, "was not requested to be closed");
  const now = BigInt((await provider.getBlock("latest"))?.timestamp ?? 0);
  if (now < closableAt) {
    const times = `from ${formatTime(closableAt)} on, on chain it is ${formatTime(now)}`;
    throw refusal("TASK_NOT_CLOSABLE", taskId, `can be closed ${times}`);
  }
  const phase = named(PHASES, await market.phase(taskId));
  if (phase !== "Idle") {
    throw refusal("TASK_NOT_CLOSABLE", taskId, `can be closed between rounds, round ${round} is ${phase}`);
  }
}

function refusal(code: string, taskId: bigint, why: string): GradworkError {
  return new GradworkError(code, `task ${taskId} ${why}`, { taskId: taskId.toString() });
}
