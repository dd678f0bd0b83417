import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
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

/** Polls in a row without anything else, after which a client does nothing but wait. */
const IDLE_AFTER = 4;

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
  close(): Promise<void>;
};

export async function startConductedChain(): Promise<ConductedChain> {
  const { provider } = await network.create({ override: { mining: { auto: false, interval: 0 } } });
  const attending = new Set<string>();
  const polls = new Map<string, number>();
  let isMining = false;

  const isIdle = (name: string) => (polls.get(name) ?? 0) >= IDLE_AFTER;

  async function mineWhenIdle(): Promise<void> {
    if (isMining || ![...polls.keys()].some(isIdle) || ![...attending].every(isIdle)) return;
    isMining = true;
    polls.clear();
    const { timestamp } = (await provider.request({
      method: "eth_getBlockByNumber",
      params: ["latest", false],
    })) as { timestamp: string };
    const params = [Number(timestamp) + 1];
    await provider.request({ method: "evm_setNextBlockTimestamp", params });
    await provider.request({ method: "evm_mine", params: [] });
    isMining = false;
  }

  async function answer(name: string, { id, method, params = [] }: Call) {
    polls.set(name, POLLS.has(method) ? (polls.get(name) ?? 0) + 1 : 0);
    try {
      return { jsonrpc: "2.0", id, result: await provider.request({ method, params }) };
    } catch (error) {
      const { code, message, data } = error as { code?: number; message: string; data?: unknown };
      return { jsonrpc: "2.0", id, error: { code: code ?? -32603, message, data } };
    }
  }

  const server = createServer(async (request: IncomingMessage, response) => {
    const name = request.url ?? "/";
    const calls = (await json(request)) as Call | Call[];
    const answers = Array.isArray(calls)
      ? await Promise.all(calls.map((call) => answer(name, call)))
      : await answer(name, calls);
    response.setHeader("content-type", "application/json").end(JSON.stringify(answers));
    await mineWhenIdle();
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
      polls.delete(`/${name}`);
    },
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
