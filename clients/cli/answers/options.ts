import type { Command } from "commander";
import { type AskedOptions, addAskedOptions, prepareAsked, type RawAskedOptions } from "../askedOptions.ts";
import { queryNumber } from "../values.ts";

export type AnswersOptions = AskedOptions & { query: bigint };

const HELP = `
For a query whose \`gradwork ask\` was stopped: goes on with it from where it was left, by the fast path
where that can still be taken, and reads the answers again where it has ended. --state is the folder
that it was asked with, which holds the prompt and the key that opens the answers.

Examples:
  gradwork answers 7
  gradwork answers 7 --state asked --json
`;

export function defineAnswers(program: Command): Command {
  const command = program
    .command("answers")
    .description("bring a query of one's own to its end, and read its answers")
    .argument("<query>", "number of the query");
  return addAskedOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareAsked` does */
export function prepareAnswers(query: string, raw: RawAskedOptions, env: NodeJS.ProcessEnv): AnswersOptions {
  return { query: queryNumber("QUERY", query), ...prepareAsked(raw, env) };
}
