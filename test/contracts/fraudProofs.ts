import { expect } from "chai";
import { named, OUTCOMES, PHASES, STATUSES } from "../../clients/chain/phase.ts";
import { PARAMETERS_PER_LEAF } from "../../clients/model/geometry.ts";
import { encodeLeaves } from "../../clients/model/mxfp4.ts";
import { proveFraud, startSparing, type Target, targetOf } from "./support/disputes.ts";
import { type Forgery, FRAUDS, forgedTransition, LEAF_VERDICTS, POISON } from "./support/forgery.ts";
import { gasUsed, gasWasted } from "./support/gasUsed.ts";
import { expectChanges, expectSolvent, readLedger } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  deployScenario,
  ends,
  enrolVerifiers,
  finalize,
  MINED,
  networkHelpers,
  now,
  openProposal,
  PARAMS,
  passTo,
  propose,
  registerTask,
  startRound,
  type Task,
  tick,
} from "./support/scenario.ts";
import {
  commitTransition,
  followVectors,
  LEAF_NAMES,
  type LeafName,
  makeVectors,
  only,
  type Transition,
} from "./support/transition.ts";

const { proposalFee: FEE, minerBond: BOND } = PARAMS;

const [PAID, BURNED] = [BOND / 2n, BOND - BOND / 2n];

/** Trees of eight places, the last three of them padding; the forged leaf is the last one. */
const LEAVES = 5;
const FORGED = LEAVES - 1;

const HONEST_VECTORS = makeVectors(FORGED * PARAMETERS_PER_LEAF + 200, 3);
const HONEST = commitTransition(HONEST_VECTORS);

/** Another model of that size. */
const OTHER = commitTransition(makeVectors(HONEST_VECTORS.parameters.length, 4));

/** A task that draws one leaf only, so that a forged one can pass unseen. */
async function createTaskOf(transition: Transition): Promise<Task> {
  const scenario = await networkHelpers.loadFixture(deployScenario);
  const task = await registerTask(scenario, { leafChecks: 1n }, transition);
  await enrolVerifiers(task);
  return task;
}

/** The forged transition, and that once it is the head. */
function fixturesOf(fraud: Forgery) {
  const createForged = () => createTaskOf(forgedTransition(fraud, LEAVES));
  return {
    createForged,
    createForgedHead: async () => {
      const task = await createForged();
      await startSparing(task, FORGED, "Ended");
      await finalize(task);
      return task;
    },
  };
}

async function createHonest(): Promise<Task> {
  return createTaskOf(HONEST);
}

async function createPoisoned(): Promise<Task> {
  return createTaskOf(forgedTransition(POISON, LEAVES));
}

function verdictOf(name: (typeof LEAF_VERDICTS)[number]): bigint {
  return BigInt(LEAF_VERDICTS.indexOf(name));
}

/** Status, outcome and bond of a proposal. */
async function standingOf({ market }: Task, target: Target) {
  const { status, outcome, bond } = await market.proposal(...target);
  return { status: named(STATUSES, status), outcome: named(OUTCOMES, outcome), bond };
}

const CONVICTED = { status: "Final", outcome: "Fraud", bond: 0n };

