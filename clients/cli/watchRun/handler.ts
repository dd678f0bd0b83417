import { runWatch } from "../../roles/watch.ts";
import type { PartyRunOptions } from "../partyOptions.ts";
import { runParty } from "../runRole.ts";
import type { Session } from "../session.ts";

export async function handleWatchRun(options: PartyRunOptions, session: Session): Promise<void> {
  await runParty("watch", options, session, (party) => runWatch(party, { taskId: options.taskId }));
}
