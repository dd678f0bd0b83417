// The contracts on a chain in this process, with the nodes whose queries are settled there.
import type { EIP1193Provider } from "@nomicfoundation/ignition-core";
import { HDNodeWallet, id, type LogDescription, parseEther, toQuantity } from "ethers";
import { type ArtifactName, contractInterface } from "../../clients/chain/artifacts.ts";
import {
  answerCommitment,
  commitmentsHash,
  promptHash,
  type StatementDomain,
  scoreCommitment,
  statementDigest,
} from "../../clients/chain/queryStatements.ts";
import { signDigest } from "../../clients/chain/signing.ts";
import { type AppraisalParams, appraise, splitFee, type Verdict } from "../../clients/model/appraisal.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import { packScores } from "../../clients/model/scores.ts";
import { DEFAULT_MODEL_PARAMS, type ModelParams } from "../../clients/roles/defaults.ts";
import { deployGradwork } from "../../deploy/deployGradwork.ts";

/** Whose accounts every Hardhat chain has. */
const PHRASE = "test test test test test test test test test test test junk";

const [RESPONDER, ASSESSOR] = [0, 1];
const ONE = 1_000_000n;
const GAS = toQuantity(5_000_000);
const HOUR_SECONDS = 3_600;

export const RESPONDERS = 3;

/** So that a tenth is one of them. A query is scored by all. */
export const ASSESSORS = 10;

export const FEE = parseEther("10");
export const PRICE = parseEther("0.2");

/** Outlasts the penalties of a cell, and counts for as much in draws whatever of it is lost. */
export const STAKE = parseEther("1000");

const FIXED_TRUST = { trustFloor: ONE, trustRate: 0n };

/** What differs from the defaults of `gradwork model register`. */
export const AGGREGATES = {
  mean: { aggregate: 1n, trimShare: 0n, ...FIXED_TRUST },
  "trimmed mean": { aggregate: 1n, trimShare: 200_000n, ...FIXED_TRUST },
  median: { aggregate: 0n, ...FIXED_TRUST },
  "median with trust": { aggregate: 0n },
} as const satisfies Record<string, Partial<ModelParams>>;

export type AggregateName = keyof typeof AGGREGATES;
export const AGGREGATE_NAMES = Object.keys(AGGREGATES) as AggregateName[];

export function modelParams(aggregate: AggregateName): ModelParams {
  return { ...DEFAULT_MODEL_PARAMS, ...AGGREGATES[aggregate] };
}

/** How what a query pays is split. */
export function splitOf(params: ModelParams): ReturnType<typeof splitFee> {
  return splitFee(FEE, params, { responders: RESPONDERS, assessors: ASSESSORS });
}

type Account = { readonly address: string; readonly privateKey: string };

/** @property clock the time of the newest block, in seconds: no block's time follows the machine's clock */
export type Arena = {
  readonly provider: EIP1193Provider;
  readonly domain: StatementDomain;
  readonly registry: string;
  readonly asker: Account;
  readonly responders: readonly Account[];
  readonly assessors: readonly Account[];
  readonly models: ReadonlyMap<AggregateName, number>;
  clock: number;
};

/** A query whose nodes are drawn: their numbers in the order of the draw, and each assessor's trust by its number. */
export type Selection = {
  readonly query: bigint;
  readonly responders: readonly number[];
  readonly assessors: readonly number[];
  readonly weights: readonly bigint[];
};

/** What the contracts made of a query, by the numbers of nodes; and what went back to the asker, in wei. */
export type Settlement = { readonly verdict: Verdict; readonly refund: bigint };

/** Deploys everything and lets all nodes join one model for each aggregate. */
export async function openArena(provider: EIP1193Provider): Promise<Arena> {
  const wallet = HDNodeWallet.fromPhrase(PHRASE, undefined, "m/44'/60'/0'/0");
  const accounts = Array.from({ length: 1 + RESPONDERS + ASSESSORS }, (_, i) => wallet.deriveChild(i));
  const latest = await provider.request({ method: "eth_getBlockByNumber", params: ["latest", false] });
  const arena = { provider, clock: Number((latest as { timestamp: string }).timestamp) };
  const ticking: EIP1193Provider = {
    async request(request) {
      if (request.method === "eth_sendTransaction") await tick(arena);
      return provider.request(request);
    },
  };
  const { chainId, contracts } = await deployGradwork(ticking, { confirmations: 1, pollMs: 1 });
  const models = new Map(AGGREGATE_NAMES.map((name, number) => [name, number]));
  const opened: Arena = Object.assign(arena, {
    domain: { chainId, market: contracts.QualityMarket },
    registry: contracts.NodeRegistry,
    asker: accounts[0]!,
    responders: accounts.slice(1, 1 + RESPONDERS),
    assessors: accounts.slice(1 + RESPONDERS),
    models,
  });
  const call = (from: Account, name: ArtifactName, to: string, method: string, values: unknown[]) =>
    send(opened, from, to, contractInterface(name).encodeFunctionData(method, values));
  for (const [name] of models) {
    const values = [modelParams(name), id("record"), "http://127.0.0.1/record"];
    await call(opened.asker, "NodeRegistry", opened.registry, "registerModel", values);
  }
  const deposit = BigInt(models.size) * STAKE;
  for (const account of accounts) {
    await call(account, "TestToken", contracts.TestToken, "faucet", [parseEther("100000")]);
    await call(account, "TestToken", contracts.TestToken, "approve", [contracts.StakeVault, 2n ** 256n - 1n]);
    if (account !== opened.asker) {
      await call(account, "StakeVault", contracts.StakeVault, "deposit", [deposit]);
    }
  }
  for (const model of models.values()) {
    for (const [role, nodes, price] of [
      [RESPONDER, opened.responders, PRICE],
      [ASSESSOR, opened.assessors, 0n],
    ] as const) {
      for (const node of nodes) {
        await call(node, "NodeRegistry", opened.registry, "join", [model, role, STAKE, price]);
      }
    }
  }
  return opened;
}

