import type { Command } from "commander";
import type { NodeRole } from "../../chain/queryView.ts";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "../chainOptions.ts";
import { modelNumber, oneOf } from "../values.ts";

export type RawNodeLeaveOptions = RawSenderOptions & { model: string; role: string };

export type NodeLeaveOptions = SenderOptions & { model: bigint; role: NodeRole };

const ROLES = { responder: "Responder", assessor: "Assessor" } as const;

const HELP = `
All stake in the role starts its withdrawal. Queries that the account was drawn for remain its duty,
and the stake answers for them: let the node run until they have ended, then stop it; started again
it joins again.

Examples:
  gradwork node leave --model 0 --role assessor
  gradwork stake withdraw --complete
`;

export function defineNodeLeave(parent: Command): Command {
  const command = parent
    .command("leave")
    .description("be drawn no more, and request the withdrawal of the stake")
    .requiredOption("--model <n>", "number of the model on chain")
    .requiredOption("--role <name>", "responder or assessor");
  return addSenderOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareSender` does */
export function prepareNodeLeave(raw: RawNodeLeaveOptions, env: NodeJS.ProcessEnv): NodeLeaveOptions {
  const names = Object.keys(ROLES) as (keyof typeof ROLES)[];
  return {
    model: modelNumber("--model", raw.model),
    role: ROLES[oneOf("--role", raw.role, names)],
    ...prepareSender(raw, env),
  };
}
