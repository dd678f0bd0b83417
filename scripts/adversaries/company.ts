// Those who take part in a scene, whatever it is about: their accounts, folders, endpoints, roles and money.
import { join } from "node:path";
import { JsonRpcProvider, MaxUint256, Wallet } from "ethers";
import { bindContracts, type Chain, connectChain, type Gradwork } from "../../clients/chain/connection.ts";
import type { Deployment } from "../../clients/chain/deployment.ts";
import { waitForReceipt } from "../../clients/chain/transactions.ts";
import { wealthOf } from "../../clients/roles/money.ts";
import type { RoleEvent } from "../../clients/roles/observer.ts";
import { closeParty, openParty, type Party } from "../../clients/roles/party.ts";
import type { ConductedChain } from "./conductedChain.ts";

const DEPTH = 1;
const POLL_MS = 1;
const BLOCK_MS = 1_000;
const LOOK_MS = 20;

/**
 * Somebody on the stage.
 * @property directory holds what it keeps
 * @property refusals errors with which the contracts refused what it tried
 */
export type Member = Party & { name: string; directory: string; events: RoleEvent[]; refusals: string[] };

export type Show = { say(line: string): void; show(name: string, event: RoleEvent): void };

/**
 * What somebody comes with.
 * @property stake in the vault, free
 * @property tokens beside it, which the vault may take
 * @property privateKey by default a new one
 */
export type Means = { stake: bigint; tokens?: bigint; privateKey?: string };

/**
 * What all scenes of a stage have in common.
 * @property gradwork the funder's, on the chain
 * @property directory for everybody's folders
 * @property signal ends what waits for something
 */
export type Ground = {
  chain: ConductedChain;
  gradwork: Gradwork;
  directory: string;
  show: Show;
  signal: AbortSignal | undefined;
};

export type Company = {
  members: Member[];
  deployment: Deployment;
  /** Where somebody keeps what it has, before it comes too. */
  directoryOf(name: string): string;
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
  /** Makes blocks, `seconds` apart, in which nobody can do anything. */
  pass(blocks: number, seconds: number): Promise<void>;
  /** Puts other code where a contract is, as an upgrade does; its storage stays. */
  replaceCode(address: string, code: string): Promise<void>;
  /** How a role of a member ended. */
  ending(member: Member): Promise<unknown>;
  /** Ends a member's role and closes its endpoint, for good. */
  leave(member: Member): Promise<void>;
  /** By how much everybody's money changed, what is held for the scene and what was burned included; 0 is left out. */
  changes(): Promise<Record<string, bigint>>;
  /** Ends all roles. */
  close(): Promise<void>;
};

/**
 * Whose money is compared.
 * @property wealthOf all that an account owns
 * @property escrow what is held for the scene
 */
export type Accounting = {
  wealthOf: (gradwork: Gradwork, account: string) => Promise<bigint>;
  escrow: () => Promise<bigint>;
};

/** Reaches the chain as a client that is told from others by its name. */
export async function connectAs(chain: ConductedChain, name: string, wallet: Wallet): Promise<Chain> {
  const url = chain.rpcOf(name);
  const connected = await connectChain(url, wallet, DEPTH);
  // Requests go out at once, not gathered for a while.
  const options = { staticNetwork: true, cacheTimeout: -1, batchStallTime: 0 };
  const provider = new JsonRpcProvider(url, connected.chainId, options);
  return { ...connected, provider, wallet: wallet.connect(provider), pollMs: POLL_MS, blockMs: BLOCK_MS };
}

/**
 * @param id tells this company from others of the stage
 */
export async function openCompany(
  { chain, gradwork: funder, directory, show, signal }: Ground,
  id: string,
  accounting: Accounting,
): Promise<Company> {
  const { deployment } = funder;
  const burnAddress = await funder.vault.BURN_ADDRESS();
  const members: Member[] = [];
  const before = new Map([["burned", await wealthOf(funder, burnAddress)]]);
  const endings = new Map<Member, Promise<unknown>>();
  const exits = new Map<Member, AbortController>();
  const leaving = new AbortController();
  let failed: unknown;

  const idOf = (name: string) => `${id}-${name}`.replaceAll(" ", "-");
  const directoryOf = (name: string) => join(directory, idOf(name));

  async function join_(name: string, { stake, tokens = 0n, privateKey }: Means) {
    const wallet = new Wallet(privateKey ?? Wallet.createRandom().privateKey);
    await chain.endow(wallet.address);
    const gradwork = await bindContracts(await connectAs(chain, idOf(name), wallet), deployment);
    await provide(gradwork, stake, tokens, leaving.signal);
    const events: RoleEvent[] = [];
    const exit = new AbortController();
    const party = await openParty(gradwork, {
      directory: directoryOf(name),
      host: "127.0.0.1",
      port: 0,
      observe: (event) => {
        events.push(event);
        show.show(name, event);
      },
      signal: AbortSignal.any([leaving.signal, exit.signal]),
    });
    const member: Member = { ...party, name, directory: directoryOf(name), events, refusals: [] };
    members.push(member);
    exits.set(member, exit);
    before.set(name, await wealthOf(gradwork, member.address));
    return member;
  }

  const company: Company = {
    members,
    deployment,
    directoryOf,
    join: join_,
    start(member, role) {
      chain.attend(idOf(member.name));
      const ending = role(member).then(
        () => undefined,
        (error: unknown) => error,
      );
      endings.set(member, ending);
      void ending.then((error) => {
        chain.excuse(idOf(member.name));
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
    async ending(member) {
      const error = await endings.get(member);
      if (failed === error) failed = undefined;
      return error;
    },
    async changes() {
      const after = new Map<string, bigint>();
      // Not while something is on its way from one place to another.
      await chain.hold(async () => {
        for (const { name, address } of members) after.set(name, await accounting.wealthOf(funder, address));
        after.set("burned", await accounting.wealthOf(funder, burnAddress));
        after.set("escrow", await accounting.escrow());
      });
      const all = [...after].map(([name, amount]) => [name, amount - (before.get(name) ?? 0n)] as const);
      return Object.fromEntries(all.filter(([, change]) => change !== 0n));
    },
    pass: chain.pass,
    replaceCode: chain.replaceCode,
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
      for (const member of members) await company.leave(member);
    },
  };
  return company;
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
