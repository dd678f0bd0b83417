import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { expect } from "chai";
import { named, OUTCOMES, PHASES, type Phase, STATUSES } from "../../clients/chain/phase.ts";
import {
  answerDemand,
  closeDemand,
  demandLeaf,
  proveFraud,
  startSparing,
  type Target,
  targetOf,
} from "./support/disputes.ts";
import { FRAUDS, forgedTransition } from "./support/forgery.ts";
import { expectChanges, expectSolvent, type Ledger, readLedger } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  currentRound,
  deployScenario,
  enrolVerifiers,
  finalize,
  MINED,
  networkHelpers,
  now,
  PARAMS,
  passTo,
  registerTask,
  startRound,
  type Task,
  tick,
} from "./support/scenario.ts";
import { commitTransition, followVectors, makeVectors, type Transition } from "./support/transition.ts";

const {
  minerBond: BOND,
  demandDeposit: DEPOSIT,
  answerRefund: REFUND,
  answerSeconds: ANSWER,
  answerSlotSeconds: SLOT,
} = PARAMS;

const [PAID, BURNED] = [BOND / 2n, BOND - BOND / 2n];

/** Trees of eight places; the forged leaf of a forged model is the last of five. */
const LEAVES = 5;
const DEPTH = 3;
const FORGED = LEAVES - 1;

const VECTORS = makeVectors(256 * FORGED + 200, 3);
const HONEST = commitTransition(VECTORS);
const NEXT = commitTransition(
  followVectors(VECTORS.newParameters, new Float32Array(VECTORS.parameters.length).fill(1e-3)),
);

const WRONG_SUM = FRAUDS.find(({ verdict }) => verdict === "WrongSum")!;

