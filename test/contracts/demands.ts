import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { expect } from "chai";
import { named, OUTCOMES, PHASES, STATUSES } from "../../clients/chain/phase.ts";
import {
  answerDemand,
  closeDemand,
  demandLeaf,
  proveFraud,
  startSparing,
  type Target,
  targetOf,
} from "./support/disputes.ts";
import { FRAUDS, forgedTransition, LEAF_VERDICTS } from "./support/forgery.ts";
import { expectChanges, expectSolvent, type Ledger, readLedger } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  at,
  CONFIRMING,
  checkLeaves,
  currentRound,
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
  revealAttestation,
  startRound,
  type Task,
  type TaskParams,
  tick,
} from "./support/scenario.ts";
import { commitTransition, makeVectors, only, type Transition } from "./support/transition.ts";

const {
  proposalFee: FEE,
  minerBond: BOND,
  demandDeposit: DEPOSIT,
  answerRefund: REFUND,
  answerSeconds: ANSWER,
  answerSlotSeconds: SLOT,
} = PARAMS;

const [PAID, BURNED] = [BOND / 2n, BOND - BOND / 2n];

/** Trees of eight places, the last three of them padding; the forged leaf of a forged model is the last one. */
const LEAVES = 5;
const DEPTH = 3;
const FORGED = LEAVES - 1;

const HONEST = commitTransition(makeVectors(256 * FORGED + 200, 3));

const WRONG_SUM = FRAUDS.find(({ verdict }) => verdict === "WrongSum")!;

/** A task that draws one leaf only, so that a forged one can pass unseen. */
async function createTaskOf(transition: Transition, overrides: Partial<TaskParams> = {}): Promise<Task> {
  const scenario = await networkHelpers.loadFixture(deployScenario);
  const task = await registerTask(scenario, { leafChecks: 1n, ...overrides }, transition);
  await enrolVerifiers(task);
  return task;
}

