import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import type { GenerateOptions } from "../../clients/inference/generator.ts";
import { openServer, type ServerOptions } from "../../clients/inference/server.ts";
import { thrownBy } from "../model/thrown.ts";
import { failureOf } from "./failure.ts";

const KEY = "sk-secret-0123456789";
const KEY_VARIABLE = "TEST_SERVER_KEY";
const EVENTS = { "content-type": "text/event-stream; charset=utf-8" };
const encode = (text: string) => new TextEncoder().encode(text);

type Asked = { path: string; headers: IncomingMessage["headers"]; body: Record<string, unknown> };
type Answering = (response: ServerResponse, attempt: number, request: IncomingMessage) => void;

describe("OpenAI-compatible server", () => {
  const servers: TcpServer[] = [];
  let asked: Asked[];

  beforeEach(() => {
    asked = [];
  });
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.close();
      (server as Partial<Server>).closeAllConnections?.();
    }
  });

  async function listen(server: TcpServer, port = 0): Promise<string> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  }

  function serve(answer: Answering): Server {
    return createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = JSON.parse(Buffer.concat(chunks).toString());
      asked.push({ path: request.url!, headers: request.headers, body });
      answer(response, asked.length, request);
    });
  }

  const start = (answer: Answering) => listen(serve(answer));

  // Long enough for a machine that does much else; tests of timeouts have their own.
  const limits = { timeoutMs: 60_000, idleTimeoutMs: 60_000, backoffMs: 1 };
  function open(baseUrl: string, options: Partial<ServerOptions> = {}) {
    return openServer(
      {
        baseUrl,
        model: "llama",
        api: "chat",
        keyVariable: KEY_VARIABLE,
        ...options,
        limits: { ...limits, ...options.limits },
      },
      { [KEY_VARIABLE]: KEY },
    );
  }
  async function ask(
    baseUrl: string,
    options: Partial<ServerOptions> = {},
    generation: Partial<GenerateOptions> = {},
  ) {
    const { signal } = new AbortController();
    const all = { maxTokens: 7, seed: 42, signal, ...generation };
    return open(baseUrl, options).generate(encode("the whale"), all);
  }

  const chunk = (choice: object) => `data: ${JSON.stringify({ choices: [choice] })}\n\n`;
  const chat = (content: string, finish: string | null = null) =>
    chunk({ index: 0, delta: { content }, finish_reason: finish });

  it("asks for a chat's answer, and tells it in pieces as they come", async () => {
    const baseUrl = await start((response) => {
      response.writeHead(200, EVENTS);
      response.write(`: a comment\n\n${chunk({ delta: { role: "assistant", content: "" } })}`);
      response.write(
        `${chat(" swims")}event: message\nid: 7\ndatabase: 7\n${chat(" — 鯨").replaceAll("\n", "\r\n")}`,
      );
      response.write(chunk({ delta: {}, finish_reason: "stop" }));
      response.end('data: {"choices": [], "usage": {"completion_tokens": 3}}\n\ndata: [DONE]\n\n');
    });
    const pieces: string[] = [];
    const answer = await ask(baseUrl, {}, { onText: (piece) => pieces.push(piece) });
    expect(answer).to.deep.equal({ text: " swims — 鯨", truncated: false });
    expect(pieces).to.deep.equal([" swims", " — 鯨"]);
    const { path, headers, body } = asked[0]!;
    expect(path).to.equal("/v1/chat/completions");
    expect(headers).to.include({ authorization: `Bearer ${KEY}`, "content-type": "application/json" });
    expect(body).to.deep.equal({
      model: "llama",
      messages: [{ role: "user", content: "the whale" }],
      max_tokens: 7,
      seed: 42,
      temperature: 0.8,
      top_p: 0.95,
      stream: true,
    });
  });

  it("asks for a prompt's completion, without a key where none is named", async () => {
    const baseUrl = await start((response) => {
      response.writeHead(200, EVENTS);
      response.end(
        `${chunk({ text: " swims" }) + chunk({ text: " on", finish_reason: "length" })}data: [DONE]\n\n`,
      );
    });
    const server = openServer({
      baseUrl: `${baseUrl}/`,
      model: "m",
      api: "completions",
      sampling: { temperature: 0, topP: 1 },
    });
    const { signal } = new AbortController();
    const answer = await server.generate(encode("the whale"), { maxTokens: 2, seed: 1, signal });
    expect(answer).to.deep.equal({ text: " swims on", truncated: true });
    expect(asked[0]!.path).to.equal("/v1/completions");
    expect(asked[0]!.headers).not.to.have.property("authorization");
    expect(asked[0]!.body).to.include({ prompt: "the whale", temperature: 0, top_p: 1 });
  });

  it("reads an answer that comes byte by byte", async () => {
    const whole = encode(`${chat("鯨\u2028 и кит", "stop")}data: [DONE]\n\n`);
    const baseUrl = await start(async (response) => {
      response.writeHead(200, EVENTS);
      for (const byte of whole) {
        response.write(Uint8Array.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    expect((await ask(baseUrl)).text).to.equal("鯨\u2028 и кит");
  });

  it("asks again after a refused connection", async () => {
    const baseUrl = await start(() => {});
    const port = Number(new URL(baseUrl).port);
    await new Promise((resolve) => servers.pop()!.close(resolve));
    const answer = ask(baseUrl, { limits: { retries: 8, backoffMs: 20 } });
    setTimeout(() => {
      void listen(
        serve((response) => response.writeHead(200, EVENTS).end(chat("late", "stop"))),
        port,
      );
    }, 100);
    expect((await answer).text).to.equal("late");
  });

  it("asks again after 5xx, and after 429 when the server has said to wait so long", async () => {
    const times: number[] = [];
    const baseUrl = await start((response, attempt) => {
      times.push(performance.now());
      if (attempt === 1) response.writeHead(503).end("busy");
      else if (attempt === 2) response.writeHead(429, { "retry-after": "1" }).end();
      else response.writeHead(200, EVENTS).end(chat("at last", "stop"));
    });
    expect((await ask(baseUrl)).text).to.equal("at last");
    expect(times[2]! - times[1]!).to.be.above(950);
  });

  it("gives up after the last try, or when the server asks for more time than there is", async () => {
    const busy = await start((response) => response.writeHead(500).end("out of memory"));
    const { code, message, data } = await failureOf(ask(busy, { limits: { retries: 2 } }));
    expect([code, data.status]).to.deep.equal(["SERVER_STATUS", 500]);
    expect(message).to.include("out of memory");
    expect(asked.length).to.equal(3);

    asked = [];
    const later = await start((response) => response.writeHead(429, { "retry-after": "3600" }).end());
    expect((await failureOf(ask(later))).data).to.include({ status: 429, retryAfterMs: 3_600_000 });
    expect(asked.length).to.equal(1);
  });

  it("does not ask again what another try would not change, or after text that has been told", async () => {
    for (const status of [400, 401, 404, 413, 422, 429]) {
      asked = [];
      const baseUrl = await start((response) => response.writeHead(status).end('{"error": "no"}'));
      const { code, data } = await failureOf(ask(baseUrl));
      expect([code, data.status, asked.length]).to.deep.equal(["SERVER_STATUS", status, 1]);
    }
    asked = [];
    const broken = await start((response) => {
      response.writeHead(200, EVENTS).write(chat("so far"));
      setTimeout(() => response.destroy(), 20);
    });
    expect((await failureOf(ask(broken))).code).to.equal("SERVER_UNREACHABLE");
    expect(asked.length).to.equal(1);
  });

  it("follows no redirect", async () => {
    const elsewhere = await start((response) => response.writeHead(200, EVENTS).end(chat("stolen", "stop")));
    for (const status of [301, 302, 307, 308]) {
      asked = [];
      const baseUrl = await start((response) => response.writeHead(status, { location: elsewhere }).end());
      const { code, data } = await failureOf(ask(baseUrl));
      expect([code, data.location, asked.length]).to.deep.equal(["SERVER_REDIRECT", elsewhere, 1]);
    }
  });

  it("breaks off a server that sends gigabytes", async () => {
    const megabyte = "x".repeat(2 ** 20);
    const bodies: Record<string, () => string> = {
      "one line without end": () => megabyte,
      comments: () => `: ${megabyte}\n`,
      text: () => chat(megabyte),
    };
    for (const [kind, body] of Object.entries(bodies)) {
      let sent = 0;
      let stopped = false;
      const baseUrl = await start((response) => {
        response.writeHead(200, EVENTS);
        const more = () => {
          while (!stopped && sent < 4_000) {
            sent++;
            if (!response.write(body())) return;
          }
        };
        response.on("drain", more).on("close", () => {
          stopped = true;
        });
        more();
      });
      const { code } = await failureOf(ask(baseUrl, { limits: { maxResponseBytes: 4 * 2 ** 20 } }));
      expect(code, kind).to.equal("SERVER_RESPONSE_TOO_LARGE");
      expect(sent, kind).to.be.below(200);
    }
    const refusing = await start((response) => {
      response.writeHead(400);
      const more = () => void (response.destroyed || response.write(megabyte, more));
      more();
    });
    const { code, message } = await failureOf(ask(refusing));
    expect(code).to.equal("SERVER_STATUS");
    expect(message.length).to.be.below(400);
  });

  it("breaks off a server that hangs: before its answer, within it, or by sending too slowly", async () => {
    const silent = await listen(createTcpServer(() => {}));
    const halting = await start((response) => void response.writeHead(200, EVENTS).write(chat("so far")));
    const trickling = await start((response) => {
      response.writeHead(200, EVENTS);
      const timer = setInterval(() => response.write(":\n"), 20);
      response.on("close", () => clearInterval(timer));
    });
    const refusing = await start((response) => void response.writeHead(500).write("wait"));
    for (const baseUrl of [silent, halting, refusing]) {
      const { code, message } = await failureOf(ask(baseUrl, { limits: { idleTimeoutMs: 60 } }));
      expect(code).to.equal("SERVER_TIMEOUT");
      expect(message).to.include("no pause of 60 ms");
    }
    const { code, message } = await failureOf(ask(trickling, { limits: { timeoutMs: 150 } }));
    expect(code).to.equal("SERVER_TIMEOUT");
    expect(message).to.include("within 150 ms");
  });

  it("refuses answers that are none", async () => {
    const wrong: Record<string, Answering> = {
      "another type": (response) => response.writeHead(200, { "content-type": "application/json" }).end("{}"),
      compressed: (response) =>
        response.writeHead(200, { ...EVENTS, "content-encoding": "gzip" }).end(gzipSync(chat("x", "stop"))),
      "no JSON": (response) => response.writeHead(200, EVENTS).end("data: {\n\n"),
      "no object": (response) => response.writeHead(200, EVENTS).end("data: null\n\n"),
      "no text": (response) => response.writeHead(200, EVENTS).end(chunk({ delta: { content: 7 } })),
      "an error": (response) =>
        response.writeHead(200, EVENTS).end('data: {"error": {"message": "no memory"}}\n\n'),
      "broken off": (response) => response.writeHead(200, EVENTS).end(chat("so far")),
      empty: (response) => response.writeHead(200, EVENTS).end(),
      "not UTF-8": (response) => response.writeHead(200, EVENTS).end(Buffer.from([0x64, 0xff, 0x0a, 0x0a])),
    };
    for (const [kind, answer] of Object.entries(wrong)) {
      const { code } = await failureOf(ask(await start(answer)));
      expect(code, kind).to.equal("SERVER_BAD_RESPONSE");
    }
    const noHttp = await listen(createTcpServer((socket) => socket.end("220 mail.example ESMTP\r\n")));
    expect((await failureOf(ask(noHttp))).code).to.equal("SERVER_UNREACHABLE");
  });

  it("stops when it is aborted: while it waits for the server, and between two tries", async () => {
    const reason = new Error("no longer wanted");
    const rejection = (call: Promise<unknown>) => call.then(() => undefined).catch((error) => error);
    let closed = false;
    const hanging = await start((response) => {
      response.on("close", () => {
        closed = true;
      });
      stop.abort(reason);
    });
    let stop = new AbortController();
    expect(await rejection(ask(hanging, {}, { signal: stop.signal }))).to.equal(reason);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(closed).to.equal(true);

    const busy = await start((response) => {
      response.writeHead(503, { "retry-after": "2" }).end();
      setTimeout(() => stop.abort(reason), 20);
    });
    stop = new AbortController();
    expect(await rejection(ask(busy, {}, { signal: stop.signal }))).to.equal(reason);
    expect(await rejection(ask(busy, {}, { signal: AbortSignal.abort(reason) }))).to.equal(reason);
    expect(asked.length).to.equal(2);
  });

  it("lets an error of the caller's pass", async () => {
    const baseUrl = await start((response) => response.writeHead(200, EVENTS).end(chat("a", "stop")));
    const mine = new Error("disk full");
    const onText = () => {
      throw mine;
    };
    expect(await ask(baseUrl, {}, { onText }).catch((error) => error)).to.equal(mine);
  });

  it("shows the key in no error", async () => {
    const echo: Answering[] = [
      (response, _, { headers }) => response.writeHead(400).end(`bad header: ${headers.authorization}`),
      (response, _, { headers }) =>
        response.writeHead(401).end(`wrong key: ${headers.authorization!.slice(0, 20)}`),
      (response, _, { headers }) => response.writeHead(302, { location: `/?${headers.authorization}` }).end(),
      (response, _, { headers }) => response.writeHead(200, { "content-type": headers.authorization! }).end(),
      (response, _, { headers }) => response.writeHead(200, EVENTS).end(`data: ${headers.authorization}\n\n`),
      (response, _, { headers }) =>
        response.writeHead(200, EVENTS).end(`data: {"error": "${headers.authorization}"}\n\n`),
    ];
    for (const answer of echo) {
      const { code, message, data } = await failureOf(ask(await start(answer)));
      expect(code).to.match(/^SERVER_/);
      for (const text of [message, JSON.stringify(data)]) {
        expect(text).not.to.include(KEY);
        expect(text).not.to.include(KEY.slice(0, 10));
      }
    }
  });

  it("refuses a key that is missing or cannot be sent, and URLs that are none, without showing them", () => {
    const opened = (baseUrl: string, env: NodeJS.ProcessEnv) => () =>
      openServer({ baseUrl, model: "m", api: "chat", keyVariable: KEY_VARIABLE }, env);
    const url = "http://127.0.0.1:1/v1";
    for (const env of [
      {},
      { [KEY_VARIABLE]: "" },
      { [KEY_VARIABLE]: `${KEY}\n` },
      { [KEY_VARIABLE]: "clé" },
    ]) {
      expect(thrownBy(opened(url, env)).code).to.equal("SERVER_KEY_MISSING");
    }
    for (const wrong of [
      "",
      "127.0.0.1:80",
      "ftp://a/v1",
      `http://me:${KEY}@a/v1`,
      "http://a/v1?x=1",
      "http://a/#",
    ]) {
      expect(opened(wrong, { [KEY_VARIABLE]: KEY }))
        .to.throw()
        .with.property("code", "SERVER_BAD_URL");
      expect(opened(wrong, { [KEY_VARIABLE]: KEY })).to.throw(/^(?!.*secret)/);
    }
  });

  it("refuses prompts before it asks: empty, not UTF-8, too long", async () => {
    const baseUrl = await start((response) => response.writeHead(200, EVENTS).end(chat("a", "stop")));
    const server = open(baseUrl, { limits: { maxPromptBytes: 10 } });
    const { signal } = new AbortController();
    const refusals: [Uint8Array, number, string][] = [
      [new Uint8Array(), 1, "PROMPT_EMPTY"],
      [Uint8Array.of(0xc3), 1, "PROMPT_NOT_UTF8"],
      [encode("x".repeat(11)), 1, "PROMPT_TOO_LONG"],
      [encode("x"), 0, "INVALID_TOKEN_LIMIT"],
    ];
    for (const [prompt, maxTokens, code] of refusals) {
      expect(thrownBy(() => server.check(prompt, maxTokens)).code).to.equal(code);
      expect((await failureOf(server.generate(prompt, { maxTokens, seed: 1, signal }))).code).to.equal(code);
    }
    expect(asked).to.deep.equal([]);
    await server.generate(encode("x".repeat(10)), { maxTokens: 1, seed: 1, signal });
    expect(asked.length).to.equal(1);
  });
});
