// The options of the commands that play a role on a task until they are stopped.
import type { Command } from "commander";
import { parseDrandUrl, QUICKNET_URLS } from "../chain/drand.ts";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "./chainOptions.ts";
import { taskNumber } from "./values.ts";

export type RawRoleOptions = RawSenderOptions & { task: string; jsonLogs?: true };
export type RawDrandOptions = { drandUrl: string[] };

export type RoleOptions = SenderOptions & { taskId: bigint; jsonLogs: boolean };

export function addRoleOptions(command: Command): Command {
  command
    .requiredOption("--task <n>", "number of the task")
    .option("--json-logs", "write the log as lines of JSON");
  return addSenderOptions(command);
}

/** For roles that bring drand's signatures where a deployment takes its seeds from them. */
export function addDrandOption(command: Command): Command {
  const what = "endpoints that are asked, in this order, for the seeds of a deployment with drand";
  return command.option("--drand-url <url...>", what, [...QUICKNET_URLS]);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareSender` does */
export function prepareRole(raw: RawRoleOptions, env: NodeJS.ProcessEnv): RoleOptions {
  return {
    taskId: taskNumber("--task", raw.task),
    jsonLogs: raw.jsonLogs ?? false,
    ...prepareSender(raw, env),
  };
}

/** @throws {GradworkError} `DRAND_BAD_URL` */
export function prepareDrand({ drandUrl }: RawDrandOptions): { drandUrls: string[] } {
  return { drandUrls: drandUrl.map(parseDrandUrl) };
}
