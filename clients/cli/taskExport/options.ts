import type { Command } from "commander";
import {
  addPartyOptions,
  type PartyRunOptions,
  prepareParty,
  type RawPartyOptions,
} from "../partyOptions.ts";
import { invalidOption } from "../values.ts";

export type RawTaskExportOptions = RawPartyOptions & { to: string };

export type TaskExportOptions = PartyRunOptions & { folder: string };

const HELP = `
The folder has config.json, the tokenizer, model.safetensors and an ONNX decoder with a KV cache: what
\`gradwork responder run --folder\` and Hugging Face's libraries load. Updates come from whoever serves
them and are kept in --state.

Examples:
  gradwork task export --task 0 --state miner --to model
`;

export function defineTaskExport(parent: Command): Command {
  const command = parent
    .command("export")
    .description("write the head's model as a folder in the Hugging Face layout")
    .requiredOption("--to <dir>", "folder to make");
  return addPartyOptions(command, { port: 0 }).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareParty` does */
export function prepareTaskExport(raw: RawTaskExportOptions, env: NodeJS.ProcessEnv): TaskExportOptions {
  if (raw.to === "") throw invalidOption("--to", raw.to, "a folder");
  return { folder: raw.to, ...prepareParty(raw, env) };
}
