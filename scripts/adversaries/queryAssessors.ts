// Assessors who do not score what they read.
import { ZeroHash } from "ethers";
import { queryEvents } from "../../clients/chain/events.ts";
import { scoreCommitment } from "../../clients/chain/queryStatements.ts";
import { type QueryView, statementDomain } from "../../clients/chain/queryView.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import { MAX_SCORE } from "../../clients/model/scores.ts";
import { type AssessorConduct, HONEST_ASSESSOR } from "../../clients/roles/assessor.ts";
import type { QueryNode } from "../../clients/roles/queryNode.ts";
import type { ResponderConduct } from "../../clients/roles/responder.ts";
import { actUnlessDone } from "../../clients/roles/turns.ts";
import type { Adversary, Expected } from "./adversary.ts";
import { insist, memberOf, requireRefusals, sum, tryInVain } from "./cast.ts";
import {
  askAll,
  FAST,
  fastFailure,
  honest,
  judge,
  playFast,
  playSlow,
  settled,
  startNodes,
  type Turnout,
  textsOf,
  trustOf,
} from "./queryCast.ts";
import type { QueryScene } from "./queryScene.ts";

/** An answer that goes round in a loop. */
export const GARBAGE: Partial<ResponderConduct> = {
  answer: async () => Array.from({ length: 12 }, () => "the whale").join(" "),
};

/** Scores honestly, then says something else of some answers. */
export function distort(
  scene: QueryScene,
  change: (score: number, responder: string) => number,
): Partial<AssessorConduct> {
  return {
    async score(options, view, answers, signal) {
      const scores = await HONEST_ASSESSOR.score(options, view, answers, signal);
      return scores.map((score, j) => {
        const { address } = view.nodes[j]!;
        const { name } = scene.responders.find((one) => one.address === address)!;
        return change(score, name);
      });
    },
  };
}

async function playNoise(scene: QueryScene): Promise<Expected> {
  const noisy = (score: number, responder: string) =>
    (score + (responder === "responder 1" ? 20_011 : 400_009)) % MAX_SCORE;
  const { expected, verdict } = await playFast(
    scene,
    honest("responder", 2),
    { "noisy assessor": distort(scene, noisy), ...honest("assessor", 2) },
    (scores) => ({
      "noisy assessor": scores.map((score, j) => noisy(score, scene.responders[j]!.name)),
      "assessor 1": scores,
      "assessor 2": scores,
    }),
  );
  const [noise, other] = verdict.assessors;
  insist(noise!.paid > 0n && noise!.paid < other!.paid && noise!.lost > 0n, "the noise cost nothing");
  return expected;
}

async function playBoosting(scene: QueryScene): Promise<Expected> {
  const boost = (score: number, responder: string) => (responder === "friend" ? MAX_SCORE : score);
  const { expected, verdict } = await playFast(
    scene,
    { friend: GARBAGE, ...honest("responder", 1) },
    { booster: distort(scene, boost), ...honest("assessor", 2) },
    ([friend, other]) => ({
      booster: [MAX_SCORE, other!],
      "assessor 1": [friend!, other!],
      "assessor 2": [friend!, other!],
    }),
  );
  insist(verdict.answers[0]!.paid === 0n, "the friend was paid");
  insist(verdict.assessors[0]!.lost > 0n, "the booster lost nothing");
  return expected;
}

async function playSabotage(scene: QueryScene): Promise<Expected> {
  const sabotage = (score: number, responder: string) => (responder === "rival" ? 0 : score);
  const { expected, verdict } = await playFast(
    scene,
    { rival: {}, ...honest("responder", 1) },
    { saboteur: distort(scene, sabotage), ...honest("assessor", 2) },
    ([rival, other]) => ({
      saboteur: [0, other!],
      "assessor 1": [rival!, other!],
      "assessor 2": [rival!, other!],
    }),
  );
  insist(verdict.answers[0]!.paid > 0n, "the rival was not paid");
  insist(verdict.assessors[0]!.lost > 0n, "the saboteur lost nothing");
  return expected;
}

async function playIntermittent(scene: QueryScene): Promise<Expected> {
  let isLying = false;
  const lie = (score: number) => (isLying ? 0 : score);
  await startNodes(scene, honest("responder", 1), { liar: distort(scene, lie), ...honest("assessor", 2) });
  const [liar, other] = scene.assessors;
  const trusts: { liar: bigint; other: bigint }[] = [];
  const parts: Record<string, bigint>[] = [];
  for (const lies of [false, true, false]) {
    isLying = lies;
    const scores = await judge(scene, textsOf(scene, await askAll(scene, "fast")));
    const course = { liar: scores.map(lie), "assessor 1": scores, "assessor 2": scores };
    parts.push(settled(scene, { scores: course }).changes);
    trusts.push({ liar: await trustOf(scene, liar!), other: await trustOf(scene, other!) });
  }
  const [first, second, third] = trusts;
  insist(first!.liar === first!.other, "trust differs before the lie");
  insist(second!.liar < first!.liar && second!.other > first!.other, "the lie cost no trust");
  insist(third!.liar > second!.liar && third!.liar < third!.other, "trust is won back at once");
  return { ends: [FAST, FAST, FAST], changes: sum(...parts) };
}

