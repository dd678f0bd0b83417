// What responders and assessors share: a folder, a server, a place in the registry, and a turn a block for each query that
// they were drawn for.
import { join } from "node:path";
import { formatEther } from "ethers";
import { POLLS_A_BLOCK } from "../chain/connection.ts";
import { drandPublishedAt } from "../chain/drand.ts";
import { nextBlock } from "../chain/nextBlock.ts";
import { type StatementName, statementDigest } from "../chain/queryStatements.ts";
import {
  createContacts,
  NODE_ROLES,
  type NodeContact,
  type NodeRole,
  type QueryView,
  readModel,
  readQuery,
  roleIndex,
  statementDomain,
} from "../chain/queryView.ts";
import { isSignedBy, signDigest } from "../chain/signing.ts";
import { sleep } from "../chain/sleep.ts";
import type { Listening } from "../http/server.ts";
import { type NodeHandler, serveNode } from "../messages/nodeServer.ts";
import { newReaderSecret, openReader, type Reader } from "../messages/sealedBox.ts";
import { GradworkError } from "../model/errors.ts";
import { type DutyKey, type Json, openState, type StateStore } from "../storage/stateStore.ts";
import { type Actor, act } from "./party.ts";
import { actUnlessDone, OUT_OF_REACH, PENDING, persist, READY, submitSeed } from "./turns.ts";

const READER_SECRET = "reader-secret";

/** The first query that may still be open. */
const FIRST_OPEN = "first-open-query";

/** Blocks between the parties that may make a call that anyone may. */
const BLOCKS_A_RANK = 2;

/** Parties that wait for each other; those behind act together. */
const MAX_RANK = 8;

/** A node at work for one model in one role. */
export type QueryNode = Actor & {
  role: NodeRole;
  model: bigint;
  state: StateStore;
  reader: Reader;
  contactOf: (node: string) => Promise<NodeContact | undefined>;
  /** Queries that it was drawn for and that may still be open, as they were selected. */
  drawn: Map<bigint, Drawn>;
};

/** A selected query, and this node's place in it, responders first. */
type Drawn = { view: QueryView; index: number };

export type QueryNodeOptions = {
  model: bigint;
  /** token wei that it joins with where it has not joined; by default the least that the model takes */
  stake?: bigint;
  /** of an answer, in token wei; an assessor has none */
  price?: bigint;
  directory: string;
  host: string;
  /** 0 takes a free one */
  port: number;
  /** what others reach the server by, where it isn't `http://host:port` */
  publicUrl?: string;
};

/** A signed commitment, as it goes from node to node. */
export type SignedCommitment = { commitment: string; signature: string };

/** What a role makes of being a node. */
export type NodeWork = {
  handlers: Readonly<Record<string, NodeHandler>>;
  /** Does what a query still waits for from this node. */
  turn: (view: QueryView, index: number) => Promise<void>;
};

/**
 * Serves and joins, then works until the signal aborts.
 * @throws {GradworkError} `UNKNOWN_MODEL`, `STAKE_TOO_SMALL`; as `openState` and `serveNode` do
 */
export async function runQueryNode(
  actor: Actor,
  role: NodeRole,
  options: QueryNodeOptions,
  work: (node: QueryNode) => NodeWork,
): Promise<void> {
  const { gradwork, signal } = actor;
  const { model, directory, host, port } = options;
  const amount = await requireStake(actor, role, options);
  const state = openState(join(directory, "state.sqlite"));
  let server: Listening | undefined;
  try {
    const contactOf = createContacts(gradwork, signal);
    const node: QueryNode = {
      ...actor,
      role,
      model,
      state,
      reader: await readerOf(state),
      contactOf,
      drawn: new Map(),
    };
    const { handlers, turn } = work(node);
    server = await serveNode({ handlers, host, port, signal });
    const endpoint = options.publicUrl ?? server.url;
    actor.observe({ kind: "serving", endpoint });
    await announce(node, endpoint);
    if (amount > 0n) await joinRegistry(node, amount, options.price ?? 0n);
    await follow(node, turn);
  } finally {
    await server?.close();
    state.close();
  }
}

async function readerOf(state: StateStore): Promise<Reader> {
  if (state.getBytes(READER_SECRET) === undefined) state.putBytes(READER_SECRET, newReaderSecret());
  return openReader(state.getBytes(READER_SECRET)!);
}

async function announce(node: QueryNode, endpoint: string): Promise<void> {
  const announced = await node.contactOf(node.address);
  const { publicKey } = node.reader;
  if (announced?.endpoint === endpoint && announced.encryptionKey === publicKey) return;
  await act(node, 0n, node.gradwork.registry.announce, [endpoint, publicKey]);
}

