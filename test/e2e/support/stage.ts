import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEther, Wallet } from "ethers";
import { bindContracts, type Chain, connectChain, walletFromKey } from "../../../clients/chain/connection.ts";
import type { Deployment } from "../../../clients/chain/deployment.ts";
import { waitForReceipt } from "../../../clients/chain/transactions.ts";
import type { LlamaConfig } from "../../../clients/model/manifest.ts";
import { prepareTask, registerTask, type TaskOptions } from "../../../clients/roles/createTask.ts";
import { DEFAULT_MODEL, DEFAULT_TASK_PARAMS, DEFAULT_TRAINING } from "../../../clients/roles/defaults.ts";
import type { TrainingOptions } from "../../../clients/roles/miner.ts";
import { deposit, fundTask, useFaucet } from "../../../clients/roles/money.ts";
import type { RoleEvent } from "../../../clients/roles/observer.ts";
import { closeParty, openParty, type Party } from "../../../clients/roles/party.ts";
import { mobyDickText } from "../../../clients/training/dataset.ts";
import { deployGradwork, walletProvider } from "../../../deploy/deployGradwork.ts";
import { startLocalChain } from "../../../scripts/demo/localChain.ts";

export const BLOCK_MS = 500;

const DEPTH = 1;

export const SMALL_MODEL: LlamaConfig = {
  ...DEFAULT_MODEL,
  vocab_size: 320,
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 16,
  max_position_embeddings: 32,
};

/** A task that trains a small model on two chapters, in windows of seconds. */
export const SMALL_TASK: Omit<TaskOptions, "location"> = {
  text: mobyDickText().slice(0, 60_000),
  model: SMALL_MODEL,
  sequenceLength: 32,
  evaluationShare: 0.1,
  evaluation: { sequences: 16, precision: "mxfp4" },
  seed: 7,
  params: {
    ...DEFAULT_TASK_PARAMS,
    proposalSeconds: 1n,
    openingSeconds: 4n,
    leafCheckSeconds: 5n,
    commitSeconds: 6n,
    revealSeconds: 4n,
    disputeSeconds: 1n,
    answerSeconds: 4n,
    answerSlotSeconds: 2n,
  },
};

export const SMALL_TRAINING: TrainingOptions = {
  ...DEFAULT_TRAINING,
  steps: 40,
  batchSize: 8,
  schedule: { peakLearningRate: 5e-3, finalLearningRate: 1e-3, warmUpSteps: 10, totalSteps: 80 },
};

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
