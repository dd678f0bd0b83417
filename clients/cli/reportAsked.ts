import { join } from "node:path";
import type { Gradwork } from "../chain/connection.ts";
import type { AskReport } from "../roles/asker.ts";
import type { Actor } from "../roles/party.ts";
import { openState, type StateStore } from "../storage/stateStore.ts";
import { plain } from "./eventLine.ts";
import { formatTokens } from "./formats.ts";
import { lineObserver } from "./observers.ts";
import type { Session } from "./session.ts";

type Options = { directory: string; drandUrls: readonly string[]; json: boolean };

/** Lets an asker bring a query to its end, with the state in a folder, and prints what came of it. */
export async function reportAsked(
  gradwork: Gradwork,
  { directory, drandUrls, json }: Options,
  { output, progress, signal }: Session,
  bring: (actor: Actor, state: StateStore) => Promise<AskReport>,
): Promise<void> {
  const state = openState(join(directory, "state.sqlite"));
  try {
    const observe = lineObserver(progress);
    const report = await bring(
      { gradwork, address: gradwork.wallet.address, drandUrls, observe, signal },
      state,
    );
    if (json) output.say(JSON.stringify(plain(report), null, 2));
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
