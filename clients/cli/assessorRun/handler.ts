import { openAssessor } from "../../quality/assessor.ts";
import { runAssessor } from "../../roles/assessor.ts";
import { runNode } from "../runNode.ts";
import type { Session } from "../session.ts";
import type { AssessorRunOptions } from "./options.ts";

export async function handleAssessorRun(options: AssessorRunOptions, session: Session): Promise<void> {
  await runNode("assessor", options, session, async (actor) => {
    const assessor = await openAssessor({ model: options.folder });
    try {
      await runAssessor(actor, { ...options, assessor });
    } finally {
      await assessor.close();
    }
  });
}
