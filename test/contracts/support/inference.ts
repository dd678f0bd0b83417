import { type ContractTransactionResponse, id, parseEther, type Signer, Wallet } from "ethers";
import {
  answerCommitment,
  commitmentsHash,
  promptHash,
  STATEMENT_TYPES,
  type StatementName,
  scoreCommitment,
  typedDataDomain,
} from "../../../clients/chain/queryStatements.ts";
import { QUERY_PHASES } from "../../../clients/chain/queryView.ts";
import { type AppraisalParams, appraise, splitFee, type Verdict } from "../../../clients/model/appraisal.ts";
import { packScores } from "../../../clients/model/scores.ts";
import type { INodeRegistry } from "../../../types/NodeRegistry.ts";
import { wealthOf } from "./money.ts";
import {
  BURN_ADDRESS,
  deployScenario,
  ethers,
  fundParty,
  networkHelpers,
  now,
  passTo,
  type Scenario,
  tick,
} from "./scenario.ts";

export const RESPONDER = 0n;
export const ASSESSOR = 1n;

export type ModelParams = { [Key in keyof INodeRegistry.ModelParamsStruct]: bigint };

/** Odd amounts, so that every rounding shows. Full trust, so that a few draws find everybody. */
export const MODEL_PARAMS: ModelParams = {
  nodeStake: parseEther("500") + 3n,
  stakeCap: parseEther("500") + 3n,
  answerSeconds: 600n,
  commitSeconds: 700n,
  revealSeconds: 800n,
  aggregate: 0n,
  trimShare: 200_000n,
  burnShare: 100_003n,
  assessorShare: 300_007n,
  qualityFactor: 900_001n,
  costFactor: 500_009n,
  toleranceScore: 50_000n,
  quorumShare: 666_667n,
  trustFloor: 1_000_000n,
  trustRate: 0n,
  leastFee: parseEther("1"),
  trustPrice: 10n ** 9n,
  deviationMultiple: 3n,
};

export const FEE = parseEther("60") + 11n;
export const PRICES = [parseEther("1") + 1n, parseEther("2") + 2n, parseEther("3") + 3n] as const;
export const PROMPT_HASH = promptHash(id("What is a whale?"), id("salt"));

/** A model with its nodes, from which queries are asked. */
export type Service = Scenario & {
  model: bigint;
  modelParams: ModelParams;
  responders: Wallet[];
  assessors: Wallet[];
  asker: Signer;
};

/** A selected query: its nodes as signers, in the order in which they were drawn. */
export type Query = Service & {
  query: bigint;
  drawnResponders: Wallet[];
  drawnAssessors: Wallet[];
};

/** Registers a model with this many nodes of each role. */
export async function openService(
  overrides: Partial<ModelParams> = {},
  counts = { responders: 3, assessors: 5 },
): Promise<Service> {
  const scenario = await networkHelpers.loadFixture(deployScenario);
  return serve(scenario, overrides, counts);
}

/** The same on a scenario. */
export async function serve(
  scenario: Scenario,
  overrides: Partial<ModelParams> = {},
  counts = { responders: 3, assessors: 5 },
): Promise<Service> {
  const { registry, owner } = scenario;
  const modelParams = { ...MODEL_PARAMS, ...overrides };
  const model = await registry.modelCount();
  await tick();
  await registry.connect(owner).registerModel(modelParams, id("record"), "http://127.0.0.1/record");
  const parties: Wallet[] = [];
  for (let i = 0; i < counts.responders + counts.assessors; i++) parties.push(await nodeParty(scenario, i));
  const [responders, assessors] = [parties.slice(0, counts.responders), parties.slice(counts.responders)];
  const service: Service = {
    ...scenario,
    model,
    modelParams,
    responders,
    assessors,
    asker: scenario.owner,
  };
  for (const [i, node] of responders.entries())
    await join(service, RESPONDER, node, PRICES[i % PRICES.length]!);
  for (const node of assessors) await join(service, ASSESSOR, node, 0n);
  return service;
}

/** An account with a key, which can sign statements, funded as others are; the same one for each number. */
export async function nodeParty(scenario: Scenario, number: number): Promise<Wallet> {
  const wallet = new Wallet(id(`node ${number}`), ethers.provider);
  await networkHelpers.setBalance(wallet.address, parseEther("10"));
  await fundParty(scenario, wallet);
  return wallet;
}

export async function join(
  { registry, model, modelParams }: Service,
  role: bigint,
  node: Wallet,
  price: bigint,
  amount = modelParams.nodeStake,
): Promise<void> {
  await tick();
  await registry.connect(node).join(model, role, amount, price);
}

