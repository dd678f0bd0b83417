// Who answers, scores and asks beside an adversary, and what they earn.
import { toUtf8Bytes } from "ethers";
import { queryEvents } from "../../clients/chain/events.ts";
import {
  createContacts,
  NODE_ROLES,
  type NodeRole,
  type QueryPhase,
  type QueryView,
  readQuery,
  roleIndex,
} from "../../clients/chain/queryView.ts";
import { requestNode } from "../../clients/messages/nodeRequest.ts";
import { appraise, splitFee, type Verdict } from "../../clients/model/appraisal.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import { type AskerConduct, type AskReport, ask, HONEST_ASKER } from "../../clients/roles/asker.ts";
import { type AssessorConduct, HONEST_ASSESSOR, runAssessor } from "../../clients/roles/assessor.ts";
import { act } from "../../clients/roles/party.ts";
import {
  HONEST_RESPONDER,
  type QueryPath,
  type ResponderConduct,
  runResponder,
} from "../../clients/roles/responder.ts";
import type { Json } from "../../clients/storage/stateStore.ts";
import type { Expected } from "./adversary.ts";
import { insist, memberOf, sum } from "./cast.ts";
import type { Member } from "./company.ts";
import { FEE, PRICE, type QueryScene } from "./queryScene.ts";

const PROMPT = "Call me Ishmael. Some years ago I thought I would sail about a little and see";

/** Of an answer. */
const MAX_TOKENS = 16;

const ONE = 1_000_000n;

const REPLY_TIMEOUT_MS = 60_000;

/* WHO TAKES PART */

/** Somebody's conduct in a role, by name: what it does otherwise than an honest one. */
type Responders = Record<string, Partial<ResponderConduct>>;
type Assessors = Record<string, Partial<AssessorConduct>>;

/** Honest ones, numbered. */
export function honest(name: "responder" | "assessor", count: number): Record<string, object> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`${name} ${i + 1}`, {}]));
}

/** Nodes at work, of which each query draws all: their stake is twice what it must be, so that no penalty keeps one out. */
export async function startNodes(
  scene: QueryScene,
  responders: Responders,
  assessors: Assessors,
  price = PRICE,
): Promise<void> {
  const { model, params, engines } = scene;
  const stake = 2n * params.nodeStake;
  const join = (names: string[]) => Promise.all(names.map((name) => scene.join(name, { stake })));
  const [answering, scoring] = await Promise.all([
    join(Object.keys(responders)),
    join(Object.keys(assessors)),
  ]);
  scene.responders.push(...answering);
  scene.assessors.push(...scoring);
  const options = ({ directory }: Member) => ({
    model,
    stake,
    directory: `${directory}-node`,
    host: "127.0.0.1",
    port: 0,
  });
  for (const member of answering) {
    const conduct = { ...HONEST_RESPONDER, ...responders[member.name] };
    const { generator } = engines;
    scene.start(member, () =>
      runResponder(member, { ...options(member), price, generator, maxTokens: MAX_TOKENS }, conduct),
    );
  }
  for (const member of scoring) {
    const conduct = { ...HONEST_ASSESSOR, ...assessors[member.name] };
    scene.start(member, () => runAssessor(member, { ...options(member), assessor: engines.judge }, conduct));
  }
  const { registry } = scene.asker.gradwork;
  await scene.until("all nodes have joined", async () => {
    const counts = await Promise.all(NODE_ROLES.map((role) => registry.placeCount(model, roleIndex(role))));
    return counts.join() === [answering.length, scoring.length].join();
  });
}

/**
 * Asks all nodes of a scene.
 * @param conduct what the asker does otherwise
 */
export async function askAll(
  scene: QueryScene,
  path: QueryPath,
  conduct: Partial<AskerConduct> = {},
): Promise<AskReport> {
  const { asker, model, responders, assessors } = scene;
  const counts = { responders: responders.length, assessors: assessors.length };
  const options = { model, prompt: PROMPT, ...counts, fee: FEE, path, state: asker.state };
  let ended: { report: AskReport } | { error: unknown } | undefined;
  void ask(asker, options, { ...askerOf(scene, path), ...conduct }).then(
    (report) => (ended = { report }),
    (error: unknown) => (ended = { error }),
  );
  await scene.until("the query is over", async () => ended !== undefined);
  if ("error" in ended!) throw ended.error;
  return ended!.report;
}

