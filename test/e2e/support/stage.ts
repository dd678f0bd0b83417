import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEther, Wallet } from "ethers";
import { bindContracts, type Chain, connectChain, walletFromKey } from "../../../clients/chain/connection.ts";
import type { Deployment } from "../../../clients/chain/deployment.ts";
import { waitForReceipt } from "../../../clients/chain/transactions.ts";
import { prepareTask, registerTask, type TaskOptions } from "../../../clients/roles/createTask.ts";
import { deposit, fundTask, useFaucet } from "../../../clients/roles/money.ts";
import type { RoleEvent } from "../../../clients/roles/observer.ts";
import { closeParty, openParty, type Party } from "../../../clients/roles/party.ts";
import { deployGradwork, walletProvider } from "../../../deploy/deployGradwork.ts";
import { startLocalChain } from "../../../scripts/demo/localChain.ts";

export const BLOCK_MS = 500;

const DEPTH = 1;

/** A chain with the contracts, and parties that share nothing else. */
export type Stage = {
  rpc: string;
  deployment: Deployment;
  directory: string;
  /** Opens a party with a new key, `tokens` in its wallet, and of those `stake` in the vault. */
  join(name: string, money: { tokens: bigint; stake: bigint }): Promise<Joined>;
  close(): Promise<void>;
};

/** @property leave ends the party's work and closes its endpoint */
export type Joined = Party & { events: RoleEvent[]; leave(): Promise<void> };

export async function openStage(): Promise<Stage> {
  const chain = await startLocalChain({ blockMs: BLOCK_MS });
  const directory = mkdtempSync(join(tmpdir(), "gradwork-stage-"));
  const funder = await connectChain(chain.rpc, walletFromKey(chain.funderKey, "the funder"), 0);
  const deployment = await deployGradwork(walletProvider(funder), {
    confirmations: 1,
    pollMs: funder.pollMs,
  });
  const present = new Set<Joined>();
  // One funder, one nonce after another.
  let funding = Promise.resolve();

  return {
    rpc: chain.rpc,
    deployment,
    directory,
    async join(name, { tokens, stake }) {
      const wallet = new Wallet(Wallet.createRandom().privateKey);
      funding = funding.then(() => sendEther(funder, wallet.address));
      await funding;
      const gradwork = await bindContracts(await connectChain(chain.rpc, wallet, DEPTH), deployment);
      const leaving = new AbortController();
      const { signal } = leaving;
      await useFaucet(gradwork, tokens, signal);
      if (stake > 0n) await deposit(gradwork, stake, signal);
      const events: RoleEvent[] = [];
      const options = {
        directory: join(directory, name),
        host: "127.0.0.1",
        port: 0,
        observe: (event: RoleEvent) => void events.push(event),
        signal,
      };
      const party = await openParty(gradwork, options);
      const joined: Joined = {
        ...party,
        events,
        async leave() {
          if (!present.delete(joined)) return;
          leaving.abort(new Error(`${name} left`));
          await closeParty(party);
        },
      };
      present.add(joined);
      return joined;
    },
    async close() {
      for (const party of [...present]) await party.leave();
      await chain.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Registers a task from the owner's store and pays for some rounds of it. */
export async function openTask(
  owner: Party,
  task: Omit<TaskOptions, "location">,
  rounds: bigint,
): Promise<bigint> {
  const { gradwork, store, endpoint, signal } = owner;
  const prepared = await prepareTask(store, task);
  const { taskId } = await registerTask(
    gradwork,
    prepared,
    { params: task.params, location: endpoint },
    signal,
  );
  const { minerReward, verifierReward } = task.params;
  await fundTask(gradwork, taskId, rounds * (minerReward + verifierReward), signal);
  return taskId;
}

/** Resolves when a party has said that a round is final; rejects when its role ends by an error before. */
export async function finality(party: Joined, round: bigint, role: Promise<void>): Promise<void> {
  let failed: unknown;
  role.catch((error) => {
    failed = error;
  });
  while (!party.events.some((event) => event.kind === "finalized" && event.round === round)) {
    if (failed !== undefined) throw failed;
    await new Promise((resolve) => setTimeout(resolve, BLOCK_MS / 2));
  }
}

async function sendEther(funder: Chain, to: string): Promise<void> {
  const { hash } = await funder.wallet.sendTransaction({ to, value: parseEther("1") });
  await waitForReceipt(funder, hash, "funding", AbortSignal.timeout(60_000));
}
