import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { expect } from "chai";
import { dataLength, id, parseEther } from "ethers";
import type { Outcome } from "../../clients/chain/phase.ts";
import { toHex } from "../../clients/model/bytes.ts";
import { draw } from "../../clients/model/draws.ts";

import { keccak256 } from "../../clients/model/keccak.ts";
import { sortitionWeight } from "../../clients/model/sortition.ts";
import { gasUsed } from "./support/gasUsed.ts";
import { expectSolvent } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  type Ballot,
  CONFIRMING,
  checkLeaves,
  commitAttestation,
  deployScenario,
  drawnOpenings,
  ends,
  enrolVerifiers,
  ethers,
  finalize,
  fundParties,
  LOCATION,
  MINED,
  NEGATIVE,
  networkHelpers,
  openProposal,
  openScenarioWith,
  outcomeOf,
  PARAMS,
  partyAt,
  passTo,
  positive,
  propose,
  recordSeed,
  registerTask,
  requestSeed,
  revealAttestation,
  SMALL_VECTORS,
  startRound,
  stepFrom,
  type Task,
  tick,
} from "./support/scenario.ts";
import { expectSnapshot } from "./support/snapshot.ts";
import { commitTransition, followVectors, makeVectors, type Transition } from "./support/transition.ts";

const PARAMETERS = 600_000;

/** EIP-7825: the most that one transaction may use. */
const MAX_TRANSACTION_GAS = 2 ** 24;

/** What nodes relay: go-ethereum's txMaxSize. */
const MAX_TRANSACTION_BYTES = 128 * 1024;

const LIMITS: Record<string, number> = {
  checkLeavesPerLeaf: 400_000,
  commitAttestation: 120_000,
  revealAttestation: 120_000,
  propose: 250_000,
  openProposal: 250_000,
  finalizeConfirmed: 350_000,
  finalizeRejected: 350_000,
  finalizeSilent: 350_000,
  // A new head, one paid, one silent, one that deviates: each slash is two new checkpoints.
  finalizeDearest: 400_000,
};

const BETTER = positive(5_000_000n, 4_990_000n);
const SILENT: Ballot = { ...NEGATIVE, silent: true };

/** A second, deeper model's first two updates, and a task whose first head is confirmed and whose parties have claimed. */
async function createDeepTask(): Promise<Task> {
  const vectors = makeVectors(PARAMETERS, 11);
  const scenario = await networkHelpers.loadFixture(deployScenario);
  const task = await registerTask(scenario, {}, commitTransition(vectors));
  await enrolVerifiers(task);
  const first = { ...task, miner: task.rival };
  await startRound(first, "Ended");
  await finalize(first);
  for (const party of [task.rival, ...task.verifiers]) {
    await tick();
    await task.vault.claim(party);
  }
  const step = new Float32Array(PARAMETERS).fill(-1e-3);
  return { ...task, transition: commitTransition(followVectors(vectors.newParameters, step)) };
}

