import { openAssessor } from "../../quality/assessor.ts";
import { runAssessor } from "../../roles/assessor.ts";
import { runRole } from "../runRole.ts";
import type { Session } from "../session.ts";
import { weightsSource } from "../weights.ts";
import type { AssessorRunOptions } from "./options.ts";

export async function handleAssessorRun(options: AssessorRunOptions, session: Session): Promise<void> {
  const { model, weights, directory } = options;
  await runRole({ role: "assessor", model }, options, session, async (actor) => {
    const assessor = await openAssessor(weightsSource(weights, directory));
    try {
      await runAssessor(actor, { ...options, assessor });
    } finally {
      await assessor.close();
    }
  });
}
