import { GradworkError } from "../model/errors.ts";

/** Longest that is announced on chain. */
const MAX_ENDPOINT_BYTES = 256;

/**
 * A base URL without a slash at its end; undefined unless it is http or https, without credentials, query or fragment.
 */
export function parseBaseUrl(text: string): string | undefined {
  const url = URL.parse(text);
  const isPlain =
    url !== null &&
    ["http:", "https:"].includes(url.protocol) &&
    url.username === "" &&
    url.password === "" &&
    !/[?#]/.test(text);
  return isPlain ? url.href.replace(/\/+$/, "") : undefined;
}

/**
 * An announced base URL without a slash at its end.
 * @throws {GradworkError} `BAD_ENDPOINT` unless it is http or https, without credentials, query or fragment, in at most
 *   256 bytes
 */
export function parseEndpoint(endpoint: string): string {
  const url = Buffer.byteLength(endpoint) <= MAX_ENDPOINT_BYTES ? parseBaseUrl(endpoint) : undefined;
  if (url !== undefined) return url;
  throw new GradworkError(
    "BAD_ENDPOINT",
    `Expected an http or https URL of at most ${MAX_ENDPOINT_BYTES} bytes without credentials, query or ` +
      `fragment, got ${JSON.stringify(endpoint)}`,
    { endpoint },
  );
}