describe("gas", () => {
  const gas: Record<string, number> = {};

  before(async () => {
    const task = await networkHelpers.loadFixture(createDeepTask);
    expect(task.transition.depth).to.be.at.least(12);
    expect(task.params.leafChecks >= 4n).to.equal(true);
    const snapshot = await networkHelpers.takeSnapshot();

    await measureParty(task);
    await snapshot.restore();
    await measureConfirmed(task);
    await snapshot.restore();
    await measureAbsence(task);
    await snapshot.restore();
    gas.finalizeRejected = await measureFinalize(task, [NEGATIVE, NEGATIVE, positive(9n, 8n)], "Rejected");
    await snapshot.restore();
    gas.finalizeSilent = await measureFinalize(task, [SILENT, SILENT, SILENT], "Void");
    await snapshot.restore();
    gas.finalizeDearest = await measureFinalize(task, [NEGATIVE, SILENT, BETTER], "Confirmed");
  });

  /** A newcomer's calls, each for the first time. */
  async function measureParty(task: Task): Promise<void> {
    const { token, vault, market, committee, stranger, owner, taskId, transition } = task;
    await tick();
    await token.connect(stranger).faucet(parseEther("1000"));
    await tick();
    await token.connect(stranger).approve(vault, parseEther("1000"));
    await tick();
    gas.deposit = await gasUsed(vault.connect(stranger).deposit(parseEther("1000")));
    await tick();
    gas.enrol = await gasUsed(committee.connect(stranger).enrol(taskId, PARAMS.verifierStake));
    await tick();
    gas.registerTask = await gasUsed(
      market.connect(owner).registerTask(PARAMS, transition.head, id("manifest"), LOCATION),
    );
  }

  /**
   * A round that is confirmed, at its dearest: the last winner's bond is given back, and nobody has earnings that are
   * not claimed, so that each one's are stored anew.
   */
  async function measureConfirmed(task: Task): Promise<void> {
    gas.propose = await gasUsed(propose(task));
    gas.openProposal = await gasUsed(openProposal(task));
    gas.requestSeed = await gasUsed(requestSeed(task));
    gas.recordSeed = await gasUsed(recordSeed(task));
    gas.checkLeavesPerLeaf = Math.ceil((await gasUsed(checkLeaves(task))) / Number(task.params.leafChecks));
    gas.commitAttestation = await dearest(task, commitAttestation);
    await passTo((await ends(task)).commitEndsAt);
    gas.revealAttestation = await dearest(task, revealAttestation);
    await passTo((await ends(task)).disputeEndsAt);
    gas.finalizeConfirmed = await gasUsed(finalize(task));
    expect(await outcomeOf(task)).to.equal("Confirmed");
    await tick();
    gas.claim = await gasUsed(task.vault.claim(task.miner));
  }

  async function measureAbsence(task: Task): Promise<void> {
    const { committee, stranger, verifiers, taskId } = task;
    await startRound(task, "Revealing", []);
    await tick();
    gas.reportAbsence = await gasUsed(committee.connect(stranger).reportAbsence(taskId, verifiers[0]));
  }

  async function dearest(task: Task, attest: typeof commitAttestation): Promise<number> {
    let most = 0;
    for (const [i, verifier] of task.verifiers.entries()) {
      most = Math.max(most, await gasUsed(attest(task, verifier, CONFIRMING[i]!)));
    }
    return most;
  }

  async function measureFinalize(task: Task, ballots: Ballot[], outcome: Outcome): Promise<number> {
    await startRound(task, "Ended", ballots);
    const used = await gasUsed(finalize(task));
    expect(await outcomeOf(task)).to.equal(outcome);
    return used;
  }

  for (const [step, limit] of Object.entries(LIMITS)) {
    it(`of ${step} is at most ${limit}`, () => {
      expect(gas[step]).to.be.within(21_000, limit);
    });
  }

  it("is that of snapshots/gas.json", () => {
    expectSnapshot("gas", gas);
  });
});

/** A task of the most proposals and the largest committee, of which 49 verifiers are drawn, against all odds. */
type FullTask = Task & { attesters: HardhatEthersSigner[]; proposing: Task[] };

const ATTESTERS = 49;
const STAKE = parseEther("60");

async function createFullTask(): Promise<FullTask> {
  const seed = id("known beforehand");
  const scenario = await openScenarioWith(
    await ethers.deployContract("TestToken"),
    await ethers.deployContract("FixedRandomness", [seed]),
  );
  const task = await registerTask(scenario, {
    maxProposals: 8n,
    committeeSize: 16n,
    missedRevealPenalty: STAKE,
    verifierStake: STAKE,
    deviationPenalty: STAKE / 8n,
  });
  // Each is drawn once in three rounds; these are in the first.
  const total = BigInt(ATTESTERS) * STAKE;
  const attesters: HardhatEthersSigner[] = [];
  for (let address = 0xabn << 152n; attesters.length < ATTESTERS; address++) {
    const drawn = draw(seed, "COMMITTEE", task.taskId, 1n, 0n, address);
    if (sortitionWeight(drawn, STAKE, total, task.params.committeeSize) === 0n) continue;
    const attester = await partyAt(task, address);
    await tick();
    await task.committee.connect(attester).enrol(task.taskId, STAKE);
    attesters.push(attester);
  }
  const proposing = (await fundParties(task, 8)).map((miner, i) => ({
    ...task,
    miner,
    transition: stepFrom(SMALL_VECTORS.parameters, i + 1),
  }));
  return { ...task, attesters, proposing };
}