/** An honest asker. On the fast path nobody waits for a block, and none is made, before there is a message to send. */
export function askerOf({ hold }: QueryScene, path: QueryPath): AskerConduct {
  if (path === "slow") return HONEST_ASKER;
  return {
    ...HONEST_ASKER,
    collect: (...of) => hold(() => HONEST_ASKER.collect(...of)),
    gather: (...of) => hold(() => HONEST_ASKER.gather(...of)),
  };
}

/* THE CLOCK */

/** The scene's newest query, once it is asked and as wanted. */
export async function untilQuery(
  scene: QueryScene,
  what: string,
  isAsWanted: (view: QueryView) => boolean,
): Promise<QueryView> {
  const { gradwork, signal } = scene.asker;
  const { quality, provider, deployment } = gradwork;
  let view: QueryView | undefined;
  await scene.until(what, async () => {
    const newest = await provider.getBlockNumber();
    const asked = await queryEvents(quality, "Asked", [null, scene.model], deployment.block, newest, signal);
    const latest = asked.at(-1);
    if (latest === undefined) return false;
    view = await readQuery(gradwork, latest.args.query, 0);
    return isAsWanted(view);
  });
  return view!;
}

export function untilPhase(scene: QueryScene, phase: QueryPhase): Promise<QueryView> {
  return untilQuery(scene, `the query is ${phase.toLowerCase()}`, (view) => view.phase === phase);
}

/** Lets the time pass to a second. */
export async function passTo(scene: QueryScene, second: bigint): Promise<void> {
  const newest = await scene.asker.gradwork.provider.getBlock("latest");
  const seconds = Number(second) - newest!.timestamp;
  if (seconds > 0) await scene.pass(1, seconds);
}

/**
 * How many do their part on chain; by default all.
 * @property committed their scores
 * @property held of those, whom others hold to what they signed before, in the last quarter
 * @property revealed of those, too
 * @property isSeen what must be seen before the time to reveal is over
 */
export type Turnout = {
  answered?: number;
  committed?: number;
  held?: number;
  revealed?: number;
  isSeen?: () => boolean;
};

/** Lets a query go on by the slow path: time passes once all who do their part have done it. */
async function playOut(scene: QueryScene, path: QueryPath, turnout: Turnout = {}): Promise<void> {
  const { responders, assessors } = scene;
  const { answered = responders.length, committed = assessors.length } = turnout;
  const { held = 0, revealed = committed, isSeen } = turnout;
  const { query } = await untilQuery(scene, "nodes are drawn", ({ nodes }) => nodes.length > 0);
  if (path === "fast") {
    await scene.until("the fast path has failed", async () => fastFailure(scene) !== undefined);
    await passTo(scene, lastQuarter(query.askedAt, query.answersEndAt));
  }
  const { query: answering } = await untilQuery(
    scene,
    `${answered} answers are committed`,
    ({ query }) => bits(query.answered) === answered,
  );
  if (answered < responders.length) await passTo(scene, answering.answersEndAt);
  if (answered === 0) return;
  const committing = await untilCommitted(scene, committed - held);
  if (held > 0) {
    await passTo(scene, lastQuarter(committing.answersEndAt, committing.commitsEndAt));
    await untilCommitted(scene, committed);
  }
  if (committed < assessors.length) await passTo(scene, committing.commitsEndAt);
  const { query: revealing } = await untilQuery(
    scene,
    `${revealed} scores are revealed`,
    ({ query }) => bits(query.revealed) === revealed,
  );
  if (isSeen !== undefined) await scene.until("all is tried", async () => isSeen());
  if (revealed < assessors.length) await passTo(scene, revealing.revealsEndAt);
}

