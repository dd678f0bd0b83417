// The options of the commands that run a party.
import type { Command } from "commander";
import { addRoleOptions, prepareRole, type RawRoleOptions, type RoleOptions } from "./roleOptions.ts";
import {
  addServingOptions,
  prepareServing,
  type RawServingOptions,
  type ServingOptions,
} from "./servingOptions.ts";
import { wholeNumber } from "./values.ts";

/** A miner's, so that a task can be registered with its endpoint before it runs. */
export const DEFAULT_MINER_PORT = 8645;
const MAX_THREADS = 1_024;

export type RawPartyOptions = RawRoleOptions & RawServingOptions & { blobs?: string };
export type RawThreadsOptions = { threads?: string };

/** @property blobs folder of the blobs; by default blobs/ in `directory` */
export type PartyRunOptions = RoleOptions & ServingOptions & { blobs?: string; drandUrls?: string[] };

export function addPartyOptions(command: Command, serving: { port: number }): Command {
  addServingOptions(command, serving).option(
    "--blobs <dir>",
    "folder of the blobs that are kept and served (default: blobs/ in --state)",
  );
  return addRoleOptions(command);
}

/** For parties that compute. */
export function addThreadsOption(command: Command): Command {
  return command.option("--threads <n>", "threads that compute (default: one a core)");
}

/** @throws {GradworkError} as `prepareServing` and `prepareRole` do */
export function prepareParty(raw: RawPartyOptions, env: NodeJS.ProcessEnv): PartyRunOptions {
  const { blobs } = raw;
  return { ...prepareServing(raw), ...(blobs === undefined ? {} : { blobs }), ...prepareRole(raw, env) };
}

/** @throws {GradworkError} `INVALID_OPTION` */
export function prepareThreads({ threads }: RawThreadsOptions): { threads?: number } {
  return threads === undefined ? {} : { threads: wholeNumber("--threads", threads, 1, MAX_THREADS) };
}
