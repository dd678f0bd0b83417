import { expect } from "chai";
import { named, OUTCOMES, PHASES, type Phase, STAGES, STATUSES } from "../../clients/chain/phase.ts";
import { PARAMETERS_PER_LEAF } from "../../clients/model/geometry.ts";
import {
  answerDemand,
  closeDemand,
  demandLeaf,
  proveFraud,
  startSparing,
  type Target,
  targetOf,
} from "./support/disputes.ts";
import { FRAUDS, forgedTransition, POISON } from "./support/forgery.ts";
import { expectChanges, expectSolvent, type Ledger, readLedger } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  deployScenario,
  enrolVerifiers,
  finalize,
  MINED,
  networkHelpers,
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
  makeVectors,
  type Transition,
  type Vectors,
} from "./support/transition.ts";

const { proposalFee: FEE, minerBond: BOND, demandDeposit: DEMAND } = PARAMS;

const [PAID, BURNED] = [BOND / 2n, BOND - BOND / 2n];

/** Trees of eight places; the last of five leaves is the poisoned one. */
const LEAVES = 5;
const POISONED = LEAVES - 1;

/** The update that makes the head's 33rd value of the last leaf infinite. */
const OVERFLOW = FRAUDS.find(({ verdict }) => verdict === "NonFiniteSum")!;
const OVERFLOWING = forgedTransition(OVERFLOW, LEAVES);

const PARAMETERS = OVERFLOWING.head.parameterCount;

const LIVE_PHASES = PHASES.slice(1, -1) as Exclude<Phase, "Idle" | "Closed">[];

/** A task that draws one leaf only, so that a poisoned one can pass unseen. */
async function createTaskOf(transition: Transition): Promise<Task> {
  const scenario = await networkHelpers.loadFixture(deployScenario);
  const task = await registerTask(scenario, { leafChecks: 1n }, transition);
  await enrolVerifiers(task);
  return task;
}

/** A task whose genesis holds a NaN. */
async function createPoisonedGenesis(): Promise<Task> {
  return createTaskOf(forgedTransition(POISON, LEAVES));
}

/** A task whose head, made by the miner, holds an infinity; and the step that its rival proposes from there. */
async function createPoisonedHead(): Promise<Task> {
  const task = await createTaskOf(OVERFLOWING);
  await startSparing(task, POISONED, "Ended");
  await finalize(task);
  return task;
}

/** What the rival of a task with a poisoned head works on: it changes what is finite. */
function followingStep(task: Task): Task {
  const at = POISONED * PARAMETERS_PER_LEAF + 33;
  const { newParameters } = makeVectors(POISONED * PARAMETERS_PER_LEAF + 200, 3);
  const step = new Float32Array(newParameters.length).fill(1e-3);
  step.fill(0, POISONED * PARAMETERS_PER_LEAF);
  newParameters[at] = 0;
  const vectors = followVectors(newParameters, step);
  vectors.parameters[at] = Number.POSITIVE_INFINITY;
  vectors.newParameters[at] = Number.POSITIVE_INFINITY;
  return { ...task, miner: task.rival, transition: commitTransition(vectors) };
}

/** Vectors of a leaf more than the model has, with a NaN in it. */
function poisonedPadding(): Vectors {
  const vectors = makeVectors((LEAVES + 1) * PARAMETERS_PER_LEAF, 3);
  vectors.parameters[LEAVES * PARAMETERS_PER_LEAF + 7] = Number.NaN;
  return vectors;
}

/** What a proof shows: the whole model of a transition's old side, or of its new one. */
function leafOf({ transition }: Task, side: "old" | "new", leaf = POISONED): [Uint8Array, string[]] {
  const opening = transition.opening(leaf);
  return [opening[`${side}Leaf`], opening[`${side}Proof`]];
}

