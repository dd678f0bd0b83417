import { once } from "node:events";
import type { Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { GradworkError } from "../model/errors.ts";

export type Listening = {
  /** `http://host:port` */
  readonly url: string;
  /** Stops listening and breaks off what is under way; resolves when the port is free. */
  close(): Promise<void>;
};

/**
 * @param port 0 for any free one
 * @param signal closes the server, as `close` does
 * @throws {GradworkError} `CANNOT_LISTEN` on the address
 * @throws the signal's reason on abort
 */
export async function listen(
  server: Server,
  { host, port, signal }: { host: string; port: number; signal: AbortSignal },
): Promise<Listening> {
  signal.throwIfAborted();
  server.listen(port, host);
  try {
    await once(server, "listening", { signal });
  } catch (error) {
    server.close();
    signal.throwIfAborted();
    throw new GradworkError(
      "CANNOT_LISTEN",
      `Expected to serve on ${host} port ${port}, got "${(error as Error).message}"`,
      { host, port },
    );
  }

  let closing: Promise<void> | undefined;
  function close(): Promise<void> {
    closing ??= new Promise((resolve) => {
      signal.removeEventListener("abort", close);
      server.close(() => resolve());
      server.closeAllConnections();
    });
    return closing;
  }
  signal.addEventListener("abort", close);

  const address = server.address() as AddressInfo;
  const shown = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return { url: `http://${shown}:${address.port}`, close };
}

/** The whole answer, which nobody keeps. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
  });
  response.end(body);
}
