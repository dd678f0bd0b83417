import type { Command } from "commander";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "../chainOptions.ts";
import { taskNumber } from "../values.ts";

export type RawTaskCloseOptions = RawSenderOptions & { complete?: true };

/** @property complete whether to close what was requested to be */
export type TaskCloseOptions = SenderOptions & { taskId: bigint; complete: boolean };

const HELP = `
A closing takes two steps: the owner's request, then, once the task's delay is over and no round is
open, its completion, which anyone may send. From the end of the delay no round starts. What is left
of the escrow goes to the owner's wallet, the head's bond back to its miner's stake.

Examples:
  gradwork task close 0
  gradwork task close 0 --complete
`;

export function defineTaskClose(parent: Command): Command {
  const command = parent
    .command("close")
    .description("request the closing of a task, or complete it")
    .argument("<task>", "number of the task")
    .option("--complete", "close it, and move what is left of its escrow to the owner's wallet");
  return addSenderOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareSender` does */
export function prepareTaskClose(
  task: string,
  raw: RawTaskCloseOptions,
  env: NodeJS.ProcessEnv,
): TaskCloseOptions {
  return {
    taskId: taskNumber("TASK", task),
    complete: raw.complete ?? false,
    ...prepareSender(raw, env),
  };
}
