import { runKeeper } from "../../roles/keeper.ts";
import { runRole } from "../runRole.ts";
import type { Session } from "../session.ts";
import type { KeeperRunOptions } from "./options.ts";

export async function handleKeeperRun(options: KeeperRunOptions, session: Session): Promise<void> {
  const { taskId, drandUrls } = options;
  const { signal } = session;
  await runRole("keeper", options, session, (gradwork, observe) => {
    const actor = { gradwork, address: gradwork.wallet.address, drandUrls, observe, signal };
    return runKeeper(actor, { taskId });
  });
}
