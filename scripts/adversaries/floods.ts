// Who demands leaves of an honest miner's models, to wear it down or to catch it busy.
import { parseUnits } from "ethers";
import { readTerms, type TaskView } from "../../clients/chain/taskView.ts";
import { waitForReceipt } from "../../clients/chain/transactions.ts";
import { leafCount, treeDepth } from "../../clients/model/geometry.ts";
import { takeTurns } from "../../clients/roles/turns.ts";
import type { Adversary, Expected } from "./adversary.ts";
import {
  confirmed,
  demanded,
  eventsOf,
  funded,
  insist,
  joinMiner,
  rootOf,
  startKeeper,
  startMiner,
  startOne,
  startVerifiers,
  sum,
} from "./cast.ts";
import type { Member } from "./company.ts";
import { WITHHOLD } from "./miners.ts";
import type { Scene } from "./taskScene.ts";
import { sayYes } from "./verifiers.ts";

const FLOODERS = 3;
const DEMANDS_EACH = 3;

/** As many blocks, beside what else is due, as an answer takes: by default it is ten. */
const ANSWER_SLOT_SECONDS = 6n;

/** So that a demand comes before what others send at the same time. */
const FIRST_IN_BLOCK = {
  gasLimit: 300_000n,
  maxFeePerGas: parseUnits("100", "gwei"),
  maxPriorityFeePerGas: parseUnits("50", "gwei"),
};

/** Accounts that demand leaf after leaf of the first round's first proposal. */
async function startFlooders(
  scene: Scene,
  count: number,
  demandsEach: number,
  isTime: (view: TaskView) => boolean,
): Promise<Member[]> {
  const { taskId, params, prepared } = scene;
  const tokens = BigInt(demandsEach * count) * params.demandDeposit;
  const names = Array.from({ length: count }, (_, i) => `flooder ${i + 1}`);
  const flooders = await Promise.all(names.map((name) => scene.join(name, { stake: 0n, tokens })));
  const places = 2 ** treeDepth(leafCount(prepared.genesis.parameterCount));
  for (const [i, flooder] of flooders.entries()) {
    scene.start(flooder, async (member) => {
      const { disputes } = member.gradwork;
      let made = 0;
      await takeTurns(member, await readTerms(member.gradwork, taskId), async (view) => {
        if (!isTime(view)) return false;
        const place = [taskId, 1n, 0] as const;
        if ((await disputes.demandOf(...place, member.address)).deposit !== 0n) return false;
        // Of all of the tree's places, padding included.
        const leaf = Math.floor((places * (made * count + i + 1)) / (demandsEach * count)) - 1;
        const { hash } = await disputes.demand(...place, leaf, FIRST_IN_BLOCK);
        await waitForReceipt(member.gradwork, hash, "demand", member.signal);
        made++;
        return made === demandsEach;
      });
    });
  }
  return flooders;
}

/** Checks that all demands were made and answered. */
async function insistAnswers(scene: Scene, expected: number): Promise<void> {
  const { disputes } = scene.owner.gradwork;
  for (const name of ["LeafDemanded", "DemandAnswered"]) {
    const { length } = await eventsOf(scene, disputes, name, 1n, 0);
    insist(length === expected, `${length} times ${name}, not ${expected}`);
  }
}

async function playFlood(scene: Scene): Promise<Expected> {
  const verifier = await startOne(scene, "verifier", {});
  const busy = ["Seeding", "LeafChecking", "Committing", "Revealing"];
  await startFlooders(scene, FLOODERS, DEMANDS_EACH, ({ phase }) => busy.includes(phase));
  const miner = await joinMiner(scene);
  startMiner(scene, miner);
  await scene.final(1n);
  await insistAnswers(scene, FLOODERS * DEMANDS_EACH);
  const costs = await demanded(scene, miner, 1n, 0);
  return {
    head: await rootOf(scene, 1n),
    changes: sum(funded(scene), confirmed(scene, miner, [verifier]), costs),
  };
}

/**
 * A demand of the head in the block in which the next one takes its place, of which a majority lets nobody have the update:
 * it keeps the bond of a miner that is away, and that can't follow the head once it is back.
 */
async function playPastHead(scene: Scene): Promise<Expected> {
  const { taskId, params, owner } = scene;
  const { market, vault } = owner.gradwork;
  const helpers = await startVerifiers(scene, 2, sayYes(5, 4), "helper");
  await startKeeper(scene);
  const miner = await joinMiner(scene);
  startMiner(scene, miner);
  await scene.final(1n);
  await scene.ending(miner);
  await startFlooders(scene, 1, 1, ({ number, phase }) => number === 2n && phase === "Ended");
  const rival = await joinMiner(scene, "rival");
  startMiner(scene, rival, WITHHOLD);
  await scene.final(2n);
  const { bond, openDemands } = await market.proposal(taskId, 1n, 0);
  insist(bond === params.minerBond && openDemands === 1n, "the demand does not keep the past head's bond");
  // So that it finds nothing but the new head.
  await scene.pass(3, 1);
  startMiner(scene, miner);
  await scene.until("the bond is back", async () => (await market.proposal(taskId, 1n, 0)).bond === 0n);
  await insistAnswers(scene, 1);
  const { locked } = await vault.accounts(miner.address);
  insist(locked === 0n, `${locked} of the miner's stake is locked`);
  return {
    head: await rootOf(scene, 2n),
    changes: sum(
      funded(scene, 2n),
      confirmed(scene, miner, helpers),
      confirmed(scene, rival, helpers),
      await demanded(scene, miner, 1n, 0),
    ),
  };
}

export const FLOODS: Adversary[] = [
  {
    name: "demand-flood",
    title: "three accounts demand leaf after leaf of an honest miner: all are shown, at their cost",
    options: { params: { answerSlotSeconds: ANSWER_SLOT_SECONDS } },
    play: playFlood,
  },
  {
    name: "demand-of-past-head",
    title:
      "a leaf of a head is demanded in the block in which one that nobody can have replaces it: its miner still shows it",
    options: { rounds: 2n, params: { answerSeconds: 30n } },
    play: playPastHead,
  },
];
