import type { Command } from "commander";
import {
  addPartyOptions,
  type PartyRunOptions,
  prepareParty,
  type RawPartyOptions,
} from "../partyOptions.ts";

const HELP = `
Half of the bond of a proposal that it proves forged is its own. It takes no stake, but gas, and
tokens in the wallet for demands where a miner does not serve what it forged: at most as many as the
model's trees have levels, and one more. The deposit of a demand that is answered is lost.
Ctrl-C stops it with exit code 0; started again on the same --state it goes on.

Examples:
  gradwork watch run --task 0 --state watch
  gradwork watch run --task 0 --state watch --rpc https://rpc.example.org --deployment sepolia.json
`;

export function defineWatchRun(parent: Command): Command {
  const command = parent
    .command("run")
    .description("rebuild every proposal of a task and prove what is forged");
  return addPartyOptions(command, { port: 0 }).addHelpText("after", HELP);
}

/** @throws {GradworkError} as `prepareParty` does */
export function prepareWatchRun(raw: RawPartyOptions, env: NodeJS.ProcessEnv): PartyRunOptions {
  return prepareParty(raw, env);
}