/** What others committed to, on chain. */
async function othersCommitments(node: QueryNode, { id, query }: QueryView, assessor: number) {
  const places = Array.from({ length: Number(query.assessors) }, (_, i) => i).filter((i) => i !== assessor);
  const { quality } = node.gradwork;
  const all = await Promise.all(places.map((i) => quality.commitmentOf(id, Number(query.responders) + i)));
  return all.filter((commitment) => commitment !== ZeroHash);
}

/** The scores and salt of somebody's reveal. */
async function anyReveal(
  node: QueryNode,
  view: QueryView,
): Promise<[scores: bigint, salt: string] | undefined> {
  const { quality, provider, deployment } = node.gradwork;
  const newest = await provider.getBlockNumber();
  const events = await queryEvents(
    quality,
    "ScoresRevealed",
    [view.id],
    deployment.block,
    newest,
    node.signal,
  );
  if (events[0] === undefined) return undefined;
  const { data } = (await provider.getTransaction(events[0].transactionHash))!;
  const { args } = quality.interface.parseTransaction({ data })!;
  return [args.scores, args.salt];
}

async function playCopiedCommitment(scene: QueryScene): Promise<Expected> {
  const copyCommitment: Partial<AssessorConduct> = {
    async commit(node, view, assessor) {
      const [copied] = await othersCommitments(node, view, assessor);
      if (copied === undefined) return;
      const { quality } = node.gradwork;
      await actUnlessDone(node, { query: view.id }, quality.commitScores, [view.id, assessor, copied, "0x"]);
    },
    async reveal(node, view, assessor) {
      const shown = await anyReveal(node, view);
      if (shown === undefined || memberOf(scene, node.address).refusals.length > 0) return;
      const { revealScores } = node.gradwork.quality;
      await tryInVain(scene, node, "CommitmentMismatch", revealScores, [view.id, assessor, ...shown]);
    },
  };
  return playCopier(scene, copyCommitment, { revealed: 2 }, "CommitmentMismatch");
}

async function playCopiedReveal(scene: QueryScene): Promise<Expected> {
  const copyReveal: Partial<AssessorConduct> = {
    commit: async () => {},
    async reveal(node, view, assessor) {
      const shown = await anyReveal(node, view);
      if (shown === undefined || memberOf(scene, node.address).refusals.length > 0) return;
      const domain = statementDomain(node.gradwork);
      const commitment = scoreCommitment(domain, view.id, node.address, ...shown);
      const { commitScores } = node.gradwork.quality;
      await tryInVain(scene, node, "WrongPhase", commitScores, [view.id, assessor, commitment, "0x"]);
    },
  };
  return playCopier(scene, copyReveal, { committed: 2 }, "WrongPhase");
}

/** @param error with which the copy is refused */
async function playCopier(
  scene: QueryScene,
  conduct: Partial<AssessorConduct>,
  turnout: Turnout,
  error: string,
): Promise<Expected> {
  const { expected } = await playSlow(
    scene,
    "slow",
    honest("responder", 1),
    { copier: conduct, ...honest("assessor", 2) },
    { ...turnout, isSeen: () => scene.assessors[0]!.refusals.length > 0 },
    (scores) => ({ scores: { copier: undefined, "assessor 1": scores, "assessor 2": scores } }),
  );
  requireRefusals(scene.assessors[0]!, [error]);
  return expected;
}

const CONSTANT = MAX_SCORE / 2;

async function playConstant(scene: QueryScene): Promise<Expected> {
  const { expected, verdict } = await playFast(
    scene,
    { ...honest("responder", 1), sloven: GARBAGE },
    { "lazy assessor": distort(scene, () => CONSTANT), ...honest("assessor", 2) },
    (scores) => ({
      "lazy assessor": scores.map(() => CONSTANT),
      "assessor 1": scores,
      "assessor 2": scores,
    }),
  );
  insist(verdict.assessors[0]!.lost > 0n, "saying always the same cost nothing");
  return expected;
}

/** Commits to nothing, on either path. */
const SAY_NOTHING: Partial<AssessorConduct> = {
  commitment() {
    throw new GradworkError("SILENT", "it says nothing");
  },
};

