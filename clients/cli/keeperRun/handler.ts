import { runKeeper } from "../../roles/keeper.ts";
import { runRole } from "../runRole.ts";
import type { Session } from "../session.ts";
import type { KeeperRunOptions } from "./options.ts";

export async function handleKeeperRun(options: KeeperRunOptions, session: Session): Promise<void> {
  const { taskId } = options;
  await runRole({ role: "keeper", task: taskId }, options, session, (actor) => runKeeper(actor, { taskId }));
}
