// Miners whose trees hold something else than the rules give.
import { commitModel } from "../../clients/model/commitment.ts";
import { PARAMETERS_PER_LEAF } from "../../clients/model/geometry.ts";
import { HONEST_MINER, type MinerConduct } from "../../clients/roles/miner.ts";
import type { Adversary } from "./adversary.ts";
import { escrowOf, joinMiner, proverOf, slashed, startKeeper, startMiner, startWatch, sum } from "./cast.ts";
import type { Scene } from "./stage.ts";

const FORGED_LEAF = 97;

/** A model whose parameters differ in one leaf from what the update gives. */
export const FORGE_PARAMETER: Partial<MinerConduct> = {
  commit(base, update) {
    const honest = HONEST_MINER.commit(base, update);
    const parameters = honest.model.parameters.slice();
    parameters[FORGED_LEAF * PARAMETERS_PER_LEAF + 5]! += 0.5;
    return { ...honest, model: { parameters, commitment: commitModel(parameters) } };
  },
};

/** Serves the update and nothing that shows where the model differs. */
const serveUpdateOnly: Partial<MinerConduct> = {
  async publish({ party }, { updateRoot }) {
    await party.store.publish(updateRoot);
  },
};

/** What a convicted miner of the first round loses, and who gets what of it. */
async function convicted(scene: Scene): Promise<Record<string, bigint>> {
  const { params } = scene;
  const miner = scene.members.find(({ name }) => name === "miner")!;
  return sum(slashed(miner, params.minerBond, await proverOf(scene, 1n)), {
    miner: -params.proposalFee,
    escrow: params.proposalFee,
  });
}

async function playForger(scene: Scene, conduct: Partial<MinerConduct>) {
  const genesis = await scene.head();
  const { demandDeposit, answerRefund } = scene.params;
  const watch = await startWatch(scene, 100n * demandDeposit);
  await startKeeper(scene);
  startMiner(scene, await joinMiner(scene), conduct);
  await scene.final(1n);
  const { disputes } = scene.owner.gradwork;
  const { count } = await disputes.demandOf(scene.taskId, 1n, 0, watch.address);
  // Each demand but the last was answered.
  const answered = count === 0n ? 0n : count - 1n;
  const changes = sum({ owner: -escrowOf(scene), escrow: escrowOf(scene) }, await convicted(scene), {
    watch: -answered * demandDeposit,
    miner: answered * answerRefund,
    burned: answered * (demandDeposit - answerRefund),
  });
  return { head: genesis, changes };
}

export const FORGERS: Adversary[] = [
  {
    name: "forged-parameter-leaf",
    title: "a miner changes one parameter of its model and serves the leaf hashes: a watch proves the leaf",
    play: (scene) => playForger(scene, FORGE_PARAMETER),
  },
  {
    name: "forged-parameter-leaf-unserved",
    title: "a miner changes one parameter and serves its update only: a watch corners the leaf by demands",
    play: (scene) => playForger(scene, { ...FORGE_PARAMETER, ...serveUpdateOnly }),
  },
];