/** Plays and takes it back. */
export async function takenBack<T>(arena: Arena, play: () => Promise<T>): Promise<T> {
  const { provider, clock } = arena;
  const snapshot = await provider.request({ method: "evm_snapshot", params: [] });
  try {
    return await play();
  } finally {
    await provider.request({ method: "evm_revert", params: [snapshot] });
    arena.clock = clock;
  }
}

/** Trust is read by the hour. */
export function passHour(arena: Arena): void {
  arena.clock += HOUR_SECONDS;
}

/** Asks a query of all nodes, and has their draw recorded. */
export async function selectQuery(arena: Arena, aggregate: AggregateName): Promise<Selection> {
  const answerBy = arena.clock + Number(DEFAULT_MODEL_PARAMS.answerSeconds);
  const prompt = promptHash(id("What is a whale?"), id("salt"));
  const request = [arena.models.get(aggregate), prompt, RESPONDERS, ASSESSORS, FEE, answerBy];
  const asked = await callMarket(arena, arena.asker, "ask", request);
  const query: bigint = eventOf(asked, "Asked").args.query;
  // The seed comes two blocks later.
  for (let i = 0; i < 2; i++) {
    await tick(arena);
    await arena.provider.request({ method: "evm_mine", params: [] });
  }
  const selected = await callMarket(arena, arena.asker, "select", [query]);
  const nodes: { node: string; trust: bigint }[] = [...eventOf(selected, "Selected").args.nodes];
  const numbersOf = (accounts: readonly Account[], drawn: typeof nodes) =>
    drawn.map(({ node }) => accounts.findIndex(({ address }) => address === node));
  const responders = numbersOf(arena.responders, nodes.slice(0, RESPONDERS));
  const assessors = numbersOf(arena.assessors, nodes.slice(RESPONDERS));
  const weights = Array<bigint>(ASSESSORS);
  for (const [i, number] of assessors.entries()) weights[number] = nodes[RESPONDERS + i]!.trust;
  return { query, responders, assessors, weights };
}

/**
 * Settles a query: in one transaction with everybody's signatures, or where an assessor is silent, by the slow path.
 * @param scores of each assessor by number, of each responder's answer by number
 */
export async function settleQuery(
  arena: Arena,
  selection: Selection,
  scores: readonly (readonly number[] | undefined)[],
): Promise<Settlement> {
  const { query } = selection;
  const salt = id(`salt of query ${query}`);
  const answers = selection.responders.map((number) => {
    const text = id(`answer of responder ${number} to query ${query}`);
    return answerCommitment(arena.domain, query, arena.responders[number]!.address, text, salt);
  });
  const words = selection.assessors.map((number) => {
    const list = scores[number];
    return list === undefined ? undefined : packScores(selection.responders.map((place) => list[place]!));
  });
  const commitments = words.map((word, i) => {
    const { address } = arena.assessors[selection.assessors[i]!]!;
    return word === undefined ? undefined : scoreCommitment(arena.domain, query, address, word, salt);
  });
  const isFast = words.every((word) => word !== undefined);
  const events = isFast
    ? await settleFast(arena, selection, salt, answers, words, commitments as string[])
    : await settleSlow(arena, selection, salt, answers, words, commitments);
  return readSettlement(arena, selection, events);
}

async function settleFast(
  arena: Arena,
  { query, responders, assessors }: Selection,
  salt: string,
  answers: string[],
  words: (bigint | undefined)[],
  commitments: string[],
): Promise<LogDescription[]> {
  const reveal = statementDigest(arena.domain, "ScoreReveal", {
    query,
    commitments: commitmentsHash([...answers, ...commitments]),
  });
  const signatures = [
    ...responders.map((number, j) => {
      const message = { query, commitment: answers[j]! };
      const digest = statementDigest(arena.domain, "AnswerCommitment", message);
      return signDigest(arena.responders[number]!.privateKey, digest);
    }),
    ...assessors.map((number) => signDigest(arena.assessors[number]!.privateKey, reveal)),
  ];
  const salts = words.map(() => salt);
  return callMarket(arena, arena.asker, "settleFast", [query, answers, words, salts, signatures]);
}

