import type { Command } from "commander";
import type { VerifierOptions } from "../../roles/verifier.ts";
import {
  addPartyOptions,
  type PartyRunOptions,
  prepareParty,
  type RawPartyOptions,
} from "../partyOptions.ts";
import { tokenAmount } from "../values.ts";

export type RawVerifierRunOptions = RawPartyOptions & { stake?: string };

export type VerifierRunOptions = PartyRunOptions & Pick<VerifierOptions, "stake">;

const HELP = `
The account needs free stake to enrol with, and the chain's currency for gas. Once enrolled, not
attesting in a round that it committed in costs stake: keep it running.
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
  return addPartyOptions(command, { port: 0 }).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareParty` does */
export function prepareVerifierRun(raw: RawVerifierRunOptions, env: NodeJS.ProcessEnv): VerifierRunOptions {
  return {
    ...(raw.stake === undefined ? {} : { stake: tokenAmount("--stake", raw.stake) }),
    ...prepareParty(raw, env),
  };
}
