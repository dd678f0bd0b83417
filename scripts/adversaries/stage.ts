import { mkdtempSync, rmSync } from "node:fs";
import { cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JsonRpcProvider, MaxUint256, Wallet } from "ethers";
import {
  bindContracts,
  type Chain,
  connectChain,
  type Gradwork,
  walletFromKey,
} from "../../clients/chain/connection.ts";
import type { Deployment } from "../../clients/chain/deployment.ts";
import { named, STAGES } from "../../clients/chain/phase.ts";
import { waitForReceipt } from "../../clients/chain/transactions.ts";
import { commitModel } from "../../clients/model/commitment.ts";
import { FULL_LEAF_BYTES } from "../../clients/model/geometry.ts";
import { parameterBytes } from "../../clients/model/parameters.ts";
import {
  type PreparedTask,
  prepareTask,
  registerTask,
  type TaskOptions,
  type TaskParams,
} from "../../clients/roles/createTask.ts";
import { fundTask, wealthOf } from "../../clients/roles/money.ts";
import type { RoleEvent } from "../../clients/roles/observer.ts";
import { closeParty, openParty, type Party } from "../../clients/roles/party.ts";
import { type BlobStore, openBlobStore } from "../../clients/storage/blobStore.ts";
import { deployGradwork, walletProvider } from "../../deploy/deployGradwork.ts";
import { startConductedChain } from "./conductedChain.ts";

const DEPTH = 1;
const POLL_MS = 1;
const BLOCK_MS = 1_000;
const LOOK_MS = 20;

/**
 * Somebody on the stage.
 * @property refusals errors with which the contracts refused what it tried
 */
export type Member = Party & { name: string; events: RoleEvent[]; refusals: string[] };

export type Show = { say(line: string): void; show(name: string, event: RoleEvent): void };

/** A chain whose clock waits for everybody, with the contracts, and the files of one task that many can be made of. */
export type Stage = {
  deployment: Deployment;
  /** Opens a task of its own, with an owner of its own. */
  openScene(options?: SceneOptions): Promise<Scene>;
  close(): Promise<void>;
};

/**
 * @property rounds that the task's escrow pays for
 * @property genesis changes the initial model's parameters before the task is registered
 */
export type SceneOptions = {
  params?: Partial<TaskParams>;
  rounds?: bigint;
  genesis?: (parameters: Float32Array) => void;
};

/**
 * What somebody comes with.
 * @property stake in the vault, free
 * @property tokens beside it, which the vault may take
 * @property privateKey by default a new one
 */
export type Means = { stake: bigint; tokens?: bigint; privateKey?: string };

/** One task, who takes part in it, and what everybody owned when they came. */
export type Scene = {
  taskId: bigint;
  params: TaskParams;
  prepared: PreparedTask;
  owner: Member;
  members: Member[];
  deployment: Deployment;
  /** Brings somebody in. */
  join(name: string, means: Means): Promise<Member>;
  /** Lets somebody play a role from now on; an error in it ends `until`. */
  start(member: Member, role: (member: Member) => Promise<void>): void;
  /** Says something to who watches. */
  say(line: string): void;
  /** Does what somebody does beside turns in which it only seems to wait for a block: none is made meanwhile. */
  hold<T>(work: () => Promise<T>): Promise<T>;
  /** Waits for a fact while the chain goes on. */
  until(what: string, isSo: () => Promise<boolean>): Promise<void>;
  /** Waits until a round is final. */
  final(round: bigint): Promise<void>;
  /** Makes blocks, `seconds` apart, in which nobody can do anything. */
  pass(blocks: number, seconds: number): Promise<void>;
  /** Puts other code where a contract is, as an upgrade does; its storage stays. */
  replaceCode(address: string, code: string): Promise<void>;
  /** How a role of a member ended. */
  ending(member: Member): Promise<unknown>;
  /** Ends a member's role and closes its endpoint, for good. */
  leave(member: Member): Promise<void>;
  /** By how much everybody's money changed, that in the task's escrow and what was burned included; 0 is left out. */
  changes(): Promise<Record<string, bigint>>;
  /** The task's head. */
  head(): Promise<string>;
  /** Ends all roles. */
  close(): Promise<void>;
};

