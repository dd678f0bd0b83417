import type { Command } from "commander";
import { addChainOptions, type ChainOptions, prepareChain, type RawChainOptions } from "../chainOptions.ts";
import { taskNumber } from "../values.ts";

export type TaskShowOptions = ChainOptions & { taskId: bigint };

const HELP = `
Examples:
  gradwork task show 0
  gradwork task show 0 --rpc https://rpc.example.org --deployment sepolia.json
`;

export function defineTaskShow(parent: Command): Command {
  const command = parent
    .command("show")
    .description("show a task, its terms and its last round; no key needed")
    .argument("<task>", "number of the task");
  return addChainOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION` */
export function prepareTaskShow(task: string, raw: RawChainOptions): TaskShowOptions {
  return { taskId: taskNumber("TASK", task), ...prepareChain(raw) };
}
