import { exportHead } from "../../roles/exportHead.ts";
import { runParty } from "../runRole.ts";
import type { Session } from "../session.ts";
import type { TaskExportOptions } from "./options.ts";

export async function handleTaskExport(options: TaskExportOptions, session: Session): Promise<void> {
  const { taskId, folder } = options;
  await runParty("keeper", options, session, async (party) => {
    const root = await exportHead(party, taskId, folder);
    session.output.say(`the model ${root} of task ${taskId} is in ${folder}`);
  });
}