/** The arguments of `ask`, in order. */
export type Asking = {
  model: bigint;
  promptHash: string;
  responders: bigint;
  assessors: bigint;
  fee: bigint;
  answerBy: bigint;
};
type AskArguments = [model: bigint, hash: string, responders: bigint, assessors: bigint, bigint, bigint];

/** Of an `ask` in the next second, for as many answers and scores as there are nodes. */
export async function askArguments(service: Service, overrides: Partial<Asking> = {}): Promise<AskArguments> {
  const { model, promptHash, responders, assessors, fee, answerBy } = {
    model: service.model,
    promptHash: PROMPT_HASH,
    responders: BigInt(service.responders.length),
    assessors: BigInt(service.assessors.length),
    fee: FEE,
    answerBy: (await now()) + 1n + service.modelParams.answerSeconds,
    ...overrides,
  };
  return [model, promptHash, responders, assessors, fee, answerBy];
}

/** Asks, and gives the query's number. */
export async function ask(service: Service, overrides: Partial<Asking> = {}): Promise<bigint> {
  const { quality, asker } = service;
  const query = await quality.queryCount();
  const values = await askArguments(service, overrides);
  await tick();
  await quality.connect(asker).ask(...values);
  return query;
}

/** Passes to where the next block can select what was just asked. */
export async function awaitSeed(): Promise<void> {
  for (let i = 0; i < 2; i++) await passTo((await now()) + 1n);
}

/** Asks, and selects at the first block that can. */
export async function select(service: Service, overrides: Partial<Asking> = {}): Promise<Query> {
  const query = await ask(service, overrides);
  await awaitSeed();
  await tick();
  await service.quality.connect(service.stranger).select(query);
  return { ...service, query, ...(await drawnNodes(service, query)) };
}

async function drawnNodes({ quality, responders, assessors }: Service, query: bigint) {
  const nodes = await quality.selected(query);
  const count = Number((await quality.query(query)).responders);
  const signers = new Map([...responders, ...assessors].map((signer) => [signer.address, signer]));
  const drawn = nodes.map(({ node }) => signers.get(node)!);
  return { drawnResponders: drawn.slice(0, count), drawnAssessors: drawn.slice(count) };
}

/** How a query's fee is split. */
export function splitOf({ modelParams, drawnResponders, drawnAssessors }: Query, fee = FEE) {
  const counts = { responders: drawnResponders.length, assessors: drawnAssessors.length };
  return splitFee(fee, modelParams, counts);
}

export function appraisalParams(params: ModelParams): AppraisalParams {
  return { ...params, aggregate: params.aggregate === 0n ? "Median" : "TrimmedMean" };
}

/** Moves what the nodes earned to their balances. */
export async function collectAll({ registry, model, responders, assessors }: Service): Promise<void> {
  for (const [role, nodes] of [
    [RESPONDER, responders],
    [ASSESSOR, assessors],
  ] as const) {
    for (const node of nodes) {
      if ((await registry.earnedOf(model, role, node)) === 0n) continue;
      await tick();
      await registry.collect(model, role, node);
    }
  }
}

/* WHAT A QUERY COMES TO */

/** What came of a query; of an assessor that revealed nothing, no scores. */
export type Play = {
  scores: readonly (readonly number[] | undefined)[];
  unanswered?: readonly number[];
  convictedResponders?: readonly number[];
  convictedAssessors?: readonly number[];
};

/** What the twin says of it, by the prices and trust that were drawn. */
export async function verdictOn(query: Query, play: Play): Promise<Verdict> {
  const { unanswered = [], convictedResponders = [], convictedAssessors = [] } = play;
  const nodes = await query.quality.selected(query.query);
  const count = query.drawnResponders.length;
  const { answerMost, dutyMost } = splitOf(query);
  return appraise(
    nodes.slice(0, count).map(({ price }, j) => ({
      price,
      isCommitted: !unanswered.includes(j),
      isConvicted: convictedResponders.includes(j),
    })),
    nodes.slice(count).map(({ trust }, i) => ({
      weight: trust,
      scores: play.scores[i],
      isConvicted: convictedAssessors.includes(i),
    })),
    answerMost,
    dutyMost,
    appraisalParams(query.modelParams),
  );
}

/** What the asker, each responder and assessor, and the burn address gain by settling it, in wei. */
export function gainsOf(query: Query, { answers, assessors }: Verdict): bigint[] {
  const { burned } = splitOf(query);
  const pay = [...answers, ...assessors].reduce((sum, { paid }) => sum + paid, 0n);
  const losses = assessors.reduce((sum, { lost }) => sum + lost, 0n);
  return [
    FEE - burned - pay,
    ...answers.map(({ paid }) => paid),
    ...assessors.map(({ paid, lost }) => paid - lost),
    losses,
  ];
}

