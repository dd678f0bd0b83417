// Owners of tasks that nobody can play.
import { keccak256, toUtf8Bytes } from "ethers";
import { GradworkError } from "../../clients/model/errors.ts";
import { act } from "../../clients/roles/party.ts";
import { newSalt, proposalCommitment } from "../../clients/roles/statements.ts";
import type { Adversary, Expected } from "./adversary.ts";
import { accusations, insist, insistOutcome, joinMiner, startMiner, startWatch } from "./cast.ts";
import type { Member } from "./company.ts";
import type { Scene, SceneOptions } from "./taskScene.ts";

/** An initial model with a value that is none. */
const POISON: SceneOptions = {
  genesis: (parameters) => {
    parameters[1_000] = Number.POSITIVE_INFINITY;
  },
};

/** Lets a watch come and end the task. */
async function playWatch(scene: Scene): Promise<void> {
  const watch = await startWatch(scene);
  await insistRefusal(scene, watch);
  const { provePoison } = accusations(watch);
  insist(provePoison === 1, `the watch proved the poison ${provePoison} times`);
  const { closed } = await scene.owner.gradwork.market.task(scene.taskId);
  insist(closed, "the task is still open");
}

/** Waits until somebody's client ends for what the genesis is. */
async function insistRefusal(scene: Scene, member: Member): Promise<void> {
  const error = await scene.ending(member);
  const isRefusal = error instanceof GradworkError && error.code === "NON_FINITE_PARAMETER";
  insist(isRefusal, `${member.name} ended with ${error}`);
}

/** Everybody owns what they owned: the owner its escrow too. */
const nothingChanged = (scene: Scene): Expected => ({ head: scene.prepared.genesis.fullRoot, changes: {} });

export const OWNERS: Adversary[] = [
  {
    name: "poisoned-genesis",
    title: "an owner's initial model is none: miners refuse it, a watch proves it, the escrow goes back",
    options: POISON,
    async play(scene) {
      const miner = await joinMiner(scene);
      startMiner(scene, miner);
      await insistRefusal(scene, miner);
      await playWatch(scene);
      return nothingChanged(scene);
    },
  },
  {
    name: "poisoned-genesis-proposed",
    title: "the same, and a miner did not look: it gets bond and fee back",
    options: POISON,
    async play(scene) {
      const miner = await joinMiner(scene);
      const { gradwork, endpoint } = miner;
      const duty = { gradwork, taskId: scene.taskId, round: 1n };
      const root = keccak256(toUtf8Bytes("whatever it trained"));
      const roots = { fullRoot: root, quantRoot: root, updateRoot: root };
      const commitment = proposalCommitment(duty, { ...roots, location: endpoint, salt: newSalt() });
      await act(miner, 1n, gradwork.market.propose, [scene.taskId, 1n, commitment]);
      await playWatch(scene);
      await insistOutcome(scene, 1n, 0, "PoisonedHead");
      return nothingChanged(scene);
    },
  },
];
