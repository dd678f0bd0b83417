import { expect } from "chai";
import { parseEther, toBeHex } from "ethers";
import {
  answerDemand,
  closeDemand,
  demandLeaf,
  proveFraud,
  startSparing,
  targetOf,
} from "./support/disputes.ts";
import { type Forgery, FRAUDS, forgedTransition, POISON } from "./support/forgery.ts";
import { gasUsed, gasWasted } from "./support/gasUsed.ts";
import {
  deployScenario,
  ends,
  enrolVerifiers,
  ethers,
  finalize,
  fundParty,
  MINED,
  networkHelpers,
  PARAMS,
  passTo,
  registerTask,
  startRound,
  type Task,
  tick,
} from "./support/scenario.ts";
import { expectSnapshot } from "./support/snapshot.ts";
import { only } from "./support/transition.ts";

/** Trees of depth 12. */
const LEAVES = 2_344;
const FORGED = LEAVES - 1;

const PROOF_LIMIT = 450_000;
const DEMAND_LIMIT = 150_000;
const ANSWER_LIMIT = 450_000;

const WRONG_SUM = FRAUDS.find(({ verdict }) => verdict === "WrongSum")!;

type Gas = Record<string, number>;

async function createTaskOf(forgery: Forgery): Promise<Task> {
  const scenario = await networkHelpers.loadFixture(deployScenario);
  const task = await registerTask(scenario, { leafChecks: 1n }, forgedTransition(forgery, LEAVES));
  expect(task.transition.depth).to.equal(12);
  await enrolVerifiers(task);
  // An approval that is spent, and so stored anew, is dearer than one without end.
  for (const party of [task.rival, task.stranger, ...task.verifiers]) {
    await tick();
    await task.token.connect(party).approve(task.vault, parseEther("1000000"));
  }
  await tick();
  await task.token.connect(task.stranger).faucet(parseEther("1000"));
  return task;
}

/** Measures something, and leaves the chain as it was. */
async function aside<T>(measure: () => Promise<T>): Promise<T> {
  const snapshot = await networkHelpers.takeSnapshot();
  const result = await measure();
  await snapshot.restore();
  return result;
}

/** A fraud shown by proof and by answer; neither prover, nor miner, nor the burn address had a balance before. */
async function measureFraud(task: Task, { verdict, shownBy }: Forgery): Promise<Gas> {
  await startRound(task, "Seeding");
  const target = await targetOf(task);
  const { disputes, stranger, verifiers, transition } = task;
  const proof = await aside(async () => {
    const winning = await gasUsed(proveFraud(task, target, FORGED, stranger, shownBy));
    await tick();
    const opening = only(transition.opening(FORGED), shownBy);
    const second = disputes.connect(verifiers[0]).proveFraud(...target, FORGED, opening, MINED);
    await expect(second).to.be.revertedWithCustomError(disputes, "NothingAtStake");
    return { [`prove${verdict}`]: winning, [`lose${verdict}`]: await gasWasted() };
  });
  // Another stays open, so that no slot is cleared.
  for (const demander of [stranger, verifiers[0]]) await demandLeaf(task, target, FORGED, demander);
  return { ...proof, [`answer${verdict}`]: await gasUsed(answerDemand(task, target, stranger)) };
}

/** Demands and answers in a round: in the phases that take most to tell, with balances that were none. */
async function measureDemands(task: Task): Promise<Gas> {
  const { disputes, rival, stranger } = task;
  const gas: Gas = {};
  await startSparing(task, FORGED, "Revealing", []);
  const target = await targetOf(task);
  const { revealEndsAt } = await ends(task);
  await passTo(revealEndsAt - 10n);
  gas.demandFirst = await gasUsed(demandLeaf(task, target, FORGED, stranger));
  gas.demandNext = await gasUsed(demandLeaf(task, target, 0, rival));
  gas.answerValid = await gasUsed(answerDemand(task, target, rival));
  await passTo(revealEndsAt);
  gas.demandFollowing = await gasUsed(demandLeaf(task, target, 1, rival));
  await passTo((await disputes.demandOf(...target, stranger)).dueAt);
  gas.closeUnanswered = await gasUsed(closeDemand(task, target, stranger));
  gas.closeReturned = await gasUsed(closeDemand(task, target, rival));
  return gas;
}

