// The options of the commands that keep a folder and serve others.
import type { Command } from "commander";
import { parseEndpoint } from "../http/endpoint.ts";
import { invalidOption, wholeNumber } from "./values.ts";

const DEFAULT_HOST = "127.0.0.1";
const MAX_PORT = 65_535;

export type RawServingOptions = { state: string; host: string; port: string; publicUrl?: string };

/**
 * @property directory of state.sqlite
 * @property publicUrl what others reach the server by, where it isn't `http://host:port`
 */
export type ServingOptions = { directory: string; host: string; port: number; publicUrl?: string };

/** @param port by default; 0 takes a free one */
export function addServingOptions(command: Command, { port }: { port: number }): Command {
  return command
    .requiredOption("--state <dir>", "folder for what must outlive this process; one for each account")
    .option("--host <address>", "address to serve on", DEFAULT_HOST)
    .option("--port <n>", "port to serve on; 0 takes a free one", String(port))
    .option("--public-url <url>", "where others reach the server (default: http://HOST:PORT)");
}

/** @throws {GradworkError} `INVALID_OPTION`, `BAD_ENDPOINT` */
export function prepareServing({ state, host, port, publicUrl }: RawServingOptions): ServingOptions {
  if (state === "") throw invalidOption("--state", state, "a folder");
  if (publicUrl === undefined && (host === "0.0.0.0" || host === "::")) {
    throw invalidOption("--host", host, "an address that others can reach, unless --public-url names one");
  }
  return {
    directory: state,
    host,
    port: wholeNumber("--port", port, 0, MAX_PORT),
    ...(publicUrl === undefined ? {} : { publicUrl: parseEndpoint(publicUrl) }),
  };
}
