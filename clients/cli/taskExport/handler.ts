import { readTerms } from "../../chain/taskView.ts";
import { exportHead } from "../../roles/exportHead.ts";
import { closeParty, openParty } from "../../roles/party.ts";
import { requireFree } from "../../storage/writeFolder.ts";
import { openReader } from "../chain.ts";
import { lineObserver } from "../observers.ts";
import type { Session } from "../session.ts";
import type { TaskExportOptions } from "./options.ts";

export async function handleTaskExport(options: TaskExportOptions, session: Session): Promise<void> {
  const { taskId, folder, directory, blobs } = options;
  const { output, progress, signal } = session;
  const gradwork = await openReader(options);
  await readTerms(gradwork, taskId);
  await requireFree(folder);
  const party = await openParty(gradwork, {
    directory,
    ...(blobs === undefined ? {} : { blobs }),
    host: "127.0.0.1",
    port: 0,
    observe: lineObserver(progress),
    signal,
  });
  try {
    const root = await exportHead(party, taskId, folder);
    output.say(`the model ${root} of task ${taskId} is in ${folder}`);
  } finally {
    await closeParty(party);
  }
}