async function untilCommitted(scene: QueryScene, count: number): Promise<QueryView["query"]> {
  const isSo = ({ query }: QueryView) => bits(query.committed) === count;
  return (await untilQuery(scene, `${count} scores are committed`, isSo)).query;
}

/** When the last quarter of a phase begins, in which clients stop to wait for the fast path. */
function lastQuarter(begin: bigint, end: bigint): bigint {
  return end - (end - begin) / 4n;
}

function bits(set: bigint): number {
  return set.toString(2).replaceAll("0", "").length;
}

/** Asks all nodes of a scene, and lets the query go on by the slow path. */
export async function askThrough(
  scene: QueryScene,
  path: QueryPath,
  turnout: Turnout,
  conduct: Partial<AskerConduct> = {},
): Promise<AskReport> {
  const [report] = await Promise.all([askAll(scene, path, conduct), playOut(scene, path, turnout)]);
  return report;
}

/* WHAT COMES OF IT */

/** The score that honest assessors give each of these texts. */
export async function judge({ engines }: QueryScene, texts: readonly string[]): Promise<number[]> {
  const signal = AbortSignal.timeout(60_000);
  const assessed = await engines.judge.assess(
    toUtf8Bytes(PROMPT),
    texts.map((text) => toUtf8Bytes(text)),
    signal,
  );
  return assessed.map(({ score }) => score);
}

/** What responders answered, by default all, in the scene's order; each must have been read. */
export function textsOf(
  { responders }: QueryScene,
  { answers }: AskReport,
  names = responders.map(({ name }) => name),
): string[] {
  const chosen = responders.filter(({ name }) => names.includes(name));
  return chosen.map(({ address, name }) => {
    const text = answers.find(({ responder }) => responder === address)?.text;
    insist(text !== undefined, `the answer of ${name} was not read`);
    return text;
  });
}

/**
 * What became of a query, as the scene planned it.
 * @property scores by assessor, of each responder in the scene's order; undefined of who revealed nothing
 * @property unanswered responders that committed nothing
 * @property convicted nodes, by name, and who proved it
 */
type Course = {
  scores: Record<string, readonly number[] | undefined>;
  unanswered?: readonly string[];
  convicted?: Record<string, Member>;
};

/** What everybody gains and loses by a query, and the verdict that it follows from. */
export function settled(
  { asker, responders, assessors, params }: QueryScene,
  { scores, unanswered = [], convicted = {} }: Course,
): { changes: Record<string, bigint>; verdict: Verdict } {
  const counts = { responders: responders.length, assessors: assessors.length };
  const { burned, answerMost, dutyMost } = splitFee(FEE, params, counts);
  const verdict = appraise(
    responders.map(({ name }) => ({
      price: PRICE,
      isCommitted: !unanswered.includes(name),
      isConvicted: name in convicted,
    })),
    assessors.map(({ name }) => ({
      weight: params.trustFloor,
      scores: scores[name],
      isConvicted: name in convicted,
    })),
    answerMost,
    dutyMost,
    { ...params, aggregate: params.aggregate === 0n ? "Median" : "TrimmedMean" },
  );
  const slashed = Object.entries(convicted).map(([name, prover]) =>
    sum(
      { [name]: -params.nodeStake, burned: params.nodeStake - params.nodeStake / 2n },
      { [prover.name]: params.nodeStake / 2n },
    ),
  );
  const changes = sum(
    { [asker.name]: -burned, burned },
    ...verdict.answers.map(({ paid }, j) => ({ [asker.name]: -paid, [responders[j]!.name]: paid })),
    ...verdict.assessors.map(({ paid, lost }, i) =>
      sum({ [asker.name]: -paid, [assessors[i]!.name]: paid - lost }, { burned: lost }),
    ),
    ...slashed,
  );
  return { changes, verdict };
}

/** What a node is trusted, in millionths. */
export function trustOf({ model, responders }: QueryScene, member: Member): Promise<bigint> {
  const role = roleIndex(responders.includes(member) ? "Responder" : "Assessor");
  return member.gradwork.registry.trustOf(model, role, member.address);
}

