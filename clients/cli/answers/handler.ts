import { existsSync } from "node:fs";
import { join } from "node:path";
import { notAskedHere, resumeAsked } from "../../roles/asker.ts";
import { openSender } from "../chain.ts";
import { reportAsked } from "../reportAsked.ts";
import type { Session } from "../session.ts";
import type { AnswersOptions } from "./options.ts";

/** @throws {GradworkError} as `openSender` and `resumeAsked` do */
export async function handleAnswers(options: AnswersOptions, session: Session): Promise<void> {
  const { query, directory } = options;
  if (!existsSync(join(directory, "state.sqlite"))) throw notAskedHere(query);
  const gradwork = await openSender(options);
  await reportAsked(gradwork, options, session, (actor, state) => resumeAsked(actor, query, state));
}
