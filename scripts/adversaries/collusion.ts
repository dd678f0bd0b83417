// What a miner can do with a majority of the verifiers, and what it can't.
import { GradworkError } from "../../clients/model/errors.ts";
import type { Adversary, Expected } from "./adversary.ts";
import {
  confirmed,
  demanded,
  funded,
  insist,
  insistFewAccusations,
  insistOutcome,
  joinMiner,
  proverOf,
  rootOf,
  slashed,
  startMiner,
  startOne,
  startVerifiers,
  startWatch,
  sum,
} from "./cast.ts";
import type { Member } from "./company.ts";
import { FORGE_PARAMETER } from "./forgers.ts";
import { WITHHOLD } from "./miners.ts";
import type { Scene } from "./taskScene.ts";
import { sayYes } from "./verifiers.ts";

/** Waits until somebody's client gives up the head. */
async function insistDivergence(scene: Scene, member: Member): Promise<void> {
  const error = await scene.ending(member);
  const isDiverged = error instanceof GradworkError && error.code === "HEAD_DIVERGED";
  insist(isDiverged, `${member.name} ended with ${error}`);
}

/**
 * Two of three verifiers confirm a forged model, of which nobody else has the update before the round is final. Once it
 * gets out, a watch corners the leaf, and honest clients stop.
 */
async function playForgedHead(scene: Scene): Promise<Expected> {
  const { taskId, params, owner } = scene;
  const { market, committee } = owner.gradwork;
  const [helpers, honest] = await Promise.all([
    startVerifiers(scene, 2, sayYes(5, 4), "helper"),
    startOne(scene, "honest", {}),
  ]);
  const miner = await joinMiner(scene);
  // More rounds than the escrow is for: it goes on, and answers.
  startMiner(scene, miner, { ...FORGE_PARAMETER, ...WITHHOLD }, { rounds: 2 });
  await scene.final(1n);
  await insistOutcome(scene, 1n, 0, "Confirmed");
  for (const helper of helpers) await scene.leave(helper);

  const watch = await startWatch(scene, 100n * params.demandDeposit);
  await miner.store.publish((await market.proposal(taskId, 1n, 0)).updateRoot);
  await insistDivergence(scene, watch);
  await insistDivergence(scene, honest);
  insist((await proverOf(scene, 1n)) === watch, "the watch did not prove it");
  insistFewAccusations(scene, watch);
  const { active } = await committee.enrolment(taskId, honest.address);
  insist(!active, "the honest verifier is still enrolled");
  return {
    head: await rootOf(scene, 1n),
    changes: sum(
      funded(scene),
      confirmed(scene, miner, helpers),
      slashed(miner, params.minerBond, watch),
      await demanded(scene, miner, 1n, 0),
    ),
  };
}

export const COLLUSION: Adversary[] = [
  {
    name: "majority-confirms-forged-head",
    title:
      "two of three verifiers confirm a forged leaf that nobody can see in time: the head moves, a later watch takes the bond",
    play: playForgedHead,
  },
];