/** What the node has to join with, in token wei; 0 where it has joined. */
async function requireStake(
  { gradwork, address }: Actor,
  role: NodeRole,
  { model, stake }: QueryNodeOptions,
): Promise<bigint> {
  const { registry, vault } = gradwork;
  const { nodeStake: least } = await readModel(gradwork, model);
  if (await registry.isJoined(model, roleIndex(role), address)) return 0n;
  const amount = stake ?? least;
  const { free } = await vault.accounts(address);
  if (amount >= least && free >= amount) return amount;
  throw new GradworkError(
    "STAKE_TOO_SMALL",
    `model ${model} takes at least ${formatEther(least)} tokens of stake; to join: ${formatEther(amount)}, free in the vault: ${formatEther(free)}: \`gradwork stake deposit\``,
    { least: least.toString(), amount: amount.toString(), free: free.toString() },
  );
}

async function joinRegistry(node: QueryNode, amount: bigint, price: bigint): Promise<void> {
  const { gradwork, model, role } = node;
  const args = [model, roleIndex(role), amount, price] as const;
  await persist(node, "join", () => act(node, 0n, gradwork.registry.join, [...args]));
}

/** A turn for each open query, a block at a time. */
async function follow(node: QueryNode, turn: NodeWork["turn"]): Promise<void> {
  const { gradwork, signal, state, model } = node;
  const settled = new Set<bigint>();
  for (let block = -1; ; ) {
    block = await persist(node, "follow the chain", () => nextBlock(gradwork, block, signal));
    const count = await persist(node, "count queries", () => gradwork.quality.queryCount());
    const known = BigInt((state.getValue(FIRST_OPEN) as string | undefined) ?? "0");
    let first = known;
    for (let id = first; id < count; id++) {
      if (settled.has(id)) continue;
      try {
        const view = await readQuery(gradwork, id);
        if (view.phase === "Ended" || (view.phase !== "None" && view.query.model !== model)) {
          await collect(node, view);
          node.drawn.delete(id);
          settled.add(id);
        } else {
          await take(node, view, turn);
        }
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof Error)) throw error;
        node.observe({ kind: "retrying", action: `query ${id}`, error });
      }
    }
    while (settled.delete(first)) first++;
    if (first !== known) state.putValue(FIRST_OPEN, first.toString());
  }
}

async function take(node: QueryNode, view: QueryView, turn: NodeWork["turn"]): Promise<void> {
  const { quality } = node.gradwork;
  const index = view.nodes.findIndex(({ address }) => address === node.address);
  // The asker first. Before the selection everybody has a place by its address.
  const rank = 1 + (index === -1 ? Number(BigInt(node.address) % BigInt(MAX_RANK)) : index);
  if (view.phase === "Selecting" && isTurn(node, view, rank, view.query.askedAt)) {
    await select(node, view);
  } else if (view.phase === "Expired" && isTurn(node, view, rank, view.query.answersEndAt)) {
    await actUnlessDone(node, { query: view.id }, quality.expire, [view.id]);
  } else if (view.phase === "Settling" && isTurn(node, view, rank, settlableAt(view))) {
    await actUnlessDone(node, { query: view.id }, quality.settle, [view.id]);
  } else if (index !== -1) {
    await turn(view, index);
  }
}

/** When nothing but the settlement was left. */
function settlableAt({ query }: QueryView): bigint {
  return query.answered === 0n ? query.answersEndAt : query.revealsEndAt;
}

/** Records the draw, once its seed is there; where that is drand's, submits it first. */
export async function select(actor: Actor, { id, query, timestamp }: QueryView): Promise<void> {
  const { randomness, quality, drand } = actor.gradwork;
  const { seedTicket: ticket } = query;
  const [availability] = await randomness.read(ticket);
  if (availability === PENDING && drand !== undefined && timestamp >= drandPublishedAt(ticket)) {
    await submitSeed(actor, { query: id }, drand, ticket);
  }
  if (availability === READY) await actUnlessDone(actor, { query: id }, quality.select, [id]);
  if (availability === OUT_OF_REACH) await actUnlessDone(actor, { query: id }, quality.expire, [id]);
}

/** Whether it is this party's turn to make a call that others may make as well. */
function isTurn({ gradwork }: Actor, view: QueryView, rank: number, since: bigint): boolean {
  return Number(view.timestamp - since) * 1_000 >= rank * BLOCKS_A_RANK * gradwork.blockMs;
}

/** Has what the node earned sent to its wallet, when a query of its ended. */
async function collect(node: QueryNode, view: QueryView): Promise<void> {
  const { registry, vault } = node.gradwork;
  if (!view.nodes.some(({ address }) => address === node.address)) return;
  const index = roleIndex(node.role);
  if ((await registry.earnedOf(node.model, index, node.address)) > 0n) {
    await actUnlessDone(node, { query: view.id }, registry.collect, [node.model, index, node.address]);
  }
  const amount = await vault.balanceOf(node.address);
  if (amount === 0n) return;
  await actUnlessDone(node, { query: view.id }, vault.claim, [node.address]);
  node.observe({ kind: "claimed", amount });
}

