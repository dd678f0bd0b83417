import type { Command } from "commander";
import { addChainOptions, type ChainOptions, prepareChain, type RawChainOptions } from "../chainOptions.ts";
import { invalidOption, taskNumber } from "../values.ts";

export type RawTaskExportOptions = RawChainOptions & { to: string; state: string; blobs?: string };

/** @property directory of what is fetched; the blobs lie in blobs/ there unless `blobs` names another folder */
export type TaskExportOptions = ChainOptions & {
  taskId: bigint;
  folder: string;
  directory: string;
  blobs?: string;
};

const HELP = `
The folder has config.json, the tokenizer and an ONNX decoder with a KV cache: what
\`gradwork responder run --weights\` and Hugging Face's libraries load. The model is rebuilt from the
initial one and every confirmed update, which come from whoever serves them and are kept in --state.

Examples:
  gradwork task export 0 --to model
  gradwork task export 0 --to model --blobs miner/blobs
`;

export function defineTaskExport(parent: Command): Command {
  const command = parent
    .command("export")
    .description("write the head's model as a folder in the Hugging Face layout; no key needed")
    .argument("<task>", "number of the task")
    .requiredOption("--to <dir>", "folder to make")
    .option("--state <dir>", "folder for what is fetched", "fetched")
    .option("--blobs <dir>", "folder of blobs that are there already (default: blobs/ in --state)");
  return addChainOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION` */
export function prepareTaskExport(task: string, raw: RawTaskExportOptions): TaskExportOptions {
  const { to, state, blobs } = raw;
  if (to === "") throw invalidOption("--to", to, "a folder");
  if (state === "") throw invalidOption("--state", state, "a folder");
  return {
    taskId: taskNumber("TASK", task),
    folder: to,
    directory: state,
    ...(blobs === undefined ? {} : { blobs }),
    ...prepareChain(raw),
  };
}