const NOBODY: Show = { say() {}, show() {} };

/**
 * @param task that scenes are of
 * @param signal ends what waits for something
 */
export async function openStage(
  task: Omit<TaskOptions, "location">,
  show: Show = NOBODY,
  signal?: AbortSignal,
): Promise<Stage> {
  const chain = await startConductedChain();
  const directory = mkdtempSync(join(tmpdir(), "gradwork-stage-"));
  const scenes: Scene[] = [];
  const connect = async (name: string, wallet: Wallet): Promise<Chain> => {
    const url = chain.rpcOf(name);
    const connected = await connectChain(url, wallet, DEPTH);
    // Requests go out at once, not gathered for a while.
    const options = { staticNetwork: true, cacheTimeout: -1, batchStallTime: 0 };
    const provider = new JsonRpcProvider(url, connected.chainId, options);
    return { ...connected, provider, wallet: wallet.connect(provider), pollMs: POLL_MS, blockMs: BLOCK_MS };
  };
  const funder = await connect("funder", walletFromKey(chain.funderKey, "the funder"));
  const deployment = await deployGradwork(walletProvider(funder), { confirmations: 1, pollMs: POLL_MS });
  const blobs = join(directory, "task");
  const prepared = await prepareTask(await openBlobStore(blobs), task);

  async function openScene(options: SceneOptions = {}): Promise<Scene> {
    const params = { ...task.params, ...options.params };
    const rounds = options.rounds ?? 1n;
    const number = scenes.length;
    const place = join(directory, `scene-${number}`);
    const members: Member[] = [];
    const before = new Map<string, bigint>();
    const endings = new Map<Member, Promise<unknown>>();
    const exits = new Map<Member, AbortController>();
    const leaving = new AbortController();
    let failed: unknown;

    async function join_(name: string, { stake, tokens = 0n, privateKey }: Means) {
      const wallet = new Wallet(privateKey ?? Wallet.createRandom().privateKey);
      const id = `${number}-${name}`.replaceAll(" ", "-");
      await chain.endow(wallet.address);
      const gradwork = await bindContracts(await connect(id, wallet), deployment);
      await provide(gradwork, stake, tokens, leaving.signal);
      const events: RoleEvent[] = [];
      const exit = new AbortController();
      const party = await openParty(gradwork, {
        directory: join(place, id),
        host: "127.0.0.1",
        port: 0,
        observe: (event) => {
          events.push(event);
          show.show(name, event);
        },
        signal: AbortSignal.any([leaving.signal, exit.signal]),
      });
      const member: Member = { ...party, name, events, refusals: [] };
      members.push(member);
      exits.set(member, exit);
      before.set(name, await wealthOf(gradwork, member.address));
      return member;
    }

    const { minerReward, verifierReward } = params;
    const escrow = rounds * (minerReward + verifierReward);
    await cp(blobs, join(place, `${number}-owner`, "blobs"), { recursive: true });
    const owner = await join_("owner", { stake: 0n, tokens: escrow });
    const registered =
      options.genesis === undefined ? prepared : await withGenesis(owner.store, prepared, options.genesis);
    const { market, vault } = owner.gradwork;
    const burnAddress = await vault.BURN_ADDRESS();
    before.set("burned", await wealthOf(owner.gradwork, burnAddress));
    const { taskId } = await registerTask(
      owner.gradwork,
      registered,
      { params, location: owner.endpoint },
      leaving.signal,
    );
    await fundTask(owner.gradwork, taskId, escrow, leaving.signal);

    const scene: Scene = {
      taskId,
      params,
      prepared: registered,
      owner,
      members,
      deployment,
      join: join_,
      start(member, role) {
        const id = idOf(member);
        chain.attend(id);
        const ending = role(member).then(
          () => undefined,
          (error: unknown) => error,
        );
        endings.set(member, ending);
        void ending.then((error) => {
          chain.excuse(id);
          if (error !== undefined && !member.signal.aborted) failed ??= error;
        });
      },
      say: show.say,
      hold: chain.hold,
      async until(what, isSo) {
        show.say(`… until ${what}`);
        while (!(await isSo())) {
          if (failed !== undefined) throw failed;
          signal?.throwIfAborted();
          await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        }
      },
      final(round) {
        return scene.until(`round ${round} is final`, async () => {
          const { stage } = await market.round(taskId, round);
          return named(STAGES, stage) === "Final";
        });
      },
      async ending(member) {
        const error = await endings.get(member);
        if (failed === error) failed = undefined;
        return error;
      },
      async changes() {
        const after = new Map<string, bigint>();
        // Not while something is on its way from one place to another.
        await chain.hold(async () => {
          for (const { name, address } of members) after.set(name, await wealthOf(owner.gradwork, address));
          after.set("burned", await wealthOf(owner.gradwork, burnAddress));
          after.set("escrow", (await market.task(taskId)).escrow);
        });
        const all = [...after].map(([name, amount]) => [name, amount - (before.get(name) ?? 0n)] as const);
        return Object.fromEntries(all.filter(([, change]) => change !== 0n));
      },
      pass: chain.pass,
      replaceCode: chain.replaceCode,
      async head() {
        return (await market.task(taskId)).head.fullRoot;
      },
      async leave(member) {
        const exit = exits.get(member);
        if (exit === undefined) return;
        exits.delete(member);
        exit.abort(new Error(`${member.name} left`));
        await endings.get(member);
        await closeParty(member);
      },
      async close() {
        leaving.abort(new Error("the scene is over"));
        for (const member of members) await scene.leave(member);
      },
    };
    const idOf = ({ gradwork }: Member) => new URL(rpcUrl(gradwork)).pathname.slice(1);
    scenes.push(scene);
    return scene;
  }

  return {
    deployment,
    openScene,
    async close() {
      for (const scene of scenes) await scene.close();
      await chain.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Gives an account tokens and stake, all in one block. */
async function provide(
  gradwork: Gradwork,
  stake: bigint,
  tokens: bigint,
  signal: AbortSignal,
): Promise<void> {
  if (stake + tokens === 0n) return;
  const { token, vault, deployment } = gradwork;
  const options = (nonce: number) => ({ nonce, gasLimit: 200_000n });
  const sent = [
    await token.faucet(stake + tokens, options(0)),
    await token.approve(deployment.contracts.StakeVault, MaxUint256, options(1)),
    ...(stake > 0n ? [await vault.deposit(stake, options(2))] : []),
  ];
  for (const { hash } of sent) await waitForReceipt({ ...gradwork, depth: 0 }, hash, "provision", signal);
}

/** The same task from another initial model, which the store then has. */
async function withGenesis(
  store: BlobStore,
  prepared: PreparedTask,
  change: (parameters: Float32Array) => void,
): Promise<PreparedTask> {
  const parameters = prepared.contents.parameters.slice();
  change(parameters);
  const fullRoot = await store.put(parameterBytes(parameters), { leafLength: FULL_LEAF_BYTES });
  // What is not finite has no 4-bit form.
  const isModel = parameters.every(Number.isFinite);
  const quantRoot = isModel ? commitModel(parameters).quantTree.root : prepared.genesis.quantRoot;
  return {
    ...prepared,
    genesis: { ...prepared.genesis, fullRoot, quantRoot },
    contents: { ...prepared.contents, parameters },
  };
}

function rpcUrl({ provider }: Gradwork): string {
  return provider._getConnection().url;
}
