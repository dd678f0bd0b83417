// An OpenAI-compatible server (vLLM, llama.cpp, Ollama and others) as a generator.
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { sleep } from "../chain/sleep.ts";
import { parseBaseUrl } from "../http/endpoint.ts";
import { GradworkError } from "../model/errors.ts";
import {
  type Answer,
  DEFAULT_SAMPLING,
  type GenerateOptions,
  type Generator,
  MAX_PROMPT_BYTES,
  promptText,
  requireTokenLimit,
  type Sampling,
} from "./generator.ts";
import { readServerEvents } from "./serverEvents.ts";

export type ServerOptions = {
  /** What stands before `/chat/completions`, as a rule with `/v1` at the end; http or https. */
  readonly baseUrl: string;
  /** Name by which the server knows the model. */
  readonly model: string;
  /** "chat" puts the prompt as a user's message, "completions" lets the model continue it as it stands. */
  readonly api: "chat" | "completions";
  /** Environment variable that has the key; without it none is sent. */
  readonly keyVariable?: string;
  readonly sampling?: Sampling;
  readonly limits?: Partial<ServerLimits>;
};

export type ServerLimits = {
  readonly maxPromptBytes: number;
  /** Bytes of one response, whatever is in them. */
  readonly maxResponseBytes: number;
  /** For an answer, all tries together. */
  readonly timeoutMs: number;
  /** Without a byte from the server, before the first one too. */
  readonly idleTimeoutMs: number;
  /** Tries after the first. */
  readonly retries: number;
  /** Before the first retry, unless the server names a time; it doubles with each. */
  readonly backoffMs: number;
};

const DEFAULT_LIMITS: ServerLimits = {
  maxPromptBytes: MAX_PROMPT_BYTES,
  maxResponseBytes: 2 ** 24,
  timeoutMs: 120_000,
  idleTimeoutMs: 30_000,
  retries: 3,
  backoffMs: 500,
};

/** Of a refusal's body, for its message. */
const MAX_REFUSAL_BYTES = 4_096;
const SHOWN_CHARACTERS = 200;

/**
 * A generator that asks a server, again after a refused connection, status 429 with a Retry-After, or 5xx. Answers are
 * reproducible as far as the server heeds the seed. A prompt that the server's model finds too long is a refusal of the
 * server's (`SERVER_STATUS`). The key is in no error.
 * @param env where the key's variable is looked up
 * @throws {GradworkError} `SERVER_BAD_URL`, `SERVER_KEY_MISSING`; from `generate`, besides what is wrong with the prompt,
 * `SERVER_UNREACHABLE`, `SERVER_TIMEOUT`, `SERVER_REDIRECT`, `SERVER_STATUS` with the status, `SERVER_BAD_RESPONSE`,
 * `SERVER_RESPONSE_TOO_LARGE`
 */
export function openServer(options: ServerOptions, env: NodeJS.ProcessEnv = process.env): Generator {
  const { model, api, sampling = DEFAULT_SAMPLING } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const url = `${requireBaseUrl(options.baseUrl)}/${api === "chat" ? "chat/completions" : "completions"}`;
  const key = options.keyVariable === undefined ? undefined : readKey(env, options.keyVariable);

  function readPrompt(prompt: Uint8Array, maxTokens: number): string {
    const text = promptText(prompt, limits.maxPromptBytes);
    requireTokenLimit(maxTokens);
    return text;
  }

  async function generate(prompt: Uint8Array, generation: GenerateOptions): Promise<Answer> {
    const { maxTokens, seed, signal, onText } = generation;
    signal.throwIfAborted();
    const text = readPrompt(prompt, maxTokens);
    const body = JSON.stringify({
      model,
      ...(api === "chat" ? { messages: [{ role: "user", content: text }] } : { prompt: text }),
      max_tokens: maxTokens,
      seed,
      temperature: sampling.temperature,
      top_p: sampling.topP,
      stream: true,
    });
    const end = performance.now() + limits.timeoutMs;
    let told = false;
    const tell = (piece: string) => {
      told = true;
      onText?.(piece);
    };
    for (let attempt = 0; ; attempt++) {
      try {
        const call = { url, key, body, limits, timeLeftMs: end - performance.now(), signal };
        return await readAnswer(responseBody(call), { api, url, show: shower(key) }, tell);
      } catch (error) {
        const pauseMs = retryPause(error, limits.backoffMs * 2 ** attempt);
        // Text that has been told cannot be taken back.
        const again = pauseMs !== undefined && !told && attempt < limits.retries;
        if (!again || performance.now() + pauseMs >= end) throw error;
        await sleep(pauseMs, signal);
      }
    }
  }

  return {
    check: (prompt, maxTokens) => void readPrompt(prompt, maxTokens),
    generate,
    close: async () => {},
  };
}

