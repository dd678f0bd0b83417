import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { readWhole } from "../http/readWhole.ts";
import { type Listening, listen, sendJson } from "../http/server.ts";
import { GradworkError } from "../model/errors.ts";
import type { Json } from "../storage/stateStore.ts";
import { type JsonFields, parseFields } from "./jsonFields.ts";

/** Longest request in bytes: a sealed prompt, or some dozen signed commitments. */
export const MAX_REQUEST_BYTES = 1 << 20;

/** Sent whole within this; the answer may take longer. */
const REQUEST_TIMEOUT_MS = 10_000;

const MAX_CONNECTIONS = 256;

const QUERY_PATH = /^\/queries\/(0|[1-9][0-9]{0,18})\/([a-z]+)$/;

/** Answers one kind of request about a query; a GradworkError that it throws is told to who asked. */
export type NodeHandler = (query: bigint, body: JsonFields, signal: AbortSignal) => Promise<Json>;

/**
 * Serves a node's part of queries, JSON for JSON:
 *
 *     POST /queries/QUERY/NAME     each handler under its name
 *
 * Refusals are `{code, message}` with status 4xx, faults of the node 500 without a word of what went wrong.
 * @param port 0 for any free one
 * @param signal closes the server, as `close` does
 * @throws {GradworkError} as `listen` does
 */
export async function serveNode({
  handlers,
  host,
  port,
  signal,
}: {
  handlers: Readonly<Record<string, NodeHandler>>;
  host: string;
  port: number;
  signal: AbortSignal;
}): Promise<Listening> {
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, query, name] = QUERY_PATH.exec(request.url ?? "") ?? [];
    const handler = name !== undefined && Object.hasOwn(handlers, name) ? handlers[name] : undefined;
    if (query === undefined || handler === undefined) {
      const names = Object.keys(handlers).join(", ");
      throw new RequestRefusal(
        404,
        "PATH_NOT_FOUND",
        `the only paths are /queries/QUERY/ and one of ${names}`,
      );
    }
    if (request.method !== "POST")
      throw new RequestRefusal(405, "METHOD_NOT_ALLOWED", "only POST is answered");
    const body = await readBody(request);
    const left = new AbortController();
    response.on("close", () => {
      if (!response.writableFinished) left.abort();
    });
    sendJson(response, 200, await handler(BigInt(query), body, AbortSignal.any([signal, left.signal])));
  }

  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: 8_192 },
    (request, response) => {
      const refuse = (status: number, { code, message }: { code: string; message: string }) =>
        sendJson(response, status, { code, message });
      answer(request, response).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else if (error instanceof RequestRefusal) refuse(error.status, error);
        else if (error instanceof GradworkError) refuse(409, error);
        else refuse(500, { code: "NODE_FAULT", message: "the node failed at it" });
      });
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  return listen(server, { host, port, signal });
}

/** A request that is none of the protocol's. */
class RequestRefusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function readBody(request: IncomingMessage): Promise<JsonFields> {
  const bytes = await readWhole(request, MAX_REQUEST_BYTES);
  if (bytes === undefined) {
    throw new RequestRefusal(413, "REQUEST_TOO_LARGE", `a request has at most ${MAX_REQUEST_BYTES} bytes`);
  }
  const fields = parseFields(bytes);
  if (fields !== undefined) return fields;
  throw new RequestRefusal(400, "REQUEST_NOT_JSON", "a request is a JSON object in UTF-8");
}
