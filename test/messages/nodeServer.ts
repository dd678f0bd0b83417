import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import type { Listening } from "../../clients/http/server.ts";
import type { JsonFields } from "../../clients/messages/jsonFields.ts";
import { MAX_REPLY_BYTES, requestNode } from "../../clients/messages/nodeRequest.ts";
import { MAX_REQUEST_BYTES, serveNode } from "../../clients/messages/nodeServer.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import { expectCode } from "../contracts/support/expectCode.ts";

const LOCAL = { host: "127.0.0.1", port: 0 };

describe("a node's server and who asks it", () => {
  const ending = new AbortController();
  const { signal } = ending;
  const options = { timeoutMs: 10_000, signal };
  const seen: unknown[] = [];
  let server: Listening;

  before(async () => {
    const handlers = {
      echo: async (query: bigint, body: JsonFields) => {
        seen.push([query, body]);
        return { got: body };
      },
      refuse: async () => {
        throw new GradworkError("NOT_NOW", "come again later");
      },
      fail: async () => {
        throw new Error("a secret of the node");
      },
    };
    server = await serveNode({ handlers, ...LOCAL, signal });
  });

  after(() => ending.abort(new Error("the test is over")));

  it("pass JSON both ways, with the query's number", async () => {
    expect(await requestNode(server.url, 7n, "echo", { prompt: "…" }, options)).to.deep.equal({
      got: { prompt: "…" },
    });
    expect(seen.at(-1)).to.deep.equal([7n, { prompt: "…" }]);
  });

  it("tell refusals by the node's code, and nothing of its faults", async () => {
    const refusal = await expectCode(requestNode(server.url, 7n, "refuse", {}, options), "NODE_REFUSED");
    expect(refusal.data).to.include({ status: 409, reason: "NOT_NOW" });
    expect(refusal.message).to.include("come again later");
    const fault = await expectCode(requestNode(server.url, 7n, "fail", {}, options), "NODE_REFUSED");
    expect(fault.data).to.include({ status: 500, reason: "NODE_FAULT" });
    expect(fault.message).not.to.include("secret");
  });

  it("know no other paths and methods, and nothing of an object's own", async () => {
    const reasons = async (name: string) =>
      (await expectCode(requestNode(server.url, 7n, name, {}, options), "NODE_REFUSED")).data.reason;
    expect(await reasons("other")).to.equal("PATH_NOT_FOUND");
    expect(await reasons("constructor")).to.equal("PATH_NOT_FOUND");
    expect((await fetch(`${server.url}/queries/7/echo`)).status).to.equal(405);
    expect((await fetch(`${server.url}/queries/07/echo`, { method: "POST", body: "1" })).status).to.equal(
      404,
    );
  });

  it("refuse requests that are too long, or no JSON", async () => {
    const post = (body: string | Uint8Array) =>
      fetch(`${server.url}/queries/1/echo`, { method: "POST", body });
    expect((await post("{")).status).to.equal(400);
    expect((await post(Uint8Array.of(0x22, 0xff, 0x22))).status).to.equal(400);
    const before = seen.length;
    const tooLong = await post(JSON.stringify("x".repeat(MAX_REQUEST_BYTES))).catch(() => undefined);
    expect(tooLong?.status ?? 413).to.equal(413);
    expect(seen.length).to.equal(before);
  });

  it("say where they can't listen", async () => {
    const port = Number(new URL(server.url).port);
    await expectCode(serveNode({ handlers: {}, host: "127.0.0.1", port, signal }), "CANNOT_LISTEN");
  });

  describe("where the node is another server", () => {
    const servers: Server[] = [];

    async function start(listener: RequestListener): Promise<string> {
      const other = createServer(listener).listen(0, "127.0.0.1");
      servers.push(other);
      await new Promise((resolve) => other.once("listening", resolve));
      return `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    }

    afterEach(() => {
      for (const other of servers.splice(0)) other.close().closeAllConnections();
    });

    it("that redirects: it is not followed", async () => {
      const url = await start((_, response) => response.writeHead(307, { location: server.url }).end());
      const before = seen.length;
      await expectCode(requestNode(url, 1n, "echo", {}, options), "NODE_REDIRECTS");
      expect(seen.length).to.equal(before);
      const endless = await start((_, response) => response.writeHead(307, { location: url }).write("…"));
      await expectCode(requestNode(endless, 1n, "echo", {}, options), "NODE_REDIRECTS");
    });

    it("that hangs: it is given up in time", async () => {
      const url = await start(() => {});
      await expectCode(requestNode(url, 1n, "echo", null, { timeoutMs: 200, signal }), "NODE_TOO_SLOW");
      const stop = AbortSignal.abort(new Error("stopped"));
      const stopped = await requestNode(url, 1n, "echo", null, { timeoutMs: 200, signal: stop }).catch(
        (e) => e,
      );
      expect(stopped.message).to.equal("stopped");
    });

    it("that sends without end: it is broken off at the limit", async () => {
      let sent = 0;
      const url = await start((_, response) => {
        const chunk = Buffer.alloc(1 << 16, 0x20);
        const more = () => {
          while (!response.destroyed && response.write(chunk)) sent += chunk.length;
          if (!response.destroyed) response.once("drain", more);
        };
        more();
      });
      await expectCode(requestNode(url, 1n, "echo", {}, options), "NODE_REPLY_TOO_LARGE");
      expect(sent).to.be.lessThan(16 * MAX_REPLY_BYTES);
    });

    it("that speaks no JSON, or isn't there, or is no URL of one", async () => {
      const url = await start((_, response) => response.end("<html>"));
      await expectCode(requestNode(url, 1n, "echo", {}, options), "NODE_BAD_REPLY");
      const noText = await start((_, response) => response.end(Uint8Array.of(0x22, 0xff, 0x22)));
      await expectCode(requestNode(noText, 1n, "echo", {}, options), "NODE_BAD_REPLY");
      await expectCode(requestNode("http://127.0.0.1:1", 1n, "echo", {}, options), "NODE_UNREACHABLE");
      await expectCode(requestNode("file:///etc/passwd", 1n, "echo", {}, options), "BAD_ENDPOINT");
    });
  });
});
