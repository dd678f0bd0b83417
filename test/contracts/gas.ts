import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { expect } from "chai";
import { type ContractTransactionResponse, dataLength, id, parseEther } from "ethers";
import { named, OUTCOMES } from "../../clients/chain/phase.ts";
import { toHex } from "../../clients/model/bytes.ts";
import { FULL_LEAF_BYTES, QUANT_LEAF_BYTES } from "../../clients/model/geometry.ts";
import { keccak256 } from "../../clients/model/keccak.ts";
import {
  CONFIRMING,
  checkLeaves,
  commitAttestation,
  currentRound,
  deployScenario,
  drawnOpenings,
  ends,
  enrolVerifiers,
  ethers,
  finalize,
  fundParty,
  LOCATION,
  NEGATIVE,
  networkHelpers,
  openProposal,
  PARAMS,
  passTo,
  positive,
  propose,
  recordSeed,
  registerTask,
  requestSeed,
  revealAttestation,
  startRound,
  type Task,
  tick,
  type Vote,
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
  finalizeDearest: 350_000,
};

const BETTER = positive(5_000_000n, 4_990_000n);
const SILENT: Vote = { ...NEGATIVE, silent: true };

async function gasOf(sending: Promise<ContractTransactionResponse>): Promise<number> {
  const receipt = await (await sending).wait();
  return Number(receipt!.gasUsed);
}

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
    await task.market.claim(party);
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
    gas.finalizeRejected = await measureFinalize(task, [NEGATIVE, NEGATIVE, positive(9n, 8n)], "Rejected");
    await snapshot.restore();
    gas.finalizeSilent = await measureFinalize(task, [SILENT, SILENT, SILENT], "Void");
    await snapshot.restore();
    gas.finalizeDearest = await measureFinalize(task, [NEGATIVE, SILENT, BETTER], "Confirmed");
  });

  /** A newcomer's calls, each for the first time. */
  async function measureParty(task: Task): Promise<void> {
    const { token, vault, market, stranger, owner, taskId, transition } = task;
    await tick();
    await token.connect(stranger).faucet(parseEther("1000"));
    await tick();
    await token.connect(stranger).approve(vault, parseEther("1000"));
    await tick();
    gas.deposit = await gasOf(vault.connect(stranger).deposit(parseEther("1000")));
    await tick();
    gas.enrol = await gasOf(market.connect(stranger).enrol(taskId, PARAMS.verifierStake));
    await tick();
    gas.registerTask = await gasOf(
      market.connect(owner).registerTask(PARAMS, transition.head, id("manifest"), LOCATION),
    );
  }

  /**
   * A round that is confirmed, at its dearest: the last winner's bond is given back, and nobody has earnings that are
   * not claimed, so that each one's are stored anew.
   */
  async function measureConfirmed(task: Task): Promise<void> {
    gas.propose = await gasOf(propose(task));
    gas.openProposal = await gasOf(openProposal(task));
    gas.requestSeed = await gasOf(requestSeed(task));
    gas.recordSeed = await gasOf(recordSeed(task));
    gas.checkLeavesPerLeaf = Math.ceil((await gasOf(checkLeaves(task))) / Number(task.params.leafChecks));
    gas.commitAttestation = await dearest(task, commitAttestation);
    await passTo((await ends(task)).commitEndsAt);
    gas.revealAttestation = await dearest(task, revealAttestation);
    await passTo((await ends(task)).disputeEndsAt);
    gas.finalizeConfirmed = await gasOf(finalize(task));
    expect(named(OUTCOMES, (await currentRound(task)).outcome)).to.equal("Confirmed");
    await tick();
    gas.claim = await gasOf(task.market.claim(task.miner));
  }

  async function dearest(task: Task, attest: typeof commitAttestation): Promise<number> {
    let most = 0;
    for (const [i, verifier] of task.verifiers.entries()) {
      most = Math.max(most, await gasOf(attest(task, verifier, CONFIRMING[i]!)));
    }
    return most;
  }

  async function measureFinalize(task: Task, votes: Vote[], outcome: string): Promise<number> {
    await startRound(task, "Ended", votes);
    const used = await gasOf(finalize(task));
    expect(named(OUTCOMES, (await currentRound(task)).outcome)).to.equal(outcome);
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

describe("limits of a task", () => {
  it("64 verifiers enrol, no more, and a round of all of them is finalized in one transaction", async () => {
    const scenario = await networkHelpers.loadFixture(deployScenario);
    const task = await registerTask(scenario);
    const { market, taskId, stranger } = task;
    const verifiers: HardhatEthersSigner[] = [];
    const most = Number(await market.MAX_VERIFIERS());
    expect(most).to.equal(64);
    for (let i = 1; i <= most; i++) {
      const verifier = await ethers.getImpersonatedSigner(ethers.toBeHex(i, 20).replace("0x00", "0xff"));
      await networkHelpers.setBalance(verifier.address, parseEther("1"));
      await fundParty(scenario, verifier);
      await market.connect(verifier).enrol(taskId, PARAMS.verifierStake);
      verifiers.push(verifier);
    }
    await fundParty(scenario, stranger);
    await expect(market.connect(stranger).enrol(taskId, PARAMS.verifierStake))
      .to.be.revertedWithCustomError(market, "TooManyVerifiers")
      .withArgs(64);

    // Each measured otherwise; every other one is silent and the rest are far apart, so that nearly all are penalized.
    const voteOf = (i: number): Vote => positive(BigInt(i) * 1_000_000n, 0n);
    await startRound(task, "Committing");
    for (const [i, verifier] of verifiers.entries()) await commitAttestation(task, verifier, voteOf(i));
    await passTo((await ends(task)).commitEndsAt);
    for (const [i, verifier] of verifiers.entries()) {
      if (i % 2 === 0) await revealAttestation(task, verifier, voteOf(i));
    }
    await passTo((await ends(task)).disputeEndsAt);
    expect(await gasOf(finalize(task))).to.be.below(MAX_TRANSACTION_GAS);
    expect(named(OUTCOMES, (await currentRound(task)).outcome)).to.equal("Confirmed");
  });

  it("16 leaves of the deepest trees are checked in one transaction that nodes relay", async () => {
    const task = await registerTask(
      await networkHelpers.loadFixture(deployScenario),
      { leafChecks: 16n },
      zeroTransition(32),
    );
    await startRound(task, "LeafChecking");
    const { openings } = await drawnOpenings(task);
    const checking = await checkLeaves(task);
    expect(await gasOf(Promise.resolve(checking))).to.be.below(MAX_TRANSACTION_GAS);
    // Beside its data a transaction holds a signature, an address and some numbers.
    expect(dataLength(checking.data) + 512).to.be.below(MAX_TRANSACTION_BYTES);
    expect(openings.length).to.equal(16);
  });
});

/** A model of 2^depth leaves, all of them zero, and the update that leaves it so. */
function zeroTransition(depth: number): Transition {
  const [full, quant] = [new Uint8Array(FULL_LEAF_BYTES), new Uint8Array(QUANT_LEAF_BYTES)];
  const [fullPath, quantPath] = [zeroPath(full, depth), zeroPath(quant, depth)];
  const [fullRoot, quantRoot] = [fullPath.pop()!, quantPath.pop()!];
  return {
    head: { fullRoot, quantRoot, parameterCount: 256n * 2n ** BigInt(depth) },
    fullRoot,
    quantRoot,
    updateRoot: quantRoot,
    depth,
    leafCount: 2 ** depth,
    opening: () => ({
      oldLeaf: full,
      updateLeaf: quant,
      newLeaf: full,
      quantLeaf: quant,
      oldProof: fullPath,
      updateProof: quantPath,
      newProof: fullPath,
      quantProof: quantPath,
    }),
  };
}

/** Hashes at each height of a tree of equal leaves, from the leaf to the root. */
function zeroPath(leaf: Uint8Array, depth: number): string[] {
  const path = [keccak256(leaf)];
  for (let height = 0; height < depth; height++) {
    path.push(keccak256(Buffer.concat([path[height]!, path[height]!])));
  }
  return path.map(toHex);
}
