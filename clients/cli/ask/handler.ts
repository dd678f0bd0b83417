import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promptText } from "../../inference/generator.ts";
import { type AskReport, ask } from "../../roles/asker.ts";
import { useFaucet } from "../../roles/money.ts";
import { openState } from "../../storage/stateStore.ts";
import { openSender } from "../chain.ts";
import { plain } from "../eventLine.ts";
import { formatTokens } from "../formats.ts";
import { lineObserver } from "../observers.ts";
import type { Session } from "../session.ts";
import { during } from "../terminal.ts";
import type { AskCommandOptions } from "./options.ts";

/** Longest prompt in bytes: sealed and in JSON it fits in a request. */
const MAX_PROMPT_BYTES = 65_536;

const STANDARD_INPUT = 0;

/** @throws {GradworkError} `PROMPT_EMPTY`, `PROMPT_TOO_LONG`, `PROMPT_NOT_UTF8`; as `ask` does */
export async function handleAsk(options: AskCommandOptions, session: Session): Promise<void> {
  const { output, progress, signal } = session;
  const bytes = options.prompt === "-" ? readFileSync(STANDARD_INPUT) : Buffer.from(options.prompt);
  const prompt = promptText(bytes, MAX_PROMPT_BYTES);
  const gradwork = await openSender(options);
  if (options.faucet) {
    await during(progress, "using the faucet", () => useFaucet(gradwork, options.fee, signal));
  }
  const state = openState(join(options.directory, "state.sqlite"));
  try {
    const observe = lineObserver(progress);
    const actor = { gradwork, address: gradwork.wallet.address, drandUrls: [], observe, signal };
    const report = await ask(actor, { ...options, prompt, state });
    if (options.json) output.say(JSON.stringify(plain(report), null, 2));
    else for (const line of reportLines(report)) output.say(line);
  } finally {
    state.close();
  }
}

function reportLines({ query, end, path, answers, refunded, seconds, consensusMs }: AskReport): string[] {
  const quick = consensusMs === undefined ? "" : `, consensus in ${consensusMs.toFixed(0)} ms`;
  const ended = `query ${query} ended ${end} by the ${path} path in ${seconds.toFixed(1)} s${quick}`;
  return [
    ...answers.flatMap(({ responder, text, scores, consensus, spread, paid }) => [
      "",
      `${responder}: ${share(consensus)} ± ${share(spread)}, paid ${formatTokens(paid)}`,
      text ?? "(the answer could not be read)",
      ...scores.map(
        ({ assessor, score }) => `  ${assessor} ${score === undefined ? "never got it" : share(score)}`,
      ),
    ]),
    "",
    `${ended}; ${formatTokens(refunded)} came back`,
  ];
}

/** Of millionths. */
function share(score: number): string {
  return (score / 1_000_000).toFixed(3);
}