/* FOR HANDLERS */

export function dutyKey(node: QueryNode, query: bigint): DutyKey {
  const { chainId, market } = statementDomain(node.gradwork);
  const kind = node.role === NODE_ROLES[0] ? "answer" : "scores";
  return { chainId: BigInt(chainId), market, task: node.model, round: query, account: node.address, kind };
}

/** A statement's signature by the node. */
export function signStatement(
  { gradwork }: Actor,
  name: StatementName,
  message: Record<string, unknown>,
): string {
  return signDigest(gradwork.wallet.privateKey, statementDigest(statementDomain(gradwork), name, message));
}

/**
 * The query with this node's place in it, waiting for its selection where that is under way. Its phase is that of when it
 * was first looked at.
 * @throws {GradworkError} `QUERY_NOT_OURS`, `QUERY_OVER`
 */
export async function drawnFor(node: QueryNode, query: bigint, signal: AbortSignal): Promise<Drawn> {
  const known = node.drawn.get(query);
  if (known !== undefined) return known;
  for (;;) {
    const view = await readQuery(node.gradwork, query);
    if (view.phase === "Selecting" || view.phase === "None") {
      await sleep(node.gradwork.pollMs * POLLS_A_BLOCK, signal);
      continue;
    }
    const data = { query: query.toString(), phase: view.phase };
    if (view.phase === "Ended" || view.phase === "Expired" || view.phase === "Settling") {
      throw new GradworkError("QUERY_OVER", `query ${query} is over`, data);
    }
    const index = view.nodes.findIndex(({ address }) => address === node.address);
    const isOfRole = index !== -1 && index < Number(view.query.responders) === (node.role === "Responder");
    if (isOfRole && view.query.model === node.model) {
      const drawn = { view, index };
      node.drawn.set(query, drawn);
      return drawn;
    }
    throw new GradworkError("QUERY_NOT_OURS", `this node was not drawn for query ${query}`, data);
  }
}

/** What was found signed, of queries at hand, by place: it is asked about once more with each request. */
const foundSigned = new WeakMap<QueryView, Map<number, SignedCommitment>>();

/** Takes a node's commitment as signed by it, as its own is. */
export function keepSigned(view: QueryView, place: number, signed: SignedCommitment): SignedCommitment {
  const found = foundSigned.get(view) ?? new Map<number, SignedCommitment>();
  foundSigned.set(view, found.set(place, signed));
  return signed;
}

/**
 * A node's signed commitment, checked.
 * @param place of the node, responders first
 * @throws {GradworkError} `SIGNATURE_INVALID`
 */
export async function requireSigned(
  { gradwork }: Actor,
  view: QueryView,
  place: number,
  given: Json | undefined,
): Promise<SignedCommitment> {
  const { commitment, signature } = (given ?? {}) as Partial<SignedCommitment>;
  const found = foundSigned.get(view)?.get(place);
  if (found !== undefined && found.commitment === commitment && found.signature === signature) return found;
  const name = place < Number(view.query.responders) ? "AnswerCommitment" : "ScoreCommitment";
  const { address } = view.nodes[place]!;
  if (isHash(commitment) && typeof signature === "string") {
    const digest = statementDigest(statementDomain(gradwork), name, { query: view.id, commitment });
    if (await isSignedBy(gradwork.provider, address, digest, signature)) {
      return keepSigned(view, place, { commitment, signature });
    }
  }
  throw new GradworkError("SIGNATURE_INVALID", `${address} did not sign the ${name} that was given`, {
    node: address,
    name,
  });
}

/**
 * Signed commitments of all nodes of a role, in their order, checked.
 * @throws {GradworkError} `COMMITMENTS_INCOMPLETE`, `SIGNATURE_INVALID`
 */
export async function requireCommitments(
  actor: Actor,
  view: QueryView,
  role: NodeRole,
  given: Json | undefined,
): Promise<SignedCommitment[]> {
  const responders = Number(view.query.responders);
  const [first, expected] =
    role === "Responder" ? [0, responders] : [responders, view.nodes.length - responders];
  const list = Array.isArray(given) ? given : [];
  if (list.length !== expected) {
    throw new GradworkError(
      "COMMITMENTS_INCOMPLETE",
      `Expected signed commitments of ${expected} nodes, got ${list.length}`,
      { expected, given: list.length },
    );
  }
  const checked: SignedCommitment[] = [];
  for (const [i, each] of list.entries()) checked.push(await requireSigned(actor, view, first + i, each));
  return checked;
}

/** What a message between nodes is sealed for. */
export function sealPurpose({ gradwork }: Actor, name: string, query: bigint, reader: string): string {
  const { chainId, market } = statementDomain(gradwork);
  return `gradwork ${name} ${chainId} ${market} ${query} ${reader}`;
}

export function isHash(value: unknown): value is string {
  return typeof value === "string" && /^0x[0-9a-f]{64}$/.test(value);
}
