// Who answers, scores and asks beside an adversary, and what they earn.
import { toUtf8Bytes } from "ethers";
import { queryEvents } from "../../clients/chain/events.ts";
import {
  NODE_ROLES,
  type QueryPhase,
  type QueryView,
  readQuery,
  roleIndex,
} from "../../clients/chain/queryView.ts";
import { appraise, type Verdict } from "../../clients/model/appraisal.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import { type AskerConduct, type AskReport, ask, HONEST_ASKER } from "../../clients/roles/asker.ts";
import { type AssessorConduct, HONEST_ASSESSOR, runAssessor } from "../../clients/roles/assessor.ts";
import {
  HONEST_RESPONDER,
  type QueryPath,
  type ResponderConduct,
  runResponder,
} from "../../clients/roles/responder.ts";
import type { Expected } from "./adversary.ts";
import { insist, sum } from "./cast.ts";
import type { Member } from "./company.ts";
import { FEE, PRICE, type QueryScene } from "./queryScene.ts";

export const PROMPT = "Call me Ishmael. Some years ago I thought I would sail about a little and see";

/** Of an answer. */
const MAX_TOKENS = 16;

const ONE = 1_000_000n;

/* WHO TAKES PART */

/** Somebody's conduct in a role, by name: what it does otherwise than an honest one. */
export type Responders = Record<string, Partial<ResponderConduct>>;
export type Assessors = Record<string, Partial<AssessorConduct>>;

/** Honest ones, numbered. */
export function honest(name: "responder" | "assessor", count: number): Record<string, object> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`${name} ${i + 1}`, {}]));
}

/** Nodes at work, of which each query draws all. Their stake is more than a penalty below what a node needs. */
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

/** What a scene's responders answered, in the scene's order; each must have been read. */
export function textsOf({ responders }: QueryScene, { answers }: AskReport): string[] {
  return responders.map(({ address, name }) => {
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
export type Course = {
  scores: Record<string, readonly number[] | undefined>;
  unanswered?: readonly string[];
  convicted?: Record<string, Member>;
};

/** What everybody gains and loses by a query, and the verdict that it follows from. */
export function settled(
  { asker, responders, assessors, params }: QueryScene,
  { scores, unanswered = [], convicted = {} }: Course,
): { changes: Record<string, bigint>; verdict: Verdict } {
  const { burned, answerMost, dutyMost } = split(params, responders.length, assessors.length);
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

/** What a query costs that ends without being settled. */
export function released({ asker, params }: QueryScene): Record<string, bigint> {
  const burned = (FEE * params.burnShare) / ONE;
  return { [asker.name]: -burned, burned };
}

function split({ burnShare, assessorShare }: QueryScene["params"], responders: number, assessors: number) {
  const burned = (FEE * burnShare) / ONE;
  const assessing = (FEE * assessorShare) / ONE;
  return {
    burned,
    answerMost: (FEE - burned - assessing) / BigInt(responders),
    dutyMost: assessing / BigInt(assessors),
  };
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

/** The error that an asker met when it wanted to settle by the fast path: what a contract or a node said. */
export function fastFailure({ asker }: QueryScene): string | undefined {
  const failure = asker.events.find(
    (event) => event.kind === "retrying" && event.action === "settle by the fast path",
  );
  if (failure?.kind !== "retrying") return undefined;
  const { error } = failure;
  if (!(error instanceof GradworkError)) return error.message;
  return String(error.data.error ?? error.data.reason ?? error.code);
}