async function measureHead(task: Task): Promise<Gas> {
  const { stranger } = task;
  await startSparing(task, FORGED, "Ended");
  await finalize(task);
  const head = await targetOf(task);
  return {
    demandHead: await gasUsed(demandLeaf(task, head, 0, stranger)),
    answerHead: await gasUsed(answerDemand(task, head, stranger)),
    proveHead: await gasUsed(proveFraud(task, head, FORGED, stranger, WRONG_SUM.shownBy)),
  };
}

async function measurePoison(task: Task): Promise<Gas> {
  await startRound(task, "Seeding");
  const { oldLeaf, oldProof } = task.transition.opening(FORGED);
  await tick();
  const proving = task.disputes.connect(task.stranger).provePoison(task.taskId, FORGED, oldLeaf, oldProof);
  return { provePoison: await gasUsed(proving) };
}

/** So many more verifiers, each with the least stake. */
async function enrolMore(task: Task, count: number): Promise<void> {
  const { committee, taskId } = task;
  for (let i = 0; i < count; i++) {
    const verifier = await ethers.getImpersonatedSigner(toBeHex(BigInt(i) + 2n ** 159n, 20));
    await networkHelpers.setBalance(verifier.address, parseEther("1"));
    await fundParty(task, verifier);
    await tick();
    await committee.connect(verifier).enrol(taskId, PARAMS.verifierStake);
  }
}

describe("gas of disputes, in trees of depth 12", () => {
  const gas: Gas = {};
  const gasAmong300: Gas = {};

  before(async () => {
    for (const fraud of FRAUDS) Object.assign(gas, await measureFraud(await createTaskOf(fraud), fraud));
    const task = await createTaskOf(WRONG_SUM);
    Object.assign(gas, await aside(() => measureDemands(task)), await aside(() => measureHead(task)));
    await enrolMore(task, 297);
    Object.assign(gasAmong300, await aside(() => measureDemands(task)), await measureFraud(task, WRONG_SUM));
    Object.assign(gas, await measurePoison(await createTaskOf(POISON)));
  });

  for (const { verdict } of FRAUDS) {
    it(`of a proof of ${verdict} is at most ${PROOF_LIMIT}, and of one that comes second little more than half`, () => {
      expect(gas[`prove${verdict}`]).to.be.within(21_000, PROOF_LIMIT);
      expect(gas[`lose${verdict}`]).to.be.within(21_000, 0.55 * gas[`prove${verdict}`]!);
    });

    it(`of an answer that shows ${verdict} is at most ${ANSWER_LIMIT}`, () => {
      expect(gas[`answer${verdict}`]).to.be.within(21_000, ANSWER_LIMIT);
    });
  }

  for (const which of ["demandFirst", "demandNext", "demandFollowing", "demandHead"]) {
    it(`of ${which} is at most ${DEMAND_LIMIT}`, () => {
      expect(gas[which]).to.be.within(21_000, DEMAND_LIMIT);
    });
  }

  for (const which of ["answerValid", "answerHead", "closeUnanswered", "closeReturned"]) {
    it(`of ${which} is at most ${ANSWER_LIMIT}`, () => {
      expect(gas[which]).to.be.within(21_000, ANSWER_LIMIT);
    });
  }

  for (const which of ["proveHead", "provePoison"]) {
    it(`of ${which} is at most ${PROOF_LIMIT}`, () => {
      expect(gas[which]).to.be.within(21_000, PROOF_LIMIT);
    });
  }

  it("does not depend on the number of stakers: 3 or 300", () => {
    expect(Object.keys(gasAmong300)).to.include.members(["proveWrongSum", "demandFirst", "answerValid"]);
    for (const [which, used] of Object.entries(gasAmong300)) expect(used, which).to.equal(gas[which]);
  });

  it("is that of snapshots/disputesGas.json", () => {
    expectSnapshot("disputesGas", gas);
  });
});