/** Milliseconds to wait before another try, which is safe where the server has not begun to answer; else undefined. */
function retryPause(error: unknown, backoffMs: number): number | undefined {
  if (!(error instanceof GradworkError)) return undefined;
  const { status, retryAfterMs, reason } = error.data as {
    status?: number;
    retryAfterMs?: number;
    reason?: string;
  };
  if (error.code === "SERVER_UNREACHABLE" && reason === "ECONNREFUSED") return backoffMs;
  if (error.code !== "SERVER_STATUS" || status === undefined) return undefined;
  return status >= 500 ? (retryAfterMs ?? backoffMs) : status === 429 ? retryAfterMs : undefined;
}

type Call = {
  readonly url: string;
  readonly key: string | undefined;
  readonly body: string;
  readonly limits: ServerLimits;
  readonly timeLeftMs: number;
  readonly signal: AbortSignal;
};

/**
 * Body of the response to a request, in the pieces in which it comes. `node:http` rather than `fetch`: it follows no
 * redirect and decodes no body, and one request has one socket, closed at its end.
 */
async function* responseBody(call: Call): AsyncGenerator<Uint8Array> {
  const { url, key, body, limits, timeLeftMs, signal } = call;
  const show = shower(key);
  const deadline = AbortSignal.timeout(Math.max(0, Math.ceil(timeLeftMs)));
  const idle = new AbortController();
  const request = (url.startsWith("https:") ? httpsRequest : httpRequest)(url, {
    method: "POST",
    agent: false,
    headers: {
      accept: "text/event-stream",
      "accept-encoding": "identity",
      "content-length": Buffer.byteLength(body),
      "content-type": "application/json",
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    },
    maxHeaderSize: 16_384,
    timeout: limits.idleTimeoutMs,
    signal: AbortSignal.any([signal, deadline, idle.signal]),
  });
  request.on("timeout", () => idle.abort());
  let received = 0;
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.on("response", resolve).on("error", reject);
      // The only sign of a server that switches protocols.
      request.on("close", () => reject(new Error("connection closed without a response")));
      request.end(body);
    });
    if (response.statusCode !== 200) throw await refusal(response, url, show);
    requireEventStream(response, url, show);
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      received += chunk.length;
      if (received > limits.maxResponseBytes) {
        throw new GradworkError(
          "SERVER_RESPONSE_TOO_LARGE",
          `Expected at most ${limits.maxResponseBytes} bytes from ${url}, got more`,
          { url, maxResponseBytes: limits.maxResponseBytes },
        );
      }
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof GradworkError) throw error;
    if (deadline.aborted) throw timeout(url, `the whole answer within ${limits.timeoutMs} ms`, received);
    if (idle.signal.aborted) throw timeout(url, `no pause of ${limits.idleTimeoutMs} ms`, received);
    const { code: reason, message } = error as NodeJS.ErrnoException;
    throw new GradworkError(
      "SERVER_UNREACHABLE",
      `Expected a whole response from ${url}, got "${show(message || `${reason}`)}" after ${received} bytes`,
      { url, reason, received },
    );
  } finally {
    request.destroy();
  }
}

/** Why a response with another status than 200 is none. */
async function refusal(
  response: IncomingMessage,
  url: string,
  show: (text: string) => string,
): Promise<GradworkError> {
  const status = response.statusCode ?? 0;
  if (status >= 300 && status < 400) {
    const location = show(response.headers.location ?? "");
    return new GradworkError(
      "SERVER_REDIRECT",
      `Expected an answer from ${url}, got a redirect to "${location}"; give the final URL as the base URL`,
      { url, status, location },
    );
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_REFUSAL_BYTES) break;
  }
  // What a server says of a wrong key may quote a part of it.
  const said = status === 401 || status === 403 ? "" : show(Buffer.concat(chunks).toString("utf8"));
  const retryAfterMs = parseRetryAfter(response.headers["retry-after"]);
  return new GradworkError(
    "SERVER_STATUS",
    `Expected HTTP status 200 from ${url}, got ${status}${said === "" ? "" : `: ${said}`}`,
    { url, status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  );
}

