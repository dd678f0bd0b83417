import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { expect } from "chai";
import { NO_WINNER, named, OUTCOMES, type Outcome, PHASES, STATUSES } from "../../clients/chain/phase.ts";
import { QUANT_LEAF_BYTES } from "../../clients/model/geometry.ts";
import { proveFraud, startSparing } from "./support/disputes.ts";
import { expectChanges, expectSolvent, type Ledger, readLedger } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  at,
  attest,
  type Ballot,
  checkLeaves,
  createTask,
  currentRound,
  DEPOSIT,
  ends,
  finalize,
  MINED,
  NONE,
  networkHelpers,
  openingArguments,
  openProposal,
  outcomeOf,
  PARAMS,
  passTo,
  playRound,
  positive,
  propose,
  SMALL,
  SMALL_VECTORS,
  STAKES,
  startRound,
  stepFrom,
  type Task,
  tick,
  type Vote,
} from "./support/scenario.ts";
import { commitTransition, followVectors, type Transition, type Vectors } from "./support/transition.ts";

const {
  minerReward: REWARD,
  verifierReward: DUTY,
  proposalFee: FEE,
  minerBond: BOND,
  missedRevealPenalty: MISSED,
  deviationPenalty: DEVIATED,
} = PARAMS;

const REJECTED = (BOND * PARAMS.rejectionBps) / 10_000n;
const BEFORE = 5_000_000n;
const NEGATIVE: Vote = { verdict: "Negative", reason: 3, lossAfter: 0n };

/** A positive vote by how much it improved, in micro-nats. */
function improved(improvement: bigint): Vote {
  return { verdict: "Positive", reason: 0, lossAfter: BEFORE - improvement };
}

function ballot(...votes: Vote[]): Ballot {
  return { lossBefore: BEFORE, votes };
}

/** The same ballot of each of the three verifiers. */
function unanimous(...votes: Vote[]): Ballot[] {
  return STAKES.map(() => ballot(...votes));
}

/** Shares by stake, each rounded down, of the pots that all three verifiers are paid from. */
function sharesOf(...pots: bigint[]): { first: bigint; second: bigint; third: bigint; rest: bigint } {
  const total = STAKES.reduce((sum, stake) => sum + stake, 0n);
  const share = (stake: bigint) => pots.reduce((sum, pot) => sum + (pot * stake) / total, 0n);
  const [first, second, third] = [share(STAKES[0]), share(STAKES[1]), share(STAKES[2])];
  const rest = pots.reduce((sum, pot) => sum + pot, 0n) - first - second - third;
  return { first, second, third, rest };
}

/** The same work with another quantized form, which is wrong in leaf 0. */
function misquantized(vectors: Vectors): Transition {
  const newQuant = vectors.newQuant.slice();
  newQuant[QUANT_LEAF_BYTES - 1]! ^= 1;
  return commitTransition({ ...vectors, newQuant });
}

