import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { expect } from "chai";
import { parseEther, toBeHex } from "ethers";
import { named, OUTCOMES } from "../../clients/chain/phase.ts";
import { answerDemand, closeDemand, demandLeaf, type Target, targetOf } from "./support/disputes.ts";
import { expectChanges, expectSolvent, type Ledger, readLedger, wealthOf } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  at,
  CONFIRMING,
  createTask,
  ends,
  ethers,
  finalize,
  fundParty,
  MINED,
  networkHelpers,
  now,
  PARAMS,
  passTo,
  revealAttestation,
  type Scenario,
  startRound,
  type Task,
  tick,
} from "./support/scenario.ts";

const {
  minerReward: REWARD,
  verifierReward: DUTY,
  proposalFee: FEE,
  minerBond: BOND,
  demandDeposit: DEPOSIT,
  answerRefund: REFUND,
  answerSeconds: ANSWER,
  answerSlotSeconds: SLOT,
} = PARAMS;

const MOST = 64;

/** What the j-th demands cost together, j = 1 … 64. */
const FLOOD = (DEPOSIT * BigInt(MOST) * BigInt(MOST + 1)) / 2n;

async function createFlooders(scenario: Scenario): Promise<HardhatEthersSigner[]> {
  const flooders: HardhatEthersSigner[] = [];
  for (let i = 0; i < MOST; i++) {
    const flooder = await ethers.getImpersonatedSigner(toBeHex(BigInt(i) + 2n ** 159n, 20));
    await networkHelpers.setBalance(flooder.address, parseEther("1"));
    await fundParty(scenario, flooder);
    flooders.push(flooder);
  }
  return flooders;
}

describe("Disputes, a flood of demands", () => {
  let task: Task;
  let target: Target;
  let flooders: HardhatEthersSigner[];
  let before: Ledger;
  let wealthBefore: bigint;

  async function wealthOfFlooders(): Promise<bigint> {
    let sum = 0n;
    for (const flooder of flooders) sum += await wealthOf(task, flooder);
    return sum;
  }

  beforeEach(async () => {
    task = await createTask();
    flooders = await createFlooders(task);
    before = await readLedger(task);
    wealthBefore = await wealthOfFlooders();
    await startRound(task, "Revealing");
    target = await targetOf(task);
    for (const [i, flooder] of flooders.entries()) await demandLeaf(task, target, i % 4, flooder);
  });

  afterEach(async () => {
    await expectSolvent(task, flooders);
  });

  async function reveal(): Promise<void> {
    for (const [i, verifier] of task.verifiers.entries()) {
      await revealAttestation(task, verifier, CONFIRMING[i]!);
    }
  }

  it("fills 64 places, and costs who fills them more than the bond", async () => {
    const { disputes, vault, rival } = task;
    expect(await disputes.MAX_OPEN_DEMANDS()).to.equal(64n);
    expect(await disputes.openDemands(...target)).to.equal(64n);
    expect(await vault.balanceOf(disputes)).to.equal(FLOOD);
    expect((await wealthOfFlooders()) - wealthBefore).to.equal(-FLOOD);
    expect(FLOOD - BigInt(MOST) * REFUND > BOND).to.equal(true);
    const { dueAt } = await disputes.demandOf(...target, flooders.at(-1)!);
    expect(dueAt).to.equal((await now()) + ANSWER + BigInt(MOST - 1) * SLOT);

    const demand = async () => {
      await tick();
      return disputes.connect(rival).demand(...target, 0, MINED);
    };
    await expectRefused(task, demand, "TooManyDemands", [64n], disputes);
    await answerDemand(task, target, flooders[40]!);
    await expect(demand())
      .to.emit(disputes, "LeafDemanded")
      .withArgs(...target, rival.address, 0n, BigInt(MOST) * DEPOSIT, (v: bigint) => v > 0n);
  });

  it("that is answered in time costs the miner nothing but gas: it is refunded, paid and confirmed", async () => {
    for (const flooder of flooders) await answerDemand(task, target, flooder);
    await reveal();
    await passTo((await ends(task)).disputeEndsAt);
    await finalize(task);
    expect(named(OUTCOMES, (await task.market.proposal(...target)).outcome)).to.equal("Confirmed");
    expect((await wealthOfFlooders()) - wealthBefore).to.equal(-FLOOD);

    const refunds = BigInt(MOST) * REFUND;
    const shares = await sharesOf(task, DUTY + FEE);
    await expectChanges(task, before, {
      miner: REWARD - FEE + refunds,
      first: shares[0]!,
      second: shares[1]!,
      third: shares[2]!,
      escrow: FEE - REWARD - shares.reduce((sum, share) => sum + share),
      burned: FLOOD - refunds,
    });
  });

  it("leaves time for one answer a slot, in the order in which they are due", async () => {
    const { disputes, miner, transition } = task;
    for (const flooder of flooders) {
      const { leafIndex, dueAt } = await disputes.demandOf(...target, flooder);
      await at(dueAt - 1n);
      await disputes.connect(miner).answer(...target, flooder, transition.opening(Number(leafIndex)));
    }
    expect(await disputes.openDemands(...target)).to.equal(0n);
  });

  it("that is not answered takes the bond once: half of it is the first one's, all get their deposits back", async () => {
    const { disputes, market } = task;
    await reveal();
    await passTo((await disputes.demandOf(...target, flooders.at(-1)!)).dueAt);
    for (const flooder of flooders) await closeDemand(task, target, flooder);
    await finalize(task);
    expect(named(OUTCOMES, (await market.proposal(...target)).outcome)).to.equal("Unanswered");
    expect((await wealthOfFlooders()) - wealthBefore).to.equal(BOND / 2n);
    await expectChanges(task, before, {
      miner: -FEE - BOND,
      escrow: FEE,
      burned: BOND - BOND / 2n,
    });
  });
});

/** A pot shared by the weights of a round's attesters, rounded down. */
async function sharesOf({ committee, taskId }: Task, pot: bigint): Promise<bigint[]> {
  const weights = (await committee.attesters(taskId, 1n)).map(({ weight }) => weight);
  const total = weights.reduce((sum, weight) => sum + weight);
  return weights.map((weight) => (pot * weight) / total);
}
