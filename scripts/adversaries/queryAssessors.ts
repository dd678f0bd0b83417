// Assessors who do not score what they read.
import { MAX_SCORE } from "../../clients/model/scores.ts";
import { type AssessorConduct, HONEST_ASSESSOR } from "../../clients/roles/assessor.ts";
import type { ResponderConduct } from "../../clients/roles/responder.ts";
import type { Adversary, Expected } from "./adversary.ts";
import { insist } from "./cast.ts";
import { honest, playFast } from "./queryCast.ts";
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
];