describe("Disputes, proofs that a head is not finite", () => {
  let task: Task;

  async function provePoison(side: "old" | "new", prover = task.verifiers[0], leaf = POISONED) {
    await tick();
    return task.disputes.connect(prover).provePoison(task.taskId, leaf, ...leafOf(task, side, leaf));
  }

  async function expectNoProof(
    error: string,
    args: unknown[],
    taskId: bigint,
    leaf: number,
    shown: [Uint8Array, string[]],
  ): Promise<void> {
    const { disputes, leafChecker, market, stranger } = task;
    const declaring = [leafChecker, market, disputes].find((each) => each.interface.getError(error))!;
    const prove = async () => {
      await tick();
      return disputes.connect(stranger).provePoison(taskId, leaf, ...shown, MINED);
    };
    await expectRefused(task, prove, error, args, declaring);
  }

  async function outcomeOf(target: Target): Promise<[status: string, outcome: string, bond: bigint]> {
    const { status, outcome, bond } = await task.market.proposal(...target);
    return [named(STATUSES, status), named(OUTCOMES, outcome), bond];
  }

  /** Expects the task to be closed and these changes, beside that the owner got what the task held. */
  async function expectClosed(before: Ledger, changes: Partial<Ledger>): Promise<void> {
    const { market, taskId } = task;
    expect(named(PHASES, await market.phase(taskId))).to.equal("Closed");
    await expectChanges(task, before, { ...changes, owner: before.escrow, escrow: -before.escrow });
  }

  afterEach(async () => {
    await expectSolvent(task);
  });

  describe("of a genesis", () => {
    it("close the task before its first round: the escrow goes to the owner, nobody is paid or punished", async () => {
      task = await createPoisonedGenesis();
      const { market, disputes, taskId, verifiers } = task;
      const before = await readLedger(task);
      const proving = provePoison("old");
      await expect(proving)
        .to.emit(disputes, "PoisonProved")
        .withArgs(taskId, verifiers[0].address, POISONED, POISON.element);
      await expect(proving).to.emit(market, "HeadPoisoned").withArgs(taskId, verifiers[0].address);
      await expect(proving).to.emit(market, "TaskClosed").withArgs(taskId, before.escrow);
      await expect(proving).not.to.emit(market, "RoundFinalized");
      await expectClosed(before, {});
    });

    for (const phase of LIVE_PHASES) {
      it(`in phase ${phase} end the round: the miner gets bond and fee back`, async () => {
        task = await createPoisonedGenesis();
        const { market, vault, taskId, miner } = task;
        const before = await readLedger(task);
        await startSparing(task, POISONED, phase);
        const target = await targetOf(task);
        const proving = provePoison("old");
        await expect(proving).to.emit(market, "RoundFinalized").withArgs(taskId, 1n, 255n);
        await expect(proving)
          .to.emit(market, "ProposalEnded")
          .withArgs(...target, OUTCOMES.indexOf("PoisonedHead"));
        await expect(proving).not.to.emit(market, "ProposalRefuted");
        expect(await outcomeOf(target)).to.deep.equal(["Final", "PoisonedHead", 0n]);
        expect(named(STAGES, (await market.round(taskId, 1n)).stage)).to.equal("Final");
        await expectClosed(before, {});
        expect((await vault.accounts(miner)).locked).to.equal(0n);
      });
    }

    it("leave the fees of proposals that had ended before with the task", async () => {
      task = await createPoisonedGenesis();
      const { taskId, rival, verifiers } = task;
      const [, second, third] = verifiers;
      const vectors = makeVectors(Number(PARAMETERS), 4);
      vectors.update[0] = 255;
      const refutable = { ...task, transition: commitTransition(vectors) };
      const before = await readLedger(task);
      await propose(task);
      await propose(task, third);
      await propose(refutable, rival);
      for (const [i, opening] of [task, task, refutable].entries()) await openProposal(opening, BigInt(i));
      await proveFraud(refutable, [taskId, 1n, 2n], 0, second, ["update"]);

      await provePoison("old");
      const outcomes = await task.market.proposals(taskId, 1n);
      expect(outcomes.map(({ outcome }) => named(OUTCOMES, outcome))).to.deep.equal([
        "PoisonedHead",
        "Duplicate",
        "Fraud",
      ]);
      await expectChanges(task, before, {
        third: -FEE,
        rival: -FEE - BOND,
        second: PAID,
        owner: before.escrow + 2n * FEE,
        escrow: -before.escrow,
        burned: BURNED,
      });
    });

    it("hold for a place past the last leaf too", async () => {
      const { head, ...rest } = commitTransition(poisonedPadding());
      task = await createTaskOf({ ...rest, head: { ...head, parameterCount: PARAMETERS } });
      const before = await readLedger(task);
      await expect(provePoison("old", task.verifiers[0], LEAVES))
        .to.emit(task.disputes, "PoisonProved")
        .withArgs(task.taskId, task.verifiers[0].address, LEAVES, 7n);
      await expectClosed(before, {});
    });
  });

  describe("of a head that a miner made", () => {
    it("take its bond between rounds, half of it for the prover", async () => {
      task = await createPoisonedHead();
      const { market, disputes, taskId, verifiers } = task;
      const target = await targetOf(task);
      const before = await readLedger(task);
      const proving = provePoison("new");
      await expect(proving)
        .to.emit(disputes, "PoisonProved")
        .withArgs(taskId, verifiers[0].address, POISONED, OVERFLOW.element);
      await expect(proving)
        .to.emit(market, "ProposalRefuted")
        .withArgs(...target, OUTCOMES.indexOf("Fraud"), verifiers[0].address);
      expect(await outcomeOf(target)).to.deep.equal(["Final", "Confirmed", 0n]);
      await expectClosed(before, { miner: -BOND, first: PAID, burned: BURNED });
    });

    for (const phase of LIVE_PHASES) {
      it(`take its bond in phase ${phase} of the next round, whose miner gets bond and fee back`, async () => {
        task = await createPoisonedHead();
        const { vault, rival, miner } = task;
        const head = await targetOf(task);
        const before = await readLedger(task);
        await startSparing(followingStep(task), POISONED, phase);
        const target = await targetOf(task);
        await provePoison("new");
        expect(await outcomeOf(target)).to.deep.equal(["Final", "PoisonedHead", 0n]);
        expect(await outcomeOf(head)).to.deep.equal(["Final", "Confirmed", 0n]);
        await expectClosed(before, { miner: -BOND, first: PAID, burned: BURNED });
        for (const party of [miner, rival]) expect((await vault.accounts(party)).locked).to.equal(0n);
      });
    }

    it("cost the miner half of its bond even where it proves its own fraud first", async () => {
      task = await createPoisonedHead();
      const { market, taskId, miner } = task;
      const before = await readLedger(task);
      await proveFraud(task, await targetOf(task), POISONED, miner, OVERFLOW.shownBy);
      await expectChanges(task, before, { miner: PAID - BOND, burned: BURNED });
      const proving = provePoison("new");
      await expect(proving).to.emit(market, "HeadPoisoned").withArgs(taskId, task.verifiers[0].address);
      await expect(proving).not.to.emit(market, "ProposalRefuted");
      await expectClosed(before, { miner: PAID - BOND, burned: BURNED });
    });

    it("cost the miner half of its bond even where it is the prover", async () => {
      task = await createPoisonedHead();
      const before = await readLedger(task);
      await provePoison("new", task.miner);
      await expectClosed(before, { miner: PAID - BOND, burned: BURNED });
    });
  });

  describe("with demands open", () => {
    it("give back the deposits on the head and on the round's proposals", async () => {
      task = await createPoisonedHead();
      const { disputes, verifiers } = task;
      const [, second, third] = verifiers;
      const head = await targetOf(task);
      const before = await readLedger(task);
      const next = followingStep(task);
      await startRound(next, "Seeding");
      const target = await targetOf(task);
      await demandLeaf(task, head, 0, second);
      await demandLeaf(task, target, 0, second);
      await demandLeaf(task, target, 1, third);

      await provePoison("new");
      const closed = { miner: -BOND, first: PAID, burned: BURNED };
      await expectClosed(before, { ...closed, second: -2n * DEMAND, third: -2n * DEMAND });
      for (const [on, demander] of [
        [head, second],
        [target, second],
        [target, third],
      ] as const) {
        await expect(closeDemand(task, on, demander))
          .to.emit(disputes, "DemandClosed")
          .withArgs(...on, demander.address, false);
      }
      await expectClosed(before, closed);
      expect(await disputes.openDemands(...target)).to.equal(0n);
    });

    it("are made by an answer too: the demander gets its deposit back and is the prover", async () => {
      task = await createPoisonedHead();
      const { market, disputes, taskId, verifiers } = task;
      const [first] = verifiers;
      const before = await readLedger(task);
      const next = followingStep(task);
      await startSparing(next, POISONED, "Committing");
      const target = await targetOf(task);
      await demandLeaf(task, target, POISONED, first);
      const answering = answerDemand(next, target, first);
      await expect(answering).to.emit(market, "HeadPoisoned").withArgs(taskId, first.address);
      await expect(answering).not.to.emit(disputes, "FraudProved");
      expect(await outcomeOf(target)).to.deep.equal(["Final", "PoisonedHead", 0n]);
      await expectClosed(before, { miner: -BOND, first: PAID, burned: BURNED });
      expect(await disputes.openDemands(...target)).to.equal(0n);
    });

    it("an answer about the model before the head proves nothing: the deposit goes back, the task goes on", async () => {
      task = await createPoisonedGenesis();
      const { market, taskId, verifiers } = task;
      await startSparing(task, POISONED, "Ended");
      await finalize(task);
      const head = await targetOf(task);
      const before = await readLedger(task);
      await demandLeaf(task, head, POISONED, verifiers[0]);
      const answering = answerDemand(task, head, verifiers[0]);
      await expect(answering).not.to.emit(market, "HeadPoisoned");
      await expectChanges(task, before, {});
      expect(await outcomeOf(head)).to.deep.equal(["Final", "Confirmed", BOND]);
      expect(named(PHASES, await market.phase(taskId))).to.equal("Idle");
    });

    it("nor does it once the task is closed: the deposit goes back, and the bond can", async () => {
      task = await createPoisonedGenesis();
      const { market, owner, taskId, verifiers } = task;
      await startSparing(task, POISONED, "Ended");
      await finalize(task);
      const head = await targetOf(task);
      await tick();
      await market.connect(owner).requestClose(taskId);
      await passTo((await market.task(taskId)).closableAt);
      const before = await readLedger(task);
      await demandLeaf(task, head, POISONED, verifiers[0]);
      await tick();
      await market.closeTask(taskId);
      const answering = answerDemand(task, head, verifiers[0]);
      await expect(answering).not.to.emit(market, "HeadPoisoned");
      await tick();
      await market.releaseBond(...head);
      const { owner: got, escrow: left, ...others } = await readLedger(task);
      const { owner: had, escrow: was, ...unchanged } = before;
      expect([got - had, left, others]).to.deep.equal([was, 0n, unchanged]);
      expect(await outcomeOf(head)).to.deep.equal(["Final", "Confirmed", 0n]);
    });
  });

  describe("are refused", () => {
    it("where every value is finite", async () => {
      task = await createPoisonedGenesis();
      for (const leaf of [0, 3, LEAVES, 7]) {
        await expectNoProof("NotPoisoned", [task.taskId, leaf], task.taskId, leaf, leafOf(task, "old", leaf));
      }
    });

    it("where the leaf is not the head's, or at another place", async () => {
      task = await createTaskOf(OVERFLOWING);
      await startSparing(task, POISONED, "Seeding");
      const { taskId, transition } = task;
      const { fullRoot } = transition.head;
      const shown = leafOf(task, "new");
      // A proposal's model is not the head before its round ends.
      await expectNoProof("NotInTree", [fullRoot, POISONED], taskId, POISONED, shown);
      const [finite, proof] = leafOf(task, "old");
      for (const leaf of [0, POISONED + 8]) {
        await expectNoProof("NotInTree", [fullRoot, leaf], taskId, leaf, [finite, proof]);
      }
    });

    it("where leaf or proof have a wrong length", async () => {
      task = await createPoisonedGenesis();
      const [leaf, proof] = leafOf(task, "old");
      const { taskId } = task;
      for (const given of [0, 64, 1_023]) {
        const short: [Uint8Array, string[]] = [leaf.subarray(0, given), proof];
        await expectNoProof("WrongLeafLength", [given, 1_024], taskId, POISONED, short);
      }
      await expectNoProof("WrongProofLength", [2, 3], taskId, POISONED, [leaf, proof.slice(1)]);
    });

    it("for a task that is closed or does not exist", async () => {
      task = await createPoisonedGenesis();
      const shown = leafOf(task, "old");
      await provePoison("old");
      await expectNoProof("TaskIsClosed", [task.taskId], task.taskId, POISONED, shown);
      await expectNoProof("UnknownTask", [task.taskId + 1n], task.taskId + 1n, POISONED, shown);
    });
  });
});