describe("Disputes, fraud proofs", () => {
  let task: Task;

  /** Expects a fraud proof to be refused; of the four leaves it shows those that are named. */
  async function expectNoProof(
    target: Target,
    leaf: number,
    names: readonly LeafName[],
    error: string,
    args: unknown[],
    opening = task.transition.opening(leaf),
  ): Promise<void> {
    const { disputes, leafChecker, rival } = task;
    const declaring = ["NotInTree", "WrongProofLength"].includes(error) ? leafChecker : disputes;
    const prove = async () => {
      await tick();
      return disputes.connect(rival).proveFraud(...target, leaf, only(opening, names), MINED);
    };
    await expectRefused(task, prove, error, args, declaring);
  }

  afterEach(async () => {
    await expectSolvent(task);
  });

  for (const fraud of FRAUDS) {
    const { what, verdict, element, shownBy } = fraud;
    const { createForged, createForgedHead } = fixturesOf(fraud);

    describe(`of ${verdict}: ${what}`, () => {
      for (const phase of [
        "Opening",
        "Seeding",
        "LeafChecking",
        "Committing",
        "Disputing",
        "Ended",
      ] as const) {
        it(`take the bond in phase ${phase} with the leaves ${shownBy.join(", ")} alone, and end the round`, async () => {
          task = await createForged();
          const { market, disputes, rival, taskId } = task;
          const before = await readLedger(task);
          if (phase === "Opening") {
            await startRound(task, phase);
            await openProposal(task);
          } else await startSparing(task, FORGED, phase);
          const target = await targetOf(task);

          const proving = proveFraud(task, target, FORGED, rival, shownBy);
          await expect(proving)
            .to.emit(disputes, "FraudProved")
            .withArgs(...target, rival.address, FORGED, verdictOf(verdict), element);
          await expect(proving)
            .to.emit(market, "ProposalRefuted")
            .withArgs(...target, OUTCOMES.indexOf("Fraud"), rival.address);
          await expect(proving)
            .to.emit(market, "ProposalEnded")
            .withArgs(...target, OUTCOMES.indexOf("Fraud"));
          expect(await standingOf(task, target)).to.deep.equal(CONVICTED);
          const { opened, checked } = await market.round(taskId, 1n);
          expect([opened, checked]).to.deep.equal([0n, 0n]);

          if (phase === "Opening") await passTo((await ends(task)).openingEndsAt);
          expect(named(PHASES, await market.phase(taskId))).to.equal("Ended");
          await finalize(task);
          const { head } = await market.task(taskId);
          expect(head.fullRoot).to.equal(task.transition.head.fullRoot);
          await expectChanges(task, before, {
            miner: -FEE - BOND,
            rival: PAID,
            escrow: FEE,
            burned: BURNED,
          });
        });
      }

      for (const following of ["Idle", "Seeding"] as const) {
        const when = following === "Idle" ? "after its round" : "while the next round runs";
        it(`take the bond of the head ${when}, and leave the head where it is`, async () => {
          task = await createForgedHead();
          const { market, rival, taskId } = task;
          const target = await targetOf(task);
          if (following !== "Idle") {
            await startRound({ ...task, miner: rival, transition: OTHER }, following);
          }
          const before = await readLedger(task);
          const open = await currentOpen(task);

          await proveFraud(task, target, FORGED, rival, shownBy);
          await expectChanges(task, before, { miner: -BOND, rival: PAID, burned: BURNED });
          expect(await standingOf(task, target)).to.deep.equal({
            status: "Final",
            outcome: "Confirmed",
            bond: 0n,
          });
          const { head, headRound } = await market.task(taskId);
          expect([headRound, head.fullRoot]).to.deep.equal([1n, task.transition.fullRoot]);
          expect(named(PHASES, await market.phase(taskId))).to.equal(following);
          expect(await currentOpen(task)).to.deep.equal(open);
        });
      }

      it("need every one of these leaves", async () => {
        task = await createForged();
        await startRound(task, "Seeding");
        const target = await targetOf(task);
        for (const missing of shownBy) {
          const names = LEAF_NAMES.filter((name) => name !== missing);
          // The other rules hold in that leaf, so that nothing else is shown.
          await expectNoProof(target, FORGED, names, "NoFraud", [verdictOf("Valid")]);
        }
      });

      it("may show all four", async () => {
        task = await createForged();
        await startRound(task, "Seeding");
        const target = await targetOf(task);
        await proveFraud(task, target, FORGED, task.rival, LEAF_NAMES);
        expect(await standingOf(task, target)).to.deep.equal(CONVICTED);
      });

      it("cost who comes second little, and it loses nothing but gas", async () => {
        task = await createForged();
        await startRound(task, "Seeding");
        const target = await targetOf(task);
        const winning = await gasUsed(proveFraud(task, target, FORGED, task.verifiers[0], shownBy));
        const before = await readLedger(task);
        await expectNoProof(target, FORGED, shownBy, "NothingAtStake", [...target]);
        expect(await gasWasted()).to.be.below(0.6 * winning);
        await expectChanges(task, before, {});
      });
    });
  }

  describe("of valid leaves", () => {
    beforeEach(async () => {
      task = await createHonest();
    });

    const parts: LeafName[][] = [
      [],
      ["old"],
      ["update"],
      ["new"],
      ["quant"],
      ["old", "update"],
      ["new", "quant"],
      ["old", "update", "new"],
      ["update", "new", "quant"],
      [...LEAF_NAMES],
    ];
    for (const names of parts) {
      it(`are none, with ${names.join(", ") || "nothing"} at any place, padding too`, async () => {
        await startRound(task, "Seeding");
        const target = await targetOf(task);
        for (const leaf of [0, FORGED, LEAVES, 7]) {
          await expectNoProof(target, leaf, names, "NoFraud", [verdictOf("Valid")]);
        }
      });
    }

    it("are none against the head", async () => {
      await startRound(task, "Ended");
      await finalize(task);
      await expectNoProof(await targetOf(task), 0, LEAF_NAMES, "NoFraud", [verdictOf("Valid")]);
    });
  });

  it("of a head that is not finite are none: no miner is to blame", async () => {
    task = await createPoisoned();
    await startRound(task, "Seeding");
    const target = await targetOf(task);
    for (const names of [["old"], ["old", "update", "new"], LEAF_NAMES] as const) {
      await expectNoProof(target, FORGED, names, "NoFraud", [verdictOf("NonFiniteOld")]);
    }
    // What follows from such a value has no quantization to be wrong.
    await expectNoProof(target, FORGED, ["new", "quant"], "NoFraud", [verdictOf("Valid")]);
  });

  describe("at places past the last leaf", () => {
    const PLACE = 6;
    type Spoil = (padded: { update: Uint8Array; newParameters: Float32Array; newQuant: Uint8Array }) => void;

    const forgeries: {
      verdict: (typeof LEAF_VERDICTS)[number];
      element: bigint;
      shownBy: LeafName[];
      spoil: Spoil;
    }[] = [
      {
        verdict: "NonZeroPadding",
        element: 0n,
        shownBy: ["update"],
        spoil: ({ update }) => {
          update[136 * PLACE] = 127;
          update[136 * PLACE + 8] = 1;
        },
      },
      {
        verdict: "InvalidEncoding",
        element: 32n,
        shownBy: ["update"],
        spoil: ({ update }) => {
          update[136 * PLACE + 1] = 253;
        },
      },
      {
        verdict: "WrongSum",
        element: 5n,
        shownBy: ["old", "update", "new"],
        spoil: ({ newParameters, newQuant }) => {
          newParameters[PARAMETERS_PER_LEAF * PLACE + 5] = 1;
          newQuant.set(encodeLeaves(newParameters));
        },
      },
      {
        verdict: "WrongQuantization",
        element: 64n,
        shownBy: ["new", "quant"],
        spoil: ({ newQuant }) => {
          newQuant[136 * PLACE + 2] = 100;
        },
      },
    ];
    for (const { verdict, element, shownBy, spoil } of forgeries) {
      it(`show ${verdict}, which no draw finds`, async () => {
        const { parameters, update, newParameters, newQuant } = HONEST_VECTORS;
        const places = PLACE + 1;
        const padded = {
          update: new Uint8Array(136 * places),
          newParameters: new Float32Array(PARAMETERS_PER_LEAF * places),
          newQuant: new Uint8Array(136 * places),
        };
        padded.update.set(update);
        padded.newParameters.set(newParameters);
        padded.newQuant.set(newQuant);
        spoil(padded);
        task = await createTaskOf(commitTransition({ parameters, ...padded }));
        await startRound(task, "Ended");
        await finalize(task);
        const target = await targetOf(task);
        expect((await standingOf(task, target)).outcome).to.equal("Confirmed");

        const before = await readLedger(task);
        await expect(proveFraud(task, target, PLACE, task.rival, shownBy))
          .to.emit(task.disputes, "FraudProved")
          .withArgs(...target, task.rival.address, PLACE, verdictOf(verdict), element);
        await expectChanges(task, before, { miner: -BOND, rival: PAID, burned: BURNED });
      });
    }
  });

  describe("with leaves of something else", () => {
    const [wrongQuantization] = FRAUDS.filter(({ verdict }) => verdict === "WrongQuantization");
    const [wrongSum] = FRAUDS.filter(({ verdict }) => verdict === "WrongSum");

    async function createTwoProposals(): Promise<Task> {
      const forged = await createTaskOf(forgedTransition(wrongSum!, LEAVES));
      await propose(forged);
      await propose({ ...forged, transition: HONEST }, forged.rival);
      await openProposal(forged, 0n);
      await openProposal({ ...forged, transition: HONEST }, 1n);
      return forged;
    }

    it("are refused where a leaf is in another tree of the proposal", async () => {
      task = await createHonest();
      await startRound(task, "Seeding");
      const target = await targetOf(task);
      const honest = task.transition.opening(FORGED);
      const { updateLeaf, updateProof, oldLeaf, oldProof } = honest;
      const swapped = { ...honest, quantLeaf: updateLeaf, quantProof: updateProof };
      const { quantRoot, fullRoot } = task.transition;
      await expectNoProof(target, FORGED, ["new", "quant"], "NotInTree", [quantRoot, FORGED], swapped);
      const unmoved = { ...honest, newLeaf: oldLeaf, newProof: oldProof };
      await expectNoProof(target, FORGED, LEAF_NAMES, "NotInTree", [fullRoot, FORGED], unmoved);
    });

    it("are refused where a leaf is at another place, or at none", async () => {
      task = await createHonest();
      await startRound(task, "Seeding");
      const target = await targetOf(task);
      const { updateRoot } = task.transition;
      const opening = task.transition.opening(FORGED);
      for (const leaf of [0, FORGED + 1, 8 + FORGED, 2 ** 40]) {
        await expectNoProof(target, leaf, ["update"], "NotInTree", [updateRoot, leaf], opening);
      }
      const short = { ...opening, updateProof: opening.updateProof.slice(1) };
      await expectNoProof(target, FORGED, ["update"], "WrongProofLength", [2, 3], short);
    });

    it("are refused against another miner's proposal of the round", async () => {
      task = await createTwoProposals();
      const [taskId, round] = await targetOf(task);
      const other: Target = [taskId, round, 1n];
      await expectNoProof(other, FORGED, wrongSum!.shownBy, "NotInTree", [HONEST.fullRoot, FORGED]);
      const none: Target = [taskId, round, 2n];
      await expectNoProof(none, FORGED, wrongSum!.shownBy, "NothingAtStake", [...none]);
    });

    it("are refused against another round", async () => {
      task = await createHonest();
      await startRound(task, "Ended");
      await finalize(task);
      const first = await targetOf(task);
      const step = new Float32Array(HONEST_VECTORS.parameters.length).fill(1e-3);
      const next = commitTransition(followVectors(HONEST_VECTORS.newParameters, step));
      await startRound({ ...task, miner: task.rival, transition: next }, "Seeding");
      const second = await targetOf(task);

      const [earlier, later] = [HONEST.opening(0), next.opening(0)];
      await expectNoProof(second, 0, LEAF_NAMES, "NotInTree", [next.head.fullRoot, 0], earlier);
      await expectNoProof(first, 0, LEAF_NAMES, "NotInTree", [HONEST.head.fullRoot, 0], later);
      const third: Target = [first[0], 3n, 0n];
      await expectNoProof(third, 0, LEAF_NAMES, "NothingAtStake", [...third]);
      // Round 0 made the genesis, for which no bond answers.
      const genesis: Target = [first[0], 0n, 0n];
      await expectNoProof(genesis, 0, LEAF_NAMES, "NothingAtStake", [...genesis]);
    });

    it("are refused against another task", async () => {
      const forged = await createTaskOf(forgedTransition(wrongQuantization!, LEAVES));
      await startRound(forged, "Seeding");
      const other = await registerTask(forged, { leafChecks: 1n }, HONEST);
      await startRound({ ...other, miner: other.rival }, "Seeding");
      task = forged;
      const target = await targetOf(other);
      await expectNoProof(target, FORGED, ["new", "quant"], "NotInTree", [HONEST.quantRoot, FORGED]);
      const unknown: Target = [2n, 1n, 0n];
      await expectNoProof(unknown, FORGED, ["new", "quant"], "NothingAtStake", [...unknown]);
    });
  });

  describe("where no bond answers", () => {
    const [wrongSum] = FRAUDS.filter(({ verdict }) => verdict === "WrongSum");
    const { shownBy } = wrongSum!;
    const { createForged, createForgedHead } = fixturesOf(wrongSum!);

    it("are refused against a sealed proposal", async () => {
      task = await createForged();
      await startRound(task, "Opening");
      const target = await targetOf(task);
      await expectNoProof(target, FORGED, shownBy, "NothingAtStake", [...target]);
    });

    it("are refused against one whose bond went back", async () => {
      task = await createForged();
      await startSparing(task, FORGED, "Ended", []);
      const target = await targetOf(task);
      await finalize(task);
      expect((await standingOf(task, target)).outcome).to.equal("Void");
      await expectNoProof(target, FORGED, shownBy, "NothingAtStake", [...target]);
    });

    it("are refused against a past head", async () => {
      task = await createForgedHead();
      const target = await targetOf(task);
      const vectors = makeVectors(HONEST_VECTORS.parameters.length, 3);
      vectors.newParameters[FORGED * PARAMETERS_PER_LEAF + 199]! += 1;
      const next = commitTransition(
        followVectors(vectors.newParameters, new Float32Array(vectors.parameters.length).fill(1e-3)),
      );
      const following = { ...task, miner: task.rival, transition: next };
      await startRound(following, "Ended");
      await finalize(following);
      expect((await task.market.task(task.taskId)).headRound).to.equal(2n);
      await expectNoProof(target, FORGED, shownBy, "NothingAtStake", [...target]);
    });

    it("are refused against the head of a closed task", async () => {
      task = await createForgedHead();
      const { market, owner, taskId } = task;
      await tick();
      await market.connect(owner).requestClose(taskId);
      await passTo((await now()) + PARAMS.closeDelaySeconds);
      await tick();
      await market.closeTask(taskId);
      const target = await targetOf(task);
      await expectNoProof(target, FORGED, shownBy, "NothingAtStake", [...target]);
    });
  });

  it("against one proposal leave the others of its round as they are", async () => {
    const [wrongSum] = FRAUDS.filter(({ verdict }) => verdict === "WrongSum");
    task = await createTaskOf(forgedTransition(wrongSum!, LEAVES));
    const { market, taskId, miner, rival, verifiers } = task;
    const honest = { ...task, miner: rival, transition: HONEST };
    const before = await readLedger(task);
    await propose(task);
    await propose(honest);
    await openProposal(task, 0n);
    await openProposal(honest, 1n);
    await proveFraud(task, await targetOf(task), FORGED, verifiers[0], wrongSum!.shownBy);
    const { proposals, opened, checked } = await market.round(taskId, 1n);
    expect([proposals, opened, checked]).to.deep.equal([2n, 1n, 0n]);
    expect(await standingOf(task, [taskId, 1n, 1n])).to.deep.equal({
      status: "Opened",
      outcome: "None",
      bond: BOND,
    });

    await passTo((await ends(task)).openingEndsAt + (await market.MAX_SEEDING_SECONDS()));
    await finalize(task);
    expect((await standingOf(task, [taskId, 1n, 1n])).outcome).to.equal("Unseeded");
    await expectChanges(task, before, {
      miner: -FEE - BOND,
      rival: -FEE,
      first: PAID,
      escrow: 2n * FEE,
      burned: BURNED,
    });
    expect((await task.vault.accounts(miner)).locked).to.equal(0n);
  });
});

async function currentOpen({ market, taskId }: Task): Promise<unknown> {
  const { round } = await market.task(taskId);
  const { stage, opened, checked, winner } = await market.round(taskId, round);
  return [round, stage, opened, checked, winner];
}