/** What the same parties have. */
export async function wealthAround(query: Query): Promise<bigint[]> {
  const parties = [query.asker, ...query.drawnResponders, ...query.drawnAssessors, BURN_ADDRESS];
  return Promise.all(parties.map((party) => wealthOf(query, party)));
}

/* STATEMENTS */

export const ANSWER_SALT = id("answer salt");
export const SCORE_SALT = id("score salt");

export function domainOf({ deployment }: Scenario) {
  return { chainId: deployment.chainId, market: deployment.contracts.QualityMarket };
}

export function answerCommitmentOf(query: Query, index: number, text = `answer ${index}`): string {
  const responder = query.drawnResponders[index]!.address;
  return answerCommitment(domainOf(query), query.query, responder, id(text), ANSWER_SALT);
}

export function scoreCommitmentOf(query: Query, index: number, scores: readonly number[]): string {
  const assessor = query.drawnAssessors[index]!.address;
  return scoreCommitment(domainOf(query), query.query, assessor, packScores(scores), SCORE_SALT);
}

export async function sign(
  scenario: Scenario,
  signer: Wallet,
  name: StatementName,
  message: Record<string, unknown>,
): Promise<string> {
  return signer.signTypedData(
    typedDataDomain(domainOf(scenario)),
    { [name]: [...STATEMENT_TYPES[name]] },
    message,
  );
}

/** The arguments of `settleFast` after the query. */
export type FastMessages = [answers: string[], scores: bigint[], salts: string[], signatures: string[]];

/** @param scores of each assessor */
export async function fastMessages(
  query: Query,
  scores: readonly (readonly number[])[],
): Promise<FastMessages> {
  const answers = query.drawnResponders.map((_, index) => answerCommitmentOf(query, index));
  const commitments = commitmentsHash([
    ...answers,
    ...scores.map((list, index) => scoreCommitmentOf(query, index, list)),
  ]);
  const packed = scores.map(packScores);
  const signatures = [
    ...query.drawnResponders.map((responder, index) => {
      const message = { query: query.query, commitment: answers[index]! };
      return sign(query, responder, "AnswerCommitment", message);
    }),
    ...query.drawnAssessors.map((assessor) => {
      const message = { query: query.query, commitments };
      return sign(query, assessor, "ScoreReveal", message);
    }),
  ];
  return [answers, packed, packed.map(() => SCORE_SALT), await Promise.all(signatures)];
}

/* STEPS OF A QUERY */

/** Every responder commits on chain. */
export async function commitAnswers(query: Query, indices = query.drawnResponders.keys()): Promise<void> {
  for (const index of indices) {
    await tick();
    await query.quality
      .connect(query.drawnResponders[index]!)
      .commitAnswer(query.query, index, answerCommitmentOf(query, index), "0x");
  }
}

/** Each assessor with scores commits them on chain. */
export async function commitScores(
  query: Query,
  scores: readonly (readonly number[] | undefined)[],
): Promise<void> {
  for (const [index, list] of scores.entries()) {
    if (list === undefined) continue;
    await tick();
    await query.quality
      .connect(query.drawnAssessors[index]!)
      .commitScores(query.query, index, scoreCommitmentOf(query, index, list), "0x");
  }
}

/** And reveals them. */
export async function revealScores(
  query: Query,
  scores: readonly (readonly number[] | undefined)[],
): Promise<void> {
  for (const [index, list] of scores.entries()) {
    if (list === undefined) continue;
    await tick();
    await query.quality
      .connect(query.stranger)
      .revealScores(query.query, index, packScores(list), SCORE_SALT);
  }
}

/** By a stranger. */
export async function settle({ quality, query, stranger }: Query): Promise<ContractTransactionResponse> {
  await tick();
  return quality.connect(stranger).settle(query);
}

/** Plays a selected query to the first second in which it can be settled. */
export async function playOut(query: Query, { scores, unanswered = [] }: Play): Promise<void> {
  const { quality } = query;
  const indices = [...query.drawnResponders.keys()].filter((index) => !unanswered.includes(index));
  await commitAnswers(query, indices.values());
  if (unanswered.length > 0) await passTo((await quality.query(query.query)).answersEndAt);
  if (indices.length === 0) return;
  await commitScores(query, scores);
  if (scores.includes(undefined)) await passTo((await quality.query(query.query)).commitsEndAt);
  await revealScores(query, scores);
  if (scores.includes(undefined)) await passTo((await quality.query(query.query)).revealsEndAt);
}

export async function phaseOf({ quality, query }: Query): Promise<(typeof QUERY_PHASES)[number]> {
  return QUERY_PHASES[Number(await quality.phase(query))]!;
}