describe("Disputes, demands of the head", () => {
  let task: Task;
  /** The task with the rival's proposal of the next round. */
  let next: Task;
  let head: Target;
  let before: Ledger;
  let demander: HardhatEthersSigner;

  async function confirm(transition: Transition): Promise<void> {
    const scenario = await networkHelpers.loadFixture(deployScenario);
    task = await registerTask(scenario, { leafChecks: 1n }, transition);
    await enrolVerifiers(task);
    await startSparing(task, FORGED, "Ended");
    await finalize(task);
    head = await targetOf(task);
    next = { ...task, miner: task.rival, transition: NEXT };
    before = await readLedger(task);
    demander = task.verifiers[0];
  }

  /** Demands a leaf of the head, and moves the head from under it. */
  async function moveHead(): Promise<void> {
    await startRound(next, "Ended");
    await demandLeaf(task, head, 2, demander);
    await finalize(next);
    expect((await task.market.task(task.taskId)).headRound).to.equal(2n);
    before = await readLedger(task);
  }

  async function standing(): Promise<[status: string, outcome: string, bond: bigint]> {
    const { status, outcome, bond } = await task.market.proposal(...head);
    return [named(STATUSES, status), named(OUTCOMES, outcome), bond];
  }

  async function expectLocked(locked: bigint): Promise<void> {
    expect((await task.vault.accounts(task.miner)).locked).to.equal(locked);
  }

  async function expectNoDemand(account: HardhatEthersSigner, error: string, args: unknown[]): Promise<void> {
    const { disputes } = task;
    const demand = async () => {
      await tick();
      return disputes.connect(account).demand(...head, 0, MINED);
    };
    await expectRefused(task, demand, error, args, disputes);
  }

  async function release() {
    await tick();
    return task.market.connect(task.stranger).releaseBond(...head, MINED);
  }

  async function expectNoRelease(error: string): Promise<void> {
    await expectRefused(task, release, error, [...head]);
  }

  async function expectReleased(): Promise<void> {
    const ledger = await readLedger(task);
    await expectLocked(BOND);
    await release();
    await expectLocked(0n);
    expect((await standing())[2]).to.equal(0n);
    await expectChanges(task, ledger, {});
  }

  afterEach(async () => {
    await expectSolvent(task);
  });

  const phases: (Exclude<Phase, "Closed"> & string)[] = [
    "Idle",
    ...(PHASES.slice(1, -1) as Exclude<Phase, "Idle" | "Closed">[]),
  ];
  for (const phase of phases) {
    it(`are taken and answered in phase ${phase}, and don't touch the round`, async () => {
      await confirm(HONEST);
      const { disputes, market, miner } = task;
      if (phase !== "Idle") await startRound(next, phase);
      before = await readLedger(task);
      const round = await currentRound(task);
      const dueAt = (await now()) + 1n + ANSWER;
      const demanding = demandLeaf(task, head, 7, demander);
      await expect(demanding)
        .to.emit(disputes, "LeafDemanded")
        .withArgs(...head, demander.address, 7n, DEPOSIT, dueAt);
      await expect(demanding).not.to.emit(market, "DisputesExtended");

      await expect(answerDemand(task, head, demander)).not.to.emit(market, "DisputesExtended");
      await expectChanges(task, before, { first: -DEPOSIT, miner: REFUND, burned: DEPOSIT - REFUND });
      expect(await currentRound(task)).to.deep.equal(round);
      expect(await standing()).to.deep.equal(["Final", "Confirmed", BOND]);
      expect((await task.vault.accounts(miner)).locked).to.equal(BOND);
    });
  }

  it("are taken of one account as often as it pays for them", async () => {
    await confirm(HONEST);
    for (let i = 0; i < DEPTH + 3; i++) {
      await demandLeaf(task, head, i, demander);
      await answerDemand(task, head, demander);
    }
    expect((await task.disputes.demandOf(...head, demander)).count).to.equal(BigInt(DEPTH + 1));
  });

  it("cost more and are due later for each that is open, as in a round", async () => {
    await confirm(HONEST);
    for (const [i, account] of task.verifiers.entries()) {
      const j = BigInt(i);
      const dueAt = (await now()) + 1n + ANSWER + j * SLOT;
      await expect(demandLeaf(task, head, i, account))
        .to.emit(task.disputes, "LeafDemanded")
        .withArgs(...head, account.address, i, (1n + j) * DEPOSIT, dueAt);
    }
    await expectNoDemand(demander, "DemandStillOpen", [demander.address, 0n]);
  });

  it("convict by an answer that shows a forged leaf; the head stays", async () => {
    await confirm(forgedTransition(WRONG_SUM, LEAVES));
    const { market, taskId, transition } = task;
    await demandLeaf(task, head, FORGED, demander);
    await answerDemand(task, head, demander);
    await expectChanges(task, before, { first: PAID, miner: -BOND, burned: BURNED });
    expect(await standing()).to.deep.equal(["Final", "Confirmed", 0n]);
    expect((await market.task(taskId)).head.fullRoot).to.equal(transition.fullRoot);
    await expectNoDemand(demander, "NothingAtStake", [...head]);
  });

  it("convict where they are not answered; the head stays, and the next one can be made from it", async () => {
    await confirm(HONEST);
    const { market, taskId } = task;
    await demandLeaf(task, head, 0, demander);
    await passTo((await now()) + ANSWER);
    await closeDemand(task, head, demander);
    await expectChanges(task, before, { first: PAID, miner: -BOND, burned: BURNED });
    expect(await standing()).to.deep.equal(["Final", "Confirmed", 0n]);
    await startRound(next, "Ended");
    await finalize(next);
    expect((await market.task(taskId)).headRound).to.equal(2n);
    await expectLocked(0n);
    await expectNoRelease("NothingAtStake");
  });

  describe("open when the head moves", () => {
    beforeEach(async () => {
      await confirm(HONEST);
      await moveHead();
    });

    it("keep the bond until they are answered and it is released", async () => {
      await expectLocked(BOND);
      await expectNoRelease("DemandsOpen");
      await answerDemand(task, head, demander);
      await expectChanges(task, before, { miner: REFUND, burned: DEPOSIT - REFUND });
      await expectReleased();
      await expectNoRelease("NothingAtStake");
    });

    it("keep the bond until they are closed, and take it", async () => {
      await passTo((await now()) + ANSWER);
      await expectNoRelease("DemandsOpen");
      await closeDemand(task, head, demander);
      await expectChanges(task, before, { first: PAID + DEPOSIT, miner: -BOND, burned: BURNED });
      expect(await standing()).to.deep.equal(["Final", "Confirmed", 0n]);
      await expectNoRelease("NothingAtStake");
    });

    it("are the last ones", async () => {
      await expectNoDemand(task.verifiers[1], "DemandsClosed", [PHASES.indexOf("Idle")]);
      await startRound({ ...task, transition: HONEST }, "Proposing");
      await expectNoDemand(task.verifiers[1], "DemandsClosed", [PHASES.indexOf("Idle")]);
      await answerDemand(task, head, demander);
      await expectNoDemand(demander, "DemandsClosed", [PHASES.indexOf("Idle")]);
    });
  });

  it("leave a fraud of a past head provable while they are open", async () => {
    await confirm(forgedTransition(WRONG_SUM, LEAVES));
    const { verifiers } = task;
    const [, second] = verifiers;
    const vectors = makeVectors(VECTORS.parameters.length, 3);
    vectors.newParameters[256 * FORGED + 199]! += 1;
    const step = new Float32Array(vectors.parameters.length).fill(1e-3);
    next = { ...next, transition: commitTransition(followVectors(vectors.newParameters, step)) };
    await moveHead();
    await proveFraud(task, head, FORGED, second, WRONG_SUM.shownBy);
    await closeDemand(task, head, demander);
    await expectChanges(task, before, { first: DEPOSIT, second: PAID, miner: -BOND, burned: BURNED });
  });

  it("are gone when the head moves: its bond goes back with it", async () => {
    await confirm(HONEST);
    await demandLeaf(task, head, 2, demander);
    await answerDemand(task, head, demander);
    await expectNoRelease("NothingAtStake");
    await startRound(next, "Ended");
    await expectLocked(BOND);
    await finalize(next);
    await expectLocked(0n);
    await expectNoRelease("NothingAtStake");
  });

  describe("open when the task is closed", () => {
    beforeEach(async () => {
      await confirm(HONEST);
      const { market, owner, taskId } = task;
      await tick();
      await market.connect(owner).requestClose(taskId);
      await passTo((await now()) + PARAMS.closeDelaySeconds);
      await demandLeaf(task, head, 2, demander);
      await tick();
      await market.closeTask(taskId);
      before = await readLedger(task);
      await expectLocked(BOND);
    });

    it("keep the bond until they are answered and it is released", async () => {
      await expectNoRelease("DemandsOpen");
      await answerDemand(task, head, demander);
      await expectChanges(task, before, { miner: REFUND, burned: DEPOSIT - REFUND });
      await expectReleased();
    });

    it("take the bond where they are not answered", async () => {
      await passTo((await now()) + ANSWER);
      await closeDemand(task, head, demander);
      await expectChanges(task, before, { first: PAID + DEPOSIT, miner: -BOND, burned: BURNED });
    });

    it("are the last ones", async () => {
      await expectNoDemand(task.verifiers[1], "TaskIsClosed", [task.taskId]);
    });
  });
});
