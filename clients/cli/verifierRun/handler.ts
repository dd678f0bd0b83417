import { runVerifier } from "../../roles/verifier.ts";
import { runParty } from "../runRole.ts";
import type { Session } from "../session.ts";
import type { VerifierRunOptions } from "./options.ts";

export async function handleVerifierRun(options: VerifierRunOptions, session: Session): Promise<void> {
  const { taskId, stake, threads } = options;
  await runParty("verifier", options, session, (party) =>
    runVerifier(party, {
      taskId,
      ...(stake === undefined ? {} : { stake }),
      ...(threads === undefined ? {} : { threads }),
    }),
  );
}