function requireEventStream({ headers }: IncomingMessage, url: string, show: (text: string) => string): void {
  const type = headers["content-type"] ?? "none";
  const encoding = headers["content-encoding"] ?? "identity";
  if (type.toLowerCase().startsWith("text/event-stream") && encoding === "identity") return;
  throw badResponse(
    { url },
    `an event stream without encoding, got type "${show(type)}" in "${show(encoding)}"`,
  );
}

type Source = Pick<ServerOptions, "api"> & { readonly url: string; readonly show: (text: string) => string };

/** The answer in the events of a response. */
async function readAnswer(
  body: AsyncIterable<Uint8Array>,
  source: Source,
  onText: (piece: string) => void,
): Promise<Answer> {
  let text = "";
  let finish: string | undefined;
  for await (const data of readServerEvents(body)) {
    if (data === "[DONE]") break;
    const { piece, finishReason } = readChunk(data, source);
    finish = finishReason ?? finish;
    if (piece === "") continue;
    text += piece;
    onText(piece);
  }
  if (finish === undefined) throw badResponse(source, "a reason why the answer ends, it breaks off");
  return { text, truncated: finish === "length" };
}

type Chunk = {
  readonly error?: unknown;
  readonly choices?: readonly {
    readonly delta?: { readonly content?: unknown };
    readonly text?: unknown;
    readonly finish_reason?: unknown;
  }[];
};

function readChunk(data: string, source: Source): { piece: string; finishReason: string | undefined } {
  let chunk: Chunk;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw badResponse(source, `JSON in each event, got "${source.show(data)}"`);
  }
  if (chunk?.error !== undefined)
    throw badResponse(source, `an answer, got the error "${source.show(data)}"`);
  // The last chunk may have no choice, only counts.
  const choice = chunk?.choices?.[0];
  const piece = (source.api === "chat" ? choice?.delta?.content : choice?.text) ?? "";
  const finishReason = choice?.finish_reason ?? undefined;
  if (
    !Array.isArray(chunk?.choices) ||
    typeof piece !== "string" ||
    !["string", "undefined"].includes(typeof finishReason)
  ) {
    throw badResponse(source, `chunks of a ${source.api} answer, got "${source.show(data)}"`);
  }
  return { piece, finishReason: finishReason as string | undefined };
}

/** @throws {GradworkError} `SERVER_BAD_URL` unless it is http or https, without credentials, query or fragment */
function requireBaseUrl(text: string): string {
  const url = parseBaseUrl(text);
  if (url !== undefined) return url;
  // Not shown: credentials may be in it.
  throw new GradworkError(
    "SERVER_BAD_URL",
    "Expected the server's base URL to be http or https without credentials, query or fragment; a key goes into an " +
      "environment variable",
  );
}

function readKey(env: NodeJS.ProcessEnv, variable: string): string {
  const key = env[variable] ?? "";
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new GradworkError(
    "SERVER_KEY_MISSING",
    `Expected the server's key in the environment variable ${variable}, in visible ASCII characters`,
    { variable },
  );
}

/** Retry-After (RFC 9110, 10.2.3), seconds or a date, in milliseconds from now. */
function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? 1000 * Number(header) : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** Makes what a server says fit for an error: in one line, short, and without the key. */
function shower(key: string | undefined): (text: string) => string {
  return (text) => {
    const clean = (key === undefined ? text : text.replaceAll(key, "[key]"))
      .replace(/[\s\p{C}]+/gu, " ")
      .trim();
    return clean.length <= SHOWN_CHARACTERS ? clean : `${clean.slice(0, SHOWN_CHARACTERS)}…`;
  };
}

function timeout(url: string, expected: string, received: number): GradworkError {
  return new GradworkError("SERVER_TIMEOUT", `Expected ${expected} from ${url}, got ${received} bytes`, {
    url,
    received,
  });
}

function badResponse({ url }: { readonly url: string }, expected: string): GradworkError {
  return new GradworkError("SERVER_BAD_RESPONSE", `Expected from ${url} ${expected}`, { url });
}
