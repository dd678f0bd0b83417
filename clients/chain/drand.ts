import { get as httpGet, type IncomingMessage } from "node:http";
import { get as httpsGet } from "node:https";
import { parseBaseUrl } from "../http/endpoint.ts";
import { GradworkError } from "../model/errors.ts";

/** Quicknet, the only beacon whose signatures contracts/randomness/DrandRandomness.sol takes. */
export const QUICKNET_CHAIN_HASH = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971";

/** Of the League of Entropy's public endpoints (https://docs.drand.love/developer/http-api) those of two operators. */
export const QUICKNET_URLS: readonly string[] = ["https://api.drand.sh", "https://drand.cloudflare.com"];

/** When quicknet's round 1 was published, and how long after it the next, in seconds. */
const [GENESIS, PERIOD_SECONDS] = [1_692_803_367n, 3n];

/** A round's number and what drand publishes for it in under 300 bytes. */
const MAX_ANSWER_BYTES = 4_096;

const SIGNATURE_BYTES = 48;
const FIELD_HEX_DIGITS = 128;

/** BLS12-381: y² = x³ + 4 over the field of this prime, of which a quarter of one more is whole. */
const PRIME =
  0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaabn;

/** The three highest bits of a compressed point: that it is one, that it is infinity, that y is the larger of ±y. */
const [COMPRESSED, INFINITY, LARGER] = [1n << 383n, 1n << 382n, 1n << 381n];

export type DrandFetchOptions = {
  /** base URL of a drand HTTP endpoint, e.g. https://api.drand.sh */
  readonly url: string;
  /** from connecting to the last byte */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

/** When a round is published, in seconds: the chain's clock may say so a little before or after. */
export function drandPublishedAt(round: bigint): bigint {
  return GENESIS + (round - 1n) * PERIOD_SECONDS;
}

/**
 * The arguments of `submit` in contracts/interfaces/IDrandRandomness.sol. Whether the signature is the round's is for the
 * contract to say.
 * @param signature as published: 48 bytes in hex without prefix, a compressed point of G1
 * @returns the round, and the point as EIP-2537 encodes it: 0x, then x and y in 64 bytes each
 * @throws {GradworkError} `DRAND_BAD_SIGNATURE` unless it is the compressed form of a point on the curve, not infinity
 */
export function submitArguments(round: bigint, signature: string): [round: bigint, signature: string] {
  const bad = (what: string) =>
    new GradworkError("DRAND_BAD_SIGNATURE", `Expected ${what} for round ${round}, got "${signature}"`, {
      round,
      signature,
    });
  if (!isSignature(signature)) throw bad(`${SIGNATURE_BYTES} bytes of hex`);
  const word = BigInt(`0x${signature}`);
  if ((word & COMPRESSED) === 0n || (word & INFINITY) !== 0n) throw bad("a compressed point");
  const x = word & (LARGER - 1n);
  if (x >= PRIME) throw bad("a coordinate below the prime");
  const square = (x ** 3n + 4n) % PRIME;
  const root = power(square, (PRIME + 1n) / 4n);
  if (root ** 2n % PRIME !== square) throw bad("a point on the curve");
  const isLarger = (word & LARGER) !== 0n;
  const y = root > PRIME / 2n === isLarger ? root : PRIME - root;
  return [round, `0x${fieldHex(x)}${fieldHex(y)}`];
}

/**
 * A round's signature from a drand HTTP endpoint, `GET {url}/{chainHash}/public/{round}`, as published: 48 bytes in hex.
 * @throws {GradworkError} `DRAND_BAD_URL`, `DRAND_UNREACHABLE`, `DRAND_HTTP_STATUS` (also while the round is not
 *   published), `DRAND_TOO_LARGE`, `DRAND_TOO_SLOW`, `DRAND_BAD_ANSWER`
 * @throws the signal's reason on abort
 */
export async function fetchDrandSignature(round: bigint, options: DrandFetchOptions): Promise<string> {
  options.signal.throwIfAborted();
  const url = `${parseDrandUrl(options.url)}/${QUICKNET_CHAIN_HASH}/public/${round}`;
  const answer = await download(url, options);
  let published: { round?: unknown; signature?: unknown } | null;
  try {
    published = JSON.parse(answer);
  } catch {
    published = null;
  }
  const signature = published?.signature;
  if (published?.round !== Number(round) || typeof signature !== "string" || !isSignature(signature)) {
    throw new GradworkError(
      "DRAND_BAD_ANSWER",
      `Expected JSON with round ${round} and its signature from ${url}, got ${JSON.stringify(answer.slice(0, 200))}`,
      { url, answer },
    );
  }
  return signature;
}

function isSignature(signature: string): boolean {
  return signature.length === 2 * SIGNATURE_BYTES && /^[0-9a-f]+$/i.test(signature);
}

/** base^exponent in the field. */
function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % PRIME;
    square = (square * square) % PRIME;
  }
  return result;
}

function fieldHex(element: bigint): string {
  return element.toString(16).padStart(FIELD_HEX_DIGITS, "0");
}

/**
 * The base URL of a drand HTTP endpoint, without a slash at its end.
 * @throws {GradworkError} `DRAND_BAD_URL`
 */
export function parseDrandUrl(given: string): string {
  const url = parseBaseUrl(given);
  if (url !== undefined) return url;
  throw new GradworkError(
    "DRAND_BAD_URL",
    `Expected an http or https URL without credentials, query or fragment, got ${JSON.stringify(given)}`,
    { url: given },
  );
}

/** A response's body as text, never more of it than the limit. Redirects are not followed, and nothing is decoded. */
async function download(url: string, { timeoutMs, signal }: DrandFetchOptions): Promise<string> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const request = (url.startsWith("https:") ? httpsGet : httpGet)(url, {
    agent: false,
    headers: { accept: "application/json", "accept-encoding": "identity" },
    maxHeaderSize: 8_192,
    signal: AbortSignal.any([signal, deadline]),
  });
  const chunks: Uint8Array[] = [];
  let received = 0;
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.on("response", resolve).on("error", reject);
      // The only sign of a server that switches protocols.
      request.on("close", () => reject(new Error("connection closed without a response")));
    });
    const status = response.statusCode ?? 0;
    if (status !== 200) {
      throw new GradworkError("DRAND_HTTP_STATUS", `Expected HTTP status 200 from ${url}, got ${status}`, {
        url,
        status,
      });
    }
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      received += chunk.length;
      if (received > MAX_ANSWER_BYTES) {
        throw new GradworkError(
          "DRAND_TOO_LARGE",
          `Expected at most ${MAX_ANSWER_BYTES} bytes from ${url}, got ${received}`,
          { url, received, limit: MAX_ANSWER_BYTES },
        );
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted) {
      throw new GradworkError(
        "DRAND_TOO_SLOW",
        `Expected the answer of ${url} within ${timeoutMs} ms, got ${received} bytes`,
        { url, received, timeoutMs },
      );
    }
    if (error instanceof GradworkError) throw error;
    throw new GradworkError(
      "DRAND_UNREACHABLE",
      `Expected a whole response from ${url}, got "${(error as Error).message}" after ${received} bytes`,
      { url, received },
    );
  } finally {
    request.destroy();
  }
}