describe("limits of a task", () => {
  describe("with 48 attesters of 8 proposals", () => {
    /** Falls from one attester to the next, so that no value is passed over in the search for the median. */
    function falling(most: bigint, step: bigint, i: number): bigint {
      return most - step * BigInt(i);
    }

    const cases: [
      name: string,
      vote: (i: number, proposal: number) => [lossBefore: bigint, lossAfter: bigint],
    ][] = [
      [
        "all but one of whom deviate on every one",
        (i) => [falling(9_000_000n, 20_000n, i), falling(8_000_000n, 10_000n, i)],
      ],
      [
        "all of whom are paid for one and penalized for the others",
        (i, proposal) => [
          falling(9_000_000n, 20n, i),
          proposal === 0 ? falling(7_000_000n, 10n, i) : falling(8_000_000n, 10_000n, i),
        ],
      ],
    ];
    for (const [name, lossesOf] of cases) {
      it(`${name}: finalized in one transaction`, async () => {
        const task = await networkHelpers.loadFixture(createFullTask);
        const { committee, taskId, proposing } = task;
        await startRound(task, "Committing", [], proposing);
        const attesters = task.attesters.slice(0, 48);
        const ballotOf = (i: number): Ballot =>
          positive(lossesOf(i, 0)[0], ...proposing.map((_, proposal) => lossesOf(i, proposal)[1]));
        for (const [i, attester] of attesters.entries()) await commitAttestation(task, attester, ballotOf(i));
        const late = task.attesters[48]!;
        await expectRefused(
          task,
          () => committee.connect(late).commitAttestation(taskId, 1n, id("sealed"), MINED),
          "TooManyAttesters",
          [48n],
          committee,
        );
        await passTo((await ends(task)).commitEndsAt);
        for (const [i, attester] of attesters.entries()) await revealAttestation(task, attester, ballotOf(i));
        await passTo((await ends(task)).disputeEndsAt);
        await tick();
        await task.market.finalize(taskId, { gasLimit: MAX_TRANSACTION_GAS });
        expect(await outcomeOf(task)).to.equal("Confirmed");
        const penalized = await committee.queryFilter(committee.filters.VerifierPenalized(taskId));
        expect(penalized.length).to.be.at.least(47);
        await expectSolvent(task, [...task.attesters, ...proposing.map(({ miner }) => miner)]);
      });
    }
  });

  it("16 leaves of the deepest trees are checked in one transaction that nodes relay", async () => {
    const task = await registerTask(
      await networkHelpers.loadFixture(deployScenario),
      { leafChecks: 16n },
      uniformTransition(32),
    );
    await startRound(task, "LeafChecking");
    const { openings } = await drawnOpenings(task);
    const checking = await checkLeaves(task);
    expect(await gasUsed(Promise.resolve(checking))).to.be.below(MAX_TRANSACTION_GAS);
    // Beside its data a transaction holds a signature, an address and some numbers.
    expect(dataLength(checking.data) + 512).to.be.below(MAX_TRANSACTION_BYTES);
    expect(openings.length).to.equal(16);
  });
});

/** A model of 2^depth leaves, all of them zero, and an update that makes all of them another, equal one. */
function uniformTransition(depth: number): Transition {
  const vectors = followVectors(new Float32Array(256), new Float32Array(256).fill(1e-3));
  const opening = commitTransition(vectors).opening(0);
  const { oldLeaf, updateLeaf, newLeaf, quantLeaf } = opening;
  const [oldPath, updatePath, newPath, quantPath] = [oldLeaf, updateLeaf, newLeaf, quantLeaf].map((leaf) =>
    uniformPath(leaf, depth),
  ) as [string[], string[], string[], string[]];
  const oldRoot = oldPath.pop()!;
  return {
    head: { fullRoot: oldRoot, quantRoot: oldRoot, parameterCount: 256n * 2n ** BigInt(depth) },
    updateRoot: updatePath.pop()!,
    fullRoot: newPath.pop()!,
    quantRoot: quantPath.pop()!,
    depth,
    leafCount: 2 ** depth,
    opening: () => ({
      ...opening,
      oldProof: oldPath,
      updateProof: updatePath,
      newProof: newPath,
      quantProof: quantPath,
    }),
  };
}

/** Hashes at each height of a tree of equal leaves, from the leaf to the root. */
function uniformPath(leaf: Uint8Array, depth: number): string[] {
  const path = [keccak256(leaf)];
  for (let height = 0; height < depth; height++) {
    path.push(keccak256(Buffer.concat([path[height]!, path[height]!])));
  }
  return path.map(toHex);
}
