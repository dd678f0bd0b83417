import { resumeAsked } from "../../roles/asker.ts";
import { openSender } from "../chain.ts";
import { reportAsked } from "../reportAsked.ts";
import type { Session } from "../session.ts";
import type { AnswersOptions } from "./options.ts";

/** @throws {GradworkError} as `openSender` and `resumeAsked` do */
export async function handleAnswers(options: AnswersOptions, session: Session): Promise<void> {
  const { query } = options;
  const gradwork = await openSender(options);
  await reportAsked(gradwork, options, session, (actor, state) => resumeAsked(actor, query, state));
}
