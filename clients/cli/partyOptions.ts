// The options of the commands that run a party.
import type { Command } from "commander";
import { parseEndpoint } from "../http/endpoint.ts";
import { addRoleOptions, prepareRole, type RawRoleOptions, type RoleOptions } from "./roleOptions.ts";
import { invalidOption, wholeNumber } from "./values.ts";

/** A miner's, so that a task can be registered with its endpoint before it runs. */
export const DEFAULT_MINER_PORT = 8645;
const DEFAULT_HOST = "127.0.0.1";
const MAX_PORT = 65_535;
const MAX_THREADS = 1_024;

export type RawPartyOptions = RawRoleOptions & {
  state: string;
  blobs?: string;
  host: string;
  port: string;
  publicUrl?: string;
};
export type RawThreadsOptions = { threads?: string };

export type PartyRunOptions = RoleOptions & {
  /** folder of state.sqlite, and of blobs/ unless `blobs` names another */
  directory: string;
  blobs?: string;
  host: string;
  port: number;
  publicUrl?: string;
  drandUrls?: string[];
};

export function addPartyOptions(command: Command, { port }: { port: number }): Command {
  command
    .requiredOption("--state <dir>", "folder for what must outlive this process; one for each account")
    .option("--blobs <dir>", "folder of the blobs that are kept and served (default: blobs/ in --state)")
    .option("--host <address>", "address to serve blobs on", DEFAULT_HOST)
    .option("--port <n>", "port to serve blobs on; 0 takes a free one", String(port))
    .option("--public-url <url>", "where others reach the blobs (default: http://HOST:PORT)");
  return addRoleOptions(command);
}

/** For parties that compute. */
export function addThreadsOption(command: Command): Command {
  return command.option("--threads <n>", "threads that compute (default: one a core)");
}

/** @throws {GradworkError} `INVALID_OPTION`, `BAD_ENDPOINT`, and as `prepareSender` does */
export function prepareParty(raw: RawPartyOptions, env: NodeJS.ProcessEnv): PartyRunOptions {
  const { state, blobs, host, publicUrl } = raw;
  if (state === "") throw invalidOption("--state", state, "a folder");
  if (publicUrl === undefined && (host === "0.0.0.0" || host === "::")) {
    throw invalidOption("--host", host, "an address that others can reach, unless --public-url names one");
  }
  return {
    directory: state,
    ...(blobs === undefined ? {} : { blobs }),
    host,
    port: wholeNumber("--port", raw.port, 0, MAX_PORT),
    ...(publicUrl === undefined ? {} : { publicUrl: parseEndpoint(publicUrl) }),
    ...prepareRole(raw, env),
  };
}

/** @throws {GradworkError} `INVALID_OPTION` */
export function prepareThreads({ threads }: RawThreadsOptions): { threads?: number } {
  return threads === undefined ? {} : { threads: wholeNumber("--threads", threads, 1, MAX_THREADS) };
}
