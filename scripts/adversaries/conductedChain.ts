import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { toQuantity } from "ethers";
import { network } from "hardhat";
import { FUNDER_KEY } from "../demo/localChain.ts";

/** What a client asks again and again while it waits for a block. */
const POLLS = new Set([
  "eth_blockNumber",
  "eth_getTransactionReceipt",
  // The deployment's.
  "eth_getBlockByNumber",
  "eth_getTransactionByHash",
  "eth_getTransactionCount",
]);

/** How often a client asks the same, and nothing but polls between, before it is taken to wait for a block. */
const IDLE_AFTER = 3;

/** Longest that such a poll is kept: another, who is at work, may wait for what this client serves beside. */
const KEPT_MS = 50;

type Call = { jsonrpc: "2.0"; id: number; method: string; params?: unknown[] };

/**
 * A chain in this process whose clock goes on only when everybody waits for it: a block a second, in chain time, as soon
 * as all that attend have nothing left to do. No window is missed for want of processor time, and none is slept through.
 */
export type ConductedChain = {
  /** The endpoint of one client, by which it is told from others. */
  rpcOf(name: string): string;
  funderKey: string;
  /** From now on no block is made while this client is at work. */
  attend(name: string): void;
  excuse(name: string): void;
  /** Gives an account currency for gas. */
  endow(address: string): Promise<void>;
  /** Makes blocks without asking anybody, `seconds` apart. */
  pass(blocks: number, seconds: number): Promise<void>;
  replaceCode(address: string, code: string): Promise<void>;
  /** Does something while no block is made because all wait for it. */
  hold<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

export async function startConductedChain(): Promise<ConductedChain> {
  const { provider } = await network.create({ override: { mining: { auto: false, interval: 0 } } });
  const attending = new Set<string>();
  /** How often each client asked what since the last block, and since it last asked anything else. */
  const polls = new Map<string, Map<string, number>>();
  const waiting = new Set<string>();
  let goOn = Promise.withResolvers<void>();
  /** Those who hold the clock. */
  let holders = 0;
  let passing: Promise<void> | undefined;

  async function passWhenIdle(): Promise<void> {
    const isIdle = waiting.size > 0 && [...attending].every((name) => waiting.has(name));
    if (isIdle && passing === undefined && holders === 0) await pass(1, 1);
  }

  function pass(blocks: number, seconds: number): Promise<void> {
    const turn: Promise<void> = (passing ?? Promise.resolve())
      .then(() => makeBlocks(blocks, seconds))
      .finally(() => {
        if (passing === turn) passing = undefined;
      });
    passing = turn;
    return turn;
  }

  async function makeBlocks(blocks: number, seconds: number): Promise<void> {
    const latest = (await provider.request({
      method: "eth_getBlockByNumber",
      params: ["latest", false],
    })) as { timestamp: string };
    const next = Number(latest.timestamp) + seconds;
    await provider.request({ method: "evm_setNextBlockTimestamp", params: [next] });
    await provider.request({ method: "hardhat_mine", params: [toQuantity(blocks), toQuantity(seconds)] });
    polls.clear();
    waiting.clear();
    goOn.resolve();
    goOn = Promise.withResolvers();
  }

  async function hold<T>(work: () => Promise<T>): Promise<T> {
    holders++;
    try {
      await passing;
      return await work();
    } finally {
      holders--;
      void passWhenIdle();
    }
  }

  /** Keeps a client that only polls for a while, or until there is something new. */
  async function conduct(name: string, { method, params }: Call): Promise<void> {
    if (!POLLS.has(method)) {
      polls.delete(name);
      return;
    }
    const asked = polls.get(name) ?? new Map<string, number>();
    polls.set(name, asked);
    const poll = JSON.stringify([method, params]);
    asked.set(poll, (asked.get(poll) ?? 0) + 1);
    if (asked.get(poll)! < IDLE_AFTER) return;
    waiting.add(name);
    const block = goOn.promise;
    await passWhenIdle();
    await Promise.race([block, delay(KEPT_MS, undefined, { ref: false })]);
  }

  async function answer({ id, method, params = [] }: Call) {
    try {
      return { jsonrpc: "2.0", id, result: await provider.request({ method, params }) };
    } catch (error) {
      const { code, message, data } = error as { code?: number; message: string; data?: unknown };
      return { jsonrpc: "2.0", id, error: { code: code ?? -32603, message, data } };
    }
  }

  const server = createServer(async (request: IncomingMessage, response) => {
    const name = request.url ?? "/";
    const asked = (await json(request)) as Call | Call[];
    const calls = [asked].flat();
    for (const call of calls) await conduct(name, call);
    const answers = await Promise.all(calls.map(answer));
    const body = JSON.stringify(Array.isArray(asked) ? answers : answers[0]);
    response.setHeader("content-type", "application/json").end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  return {
    rpcOf: (name) => `http://127.0.0.1:${port}/${name}`,
    funderKey: FUNDER_KEY,
    attend: (name) => void attending.add(`/${name}`),
    excuse: (name) => {
      attending.delete(`/${name}`);
      waiting.delete(`/${name}`);
      void passWhenIdle();
    },
    async endow(address) {
      await provider.request({ method: "hardhat_setBalance", params: [address, toQuantity(10n ** 21n)] });
    },
    pass,
    async replaceCode(address, code) {
      await provider.request({ method: "hardhat_setCode", params: [address, code] });
    },
    hold,
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
