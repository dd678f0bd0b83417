// The options of the commands that run a node of a model.
import type { Command } from "commander";
import { parseEndpoint } from "../http/endpoint.ts";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "./chainOptions.ts";
import { invalidOption, modelNumber, tokenAmount, wholeNumber } from "./values.ts";

const DEFAULT_HOST = "127.0.0.1";
const MAX_PORT = 65_535;

export type RawNodeOptions = RawSenderOptions & {
  model: string;
  state: string;
  host: string;
  port: string;
  publicUrl?: string;
  stake?: string;
  jsonLogs?: true;
};

export type NodeRunOptions = SenderOptions & {
  model: bigint;
  directory: string;
  host: string;
  port: number;
  publicUrl?: string;
  stake?: bigint;
  jsonLogs: boolean;
};

export function addNodeOptions(command: Command): Command {
  command
    .requiredOption("--model <n>", "number of the model on chain")
    .requiredOption("--state <dir>", "folder for what must outlive this process; one for each account")
    .option("--host <address>", "address to serve on", DEFAULT_HOST)
    .option("--port <n>", "port to serve on; 0 takes a free one", "0")
    .option("--public-url <url>", "where others reach the node (default: http://HOST:PORT)")
    .option("--stake <tokens>", "to join with, where not joined (default: the least that the model takes)")
    .option("--json-logs", "write the log as lines of JSON");
  return addSenderOptions(command);
}

/** @throws {GradworkError} `INVALID_OPTION`, `BAD_ENDPOINT`, and as `prepareSender` does */
export function prepareNode(raw: RawNodeOptions, env: NodeJS.ProcessEnv): NodeRunOptions {
  const { state, host, publicUrl, stake } = raw;
  if (state === "") throw invalidOption("--state", state, "a folder");
  if (publicUrl === undefined && (host === "0.0.0.0" || host === "::")) {
    throw invalidOption("--host", host, "an address that others can reach, unless --public-url names one");
  }
  return {
    model: modelNumber("--model", raw.model),
    directory: state,
    host,
    port: wholeNumber("--port", raw.port, 0, MAX_PORT),
    ...(publicUrl === undefined ? {} : { publicUrl: parseEndpoint(publicUrl) }),
    ...(stake === undefined ? {} : { stake: tokenAmount("--stake", stake) }),
    jsonLogs: raw.jsonLogs ?? false,
    ...prepareSender(raw, env),
  };
}
