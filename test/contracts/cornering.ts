import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { expect } from "chai";
import { named, OUTCOMES } from "../../clients/chain/phase.ts";
import { PARAMETERS_PER_LEAF, QUANT_LEAF_BYTES } from "../../clients/model/geometry.ts";
import { createRandom } from "../../clients/training/random.ts";
import { answerDemand, demandLeaf, startSparing, type Target, targetOf } from "./support/disputes.ts";
import { LEAF_VERDICTS } from "./support/forgery.ts";
import { expectSolvent, wealthOf } from "./support/money.ts";
import {
  at,
  deployScenario,
  ends,
  enrolVerifiers,
  networkHelpers,
  PARAMS,
  registerTask,
  type Task,
} from "./support/scenario.ts";
import { commitTransition, makeVectors, type Transition } from "./support/transition.ts";

/** Trees of 32 places, the last four of them padding. */
const DEPTH = 5;
const PLACES = 2 ** DEPTH;
const PARAMETERS = 27 * PARAMETERS_PER_LEAF + 200;

const HONEST = commitTransition(makeVectors(PARAMETERS, 3));

type Tree = "full" | "quant";

/** The honest transition with forged leaves at these places of one of the new trees, padding too. */
function forgeAt(places: readonly number[], tree: Tree): Transition {
  const { parameters, update, newParameters, newQuant } = makeVectors(PARAMETERS, 3);
  const padded = {
    newParameters: new Float32Array(PLACES * PARAMETERS_PER_LEAF),
    newQuant: new Uint8Array(PLACES * QUANT_LEAF_BYTES),
  };
  padded.newParameters.set(newParameters);
  padded.newQuant.set(newQuant);
  for (const place of places) {
    if (tree === "full") padded.newParameters[place * PARAMETERS_PER_LEAF + 9]! += 1;
    else padded.newQuant[place * QUANT_LEAF_BYTES + 8]! ^= 1;
  }
  return commitTransition({ parameters, update, ...padded });
}

/**
 * Where to demand next: in the smallest subtree that an answer shows to differ from one's own tree.
 * @param leaf the place that was answered, whose leaves are right
 * @returns its first place and its height
 */
function differingSubtree(
  leaf: number,
  newProof: readonly string[],
  quantProof: readonly string[],
): { first: number; height: number } {
  const own = HONEST.opening(leaf);
  const height = own.newProof.findIndex(
    (sibling, level) => sibling !== newProof[level] || own.quantProof[level] !== quantProof[level],
  );
  if (height === -1) throw new Error("nothing differs");
  return { first: ((leaf >> height) ^ 1) << height, height };
}

describe("Disputes, cornering a forged leaf", () => {
  let task: Task;
  let target: Target;
  let demander: HardhatEthersSigner;

  async function startForged(
    places: readonly number[],
    tree: Tree,
    phase: "Seeding" | "Revealing",
  ): Promise<void> {
    const scenario = await networkHelpers.loadFixture(deployScenario);
    task = await registerTask(scenario, { leafChecks: 1n }, forgeAt(places, tree));
    await enrolVerifiers(task);
    await startSparing(task, places[0]!, phase);
    target = await targetOf(task);
    demander = task.rival;
  }

  /** Has the open demand answered, and reads the answer's event. */
  async function readAnswer() {
    const { blockNumber } = await answerDemand(task, target, demander);
    const { disputes } = task;
    const [answered] = await disputes.queryFilter(disputes.filters.DemandAnswered(...target), blockNumber!);
    const { leafIndex, verdict, newProof, quantProof } = answered!.args;
    return { leaf: Number(leafIndex), verdict: LEAF_VERDICTS[Number(verdict)]!, newProof, quantProof };
  }

  /**
   * Demands until an answer convicts.
   * @param choose a place of a subtree
   * @returns how many demands that took, and the last verdict
   */
  async function corner(
    choose: (first: number, height: number) => number,
  ): Promise<{ demands: number; verdict: string }> {
    for (let demands = 1; ; demands++) {
      const { leaf, verdict, newProof, quantProof } = await readAnswer();
      if (verdict !== "Valid") return { demands, verdict };
      const { first, height } = differingSubtree(leaf, newProof, quantProof);
      await demandLeaf(task, target, choose(first, height), demander);
    }
  }

  async function expectConvicted(): Promise<void> {
    const { outcome, bond } = await task.market.proposal(...target);
    expect([named(OUTCOMES, outcome), bond]).to.deep.equal(["Fraud", 0n]);
  }

  afterEach(async () => {
    await expectSolvent(task);
  });

  for (const [tree, verdict, seed] of [
    ["full", "WrongSum", 1],
    ["quant", "WrongQuantization", 2],
  ] as const) {
    const random = createRandom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    const choose = (first: number, height: number) => first + below(2 ** height);

    for (let trial = 0; trial < 6; trial++) {
      const [place, start] = [below(PLACES), below(PLACES)];
      it(`at place ${place} of the ${tree} tree alone, from ${start}, takes at most a demand a level and one`, async () => {
        await startForged([place], tree, "Seeding");
        await demandLeaf(task, target, start, demander);
        const cornered = await corner(choose);
        expect(cornered.verdict).to.equal(verdict);
        expect(cornered.demands).to.be.within(1, DEPTH + 1);
        await expectConvicted();
      });
    }

    it(`works where many leaves of the ${tree} tree are forged`, async () => {
      const all = [...Array(PLACES).keys()];
      const places = all.filter(() => random() < 0.4);
      const start = all.find((place) => !places.includes(place))!;
      await startForged(places, tree, "Seeding");
      await demandLeaf(task, target, start, demander);
      expect((await corner(choose)).demands).to.be.within(2, DEPTH + 1);
      await expectConvicted();
    });

    it(`can begin in the last second of reveals, even with the unluckiest choices, and pays, in the ${tree} tree`, async () => {
      const place = 19;
      await startForged([place], tree, "Revealing");
      const before = await wealthOf(task, demander);
      await at((await ends(task)).revealEndsAt - 1n);
      // Each in the half of a subtree where the forged leaf is not.
      await task.disputes.connect(demander).demand(...target, place ^ (PLACES / 2));
      const { demands } = await corner((_, height) => (height === 0 ? place : place ^ (1 << (height - 1))));
      expect(demands).to.equal(DEPTH + 1);
      await expectConvicted();
      const gain = PARAMS.minerBond / 2n - BigInt(DEPTH) * PARAMS.demandDeposit;
      expect((await wealthOf(task, demander)) - before).to.equal(gain);
      expect(gain > 0n).to.equal(true);
    });
  }
});
