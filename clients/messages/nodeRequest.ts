import { request } from "undici";
import { parseEndpoint } from "../http/endpoint.ts";
import { readWhole } from "../http/readWhole.ts";
import { GradworkError } from "../model/errors.ts";
import type { Json } from "../storage/stateStore.ts";
import { parseJson } from "./jsonFields.ts";

/** Longest reply in bytes: a sealed prompt with its answer. */
export const MAX_REPLY_BYTES = 1 << 20;

export type RequestOptions = {
  /** from connecting to the last byte */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

/**
 * Asks a node for its part in a query.
 * @param endpoint base URL that the node announced: not trusted
 * @param name of the request
 * @throws {GradworkError} `BAD_ENDPOINT`; `NODE_UNREACHABLE`, `NODE_TOO_SLOW`, `NODE_REDIRECTS`,
 * `NODE_REPLY_TOO_LARGE`, `NODE_BAD_REPLY`; `NODE_REFUSED` with the node's own code as `reason`
 * @throws the signal's reason on abort
 */
export async function requestNode(
  endpoint: string,
  query: bigint,
  name: string,
  body: Json,
  { timeoutMs, signal }: RequestOptions,
): Promise<Json> {
  const url = `${parseEndpoint(endpoint)}/queries/${query}/${name}`;
  const timeout = AbortSignal.timeout(timeoutMs);
  const fault = (code: string, what: string, data: Record<string, unknown> = {}) =>
    new GradworkError(code, `${url} ${what}`, { url, ...data });
  let status: number;
  let bytes: Uint8Array | undefined;
  try {
    // Half of what the built-in fetch costs, and no limits on time beside ours.
    const { statusCode, body: reply } = await request(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, timeout]),
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    status = statusCode;
    if (status >= 300 && status < 400) {
      // Without a listener, undici's error that the body was broken off would end the process.
      reply.on("error", () => {}).destroy();
      throw fault("NODE_REDIRECTS", "sends elsewhere, which is not followed");
    }
    bytes = await readWhole(reply, MAX_REPLY_BYTES);
  } catch (error) {
    if (error instanceof GradworkError) throw error;
    signal.throwIfAborted();
    if (timeout.aborted)
      throw fault("NODE_TOO_SLOW", `has not replied within ${timeoutMs} ms`, { timeoutMs });
    throw fault("NODE_UNREACHABLE", `can't be reached: ${(error as Error).message}`);
  }
  if (bytes === undefined) {
    throw fault("NODE_REPLY_TOO_LARGE", `replies with more than ${MAX_REPLY_BYTES} bytes`, {
      limit: MAX_REPLY_BYTES,
    });
  }
  const reply = parseJson(bytes);
  if (reply === undefined) {
    throw fault("NODE_BAD_REPLY", `replies with status ${status} and no JSON`, { status });
  }
  if (status === 200) return reply;
  const { code = "", message = "" } = (reply ?? {}) as { code?: unknown; message?: unknown };
  throw fault("NODE_REFUSED", `refuses with status ${status}: ${String(message).slice(0, 500)}`, {
    status,
    reason: String(code),
  });
}
