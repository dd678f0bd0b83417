import { readFileSync } from "node:fs";
import { promptText } from "../../inference/generator.ts";
import { ask, requireAskable } from "../../roles/asker.ts";
import { useFaucet } from "../../roles/money.ts";
import { openSender } from "../chain.ts";
import { reportAsked } from "../reportAsked.ts";
import type { Session } from "../session.ts";
import { during } from "../terminal.ts";
import type { AskCommandOptions } from "./options.ts";

/** Longest prompt in bytes: sealed and in JSON it fits in a request. */
const MAX_PROMPT_BYTES = 65_536;

const STANDARD_INPUT = 0;

/** @throws {GradworkError} `PROMPT_EMPTY`, `PROMPT_TOO_LONG`, `PROMPT_NOT_UTF8`; as `ask` does */
export async function handleAsk(options: AskCommandOptions, session: Session): Promise<void> {
  const { progress, signal } = session;
  const bytes = options.prompt === "-" ? readFileSync(STANDARD_INPUT) : Buffer.from(options.prompt);
  const prompt = promptText(bytes, MAX_PROMPT_BYTES);
  const gradwork = await openSender(options);
  await requireAskable(gradwork, options);
  if (options.faucet) {
    await during(progress, "using the faucet", () => useFaucet(gradwork, options.fee, signal));
  }
  await reportAsked(gradwork, options, session, (actor, state) => ask(actor, { ...options, prompt, state }));
}