async function playSilence(scene: QueryScene): Promise<Expected> {
  const { expected, verdict } = await playSlow(
    scene,
    "fast",
    honest("responder", 1),
    { "silent assessor": SAY_NOTHING, ...honest("assessor", 2) },
    { committed: 2 },
    (scores) => ({ scores: { "silent assessor": undefined, "assessor 1": scores, "assessor 2": scores } }),
  );
  insist(fastFailure(scene) === "SILENT", `the fast path failed with ${fastFailure(scene)}`);
  insist(verdict.assessors[0]!.lost > verdict.assessors[1]!.paid, "silence costs less than scoring earns");
  return expected;
}

async function playUnrevealed(scene: QueryScene): Promise<Expected> {
  const { expected } = await playSlow(
    scene,
    "slow",
    honest("responder", 1),
    { "silent assessor": { reveal: async () => {} }, ...honest("assessor", 2) },
    { revealed: 2 },
    (scores) => ({ scores: { "silent assessor": undefined, "assessor 1": scores, "assessor 2": scores } }),
  );
  return expected;
}

const OF_TEN = 10;

/** Colluders praise a friend's garbage, and say that a rival's answer is worth nothing. */
async function playCollusion(scene: QueryScene, colluders: number): Promise<Expected> {
  const collude = (_: number, responder: string) => (responder === "friend" ? MAX_SCORE : 0);
  const names = Array.from({ length: colluders }, (_, i) => `colluder ${i + 1}`);
  const others = honest("assessor", OF_TEN - colluders);
  const { expected, verdict } = await playFast(
    scene,
    { friend: GARBAGE, rival: {} },
    { ...Object.fromEntries(names.map((name) => [name, distort(scene, collude)])), ...others },
    (scores) => ({
      ...Object.fromEntries(names.map((name) => [name, [MAX_SCORE, 0]])),
      ...Object.fromEntries(Object.keys(others).map((name) => [name, scores])),
    }),
  );
  const [friend, rival] = verdict.answers;
  const [colluder, other] = [verdict.assessors[0]!, verdict.assessors.at(-1)!];
  insist(friend!.paid === 0n, "the friend's garbage was paid");
  // The lower of two medians: half the weight can talk an answer down, but not up.
  const isBroken = 2 * colluders >= OF_TEN;
  insist(isBroken === (rival!.paid === 0n), `the rival was paid ${rival!.paid}`);
  insist(isBroken === other.lost > 0n, `an honest assessor lost ${other.lost}`);
  insist(colluder.lost > 0n, "a colluder lost nothing");
  insist(isBroken || other.paid > colluder.paid, "collusion earned more than honest scores");
  return expected;
}

function collusion(colluders: number): Adversary {
  const share = (100 * colluders) / OF_TEN;
  const come =
    2 * colluders < OF_TEN
      ? "neither comes about, and they are penalized"
      : "the garbage still earns nothing, but the rival's answer doesn't either";
  return {
    name: `queries-collusion-${share}`,
    title: `${share} % of the assessors praise a friend's garbage and talk a rival's answer down: ${come}`,
    playQueries: (scene) => playCollusion(scene, colluders),
  };
}

export const QUERY_ASSESSORS: Adversary[] = [
  {
    name: "queries-noise",
    title:
      "an assessor adds noise to its scores: little costs it some of its pay, much all of it and a penalty",
    playQueries: playNoise,
  },
  {
    name: "queries-boosting",
    title:
      "an assessor gives a friend's garbage the best score: the friend earns nothing, the assessor is penalized",
    playQueries: playBoosting,
  },
  {
    name: "queries-sabotage",
    title:
      "an assessor gives a rival's answer the worst score: the rival is paid all the same, the assessor is penalized",
    playQueries: playSabotage,
  },
  {
    name: "queries-intermittent",
    title:
      "an assessor lies in the second of three queries: it is penalized there, and trusted less than others after",
    options: { params: { trustFloor: 500_000n, trustRate: 100_000n } },
    playQueries: playIntermittent,
  },
  {
    name: "queries-copied-commitment",
    title: "an assessor commits to what another committed to: it can't reveal that, and pays for its silence",
    playQueries: playCopiedCommitment,
  },
  {
    name: "queries-copied-reveal",
    title:
      "an assessor waits for others' reveals to commit to the same: too late, and it pays for its silence",
    playQueries: playCopiedReveal,
  },
  {
    name: "queries-constant-score",
    title:
      "an assessor gives every answer the same score without reading any: it is penalized for each that is far from it",
    playQueries: playConstant,
  },
  {
    name: "queries-silence",
    title:
      "an assessor commits to nothing: the slow path ends the query, and silence costs it more than scoring earns",
    playQueries: playSilence,
  },
  {
    name: "queries-unrevealed",
    title: "an assessor commits and never reveals: the others settle the query, and it pays for its silence",
    playQueries: playUnrevealed,
  },
  ...[1, 2, 3, 4, 5].map(collusion),
];
