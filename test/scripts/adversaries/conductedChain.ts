import { expect } from "chai";
import { toQuantity, Wallet } from "ethers";
import { type ConductedChain, startConductedChain } from "../../../scripts/adversaries/conductedChain.ts";

/** Polls after which a client is taken to wait. */
const POLLS = 3;

describe("a conducted chain", () => {
  let chain: ConductedChain;

  beforeEach(async () => {
    chain = await startConductedChain();
  });

  afterEach(() => chain.close());

  async function ask(name: string, method: string, params: unknown[] = []): Promise<unknown> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const headers = { "content-type": "application/json" };
    const response = await fetch(chain.rpcOf(name), { method: "POST", headers, body });
    return ((await response.json()) as { result: unknown }).result;
  }

  /** Polls until there is a newer block; that one then. */
  async function wait(name: string): Promise<number> {
    const before = Number(await ask(name, "eth_blockNumber"));
    for (;;) {
      const newest = Number(await ask(name, "eth_blockNumber"));
      if (newest > before) return newest;
    }
  }

  async function latest(): Promise<{ number: number; timestamp: number }> {
    const block = await ask("reader", "eth_getBlockByNumber", ["latest", false]);
    const { number, timestamp } = block as { number: string; timestamp: string };
    return { number: Number(number), timestamp: Number(timestamp) };
  }

  it("makes a block a second later as soon as all who attend wait for one", async () => {
    const before = await latest();
    for (const name of ["a", "b"]) chain.attend(name);
    expect(await Promise.all([wait("a"), wait("b")])).to.deep.equal([before.number + 1, before.number + 1]);
    expect(await latest()).to.deep.equal({ number: before.number + 1, timestamp: before.timestamp + 1 });
  });

  it("makes none while one of them is at work, until it waits too or leaves", async () => {
    const { number } = await latest();
    for (const name of ["a", "b"]) chain.attend(name);
    for (const [i, go] of [() => wait("b"), async () => chain.excuse("b")].entries()) {
      const waiting = wait("a");
      for (let call = 0; call < 3 * POLLS; call++) {
        await ask("b", "eth_blockNumber");
        await ask("b", "eth_chainId");
      }
      expect((await latest()).number).to.equal(number + i);
      await go();
      expect(await waiting).to.equal(number + i + 1);
    }
  });

  it("makes none while something is done that it is held for", async () => {
    const { number } = await latest();
    chain.attend("a");
    const waiting = await chain.hold(async () => {
      const pending = wait("a");
      for (let call = 0; call < 3 * POLLS; call++) await ask("b", "eth_chainId");
      expect((await latest()).number).to.equal(number);
      return { pending };
    });
    expect(await waiting.pending).to.equal(number + 1);
  });

  it("answers a client that waits, so that nobody else waits for it in vain", async () => {
    const { number } = await latest();
    for (const name of ["a", "b"]) chain.attend(name);
    const all = Array.from({ length: 2 * POLLS }, () => ask("a", "eth_blockNumber"));
    expect((await Promise.all(all)).map(Number)).to.deep.equal(all.map(() => number));
  });

  it("makes so many blocks at once, so far apart, whoever is at work", async () => {
    const before = await latest();
    chain.attend("a");
    await chain.pass(300, 7);
    expect(await latest()).to.deep.equal({
      number: before.number + 300,
      timestamp: before.timestamp + 300 * 7,
    });
  });

  it("gives an account currency, and a contract other code", async () => {
    const { address } = Wallet.createRandom();
    expect(BigInt((await ask("a", "eth_getBalance", [address, "latest"])) as string)).to.equal(0n);
    await chain.endow(address);
    expect(BigInt((await ask("a", "eth_getBalance", [address, "latest"])) as string) > 0n).to.equal(true);
    await chain.replaceCode(address, toQuantity(0x6001));
    expect(await ask("a", "eth_getCode", [address, "latest"])).to.equal("0x6001");
  });
});
