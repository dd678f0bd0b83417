import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from "node:net";
import { gzipSync } from "node:zlib";
import { bls12_381 } from "@noble/curves/bls12-381";
import { expect } from "chai";
import {
  drandPublishedAt,
  fetchDrandSignature,
  QUICKNET_CHAIN_HASH,
  submitArguments,
} from "../../clients/chain/drand.ts";
import { encodeG1, PRIME, pointOf, quicknet } from "../contracts/support/drand.ts";
import { expectCode } from "../contracts/support/expectCode.ts";
import { thrownBy } from "../model/thrown.ts";

const { chain, rounds } = quicknet;
const { round: ROUND, signature: SIGNATURE } = rounds[1]!;

describe("the time at which a drand round is published", () => {
  it("is the chain's genesis for the first, and a period later for each other", () => {
    expect(drandPublishedAt(1n)).to.equal(BigInt(chain.genesisTime));
    expect(drandPublishedAt(BigInt(ROUND)) - drandPublishedAt(1n)).to.equal(
      BigInt((ROUND - 1) * chain.periodSeconds),
    );
  });
});

describe("arguments of a drand submission", () => {
  it("are the round and the published point, decompressed as @noble/curves does", () => {
    for (const { round, signature } of rounds) {
      expect(submitArguments(BigInt(round), signature)).to.deep.equal([
        BigInt(round),
        encodeG1(pointOf(signature)),
      ]);
    }
  });

  it("decompress any point, for each sign of y", () => {
    let point = pointOf(SIGNATURE);
    for (let i = 0; i < 50; i++) {
      point = point.double();
      for (const each of [point, point.negate()]) {
        expect(submitArguments(7n, each.toHex(true))[1]).to.equal(encodeG1(each));
        expect(submitArguments(7n, each.toHex(true).toUpperCase())[1]).to.equal(encodeG1(each));
      }
    }
  });

  it("are refused for what is no compressed point: DRAND_BAD_SIGNATURE", () => {
    const withFlags = (flags: number, x: bigint) =>
      ((BigInt(flags) << 376n) | x).toString(16).padStart(96, "0");
    const { x } = pointOf(SIGNATURE).toAffine();
    let offCurve = x + 1n;
    const isOnCurve = (value: bigint) => {
      const { Fp } = bls12_381.fields;
      const square = Fp.add(Fp.pow(value, 3n), 4n);
      return Fp.pow(square, (PRIME - 1n) / 2n) === 1n;
    };
    while (isOnCurve(offCurve)) offCurve += 1n;
    const bad = [
      "",
      `0x${SIGNATURE}`,
      SIGNATURE.slice(1),
      SIGNATURE.slice(2),
      `${SIGNATURE}00`,
      `${SIGNATURE.slice(0, -1)}g`,
      ` ${SIGNATURE.slice(1)}`,
      pointOf(SIGNATURE).toHex(false),
      withFlags(0x00, x),
      withFlags(0x20, x),
      withFlags(0xc0, 0n),
      withFlags(0xc0, x),
      withFlags(0xe0, x),
      withFlags(0x80, PRIME),
      withFlags(0x80, 2n ** 381n - 1n),
      withFlags(0x80, offCurve),
    ];
    for (const signature of bad) {
      const { code, data } = thrownBy(() => submitArguments(256n, signature));
      expect(code, signature).to.equal("DRAND_BAD_SIGNATURE");
      expect(data).to.deep.equal({ round: 256n, signature });
    }
    expect(submitArguments(256n, withFlags(0x80, x))[1]).to.equal(encodeG1(pointOf(SIGNATURE)));
  });
});

