// The options of the commands for who asks.
import type { Command } from "commander";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "./chainOptions.ts";
import { addDrandOption, prepareDrand, type RawDrandOptions } from "./roleOptions.ts";
import { invalidOption } from "./values.ts";

export type RawAskedOptions = RawSenderOptions & RawDrandOptions & { state: string; json?: true };

export type AskedOptions = SenderOptions & { directory: string; drandUrls: string[]; json: boolean };

export function addAskedOptions(command: Command): Command {
  command
    .option("--state <dir>", "folder that remembers what was asked", "asked")
    .option("--json", "print a report in JSON");
  return addSenderOptions(addDrandOption(command));
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareDrand` and `prepareSender` do */
export function prepareAsked(raw: RawAskedOptions, env: NodeJS.ProcessEnv): AskedOptions {
  if (raw.state === "") throw invalidOption("--state", raw.state, "a folder");
  return {
    directory: raw.state,
    json: raw.json ?? false,
    ...prepareDrand(raw),
    ...prepareSender(raw, env),
  };
}
