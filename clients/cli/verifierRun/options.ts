import type { Command } from "commander";
import type { VerifierOptions } from "../../roles/verifier.ts";
import {
  addPartyOptions,
  addThreadsOption,
  type PartyRunOptions,
  prepareParty,
  prepareThreads,
  type RawPartyOptions,
  type RawThreadsOptions,
} from "../partyOptions.ts";
import { addDrandOption, prepareDrand, type RawDrandOptions } from "../roleOptions.ts";
import { tokenAmount } from "../values.ts";

export type RawVerifierRunOptions = RawPartyOptions &
  RawThreadsOptions &
  RawDrandOptions & { stake?: string };

export type VerifierRunOptions = PartyRunOptions & Pick<VerifierOptions, "stake" | "threads">;

const HELP = `
The account needs free stake to enrol with, and the chain's currency for gas. Once enrolled, silence
in a round that it is drawn for costs stake: keep it running, or \`gradwork verifier leave\`.
It shares in each proposal's fee and the winner's reward, and half of the bond of a proposal that it
proves forged is its own; deposits of demands, where they take some, come from the wallet.
Ctrl-C stops it with exit code 0; started again on the same --state it goes on.

Examples:
  gradwork verifier run --task 0 --state verifier
  gradwork verifier run --task 0 --state verifier --stake 500 --port 8646 --public-url https://verifier.example.org
`;

export function defineVerifierRun(parent: Command): Command {
  const command = parent
    .command("run")
    .description("rebuild and measure a task's proposals and attest what was found")
    .option("--stake <tokens>", "to enrol with, where not enrolled (default: the least the task takes)");
  addDrandOption(addThreadsOption(command));
  return addPartyOptions(command, { port: 0 }).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareDrand` and `prepareParty` do */
export function prepareVerifierRun(raw: RawVerifierRunOptions, env: NodeJS.ProcessEnv): VerifierRunOptions {
  return {
    ...(raw.stake === undefined ? {} : { stake: tokenAmount("--stake", raw.stake) }),
    ...prepareThreads(raw),
    ...prepareDrand(raw),
    ...prepareParty(raw, env),
  };
}
