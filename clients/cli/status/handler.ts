import type { Gradwork } from "../../chain/connection.ts";
import { readTask, readTerms } from "../../chain/taskView.ts";
import { openReader } from "../chain.ts";
import { formatCoins, formatRows, formatTime, formatTokens } from "../formats.ts";
import type { Session } from "../session.ts";
import type { StatusOptions } from "./options.ts";

/** The newest tasks that are shown; each takes several requests. */
const MAX_TASKS = 20n;

export async function handleStatus(options: StatusOptions, { output }: Session): Promise<void> {
  const { account } = options;
  const gradwork = await openReader(options);
  output.say(`account ${account} on chain ${gradwork.chainId}`);
  for (const line of await accountLines(gradwork, account)) output.say(line);
  const count = await gradwork.market.taskCount();
  const first = count > MAX_TASKS ? count - MAX_TASKS : 0n;
  output.say(count === 0n ? "no tasks" : `tasks${first === 0n ? "" : `, the last ${MAX_TASKS} of ${count}`}`);
  for (let taskId = first; taskId < count; taskId++) {
    output.say(await taskLine(gradwork, taskId, account));
  }
}

async function accountLines({ provider, token, vault }: Gradwork, account: string): Promise<string[]> {
  const [currency, wallet, stake, { free, locked, withdrawing, withdrawableAt }, claimable] =
    await Promise.all([
      provider.getBalance(account),
      token.balanceOf(account),
      vault.stakeOf(account),
      vault.accounts(account),
      vault.balanceOf(account),
    ]);
  return formatRows([
    ["wallet", `${formatTokens(wallet)}, and ${formatCoins(currency)} of the chain's currency for gas`],
    ["stake, free", formatTokens(free)],
    ["stake, locked as bonds", formatTokens(locked)],
    ["stake, enrolled", formatTokens(stake - free - locked - withdrawing)],
    [
      "stake, being withdrawn",
      formatTokens(withdrawing) + (withdrawing === 0n ? "" : ` from ${formatTime(withdrawableAt)} on`),
    ],
    ["claimable", formatTokens(claimable)],
  ]);
}

async function taskLine(gradwork: Gradwork, taskId: bigint, account: string): Promise<string> {
  const { task, phase, number, proposals } = await readTask(gradwork, await readTerms(gradwork, taskId));
  const parts = [`${taskId}: round ${number}, ${phase}`, `escrow ${formatTokens(task.escrow)}`];
  if (task.owner === account) parts.push("owned");
  if (proposals.some(({ miner }) => miner === account)) parts.push("proposed in the last round");
  const { active } = await gradwork.committee.enrolment(taskId, account);
  if (active) parts.push("enrolled");
  return `  ${parts.join(", ")}`;
}