/** What a query costs that ends without being settled. */
export function released({ asker, params }: QueryScene): Record<string, bigint> {
  const burned = (FEE * params.burnShare) / ONE;
  return { [asker.name]: -burned, burned };
}

export const [FAST, SLOW] = ["Settled by the fast path", "Settled by the slow path"];

/** One query by the fast path, of which the scene plans the scores. */
export async function playFast(
  scene: QueryScene,
  responders: Responders,
  assessors: Assessors,
  scoresBy: (honest: number[]) => Course["scores"],
): Promise<{ expected: Expected; verdict: Verdict }> {
  await startNodes(scene, responders, assessors);
  const report = await askAll(scene, "fast");
  const { changes, verdict } = settled(scene, {
    scores: scoresBy(await judge(scene, textsOf(scene, report))),
  });
  return { expected: { ends: [FAST], changes }, verdict };
}

/**
 * One query by the slow path in the end, of which the scene plans the scores.
 * @param path that was asked for
 */
export async function playSlow(
  scene: QueryScene,
  path: QueryPath,
  responders: Responders,
  assessors: Assessors,
  turnout: Turnout,
  courseBy: (honest: number[]) => Course,
): Promise<{ expected: Expected; verdict: Verdict }> {
  await startNodes(scene, responders, assessors);
  const report = await askThrough(scene, path, turnout);
  const { changes, verdict } = settled(scene, courseBy(await judge(scene, textsOf(scene, report))));
  return { expected: { ends: [verdict.isQuorate ? SLOW : "Unassessed"], changes }, verdict };
}

/** Codes of the faults that somebody met: what a contract or a node said, or its own client. */
export function faultsOf({ events }: Member, action?: string): string[] {
  return events.flatMap((event) => {
    if (event.kind !== "retrying" || (action !== undefined && event.action !== action)) return [];
    const { error } = event;
    if (!(error instanceof GradworkError)) return [error.message];
    return [String(error.data.error ?? error.data.reason ?? error.code)];
  });
}

/** Why an asker's query was not settled by the fast path. */
export function fastFailure({ asker }: QueryScene): string | undefined {
  return [...faultsOf(asker, "collect the answers"), ...faultsOf(asker, "settle by the fast path")].at(-1);
}

/** Asks a node for what it must refuse, for a reason. */
export async function askInVain(
  scene: QueryScene,
  to: Member,
  query: bigint,
  name: string,
  body: Json,
  reason: string,
): Promise<void> {
  const { gradwork, signal } = scene.asker;
  const contact = await createContacts(gradwork, signal)(to.address);
  try {
    await requestNode(contact!.endpoint, query, name, body, { timeoutMs: REPLY_TIMEOUT_MS, signal });
  } catch (error) {
    const isRefused = error instanceof GradworkError && error.code === "NODE_REFUSED";
    if (!isRefused || error.data.reason !== reason) throw error;
    scene.say(`${to.name}: ${name} is refused: ${reason}`);
    return;
  }
  throw new Error(`${to.name} did not refuse ${name} with ${reason}`);
}

/** Who proved that a node made two commitments for a scene's newest query. */
export async function convictorOf(scene: QueryScene, convicted: Member): Promise<Member> {
  const { gradwork, signal } = scene.asker;
  const { quality, provider, deployment } = gradwork;
  const newest = await provider.getBlockNumber();
  const topics = [null, convicted.address];
  const events = await queryEvents(quality, "Convicted", topics, deployment.block, newest, signal);
  insist(events.length === 1, `${convicted.name} was convicted ${events.length} times`);
  return memberOf(scene, events[0]!.args.prover);
}

/** A responder or an assessor without a client: it joined, and is not there. */
export async function enlist(scene: QueryScene, role: NodeRole, name: string): Promise<void> {
  const { nodeStake } = scene.params;
  const member = await scene.join(name, { stake: nodeStake });
  const price = role === "Responder" ? PRICE : 0n;
  const { registry } = member.gradwork;
  await act(member, 0n, registry.join, [scene.model, roleIndex(role), nodeStake, price]);
  (role === "Responder" ? scene.responders : scene.assessors).push(member);
}
