// The options of the commands that run a node of a model.
import type { Command } from "commander";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "./chainOptions.ts";
import { addDrandOption, prepareDrand, type RawDrandOptions } from "./roleOptions.ts";
import {
  addServingOptions,
  prepareServing,
  type RawServingOptions,
  type ServingOptions,
} from "./servingOptions.ts";
import { modelNumber, tokenAmount } from "./values.ts";

export type RawNodeOptions = RawSenderOptions &
  RawServingOptions &
  RawDrandOptions & { model: string; stake?: string; jsonLogs?: true };

export type NodeRunOptions = SenderOptions &
  ServingOptions & { model: bigint; stake?: bigint; drandUrls: string[]; jsonLogs: boolean };

export function addNodeOptions(command: Command): Command {
  command
    .requiredOption("--model <n>", "number of the model on chain")
    .option("--stake <tokens>", "to join with, where not joined (default: the least that the model takes)")
    .option("--json-logs", "write the log as lines of JSON");
  return addSenderOptions(addDrandOption(addServingOptions(command, { port: 0 })));
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareServing`, `prepareDrand` and `prepareSender` do */
export function prepareNode(raw: RawNodeOptions, env: NodeJS.ProcessEnv): NodeRunOptions {
  const { stake } = raw;
  return {
    model: modelNumber("--model", raw.model),
    ...(stake === undefined ? {} : { stake: tokenAmount("--stake", stake) }),
    jsonLogs: raw.jsonLogs ?? false,
    ...prepareServing(raw),
    ...prepareDrand(raw),
    ...prepareSender(raw, env),
  };
}
