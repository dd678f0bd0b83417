import type { INodeRegistry } from "../../types/NodeRegistry.ts";
import type { IQualityMarket } from "../../types/QualityMarket.ts";
import { GradworkError } from "../model/errors.ts";
import type { Gradwork } from "./connection.ts";
import { queryEvents } from "./events.ts";
import { named } from "./phase.ts";
import type { StatementDomain } from "./queryStatements.ts";

/** `INodeRegistry.Role`, by what the contracts count. */
export const NODE_ROLES = ["Responder", "Assessor"] as const;
export type NodeRole = (typeof NODE_ROLES)[number];

export function roleIndex(role: NodeRole): bigint {
  return BigInt(NODE_ROLES.indexOf(role));
}

/** `IQualityMarket.Phase`, in its order. */
export const QUERY_PHASES = [
  "None",
  "Selecting",
  "Expired",
  "Answering",
  "Committing",
  "Revealing",
  "Settling",
  "Ended",
] as const;
export type QueryPhase = (typeof QUERY_PHASES)[number];

/** `IQualityMarket.End`, in its order. */
export const QUERY_ENDS = ["Settled", "Unselected", "Unfilled", "Unanswered", "Unassessed"] as const;
export type QueryEnd = (typeof QUERY_ENDS)[number];

const STAGES = ["None", "Asked", "Selected", "Ended"] as const;

export type ModelParams = INodeRegistry.ModelParamsStructOutput;

/**
 * A query as a client acts on it: facts that are `depth` blocks deep, at the time of the newest block.
 * @property block the newest block, which the time is of
 * @property nodes drawn, responders first; none before the selection
 */
export type QueryView = {
  id: bigint;
  block: number;
  safeBlock: number;
  timestamp: bigint;
  query: IQualityMarket.QueryStructOutput;
  nodes: { address: string; trust: bigint; price: bigint }[];
  phase: QueryPhase;
};

export function statementDomain({ deployment }: Gradwork): StatementDomain {
  return { chainId: deployment.chainId, market: deployment.contracts.QualityMarket };
}

/** Where a query stands at a time: the twin of the market's `phase`. */
export function queryPhaseAt(query: IQualityMarket.QueryStructOutput, timestamp: bigint): QueryPhase {
  const stage = named(STAGES, query.stage);
  if (stage === "None" || stage === "Ended") return stage;
  const isAnswering = timestamp < query.answersEndAt;
  if (stage === "Asked") return isAnswering ? "Selecting" : "Expired";
  if (isAnswering) return "Answering";
  if (query.answered === 0n) return "Settling";
  if (timestamp < query.commitsEndAt) return "Committing";
  return timestamp < query.revealsEndAt ? "Revealing" : "Settling";
}

/** @param depth blocks that facts are deep; by default the connection's */
export async function readQuery(
  { quality, provider, depth: deep }: Gradwork,
  id: bigint,
  depth = deep,
): Promise<QueryView> {
  const newest = await provider.getBlock("latest");
  if (newest === null) throw new GradworkError("RPC_NO_BLOCK", "the node has no latest block");
  const safeBlock = Math.max(0, newest.number - depth);
  const at = { blockTag: safeBlock };
  const [query, nodes] = await Promise.all([quality.query(id, at), quality.selected(id, at)]);
  const timestamp = BigInt(newest.timestamp);
  return {
    id,
    block: newest.number,
    safeBlock,
    timestamp,
    query,
    nodes: nodes.map(({ node, trust, price }) => ({ address: node, trust, price })),
    phase: queryPhaseAt(query, timestamp),
  };
}

/** What was asked, and the block in which. @throws {GradworkError} `UNKNOWN_QUERY` */
export async function readAsked(
  gradwork: Gradwork,
  id: bigint,
  signal: AbortSignal,
): Promise<{ promptHash: string; block: number }> {
  const { quality, deployment, provider } = gradwork;
  const newest = await provider.getBlockNumber();
  const [asked] = await queryEvents(quality, "Asked", [id], deployment.block, newest, signal);
  if (asked === undefined) {
    throw new GradworkError("UNKNOWN_QUERY", `query ${id} was not asked`, { query: id.toString() });
  }
  return { promptHash: asked.args.promptHash, block: asked.blockNumber };
}

/** @throws {GradworkError} `UNKNOWN_MODEL` */
export async function readModel({ registry }: Gradwork, model: bigint): Promise<ModelParams> {
  const count = await registry.modelCount();
  if (model >= 0n && model < count) return registry.params(model);
  throw new GradworkError(
    "UNKNOWN_MODEL",
    `model ${model} does not exist: ${count} model(s) are registered, numbered from 0`,
    { model: model.toString(), count: count.toString() },
  );
}

/** Where a node serves, and the key to which is sealed what only it may read. */
export type NodeContact = { readonly endpoint: string; readonly encryptionKey: string };

/** What nodes announced last, read on from where it was read to. */
export function createContacts(
  gradwork: Gradwork,
  signal: AbortSignal,
): (node: string) => Promise<NodeContact | undefined> {
  const contacts = new Map<string, NodeContact>();
  let nextBlock = gradwork.deployment.block;
  let reading: Promise<void> | undefined;
  async function readOn(): Promise<void> {
    const newest = await gradwork.provider.getBlockNumber();
    const announced = await queryEvents(gradwork.registry, "NodeAnnounced", [], nextBlock, newest, signal);
    // Read again: a block near the tip can be replaced.
    nextBlock = Math.max(nextBlock, newest + 1 - gradwork.depth);
    for (const { args } of announced) {
      contacts.set(args.node, { endpoint: args.endpoint, encryptionKey: args.encryptionKey });
    }
  }
  return async (node) => {
    // Who asks for many at once reads once.
    reading ??= readOn().finally(() => {
      reading = undefined;
    });
    await reading;
    return contacts.get(node);
  };
}
