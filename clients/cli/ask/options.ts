import type { Command } from "commander";
import type { QueryPath } from "../../roles/responder.ts";
import { type AskedOptions, addAskedOptions, prepareAsked, type RawAskedOptions } from "../askedOptions.ts";
import { invalidOption, modelNumber, oneOf, tokenAmount, wholeNumber } from "../values.ts";

const PATHS = ["fast", "slow"] as const;
const [MAX_RESPONDERS, MIN_ASSESSORS, MAX_ASSESSORS] = [8, 3, 16];
const MAX_SECONDS = 3_600;

export type RawAskOptions = RawAskedOptions & {
  model: string;
  fee: string;
  responders: string;
  assessors: string;
  seconds?: string;
  path: string;
  faucet?: true;
};

/** @property prompt `-` where it is read from standard input */
export type AskCommandOptions = AskedOptions & {
  model: bigint;
  prompt: string;
  fee: bigint;
  responders: number;
  assessors: number;
  answerSeconds?: bigint;
  path: QueryPath;
  faucet: boolean;
};

const HELP = `
The fee is paid into escrow; good answers and close scores earn of it, a share burns, and the rest
comes back. On the fast path all nodes sign and one transaction settles; where one is missing, the slow
path goes on by itself. Prompt and answers travel encrypted; a - as the prompt reads standard input.
Stopped on the way, \`gradwork answers\` goes on.

Examples:
  gradwork ask "What is a whale?" --model 0 --fee 10
  gradwork ask - --model 0 --fee 10 --responders 2 --assessors 5 --json < prompt.txt
`;

export function defineAsk(program: Command): Command {
  const command = program
    .command("ask")
    .description("ask a model's nodes, and pay for good answers")
    .argument("<prompt>", "in UTF-8; - reads it from standard input")
    .requiredOption("--model <n>", "number of the model on chain")
    .requiredOption("--fee <tokens>", "for all answers and scores together")
    .option("--responders <n>", "answers that are wanted", "1")
    .option("--assessors <n>", "assessors that score them", "3")
    .option("--seconds <n>", "until answers must be committed (default: the longest that the model takes)")
    .option("--path <name>", "fast or slow", "fast")
    .option("--faucet", "on a test network: mint what the wallet lacks");
  return addAskedOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareAsked` does */
export function prepareAsk(prompt: string, raw: RawAskOptions, env: NodeJS.ProcessEnv): AskCommandOptions {
  if (prompt.trim() === "") throw invalidOption("PROMPT", prompt, "a question");
  const { seconds } = raw;
  return {
    model: modelNumber("--model", raw.model),
    prompt,
    fee: tokenAmount("--fee", raw.fee),
    responders: wholeNumber("--responders", raw.responders, 1, MAX_RESPONDERS),
    assessors: wholeNumber("--assessors", raw.assessors, MIN_ASSESSORS, MAX_ASSESSORS),
    ...(seconds === undefined
      ? {}
      : { answerSeconds: BigInt(wholeNumber("--seconds", seconds, 1, MAX_SECONDS)) }),
    path: oneOf("--path", raw.path, PATHS),
    faucet: raw.faucet ?? false,
    ...prepareAsked(raw, env),
  };
}