describe("TrainingMarket, competition", () => {
  let task: Task;
  let before: Ledger;

  beforeEach(async () => {
    task = await networkHelpers.loadFixture(createTask);
    before = await readLedger(task);
  });

  afterEach(async () => {
    await expectSolvent(task);
  });

  /** The task as a miner sees it that makes a step of its own from the same head. */
  function by(miner: HardhatEthersSigner, transition: Transition): Task {
    return { ...task, miner, transition };
  }

  const step = (number: number) => stepFrom(SMALL_VECTORS.parameters, number);

  async function freeOf(miner: HardhatEthersSigner): Promise<bigint> {
    return (await task.vault.accounts(miner)).free;
  }

  async function outcomes(): Promise<Outcome[]> {
    const { market, taskId } = task;
    const { round } = await market.task(taskId);
    const proposals = await market.proposals(taskId, round);
    return proposals.map(({ outcome }) => named(OUTCOMES, outcome));
  }

  describe("of two that are good enough", () => {
    it("the better one becomes the head, whichever came first, and the other's bond goes back", async () => {
      const { market, taskId, miner, rival } = task;
      const other = by(rival, step(1));
      await playRound(task, unanimous(improved(10_000n), improved(12_000n)), [task, other]);
      await finalize(task);
      expect(await outcomes()).to.deep.equal(["Outdone", "Confirmed"]);
      const { head, headRound, headProposal } = await market.task(taskId);
      expect([head.fullRoot, head.quantRoot, headRound, headProposal]).to.deep.equal([
        other.transition.fullRoot,
        other.transition.quantRoot,
        1n,
        1n,
      ]);
      expect((await currentRound(task)).winner).to.equal(1n);
      expect([await freeOf(miner), await freeOf(rival)]).to.deep.equal([DEPOSIT, DEPOSIT - BOND]);
    });

    it("both fees are shared, and only the winner's verifiers share the reward", async () => {
      const other = by(task.rival, step(1));
      // A negative verdict of 200 in 950 of stake rejects nothing.
      const contrary = ballot(NEGATIVE, improved(12_000n));
      const agreeing = ballot(improved(10_000n), improved(12_000n));
      await playRound(task, [contrary, agreeing, agreeing], [task, other]);
      await finalize(task);
      expect(await outcomes()).to.deep.equal(["Outdone", "Confirmed"]);
      const both = sharesOf(DUTY + FEE);
      const ofFirst = (stake: bigint) => (FEE * stake) / (STAKES[1] + STAKES[2]);
      const paid = {
        first: both.first - DEVIATED,
        second: both.second + ofFirst(STAKES[1]),
        third: both.third + ofFirst(STAKES[2]),
      };
      await expectChanges(task, before, {
        miner: -FEE,
        rival: REWARD - FEE,
        ...paid,
        escrow: 2n * FEE - REWARD - paid.first - DEVIATED - paid.second - paid.third,
        burned: DEVIATED,
      });
    });

    it("the earlier one becomes the head where they are as good as each other", async () => {
      const other = by(task.rival, step(1));
      await playRound(task, unanimous(improved(10_000n), improved(10_000n)), [task, other]);
      await finalize(task);
      expect(await outcomes()).to.deep.equal(["Confirmed", "Outdone"]);
      expect((await currentRound(task)).winner).to.equal(0n);
    });

    it("the weighted median of the improvement counts, not the best that anyone measured", async () => {
      const other = by(task.rival, step(1));
      // 200, 300 and 450 of stake: the median of the first is 6,000, that of the second 7,000.
      await playRound(
        task,
        [
          ballot(improved(6_000n), improved(7_000n)),
          ballot(improved(6_000n), improved(7_000n)),
          ballot(improved(7_900n), improved(7_000n)),
        ],
        [task, other],
      );
      await finalize(task);
      expect(await outcomes()).to.deep.equal(["Outdone", "Confirmed"]);
    });
  });

  it("each proposal of a round ends on its own: confirmed, rejected, void, not opened", async () => {
    const { miner, rival, owner, verifiers } = task;
    const [, second] = verifiers;
    const proposing = [
      by(miner, SMALL),
      by(rival, step(1)),
      by(owner, step(2)),
      by(second, step(3)),
    ] as const;
    for (const each of proposing) await propose(each);
    // The fourth is not opened.
    for (const index of [0, 1, 2]) await openProposal(proposing[index]!, BigInt(index));
    await passTo((await ends(task)).openingEndsAt);
    await tick();
    await task.market.requestSeed(task.taskId);
    for (let block = 0; block < 3; block++) await networkHelpers.mine();
    await task.market.recordSeed(task.taskId);
    for (const index of [0, 1, 2]) await checkLeaves(proposing[index]!, BigInt(index));
    await attest(task, unanimous(improved(10_000n), NEGATIVE, improved(0n), NONE));
    await finalize(task);
    expect(await outcomes()).to.deep.equal(["Confirmed", "Rejected", "Void", "Unopened"]);
    const { first, second: paidSecond, third, rest } = sharesOf(DUTY + FEE, FEE, FEE);
    await expectChanges(task, before, {
      miner: REWARD - FEE,
      rival: -FEE - REJECTED,
      owner: -FEE,
      first,
      second: paidSecond - FEE - BOND,
      third,
      escrow: FEE + rest - REWARD - DUTY,
      burned: REJECTED + BOND,
    });
  });

  it("each proposal of a round ends on its own: outdone, not checked, shown to be a fraud, confirmed", async () => {
    const { market, disputes, miner, rival, owner, verifiers, taskId, stranger } = task;
    const [, second] = verifiers;
    const forged = followVectors(SMALL_VECTORS.parameters, new Float32Array(700).fill(3e-3));
    const proposing = [
      by(miner, step(1)),
      by(rival, step(2)),
      by(owner, misquantized(forged)),
      by(second, SMALL),
    ] as const;
    await startRound(task, "LeafChecking", [], proposing);
    await checkLeaves(proposing[0], 0n);
    await checkLeaves(proposing[3], 3n);
    await tick();
    await expect(
      disputes.connect(stranger).proveFraud(taskId, 1n, 2n, 0n, proposing[2].transition.opening(0)),
    )
      .to.emit(market, "ProposalRefuted")
      .withArgs(taskId, 1n, 2n, OUTCOMES.indexOf("Fraud"), stranger.address);
    await passTo((await ends(task)).leafCheckEndsAt);
    const own = (vote: Vote) => ballot(improved(10_000n), NONE, NONE, vote);
    await attest(task, [own(improved(12_000n)), own(NONE), own(improved(12_000n))]);
    await finalize(task);
    expect(await outcomes()).to.deep.equal(["Outdone", "Unchecked", "Fraud", "Confirmed"]);
    const onFirst = sharesOf(FEE);
    const [one, three] = [STAKES[0], STAKES[2]];
    const onFourth = (stake: bigint) => ((DUTY + FEE) * stake) / (one + three);
    const paid = onFirst.first + onFirst.second + onFirst.third + onFourth(one) + onFourth(three);
    await expectChanges(task, before, {
      miner: -FEE,
      rival: -FEE - BOND,
      owner: -FEE - BOND,
      first: onFirst.first + onFourth(one),
      second: REWARD - FEE + onFirst.second,
      third: onFirst.third + onFourth(three),
      escrow: 4n * FEE - REWARD - paid,
      burned: BOND + BOND - BOND / 2n,
    });
    expect(await task.vault.balanceOf(stranger)).to.equal(BOND / 2n);
  });

  it("a verifier pays for each proposal on which it deviates, and once for its silence", async () => {
    const other = by(task.rival, step(1));
    const right = ballot(improved(10_000n), improved(12_000n));
    const wrong = ballot(improved(20_000n), NEGATIVE);
    await playRound(task, [{ ...wrong, silent: true }, wrong, right], [task, other]);
    await finalize(task);
    expect(await outcomes()).to.deep.equal(["Confirmed", "Rejected"]);
    await expectChanges(task, before, {
      miner: REWARD - FEE,
      rival: -FEE - REJECTED,
      first: -MISSED,
      // Wrong on the first, right on the second, by its weight.
      second: FEE - DEVIATED,
      third: FEE + DUTY - DEVIATED,
      escrow: -REWARD - DUTY,
      burned: MISSED + 2n * DEVIATED + REJECTED,
    });
  });

  it("a round in which every proposal is refuted ends at once, before anybody attests", async () => {
    const { market, disputes, taskId, stranger } = task;
    const forged = by(task.rival, misquantized(SMALL_VECTORS));
    await startRound(forged, "Seeding");
    await tick();
    await disputes.connect(stranger).proveFraud(taskId, 1n, 0n, 0n, forged.transition.opening(0));
    expect(named(PHASES, await market.phase(taskId))).to.equal("Ended");
    await finalize(task);
    expect((await currentRound(task)).winner).to.equal(NO_WINNER);
    expect(named(PHASES, await market.phase(taskId))).to.equal("Idle");
  });

  it("a round in which every proposal is refuted costs nobody who has not revealed by then", async () => {
    const { market, taskId, stranger } = task;
    const forged = by(task.rival, misquantized(SMALL_VECTORS));
    await startSparing(forged, 0, "Revealing");
    await proveFraud(forged, [taskId, 1n, 0n], 0, stranger, ["new", "quant"]);
    expect(named(PHASES, await market.phase(taskId))).to.equal("Ended");
    await finalize(task);
    await expectChanges(task, before, { rival: -FEE - BOND, escrow: FEE, burned: BOND - BOND / 2n });
  });

  describe("of the same model from the same head", () => {
    /** Expects a proposal to have ended as a duplicate, with its bond back, and to be of no consequence to the round. */
    async function expectDuplicate(index: bigint, miner: HardhatEthersSigner): Promise<void> {
      const { market, taskId } = task;
      const { round } = await market.task(taskId);
      const { status, outcome, bond } = await market.proposal(taskId, round, index);
      expect([named(STATUSES, status), named(OUTCOMES, outcome), bond]).to.deep.equal([
        "Final",
        "Duplicate",
        0n,
      ]);
      expect(await freeOf(miner)).to.equal(DEPOSIT);
    }

    async function statusOf(index: bigint): Promise<string> {
      const { market, taskId } = task;
      const { round } = await market.task(taskId);
      return named(STATUSES, (await market.proposal(taskId, round, index)).status);
    }

    for (const order of [
      [0n, 1n],
      [1n, 0n],
    ]) {
      it(`the earliest commitment counts, where number ${order[0]} opens first`, async () => {
        const copy = by(task.rival, SMALL);
        await propose(task);
        await propose(copy);
        for (const index of order) await openProposal(index === 0n ? task : copy, index);
        await expectDuplicate(1n, task.rival);
        expect(await statusOf(0n)).to.equal("Opened");
        expect((await currentRound(task)).opened).to.equal(1n);
        const { market, taskId, miner } = task;
        expect(await market.priority(taskId, 0n, SMALL.fullRoot)).to.deep.equal([miner.address, 1n, 0n]);
      });
    }

    it("the earliest of three counts, where they open from the last to the first", async () => {
      const { miner, rival, owner } = task;
      const proposing = [by(miner, SMALL), by(rival, SMALL), by(owner, SMALL)];
      for (const each of proposing) await propose(each);
      await openProposal(proposing[2]!, 2n);
      await openProposal(proposing[1]!, 1n);
      await expectDuplicate(2n, owner);
      expect(await statusOf(1n)).to.equal("Opened");
      await openProposal(proposing[0]!, 0n);
      await expectDuplicate(1n, rival);
      expect(await statusOf(0n)).to.equal("Opened");
    });

    it("a model is its full parameters: other roots beside them make no other model", async () => {
      const copy = by(task.rival, { ...misquantized(SMALL_VECTORS), updateRoot: SMALL.quantRoot });
      expect(copy.transition.fullRoot).to.equal(SMALL.fullRoot);
      await propose(task);
      await propose(copy);
      await openProposal(copy, 1n);
      await openProposal(task, 0n);
      await expectDuplicate(1n, task.rival);
    });

    it("its fee stays with the task, and a round of nothing else ends with the opening window", async () => {
      await playRound(task, []);
      await finalize(task);
      before = await readLedger(task);
      const copy = by(task.rival, SMALL);
      await propose(copy);
      await openProposal(copy);
      await expectDuplicate(0n, task.rival);
      await passTo((await ends(task)).openingEndsAt);
      expect(named(PHASES, await task.market.phase(task.taskId))).to.equal("Ended");
      await finalize(task);
      await expectChanges(task, before, { rival: -FEE, escrow: FEE });
    });

    it("who opened it first keeps it over void rounds, against others and not against itself", async () => {
      const { market, taskId, rival, miner } = task;
      await playRound(task, []);
      await finalize(task);
      expect(await outcomes()).to.deep.equal(["Void"]);

      const copy = by(rival, SMALL);
      await propose(copy);
      await propose(task);
      await openProposal(copy, 0n);
      await expectDuplicate(0n, rival);
      await openProposal(task, 1n);
      expect(await statusOf(1n)).to.equal("Opened");
      expect(await market.priority(taskId, 0n, SMALL.fullRoot)).to.deep.equal([miner.address, 1n, 0n]);

      // And in the round after that one, too.
      await passTo((await ends(task)).openingEndsAt + (await market.MAX_SEEDING_SECONDS()));
      await finalize(task);
      await propose(copy);
      await openProposal(copy);
      await expectDuplicate(0n, rival);
    });

    it("who opened it in an earlier round keeps it against a commitment with a lower number", async () => {
      const { rival } = task;
      await playRound(task, [], [by(rival, step(1)), task]);
      await finalize(task);
      expect(await outcomes()).to.deep.equal(["Void", "Void"]);
      const copy = by(rival, SMALL);
      await propose(copy);
      await openProposal(copy);
      await expectDuplicate(0n, rival);
    });

    it("counts anew from the next head", async () => {
      const { market, taskId, miner, rival } = task;
      await playRound(task, []);
      await finalize(task);
      const winner = by(rival, step(1));
      await playRound(winner, [positive(BEFORE, BEFORE - 10_000n), positive(BEFORE, BEFORE - 10_000n)]);
      await finalize(task);
      expect(await outcomes()).to.deep.equal(["Confirmed"]);

      const again = by(rival, SMALL);
      await propose(again);
      await openProposal(again);
      expect(await statusOf(0n)).to.equal("Opened");
      expect(await market.priority(taskId, 0n, SMALL.fullRoot)).to.deep.equal([miner.address, 1n, 0n]);
      expect(await market.priority(taskId, 2n, SMALL.fullRoot)).to.deep.equal([rival.address, 3n, 0n]);
    });

    it("the head's own model counts for nobody, not even for who made it", async () => {
      const { vault, miner } = task;
      const idle = by(task.rival, { ...step(1), fullRoot: SMALL.head.fullRoot });
      await propose(idle);
      await openProposal(idle);
      await expectDuplicate(0n, task.rival);
      await passTo((await ends(task)).openingEndsAt);
      await finalize(task);

      await playRound(task, unanimous(improved(10_000n)));
      await finalize(task);
      await propose(task);
      await openProposal(task);
      expect(await outcomeOf(task)).to.equal("Duplicate");
      // What is locked is the bond that answers for the head.
      expect((await vault.accounts(miner)).locked).to.equal(BOND);
    });

    it("an earlier commitment takes the place of one that was refuted before it was opened", async () => {
      const { market, disputes, miner, rival, stranger, taskId } = task;
      const copy = by(rival, misquantized(SMALL_VECTORS));
      await propose(task);
      await propose(copy);
      await openProposal(copy, 1n);
      await tick();
      await disputes.connect(stranger).proveFraud(taskId, 1n, 1n, 0n, copy.transition.opening(0));
      await openProposal(task, 0n);
      expect(await outcomes()).to.deep.equal(["None", "Fraud"]);
      expect((await currentRound(task)).opened).to.equal(1n);
      expect(await market.priority(taskId, 0n, SMALL.fullRoot)).to.deep.equal([miner.address, 1n, 0n]);
    });

    it("says so with the proposal that ends", async () => {
      const { market, taskId } = task;
      const copy = by(task.rival, SMALL);
      await propose(task);
      await propose(copy);
      await openProposal(copy, 1n);
      await at((await ends(task)).proposalEndsAt + 5n);
      const opening = market.openProposal(...openingArguments(task));
      await expect(opening).to.emit(market, "ProposalOpened");
      await expect(opening)
        .to.emit(market, "ProposalEnded")
        .withArgs(taskId, 1n, 1n, OUTCOMES.indexOf("Duplicate"));
    });

    it("a duplicate's leaves are not checked", async () => {
      const copy = by(task.rival, SMALL);
      await startRound(task, "LeafChecking", [], [task, copy]);
      await expectRefused(task, () => task.market.checkLeaves(task.taskId, 1n, [], MINED), "WrongStatus", [
        STATUSES.indexOf("Final"),
        STATUSES.indexOf("Opened"),
      ]);
    });
  });
});
