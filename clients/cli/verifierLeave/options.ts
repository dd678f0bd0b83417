import type { Command } from "commander";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "../chainOptions.ts";
import { taskNumber } from "../values.ts";

export type RawVerifierLeaveOptions = RawSenderOptions & { task: string };

export type VerifierLeaveOptions = SenderOptions & { taskId: bigint };

const HELP = `
All enrolled stake starts its withdrawal. Duties of the present round remain, and the stake answers
for them: let \`gradwork verifier run\` go on to the round's end, then stop it; started again it
enrols again.

Examples:
  gradwork verifier leave --task 0
  gradwork stake withdraw --complete
`;

export function defineVerifierLeave(parent: Command): Command {
  const command = parent
    .command("leave")
    .description("end the duty to attest, and request the withdrawal of the enrolled stake")
    .requiredOption("--task <n>", "number of the task");
  return addSenderOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareSender` does */
export function prepareVerifierLeave(
  raw: RawVerifierLeaveOptions,
  env: NodeJS.ProcessEnv,
): VerifierLeaveOptions {
  return { taskId: taskNumber("--task", raw.task), ...prepareSender(raw, env) };
}