describe("Disputes, demands", () => {
  let task: Task;
  let target: Target;
  let before: Ledger;
  let demander: HardhatEthersSigner;

  /** Plays a round of an honest proposal to a phase. */
  async function startHonest(
    phase: Parameters<typeof startRound>[1],
    overrides: Partial<TaskParams> = {},
  ): Promise<void> {
    task = await createTaskOf(HONEST, overrides);
    await startRound(task, phase);
    await prepare();
  }

  async function startForged(phase: Parameters<typeof startRound>[1], forgery = WRONG_SUM): Promise<void> {
    task = await createTaskOf(forgedTransition(forgery, LEAVES));
    await startSparing(task, FORGED, phase);
    await prepare();
  }

  async function prepare(): Promise<void> {
    target = await targetOf(task);
    before = await readLedger(task);
    demander = task.rival;
  }

  /** Expects a call of the disputes to be refused, the next second unless another time is set. */
  async function expectNo(
    call: (disputes: Task["disputes"]) => Promise<unknown>,
    error: string,
    args: unknown[],
    time?: bigint,
  ): Promise<void> {
    const { disputes, leafChecker, token } = task;
    const declaring = [disputes, leafChecker, token].find((each) => each.interface.getError(error))!;
    const send = async () => {
      await at(time ?? (await now()) + 1n);
      return call(disputes);
    };
    await expectRefused(task, send, error, args, declaring);
  }

  async function expectNoDemand(leaf: number, error: string, args: unknown[], time?: bigint, on = target) {
    const call = (disputes: Task["disputes"]) => disputes.connect(demander).demand(...on, leaf, MINED);
    await expectNo(call, error, args, time);
  }

  async function expectNoAnswer(
    error: string,
    args: unknown[],
    opening = task.transition.opening(0),
    time?: bigint,
  ): Promise<void> {
    const call = (disputes: Task["disputes"]) =>
      disputes.connect(task.miner).answer(...target, demander, opening, MINED);
    await expectNo(call, error, args, time);
  }

  async function phaseNow(): Promise<string> {
    return named(PHASES, await task.market.phase(task.taskId));
  }

  async function standing(): Promise<[status: string, outcome: string, bond: bigint]> {
    const { status, outcome, bond } = await task.market.proposal(...target);
    return [named(STATUSES, status), named(OUTCOMES, outcome), bond];
  }

  afterEach(async () => {
    await expectSolvent(task);
  });

  describe("when made", () => {
    it("take the deposit from the wallet, and are due after the time to answer", async () => {
      await startHonest("Seeding");
      const { disputes, market, vault, taskId } = task;
      const dueAt = (await now()) + 1n + ANSWER;
      const demanding = demandLeaf(task, target, FORGED, demander);
      await expect(demanding)
        .to.emit(disputes, "LeafDemanded")
        .withArgs(...target, demander.address, FORGED, DEPOSIT, dueAt);
      await expect(demanding).to.emit(market, "DisputesExtended").withArgs(taskId, 1n, dueAt);
      expect(await disputes.demandOf(...target, demander)).to.deep.equal([
        DEPOSIT,
        dueAt - ANSWER,
        dueAt,
        1n,
        BigInt(FORGED),
      ]);
      expect(await disputes.openDemands(...target)).to.equal(1n);
      expect((await market.proposal(...target)).openDemands).to.equal(1n);
      expect((await currentRound(task)).disputesEndAt).to.equal(dueAt);
      expect(await vault.balanceOf(disputes)).to.equal(DEPOSIT);
      await expectChanges(task, before, { rival: -DEPOSIT });
    });

    it("cost one deposit more and are due a slot later for each that is open", async () => {
      await startHonest("Seeding");
      const { disputes, verifiers } = task;
      const demanders = [demander, ...verifiers];
      for (const [i, account] of demanders.entries()) {
        const j = BigInt(i);
        const dueAt = (await now()) + 1n + ANSWER + j * SLOT;
        await expect(demandLeaf(task, target, i, account))
          .to.emit(disputes, "LeafDemanded")
          .withArgs(...target, account.address, i, (1n + j) * DEPOSIT, dueAt);
      }
      expect(await disputes.openDemands(...target)).to.equal(4n);
      // An answer makes the next one as cheap as the one before.
      await answerDemand(task, target, verifiers[1]);
      const dueAt = (await now()) + 1n + ANSWER + 3n * SLOT;
      await expect(demandLeaf(task, target, 0, verifiers[1]))
        .to.emit(disputes, "LeafDemanded")
        .withArgs(...target, verifiers[1].address, 0n, 4n * DEPOSIT, dueAt);
    });

    it("of another proposal are counted apart", async () => {
      task = await createTaskOf(HONEST);
      const { disputes, verifiers, taskId } = task;
      const other = { ...task, miner: task.rival, transition: forgedTransition(WRONG_SUM, LEAVES) };
      for (const each of [task, other]) await propose(each, each.miner);
      for (const [i, each] of [task, other].entries()) await openProposal(each, BigInt(i));
      await passTo((await ends(task)).openingEndsAt);
      await prepare();
      await demandLeaf(task, target, 0, verifiers[0]);
      const dueAt = (await now()) + 1n + ANSWER;
      await expect(demandLeaf(other, [taskId, 1n, 1n], 0, verifiers[0]))
        .to.emit(disputes, "LeafDemanded")
        .withArgs(taskId, 1n, 1n, verifiers[0].address, 0n, DEPOSIT, dueAt);
      expect([
        await disputes.openDemands(...target),
        await disputes.openDemands(taskId, 1n, 1n),
      ]).to.deep.equal([1n, 1n]);
    });

    it("may name any place of the trees, and no other", async () => {
      await startHonest("Seeding");
      await demandLeaf(task, target, 7, demander);
      demander = task.verifiers[0];
      for (const leaf of [8, 2 ** 40]) await expectNoDemand(leaf, "IndexOutOfRange", [leaf, 7n]);
    });

    it("are one an account and proposal at a time", async () => {
      await startHonest("Seeding");
      await demandLeaf(task, target, 2, demander);
      await expectNoDemand(0, "DemandStillOpen", [demander.address, 2n]);
      await answerDemand(task, target, demander);
      await demandLeaf(task, target, 0, demander);
    });

    it("need the deposit in the wallet", async () => {
      await startHonest("Seeding");
      demander = task.stranger;
      const { vault } = task;
      await expectNoDemand(0, "ERC20InsufficientAllowance", [await vault.getAddress(), 0n, DEPOSIT]);
      expect(await task.disputes.openDemands(...target)).to.equal(0n);
    });

    for (const phase of ["Seeding", "LeafChecking", "Committing", "Revealing"] as const) {
      it(`are taken in phase ${phase}, from its first second`, async () => {
        await startHonest(phase);
        await demandLeaf(task, target, 0, demander);
        expect(await task.disputes.openDemands(...target)).to.equal(1n);
      });
    }

    it("are taken to the last second of reveals", async () => {
      await startHonest("Revealing");
      const { revealEndsAt } = await ends(task);
      await at(revealEndsAt - 1n);
      await task.disputes.connect(demander).demand(...target, 0);
      demander = task.verifiers[0];
      await expectNoDemand(0, "NoFollowUp", [revealEndsAt, 0n], revealEndsAt);
    });

    it("are refused in the opening window, of a sealed proposal and of an opened one", async () => {
      task = await createTaskOf(HONEST);
      await propose(task);
      await prepare();
      await expectNoDemand(0, "NothingAtStake", [...target]);
      await openProposal(task);
      await expectNoDemand(0, "DemandsClosed", [PHASES.indexOf("Opening")]);
      const { openingEndsAt } = await ends(task);
      await expectNoDemand(0, "DemandsClosed", [PHASES.indexOf("Opening")], openingEndsAt - 1n);
      await at(openingEndsAt);
      await task.disputes.connect(demander).demand(...target, 0);
    });

    it("are refused once the disputes are over", async () => {
      await startHonest("Ended");
      await expectNoDemand(0, "DemandsClosed", [PHASES.indexOf("Ended")]);
    });

    it("are refused of what no bond answers for", async () => {
      task = await createTaskOf(HONEST);
      const { taskId, rival } = task;
      await prepare();
      const genesis: Target = [taskId, 0n, 0n];
      await expectNoDemand(0, "NothingAtStake", [...genesis], undefined, genesis);
      const unknown: Target = [taskId + 1n, 1n, 0n];
      await expectNoDemand(0, "NothingAtStake", [...unknown], undefined, unknown);

      await propose(task);
      await propose(task, rival);
      await openProposal(task, 0n);
      await openProposal(task, 1n);
      await passTo((await ends(task)).openingEndsAt);
      const duplicate: Target = [taskId, 1n, 1n];
      await expectNoDemand(0, "NothingAtStake", [...duplicate], undefined, duplicate);
      const none: Target = [taskId, 1n, 2n];
      await expectNoDemand(0, "NothingAtStake", [...none], undefined, none);
    });
  });

  describe("answered", () => {
    it("refund the miner, and the rest of the deposit burns", async () => {
      await startHonest("Seeding");
      const { disputes, vault } = task;
      await demandLeaf(task, target, 2, demander);
      const { newProof, quantProof } = task.transition.opening(2);
      const answering = answerDemand(task, target, demander);
      await expect(answering)
        .to.emit(disputes, "DemandAnswered")
        .withArgs(...target, demander.address, 2n, LEAF_VERDICTS.indexOf("Valid"), newProof, quantProof);
      await expectChanges(task, before, { rival: -DEPOSIT, miner: REFUND, burned: DEPOSIT - REFUND });
      expect(await vault.balanceOf(disputes)).to.equal(0n);
      expect(await disputes.openDemands(...target)).to.equal(0n);
      const { deposit, count } = await disputes.demandOf(...target, demander);
      expect([deposit, count]).to.deep.equal([0n, 1n]);
    });

    it("by anyone refund the miner all the same", async () => {
      await startHonest("Seeding");
      await demandLeaf(task, target, FORGED, demander);
      await tick();
      const { disputes, stranger, transition } = task;
      await disputes.connect(stranger).answer(...target, demander, transition.opening(FORGED));
      await expectChanges(task, before, { rival: -DEPOSIT, miner: REFUND, burned: DEPOSIT - REFUND });
    });

    it("at a higher price refund the miner no more", async () => {
      await startHonest("Seeding");
      const [first, second] = task.verifiers;
      for (const account of [demander, first, second]) await demandLeaf(task, target, 0, account);
      await answerDemand(task, target, second);
      await expectChanges(task, before, {
        rival: -DEPOSIT,
        first: -2n * DEPOSIT,
        second: -3n * DEPOSIT,
        miner: REFUND,
        burned: 3n * DEPOSIT - REFUND,
      });
    });

    it("at a place past the last leaf show zeros", async () => {
      await startHonest("Seeding");
      await demandLeaf(task, target, 6, demander);
      const { newLeaf } = task.transition.opening(6);
      expect(newLeaf.every((byte) => byte === 0)).to.equal(true);
      await answerDemand(task, target, demander);
      expect(await task.disputes.openDemands(...target)).to.equal(0n);
    });

    for (const fraud of FRAUDS) {
      it(`with a leaf of ${fraud.verdict} convict for the demander`, async () => {
        await startForged("Committing", fraud);
        const { disputes, market } = task;
        await demandLeaf(task, target, FORGED, demander);
        const answering = answerDemand(task, target, demander);
        const verdict = LEAF_VERDICTS.indexOf(fraud.verdict);
        const { newProof, quantProof } = task.transition.opening(FORGED);
        await expect(answering)
          .to.emit(disputes, "DemandAnswered")
          .withArgs(...target, demander.address, FORGED, verdict, newProof, quantProof);
        await expect(answering)
          .to.emit(disputes, "FraudProved")
          .withArgs(...target, demander.address, FORGED, verdict, fraud.element);
        await expect(answering)
          .to.emit(market, "ProposalRefuted")
          .withArgs(...target, OUTCOMES.indexOf("Fraud"), demander.address);
        await expect(answering).not.to.emit(market, "DisputesExtended");
        expect(await standing()).to.deep.equal(["Final", "Fraud", 0n]);
        expect(await disputes.openDemands(...target)).to.equal(0n);
        await expectChanges(task, before, { rival: PAID, miner: -BOND, burned: BURNED });
        expect(await phaseNow()).to.equal("Ended");
      });
    }

    it("in the last second before they are due count, a second later do not", async () => {
      await startHonest("Seeding");
      const { disputes, miner, transition, verifiers } = task;
      await demandLeaf(task, target, 0, demander);
      const { dueAt } = await disputes.demandOf(...target, demander);
      const snapshot = await networkHelpers.takeSnapshot();
      await expectNoAnswer("DemandOverdue", [dueAt, dueAt], transition.opening(0), dueAt);
      await snapshot.restore();
      await at(dueAt - 1n);
      await disputes.connect(miner).answer(...target, demander, transition.opening(0));
      expect((await disputes.demandOf(...target, demander)).deposit).to.equal(0n);
      expect(await disputes.openDemands(...target)).to.equal(0n);
      demander = verifiers[0];
      await expectNoAnswer("NoDemand", [demander.address]);
    });

    it("are so once", async () => {
      await startHonest("Seeding");
      await expectNoAnswer("NoDemand", [demander.address]);
      await demandLeaf(task, target, 0, demander);
      await answerDemand(task, target, demander);
      await expectNoAnswer("NoDemand", [demander.address]);
    });

    it("need all four leaves of the place that was demanded", async () => {
      await startHonest("Seeding");
      await demandLeaf(task, target, 1, demander);
      const { transition } = task;
      await expectNoAnswer("NotInTree", [transition.head.fullRoot, 1n], transition.opening(0));
      const parts = [
        [["update", "new", "quant"], 1_024],
        [["old", "new", "quant"], 136],
        [["old", "update", "quant"], 1_024],
        [["old", "update", "new"], 136],
      ] as const;
      for (const [names, length] of parts) {
        await expectNoAnswer("WrongLeafLength", [0n, length], only(transition.opening(1), names));
      }
    });

    it("are refused once the proposal is refuted", async () => {
      await startForged("Seeding");
      await demandLeaf(task, target, 0, demander);
      await proveFraud(task, target, FORGED, task.verifiers[0], WRONG_SUM.shownBy);
      await expectNoAnswer("NothingAtStake", [...target]);
    });
  });

  describe("not answered", () => {
    it("take the bond once they are due: half of it and the deposit are the demander's", async () => {
      await startHonest("Committing");
      const { disputes, market } = task;
      await demandLeaf(task, target, 0, demander);
      const { dueAt } = await disputes.demandOf(...target, demander);
      const close = (each: Task["disputes"]) =>
        each.connect(task.stranger).closeDemand(...target, demander, MINED);
      await expectNo(close, "DemandNotDue", [dueAt - 1n, dueAt], dueAt - 1n);
      await at(dueAt);
      const closing = disputes.connect(task.stranger).closeDemand(...target, demander);
      await expect(closing)
        .to.emit(disputes, "DemandClosed")
        .withArgs(...target, demander.address, true);
      await expect(closing)
        .to.emit(market, "ProposalRefuted")
        .withArgs(...target, OUTCOMES.indexOf("Unanswered"), demander.address);
      expect(await standing()).to.deep.equal(["Final", "Unanswered", 0n]);
      await expectChanges(task, before, { rival: PAID, miner: -BOND, burned: BURNED });
      expect(await phaseNow()).to.equal("Ended");
      await finalize(task);
      await expectChanges(task, before, {
        rival: PAID,
        miner: -BOND,
        burned: BURNED,
        escrow: PARAMS.minerReward + PARAMS.verifierReward + FEE,
      });
    });

    it("take it once: others get their deposits back", async () => {
      await startHonest("Committing");
      const { disputes } = task;
      const [first, second] = task.verifiers;
      for (const account of [demander, first, second]) await demandLeaf(task, target, 0, account);
      await passTo((await disputes.demandOf(...target, first)).dueAt);
      // Another than the first may be closed first.
      await closeDemand(task, target, first);
      for (const account of [demander, second]) {
        await expect(closeDemand(task, target, account))
          .to.emit(disputes, "DemandClosed")
          .withArgs(...target, account.address, false);
      }
      await expectChanges(task, before, { first: PAID, miner: -BOND, burned: BURNED });
      expect(await disputes.openDemands(...target)).to.equal(0n);
    });

    it("keep the round from its end until they are closed", async () => {
      await startHonest("Revealing");
      const { market, taskId, stranger } = task;
      await demandLeaf(task, target, 0, demander);
      await passTo((await ends(task)).disputeEndsAt);
      expect(await phaseNow()).to.equal("Ended");
      const end = async () => {
        await tick();
        return market.connect(stranger).finalize(taskId, MINED);
      };
      await expectRefused(task, end, "DemandsOpen", [...target]);
      await closeDemand(task, target, demander);
      await finalize(task);
      expect((await currentRound(task)).winner).to.equal(255n);
      expect(await standing()).to.deep.equal(["Final", "Unanswered", 0n]);
    });

    it("are closed once, and only where they were made", async () => {
      await startHonest("Seeding");
      const close = (disputes: Task["disputes"]) =>
        disputes.connect(task.stranger).closeDemand(...target, demander, MINED);
      await expectNo(close, "NoDemand", [demander.address]);
      await demandLeaf(task, target, 0, demander);
      await passTo((await task.disputes.demandOf(...target, demander)).dueAt);
      await closeDemand(task, target, demander);
      await expectNo(close, "NoDemand", [demander.address]);
    });
  });

  describe("whose proposal lost its bond, or got it back, return the deposit at once", () => {
    async function expectReturned(): Promise<void> {
      const { disputes, market, vault } = task;
      const ledger = await readLedger(task);
      const closing = closeDemand(task, target, demander);
      await expect(closing)
        .to.emit(disputes, "DemandClosed")
        .withArgs(...target, demander.address, false);
      await expect(closing).not.to.emit(market, "ProposalRefuted");
      await expectChanges(task, ledger, { rival: DEPOSIT });
      expect(await vault.balanceOf(disputes)).to.equal(0n);
      expect(await disputes.openDemands(...target)).to.equal(0n);
    }

    it("refuted by a proof", async () => {
      await startForged("Seeding");
      await demandLeaf(task, target, 0, demander);
      await proveFraud(task, target, FORGED, task.verifiers[0], WRONG_SUM.shownBy);
      await expectReturned();
    });

    it("refuted by the leaf check", async () => {
      task = await createTaskOf(forgedTransition(WRONG_SUM));
      await startRound(task, "LeafChecking");
      await prepare();
      await demandLeaf(task, target, 0, demander);
      await checkLeaves(task);
      expect((await standing())[1]).to.equal("Fraud");
      await expectReturned();
    });

    it("unseeded", async () => {
      await startHonest("Seeding");
      await demandLeaf(task, target, 0, demander);
      await passTo((await ends(task)).openingEndsAt + (await task.market.MAX_SEEDING_SECONDS()));
      await finalize(task);
      expect(await standing()).to.deep.equal(["Final", "Unseeded", 0n]);
      await expectReturned();
    });

    it("unchecked", async () => {
      await startHonest("LeafChecking");
      await demandLeaf(task, target, 0, demander);
      await passTo((await ends(task)).leafCheckEndsAt);
      await finalize(task);
      expect(await standing()).to.deep.equal(["Final", "Unchecked", 0n]);
      await expectReturned();
    });
  });

  describe("that follow an answer", () => {
    /** Demands in the last second of reveals, and has it answered in phase Disputing. */
    async function startFollowable(overrides: Partial<TaskParams> = {}): Promise<void> {
      await startHonest("Revealing", overrides);
      await at((await ends(task)).revealEndsAt - 1n);
      await task.disputes.connect(demander).demand(...target, 0);
      await answerDemand(task, target, demander);
      expect(await phaseNow()).to.equal("Disputing");
    }

    it("are taken of the same account, for as long as an answer would have taken", async () => {
      await startFollowable();
      const { disputes, verifiers } = task;
      const until = (await now()) + ANSWER;
      expect((await disputes.demandOf(...target, demander)).dueAt).to.equal(until);
      const snapshot = await networkHelpers.takeSnapshot();
      await expectNoDemand(1, "NoFollowUp", [until, until], until);
      await snapshot.restore();
      await at(until - 1n);
      await expect(disputes.connect(demander).demand(...target, 1))
        .to.emit(disputes, "LeafDemanded")
        .withArgs(...target, demander.address, 1n, DEPOSIT, until - 1n + ANSWER);
      demander = verifiers[0];
      await expectNoDemand(1, "NoFollowUp", [until, 0n]);
    });

    it("are as many as the trees have levels, and the first makes one more", async () => {
      await startFollowable();
      for (let level = 0; level < DEPTH; level++) {
        await demandLeaf(task, target, level, demander);
        await answerDemand(task, target, demander);
      }
      expect((await task.disputes.demandOf(...target, demander)).count).to.equal(BigInt(DEPTH + 1));
      await expectNoDemand(0, "NoFollowUp", [(await now()) + 1n, 0n]);
    });

    it("are fewer for who demanded before", async () => {
      await startHonest("Revealing");
      for (let i = 0; i < DEPTH; i++) {
        await demandLeaf(task, target, i, demander);
        await answerDemand(task, target, demander);
      }
      await at((await ends(task)).revealEndsAt - 1n);
      await task.disputes.connect(demander).demand(...target, 0);
      await answerDemand(task, target, demander);
      await expectNoDemand(0, "NoFollowUp", [(await now()) + 1n, 0n]);
    });

    it("hold the round in phase Disputing, and let it end", async () => {
      await startFollowable({ disputeSeconds: 10n });
      const { market, taskId } = task;
      const round = () => currentRound(task);
      for (let level = 0; level < DEPTH; level++) {
        // Each as late as can be.
        const followableUntil = (await round()).disputesEndAt;
        expect(followableUntil).to.equal((await now()) + ANSWER);
        await at(followableUntil - 1n);
        await task.disputes.connect(demander).demand(...target, 0);
        const { dueAt } = await task.disputes.demandOf(...target, demander);
        expect((await round()).disputesEndAt).to.equal(dueAt);
        await at(dueAt - 1n);
        const answering = task.disputes
          .connect(task.miner)
          .answer(...target, demander, task.transition.opening(0));
        if (level < DEPTH - 1) {
          await expect(answering)
            .to.emit(market, "DisputesExtended")
            .withArgs(taskId, 1n, dueAt - 1n + ANSWER);
          expect(await phaseNow()).to.equal("Disputing");
        } else {
          // Nothing can follow the last one.
          await expect(answering).not.to.emit(market, "DisputesExtended");
        }
      }
      await passTo((await round()).disputesEndAt);
      expect(await phaseNow()).to.equal("Ended");
      await finalize(task);
      // Nobody revealed.
      expect(await standing()).to.deep.equal(["Final", "Void", 0n]);
    });

    it("need no time beyond the dispute window where they fit in it", async () => {
      await startFollowable();
      const { revealEndsAt, disputeEndsAt } = await ends(task);
      expect(disputeEndsAt).to.equal(revealEndsAt + PARAMS.disputeSeconds);
      await passTo(disputeEndsAt);
      expect(await phaseNow()).to.equal("Ended");
    });
  });

  it("that are answered leave a round to be confirmed, its payments as they would have been", async () => {
    /** What a confirmed round changes, with a disturbance while attestations are revealed. */
    async function changesOf(disturb: () => Promise<void>): Promise<Ledger> {
      task = await createTaskOf(HONEST);
      const start = await readLedger(task);
      await startRound(task, "Revealing");
      await prepare();
      await disturb();
      for (const [i, verifier] of task.verifiers.entries()) {
        await revealAttestation(task, verifier, CONFIRMING[i]!);
      }
      await passTo((await ends(task)).disputeEndsAt);
      await finalize(task);
      expect(await standing()).to.deep.equal(["Final", "Confirmed", BOND]);
      const end = await readLedger(task);
      const names = Object.keys(end) as (keyof Ledger)[];
      return Object.fromEntries(names.map((name) => [name, end[name] - start[name]])) as Ledger;
    }

    const undisturbed = await changesOf(async () => {});
    const demanded = await changesOf(async () => {
      await demandLeaf(task, target, 0, demander);
      await answerDemand(task, target, demander);
    });
    expect(demanded).to.deep.equal({
      ...undisturbed,
      rival: undisturbed.rival - DEPOSIT,
      miner: undisturbed.miner + REFUND,
      burned: undisturbed.burned + DEPOSIT - REFUND,
    });
  });
});
