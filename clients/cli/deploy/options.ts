import type { Command } from "commander";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "../chainOptions.ts";

const HELP = `
Writes the addresses to the --deployment file, which must not exist yet. Cut short, the same
command goes on where it stopped.

Examples:
  GRADWORK_PRIVATE_KEY=0x… gradwork deploy
  KEY=0x… gradwork deploy --rpc https://rpc.example.org --deployment sepolia.json --private-key-env KEY
`;

export function defineDeploy(parent: Command): Command {
  const command = parent
    .command("deploy")
    .description("deploy the contracts, with a token for test networks");
  return addSenderOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} as `prepareSender` does */
export function prepareDeploy(raw: RawSenderOptions, env: NodeJS.ProcessEnv): SenderOptions {
  return prepareSender(raw, env);
}