async function settleSlow(
  arena: Arena,
  { query, responders, assessors }: Selection,
  salt: string,
  answers: string[],
  words: (bigint | undefined)[],
  commitments: (string | undefined)[],
): Promise<LogDescription[]> {
  const { commitSeconds, revealSeconds } = DEFAULT_MODEL_PARAMS;
  for (const [j, number] of responders.entries()) {
    await callMarket(arena, arena.responders[number]!, "commitAnswer", [query, j, answers[j], "0x"]);
  }
  for (const [i, number] of assessors.entries()) {
    if (commitments[i] === undefined) continue;
    await callMarket(arena, arena.assessors[number]!, "commitScores", [query, i, commitments[i], "0x"]);
  }
  // Not all committed, nor reveal: both windows have to end.
  arena.clock += Number(commitSeconds);
  for (const [i, word] of words.entries()) {
    if (word === undefined) continue;
    await callMarket(arena, arena.asker, "revealScores", [query, i, word, salt]);
  }
  arena.clock += Number(revealSeconds);
  return callMarket(arena, arena.asker, "settle", [query]);
}

function readSettlement(
  { assessors }: Arena,
  { responders, assessors: drawn }: Selection,
  events: LogDescription[],
): Settlement {
  const { end, refunded, consensus, spread } = eventOf(events, "Settled").args;
  const paid: readonly bigint[] = eventOf(events, "NodesSettled").args.paid;
  const lost = new Map<string, bigint>();
  for (const { name, args } of events) {
    if (name === "AssessorPenalized") lost.set(args.assessor, args.amount);
  }
  const answers: Verdict["answers"] = [];
  for (const [j, number] of responders.entries()) {
    answers[number] = { consensus: consensus[j], spread: spread[j], paid: paid[j]!, quality: consensus[j] };
  }
  const settled: Verdict["assessors"] = [];
  for (const [i, number] of drawn.entries()) {
    const { address } = assessors[number]!;
    settled[number] = { paid: paid[RESPONDERS + i]!, lost: lost.get(address) ?? 0n, quality: undefined };
  }
  return { verdict: { isQuorate: end === 0n, answers, assessors: settled }, refund: refunded };
}

/** What the clients say that the contracts should make of a query. */
export function expectedVerdict(
  aggregate: AggregateName,
  { weights }: Selection,
  scores: readonly (readonly number[] | undefined)[],
): Verdict {
  const params = modelParams(aggregate);
  const { answerMost, dutyMost } = splitOf(params);
  const rules: AppraisalParams = { ...params, aggregate: params.aggregate === 0n ? "Median" : "TrimmedMean" };
  const answers = Array.from({ length: RESPONDERS }, () => ({
    price: PRICE,
    isCommitted: true,
    isConvicted: false,
  }));
  const ballots = weights.map((weight, i) => ({ weight, scores: scores[i], isConvicted: false }));
  const verdict = appraise(answers, ballots, answerMost, dutyMost, rules);
  // No event tells an assessor's quality.
  return {
    ...verdict,
    assessors: verdict.assessors.map((assessor) => ({ ...assessor, quality: undefined })),
  };
}

/* THE CHAIN */

/** Puts the next block a second after the last. */
async function tick(arena: Pick<Arena, "provider" | "clock">): Promise<void> {
  arena.clock += 1;
  await arena.provider.request({ method: "evm_setNextBlockTimestamp", params: [toQuantity(arena.clock)] });
}

/** Mines a call of an unlocked account. @returns the events that the market and the registry emitted */
async function send(arena: Arena, { address }: Account, to: string, data: string): Promise<LogDescription[]> {
  await tick(arena);
  const { provider } = arena;
  const transaction = { from: address, to, data, gas: GAS };
  const hash = await provider.request({ method: "eth_sendTransaction", params: [transaction] });
  const receipt = await provider.request({ method: "eth_getTransactionReceipt", params: [hash] });
  const { logs } = receipt as { logs: { address: string; topics: string[]; data: string }[] };
  const sources = new Map([
    [arena.domain.market.toLowerCase(), contractInterface("QualityMarket")],
    [arena.registry.toLowerCase(), contractInterface("NodeRegistry")],
  ]);
  return logs.flatMap((log) => sources.get(log.address)?.parseLog(log) ?? []);
}

function callMarket(arena: Arena, from: Account, method: string, values: unknown[]) {
  const data = contractInterface("QualityMarket").encodeFunctionData(method, values);
  return send(arena, from, arena.domain.market, data);
}

/** @throws {GradworkError} `EVENT_MISSING` */
function eventOf(events: readonly LogDescription[], name: string): LogDescription {
  const event = events.find((one) => one.name === name);
  if (event !== undefined) return event;
  const names = events.map((one) => one.name);
  throw new GradworkError("EVENT_MISSING", `Expected ${name}, the contracts emitted ${names.join(", ")}`);
}