describe("drand fetch", () => {
  const servers: TcpServer[] = [];
  let stop: AbortController;

  beforeEach(() => {
    stop = new AbortController();
  });
  afterEach(() => {
    stop.abort();
    for (const server of servers.splice(0)) {
      server.close();
      (server as Partial<Server>).closeAllConnections?.();
    }
  });

  async function listen(server: TcpServer): Promise<string> {
    servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Answers as drand's relays do. */
  const relay: RequestListener = (request, response) => {
    const found = rounds.find(({ round }) => request.url === `/${chain.hash}/public/${round}`);
    if (request.method !== "GET" || found === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(found));
  };

  const fetchFrom = (url: string, round: number | bigint = ROUND, timeoutMs = 60_000) =>
    fetchDrandSignature(BigInt(round), { url, timeoutMs, signal: stop.signal });

  it("asks for quicknet", () => {
    expect(QUICKNET_CHAIN_HASH).to.equal(chain.hash);
  });

  it("gives each round's signature as it was published", async () => {
    const url = await listen(createServer(relay));
    for (const { round, signature } of rounds) {
      expect(await fetchFrom(url, round)).to.equal(signature);
      expect(await fetchFrom(`${url}/`, round)).to.equal(signature);
    }
  });

  it("keeps the path of the endpoint", async () => {
    const url = await listen(
      createServer((request, response) => {
        request.url = request.url!.replace(/^\/mirror\/drand/, "");
        relay(request, response);
      }),
    );
    expect(await fetchFrom(`${url}/mirror/drand`)).to.equal(SIGNATURE);
  });

  it("says that a round is not published: DRAND_HTTP_STATUS", async () => {
    const url = await listen(createServer(relay));
    const error = await expectCode(fetchFrom(url, ROUND + 1), "DRAND_HTTP_STATUS");
    expect(error.data).to.deep.equal({ url: `${url}/${chain.hash}/public/${ROUND + 1}`, status: 404 });
  });

  describe("from an endpoint that", () => {
    type Misbehaviour = {
      readonly it: string;
      readonly code: string;
      readonly answer?: RequestListener;
      readonly socket?: (socket: Socket) => void;
      readonly timeoutMs?: number;
    };

    const published = JSON.stringify(rounds[1]);
    const answering = (body: string | Uint8Array): RequestListener => {
      return (_, response) => response.end(body);
    };

    const misbehaviours: readonly Misbehaviour[] = [
      {
        it: "sends another round",
        code: "DRAND_BAD_ANSWER",
        answer: answering(JSON.stringify({ ...rounds[1], round: ROUND + 1 })),
      },
      {
        it: "sends no round",
        code: "DRAND_BAD_ANSWER",
        answer: answering(JSON.stringify({ signature: SIGNATURE })),
      },
      {
        it: "sends the round as a string",
        code: "DRAND_BAD_ANSWER",
        answer: answering(JSON.stringify({ ...rounds[1], round: `${ROUND}` })),
      },
      {
        it: "sends no signature",
        code: "DRAND_BAD_ANSWER",
        answer: answering(JSON.stringify({ round: ROUND })),
      },
      {
        it: "sends a signature of another length",
        code: "DRAND_BAD_ANSWER",
        answer: answering(JSON.stringify({ ...rounds[1], signature: `${SIGNATURE}00` })),
      },
      { it: "sends null", code: "DRAND_BAD_ANSWER", answer: answering("null") },
      { it: "sends nothing", code: "DRAND_BAD_ANSWER", answer: answering("") },
      { it: "sends no JSON", code: "DRAND_BAD_ANSWER", answer: answering("<html></html>") },
      {
        it: "sends the body compressed",
        code: "DRAND_BAD_ANSWER",
        answer: (_, response) =>
          response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(published)),
      },
      {
        it: "sends too much",
        code: "DRAND_TOO_LARGE",
        answer: answering(published + " ".repeat(4_096)),
      },
      {
        it: "sends without end",
        code: "DRAND_TOO_LARGE",
        answer: (_, response) => {
          const more = () => {
            while (!response.destroyed && response.write(published));
          };
          response.on("drain", more);
          more();
        },
      },
      { it: "accepts and keeps silent", code: "DRAND_TOO_SLOW", answer: () => {}, timeoutMs: 60 },
      {
        it: "drips",
        code: "DRAND_TOO_SLOW",
        answer: (_, response) => {
          const drip = setInterval(() => response.write(" "), 5);
          response.on("close", () => clearInterval(drip));
        },
        timeoutMs: 80,
      },
      {
        it: "sends less than it announces",
        code: "DRAND_UNREACHABLE",
        answer: (_, response) => {
          response.writeHead(200, { "content-length": published.length });
          response.write(published.slice(0, 100), () => response.destroy());
        },
      },
      {
        it: "switches protocols",
        code: "DRAND_UNREACHABLE",
        socket: (socket) => {
          socket
            .resume()
            .end("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
        },
      },
      {
        it: "sends no HTTP",
        code: "DRAND_UNREACHABLE",
        socket: (socket) => {
          socket.resume().end("hello\r\n\r\n");
        },
      },
      {
        it: "fails",
        code: "DRAND_HTTP_STATUS",
        answer: (_, response) => response.writeHead(500).end(published),
      },
    ];

    for (const { it: does, code, answer, socket, timeoutMs } of misbehaviours) {
      it(`${does}: ${code}`, async () => {
        const server = socket ? createTcpServer(socket) : createServer(answer!);
        const closed = new Promise((resolve) => {
          server.on("connection", (each: Socket) => each.on("error", () => {}).once("close", resolve));
        });
        await expectCode(fetchFrom(await listen(server), ROUND, timeoutMs), code);
        await closed;
      });
    }

    it("redirects: DRAND_HTTP_STATUS, and it is not followed", async () => {
      let followed = false;
      const target = await listen(
        createServer((request, response) => {
          followed = true;
          relay(request, response);
        }),
      );
      const url = await listen(
        createServer((request, response) =>
          response.writeHead(302, { location: `${target}${request.url}` }).end(),
        ),
      );
      await expectCode(fetchFrom(url), "DRAND_HTTP_STATUS");
      expect(followed).to.equal(false);
    });

    it("is not there: DRAND_UNREACHABLE", async () => {
      const server = createServer();
      const url = await listen(server);
      server.close();
      await once(server, "close");
      const { message } = await expectCode(fetchFrom(url), "DRAND_UNREACHABLE");
      expect(message).to.match(/ECONNREFUSED/);
    });

    it("is none: DRAND_BAD_URL", async () => {
      const bad = [
        "",
        "a.org",
        "ftp://a.org",
        "http://b@a.org",
        "http://b:c@a.org",
        "http://a/?x=",
        "http://a/#x",
      ];
      for (const url of bad) {
        const { data } = await expectCode(fetchFrom(url), "DRAND_BAD_URL");
        expect(data).to.deep.equal({ url });
      }
    });
  });

  it("stops on abort, with the signal's reason", async () => {
    const asked = Promise.withResolvers<void>();
    const url = await listen(createServer(() => asked.resolve()));
    const reason = new Error("stopped by the operator");
    const fetching = fetchFrom(url).then(
      () => expect.fail("expected a rejection"),
      (error) => error,
    );
    await asked.promise;
    stop.abort(reason);
    expect(await fetching).to.equal(reason);
    expect(await fetchFrom(url).catch((error) => error)).to.equal(reason);
  });

  it("holds no process up after a fetch", async () => {
    const url = await listen(createServer(relay));
    const module = new URL("../../clients/chain/drand.ts", import.meta.url);
    const script = `
      import { fetchDrandSignature } from "${module}";
      const { signal } = new AbortController();
      console.log(await fetchDrandSignature(${ROUND}n, { url: "${url}", timeoutMs: 3_600_000, signal }));
    `;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    expect(await once(child, "close")).to.deep.equal([0, null]);
    expect(output).to.equal(`${SIGNATURE}\n`);
  });
});
