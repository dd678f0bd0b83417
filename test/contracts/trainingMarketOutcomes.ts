import { expect } from "chai";
import { parseEther } from "ethers";
import { named, OUTCOMES, type Outcome, PHASES } from "../../clients/chain/phase.ts";
import { FORGERIES, forgedTransition } from "./support/forgery.ts";
import { expectChanges, expectSolvent, type Ledger, readLedger } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  at,
  CONFIRMING,
  checkLeaves,
  commitAttestation,
  createTask,
  currentRound,
  DEPOSIT,
  drawnOpenings,
  ESCROW,
  ends,
  enrolVerifiers,
  finalize,
  MINED,
  NEGATIVE,
  networkHelpers,
  now,
  openingArguments,
  openProposal,
  PARAMS,
  passTo,
  playRound,
  positive,
  propose,
  recordSeed,
  registerTask,
  requestSeed,
  revealAttestation,
  SMALL_VECTORS,
  STAKES,
  startRound,
  type Task,
  tick,
  UNAVAILABLE,
  type Vote,
} from "./support/scenario.ts";
import { commitTransition, followVectors, makeVectors } from "./support/transition.ts";

const {
  minerReward: REWARD,
  verifierReward: DUTY,
  proposalFee: FEE,
  minerBond: BOND,
  missedRevealPenalty: MISSED,
  deviationPenalty: DEVIATED,
  rejectionBps: REJECTION_BPS,
  minImprovementMicroNats: EPSILON,
  toleranceMicroNats: TOLERANCE,
} = PARAMS;

const BEFORE = 5_000_000n;
const BETTER = positive(BEFORE, BEFORE - 10_000n);
const WORSE = positive(BEFORE, BEFORE + 10_000n);
const SAME = positive(BEFORE, BEFORE);
const REJECTED = (BOND * REJECTION_BPS) / 10_000n;

/** What a slash pays; the rest burns. */
function paid(amount: bigint): bigint {
  return amount / 2n;
}

function burned(...amounts: bigint[]): bigint {
  return amounts.reduce((sum, amount) => sum + amount - paid(amount), 0n);
}

function silent(vote: Vote): Vote {
  return { ...vote, silent: true };
}

/** Shares of a pot by stake, rounded down, and what is left of it. */
function split(pot: bigint, stakes: readonly bigint[]): { shares: bigint[]; rest: bigint } {
  const total = stakes.reduce((sum, stake) => sum + stake, 0n);
  const shares = stakes.map((stake) => (pot * stake) / total);
  return { shares, rest: pot - shares.reduce((sum, share) => sum + share, 0n) };
}

async function outcomeOf(task: Task): Promise<Outcome> {
  return named(OUTCOMES, (await currentRound(task)).outcome);
}

async function improvementOf(task: Task): Promise<bigint> {
  const events = await task.market.queryFilter(task.market.filters.RoundFinalized(task.taskId));
  return events.at(-1)!.args.improvementMicroNats;
}

describe("TrainingMarket, outcomes to the wei", () => {
  let task: Task;
  let before: Ledger;

  beforeEach(async () => {
    task = await networkHelpers.loadFixture(createTask);
    before = await readLedger(task);
  });

  afterEach(async () => {
    await expectSolvent(task);
  });

  /** Plays a round with these votes and expects its outcome and what it did to everyone's money. */
  async function expectRound(
    votes: (Vote | undefined)[],
    outcome: Outcome,
    changes: Partial<Ledger>,
  ): Promise<void> {
    await playRound(task, votes);
    await expectSolvent(task);
    await finalize(task);
    expect(await outcomeOf(task)).to.equal(outcome);
    await expectChanges(task, before, changes);
  }

  /** Plays rounds of one drawn leaf each until the seed draws this one, and checks it. */
  async function playUntilDrawn(drawing: Task, leaf: number): Promise<void> {
    for (;;) {
      await startRound(drawing, "LeafChecking");
      const { indices } = await drawnOpenings(drawing);
      if (indices[0] === leaf) break;
      await passTo((await ends(drawing)).leafCheckEndsAt);
      await finalize(drawing);
    }
    await checkLeaves(drawing);
  }

  /** From the leaf check to the round's end. */
  async function attest(attesting: Task, votes: Vote[]): Promise<void> {
    const { verifiers } = attesting;
    for (const [i, vote] of votes.entries()) await commitAttestation(attesting, verifiers[i]!, vote);
    await passTo((await ends(attesting)).commitEndsAt);
    for (const [i, vote] of votes.entries()) {
      if (!vote.silent) await revealAttestation(attesting, verifiers[i]!, vote);
    }
    await passTo((await ends(attesting)).disputeEndsAt);
  }

  describe("Confirmed", () => {
    it("pays the miner, and the verifiers by stake", async () => {
      const { shares, rest } = split(DUTY + FEE, STAKES);
      expect(rest > 0n).to.equal(true);
      await expectRound(CONFIRMING, "Confirmed", {
        miner: REWARD - FEE,
        first: shares[0]!,
        second: shares[1]!,
        third: shares[2]!,
        escrow: -REWARD - DUTY + rest,
      });
      expect(await improvementOf(task)).to.equal(10_000n);
    });

    it("costs the silent and those against it their penalties, of which the others get half", async () => {
      const pot = DUTY + FEE + paid(MISSED) + paid(DEVIATED);
      await expectRound([NEGATIVE, silent(BETTER), BETTER], "Confirmed", {
        miner: REWARD - FEE,
        first: -DEVIATED,
        second: -MISSED,
        third: pot,
        escrow: -REWARD - DUTY,
        burned: burned(MISSED, DEVIATED),
      });
    });

    it("costs one whose losses are out of tolerance, on either side", async () => {
      const off = { ...BETTER, lossBefore: BEFORE + TOLERANCE + 1n, lossAfter: BEFORE - 10_000n };
      const { shares, rest } = split(DUTY + FEE + paid(DEVIATED), [STAKES[1], STAKES[2]]);
      await expectRound([off, BETTER, BETTER], "Confirmed", {
        miner: REWARD - FEE,
        first: -DEVIATED,
        second: shares[0]!,
        third: shares[1]!,
        escrow: -REWARD - DUTY + rest,
        burned: burned(DEVIATED),
      });
    });

    it("leaves one that abstained as it was", async () => {
      const { shares, rest } = split(DUTY + FEE, [STAKES[1], STAKES[2]]);
      await expectRound([UNAVAILABLE, BETTER, BETTER], "Confirmed", {
        miner: REWARD - FEE,
        second: shares[0]!,
        third: shares[1]!,
        escrow: -REWARD - DUTY + rest,
      });
    });

    it("leaves one that did not commit as it was", async () => {
      const { shares, rest } = split(DUTY + FEE, [STAKES[0], STAKES[2]]);
      await expectRound([BETTER, undefined, BETTER], "Confirmed", {
        miner: REWARD - FEE,
        first: shares[0]!,
        third: shares[1]!,
        escrow: -REWARD - DUTY + rest,
      });
    });

    it("keeps the winner's bond locked until the next head, then gives it back", async () => {
      const { vault, miner, rival } = task;
      const bondOf = async (party: typeof miner) => {
        const { free, locked } = await vault.accounts(party);
        expect(free + locked).to.equal(DEPOSIT);
        return locked;
      };
      await playRound(task);
      expect(await bondOf(miner)).to.equal(BOND);
      await finalize(task);
      expect(await bondOf(miner)).to.equal(BOND);

      const step = new Float32Array(700).fill(-1e-3);
      const next = commitTransition(followVectors(SMALL_VECTORS.newParameters, step));
      const second = { ...task, miner: rival, transition: next };
      await playRound(second, [SAME, SAME, SAME]);
      await finalize(second);
      expect(await outcomeOf(task)).to.equal("Void");
      expect([await bondOf(miner), await bondOf(rival)]).to.deep.equal([BOND, 0n]);

      await playRound(second);
      await finalize(second);
      expect(await outcomeOf(task)).to.equal("Confirmed");
      expect([await bondOf(miner), await bondOf(rival)]).to.deep.equal([0n, BOND]);
      const { head, headMiner } = await task.market.task(task.taskId);
      expect([head.fullRoot, headMiner]).to.deep.equal([next.fullRoot, rival.address]);
    });

    it("of the same miner again keeps one bond locked", async () => {
      await playRound(task);
      await finalize(task);
      const next = commitTransition(
        followVectors(SMALL_VECTORS.newParameters, new Float32Array(700).fill(1e-3)),
      );
      await playRound({ ...task, transition: next });
      await finalize(task);
      expect((await task.vault.accounts(task.miner)).locked).to.equal(BOND);
    });
  });

  describe("Rejected by votes", () => {
    it("costs the miner a share of its bond, which goes to those who voted so", async () => {
      const pot = DUTY + FEE + paid(REJECTED) + paid(DEVIATED);
      const { shares, rest } = split(pot, [STAKES[0], STAKES[1]]);
      await expectRound([NEGATIVE, { ...NEGATIVE, reason: 1 }, BETTER], "Rejected", {
        miner: -FEE - REJECTED,
        first: shares[0]!,
        second: shares[1]!,
        third: -DEVIATED,
        escrow: -DUTY + rest,
        burned: burned(REJECTED, DEVIATED),
      });
      expect((await task.vault.accounts(task.miner)).locked).to.equal(0n);
    });

    it("costs the silent too, and leaves one that abstained as it was", async () => {
      const pot = DUTY + FEE + paid(REJECTED) + paid(MISSED);
      await expectRound([silent(BETTER), UNAVAILABLE, NEGATIVE], "Rejected", {
        miner: -FEE - REJECTED,
        first: -MISSED,
        third: pot,
        escrow: -DUTY,
        burned: burned(REJECTED, MISSED),
      });
    });

    it("costs nothing where the task has set no share", async () => {
      const mild = await registerTask(task, { rejectionBps: 0n });
      await enrolVerifiers(mild);
      await playRound(mild, [NEGATIVE, NEGATIVE, NEGATIVE]);
      await finalize(mild);
      expect(await outcomeOf(mild)).to.equal("Rejected");
      expect((await task.vault.accounts(task.miner)).free).to.equal(DEPOSIT);
    });
  });

  describe("Rejected by a worse loss", () => {
    it("costs the miner the same share, and pays those who measured it", async () => {
      const { shares, rest } = split(DUTY + FEE + paid(REJECTED), [STAKES[1], STAKES[2]]);
      await expectRound([NEGATIVE, WORSE, WORSE], "Rejected", {
        miner: -FEE - REJECTED,
        second: shares[0]!,
        third: shares[1]!,
        escrow: -DUTY + rest,
        burned: burned(REJECTED),
      });
      expect(await improvementOf(task)).to.equal(-10_000n);
    });

    it("costs one whose losses are out of tolerance", async () => {
      const { shares, rest } = split(DUTY + FEE + paid(REJECTED) + paid(DEVIATED), [STAKES[1], STAKES[2]]);
      await expectRound([BETTER, WORSE, WORSE], "Rejected", {
        miner: -FEE - REJECTED,
        first: -DEVIATED,
        second: shares[0]!,
        third: shares[1]!,
        escrow: -DUTY + rest,
        burned: burned(REJECTED, DEVIATED),
      });
    });
  });

  describe("Void", () => {
    it("by an improvement between the bounds pays the verifiers the fee and nothing else", async () => {
      const { shares, rest } = split(FEE, STAKES);
      await expectRound([SAME, SAME, SAME], "Void", {
        miner: -FEE,
        first: shares[0]!,
        second: shares[1]!,
        third: shares[2]!,
        escrow: rest,
      });
    });

    it("costs nobody but the silent", async () => {
      const off = positive(BEFORE, BEFORE - 3n * TOLERANCE);
      await expectRound([silent(SAME), off, SAME], "Void", {
        miner: -FEE,
        first: -MISSED,
        third: FEE + paid(MISSED),
        burned: burned(MISSED),
      });
    });

    it("for want of a quorum pays those who came, whatever they measured", async () => {
      await expectRound([BETTER], "Void", { miner: -FEE, first: FEE });
    });

    it("for want of a quorum neither pays nor costs a negative verdict", async () => {
      await expectRound([NEGATIVE], "Void", { miner: -FEE, escrow: FEE });
    });

    it("gives the task the fee where nobody came, or all abstained", async () => {
      await expectRound([], "Void", { miner: -FEE, escrow: FEE });
      before = await readLedger(task);
      await expectRound([UNAVAILABLE, UNAVAILABLE, UNAVAILABLE], "Void", { miner: -FEE, escrow: FEE });
    });

    it("gives the task half of what the silent lose where nobody revealed", async () => {
      await expectRound([silent(BETTER), silent(BETTER), silent(BETTER)], "Void", {
        miner: -FEE,
        first: -MISSED,
        second: -MISSED,
        third: -MISSED,
        escrow: FEE + 3n * paid(MISSED),
        burned: burned(MISSED, MISSED, MISSED),
      });
    });

    it("gives the miner its bond back", async () => {
      await playRound(task, []);
      expect((await task.vault.accounts(task.miner)).locked).to.equal(BOND);
      await finalize(task);
      expect((await task.vault.accounts(task.miner)).free).to.equal(DEPOSIT);
    });
  });

  describe("bounds of the improvement", () => {
    const bounds: [improvement: bigint, Outcome][] = [
      [EPSILON, "Confirmed"],
      [EPSILON - 1n, "Void"],
      [0n, "Void"],
      [-TOLERANCE, "Void"],
      [-TOLERANCE - 1n, "Rejected"],
    ];
    for (const [improvement, outcome] of bounds) {
      it(`${improvement} micro-nats: ${outcome}`, async () => {
        const vote = positive(BEFORE, BEFORE - improvement);
        await playRound(task, [vote, vote, vote]);
        await finalize(task);
        expect(await outcomeOf(task)).to.equal(outcome);
        expect(await improvementOf(task)).to.equal(improvement);
      });
    }
  });

  describe("bounds of the quorum and of the vote", () => {
    /** A task in which the first two verifiers have these stakes. */
    async function withStakes(first: bigint, second: bigint, quorumBps: bigint): Promise<Task> {
      const other = await registerTask(task, { quorumBps });
      await other.market.connect(other.verifiers[0]).enrol(other.taskId, first);
      await other.market.connect(other.verifiers[1]).enrol(other.taskId, second);
      return other;
    }

    it("a quorum is reached with exactly its share of the enrolled stake", async () => {
      const half = await withStakes(parseEther("300"), parseEther("300"), 5_000n);
      await playRound(half, [BETTER]);
      await finalize(half);
      expect(await outcomeOf(half)).to.equal("Confirmed");
    });

    it("and missed with a wei less", async () => {
      const less = await withStakes(parseEther("300"), parseEther("300") + 1n, 5_000n);
      await playRound(less, [BETTER]);
      await finalize(less);
      expect(await outcomeOf(less)).to.equal("Void");
    });

    it("and counts neither stake that came nor stake that left since the proposal window", async () => {
      const half = await withStakes(parseEther("300"), parseEther("300"), 5_000n);
      await startRound(half, "Committing");
      await half.market.connect(half.rival).enrol(half.taskId, parseEther("1000"));
      await attest(half, [BETTER]);
      await finalize(half);
      expect(await outcomeOf(half)).to.equal("Confirmed");

      const less = await withStakes(parseEther("300"), parseEther("300") + 1n, 5_000n);
      await startRound(less, "Committing");
      await less.market.connect(less.verifiers[1]).disenrol(less.taskId);
      await attest(less, [BETTER]);
      await finalize(less);
      expect(await outcomeOf(less)).to.equal("Void");
    });

    it("counts commitments, revealed or not", async () => {
      const all = await withStakes(parseEther("300"), parseEther("300"), 10_000n);
      await playRound(all, [BETTER, silent(BETTER)]);
      await finalize(all);
      expect(await outcomeOf(all)).to.equal("Confirmed");
    });

    it("a third of the revealed stake does not reject", async () => {
      const third = await withStakes(parseEther("300"), parseEther("600"), 5_000n);
      await playRound(third, [NEGATIVE, BETTER]);
      await finalize(third);
      expect(await outcomeOf(third)).to.equal("Confirmed");
    });

    it("and a wei more does", async () => {
      const more = await withStakes(parseEther("300") + 1n, parseEther("600"), 5_000n);
      await playRound(more, [NEGATIVE, BETTER]);
      await finalize(more);
      expect(await outcomeOf(more)).to.equal("Rejected");
    });
  });

  describe("without attestations", () => {
    const forfeited: Partial<Ledger> = { miner: -FEE - BOND, escrow: FEE + paid(BOND), burned: burned(BOND) };

    it("Unopened forfeits the bond", async () => {
      await propose(task);
      await passTo((await ends(task)).openingEndsAt);
      await finalize(task);
      expect(await outcomeOf(task)).to.equal("Unopened");
      await expectChanges(task, before, forfeited);
    });

    it("Unchecked forfeits the bond", async () => {
      await startRound(task, "LeafChecking");
      await passTo((await ends(task)).leafCheckEndsAt);
      await finalize(task);
      expect(await outcomeOf(task)).to.equal("Unchecked");
      await expectChanges(task, before, forfeited);
    });

    it("Unseeded gives the bond back, whether a seed was requested or not", async () => {
      for (const isRequested of [false, true]) {
        await startRound(task, "Seeding");
        if (isRequested) await task.market.requestSeed(task.taskId);
        await passTo((await ends(task)).openingEndsAt + (await task.market.MAX_SEEDING_SECONDS()));
        await finalize(task);
        expect(await outcomeOf(task)).to.equal("Unseeded");
        await expectChanges(task, before, { miner: -FEE, escrow: FEE });
        expect((await task.vault.accounts(task.miner)).free).to.equal(DEPOSIT);
        before = await readLedger(task);
      }
    });

    it("Fraud forfeits the bond at once", async () => {
      const wrongSum = FORGERIES.find(({ verdict }) => verdict === "WrongSum")!;
      const forged = await registerTask(task, {}, forgedTransition(wrongSum));
      const start = await readLedger(forged);
      await startRound(forged, "LeafChecking");
      await checkLeaves(forged);
      expect(await outcomeOf(forged)).to.equal("Fraud");
      await expectChanges(forged, start, forfeited);
    });

    it("PoisonedHead gives all bonds back, and the owner the rest of the task", async () => {
      const poison = FORGERIES.find(({ verdict }) => verdict === "NonFiniteOld")!;
      const poisoned = await registerTask(task, {}, forgedTransition(poison));
      const start = await readLedger(poisoned);
      await startRound(poisoned, "LeafChecking");
      await checkLeaves(poisoned);
      expect(await outcomeOf(poisoned)).to.equal("PoisonedHead");
      expect(named(PHASES, await task.market.phase(poisoned.taskId))).to.equal("Closed");
      await expectChanges(poisoned, start, { owner: ESCROW, escrow: -ESCROW });
      expect((await task.vault.accounts(task.miner)).free).to.equal(DEPOSIT);
    });

    it("PoisonedHead gives the bond of the one who made that head back too", async () => {
      // Leaf 1 becomes infinite in a round that draws leaf 0 only, and is found in a later one.
      const vectors = makeVectors(300, 5);
      const { parameters, newParameters, newQuant } = vectors;
      newParameters[256] = Number.POSITIVE_INFINITY;
      const genesis = await registerTask(task, { leafChecks: 1n }, commitTransition(vectors));
      await enrolVerifiers(genesis);
      const update = new Uint8Array(newQuant.length);
      const afterwards = commitTransition({ parameters: newParameters, update, newParameters, newQuant });
      expect(parameters.every(Number.isFinite)).to.equal(true);

      await playUntilDrawn(genesis, 0);
      await attest(genesis, CONFIRMING);
      await finalize(genesis);
      expect(await outcomeOf(genesis)).to.equal("Confirmed");
      const { vault, miner, rival } = task;
      expect((await vault.accounts(miner)).locked).to.equal(BOND);

      const later = { ...genesis, miner: rival, transition: afterwards };
      await playUntilDrawn(later, 1);
      expect(await outcomeOf(later)).to.equal("PoisonedHead");
      for (const party of [miner, rival]) expect((await vault.accounts(party)).locked).to.equal(0n);
    });
  });

  describe("a seed that went out of reach", () => {
    const firstLoss = BOND / 100n;
    const secondLoss = (BOND - firstLoss) / 100n;

    async function rollOver(): Promise<void> {
      const { seedTicket } = await currentRound(task);
      await networkHelpers.mineUpTo(seedTicket + 256n);
      await task.market.requestSeed(task.taskId);
    }

    it("costs the miner a hundredth of its bond each time, half of it to the task", async () => {
      await propose(task);
      await openProposal(task);
      await passTo((await ends(task)).openingEndsAt);
      await task.market.requestSeed(task.taskId);
      await expectChanges(task, before, { miner: -FEE, escrow: -REWARD - DUTY });
      await rollOver();
      await expectChanges(task, before, {
        miner: -FEE - firstLoss,
        escrow: -REWARD - DUTY + paid(firstLoss),
        burned: burned(firstLoss),
      });
      expect((await currentRound(task)).bond).to.equal(BOND - firstLoss);
      await expectSolvent(task);
      await rollOver();
      await expectChanges(task, before, {
        miner: -FEE - firstLoss - secondLoss,
        escrow: -REWARD - DUTY + paid(firstLoss) + paid(secondLoss),
        burned: burned(firstLoss, secondLoss),
      });

      await recordSeed(task);
      await checkLeaves(task);
      await passTo((await ends(task)).disputeEndsAt);
      await finalize(task);
      const account = await task.vault.accounts(task.miner);
      expect([account.free, account.locked]).to.deep.equal([DEPOSIT - firstLoss - secondLoss, 0n]);
    });

    it("leaves the winner's bond smaller", async () => {
      await propose(task);
      await openProposal(task);
      await passTo((await ends(task)).openingEndsAt);
      await task.market.requestSeed(task.taskId);
      await rollOver();
      await recordSeed(task);
      await checkLeaves(task);
      await attest(task, CONFIRMING);
      await finalize(task);
      expect((await task.market.task(task.taskId)).headBond).to.equal(BOND - firstLoss);
      expect((await task.vault.accounts(task.miner)).locked).to.equal(BOND - firstLoss);
    });
  });

  describe("a verifier that leaves", () => {
    it("during a round is penalized from what it has under withdrawal", async () => {
      const { market, vault, taskId, verifiers } = task;
      await playRound(task, [silent(BETTER), BETTER, BETTER]);
      await market.connect(verifiers[0]).disenrol(taskId);
      await expect(finalize(task))
        .to.emit(market, "VerifierPenalized")
        .withArgs(taskId, 1n, verifiers[0].address, MISSED);
      expect((await vault.accounts(verifiers[0])).withdrawing).to.equal(STAKES[0] - MISSED);
    });

    it("during a round is still paid for its duty", async () => {
      const { market, taskId, verifiers } = task;
      await playRound(task);
      await market.connect(verifiers[0]).disenrol(taskId);
      const { shares } = split(DUTY + FEE, STAKES);
      await finalize(task);
      expect(await market.claimable(verifiers[0])).to.equal(shares[0]);
    });

    it("as soon as its stake was counted cannot withdraw before the longest round is over and an hour has passed", async () => {
      const { market, vault, verifiers } = task;
      const [leaver] = verifiers;
      const { openingSeconds, leafCheckSeconds, commitSeconds, revealSeconds } = PARAMS;
      const seedingSeconds = await market.MAX_SEEDING_SECONDS();
      const others = openingSeconds + seedingSeconds + leafCheckSeconds + commitSeconds + revealSeconds;
      const finalizing = 3_600n;
      const disputeSeconds = (await vault.withdrawalDelaySeconds()) - 1n - others - finalizing;
      const longest = await registerTask(task, { disputeSeconds });
      await enrolVerifiers(longest);

      await propose(longest);
      await at((await ends(longest)).proposalEndsAt);
      await market.connect(leaver).disenrol(longest.taskId);
      await tick();
      await market.openProposal(...openingArguments(longest));
      await requestSeed(longest);
      await networkHelpers.mine(2);
      await at((await ends(longest)).openingEndsAt + seedingSeconds - 1n);
      await market.recordSeed(longest.taskId);
      await checkLeaves(longest);
      await attest(longest, [silent(BETTER), BETTER, BETTER]);
      const leavesAt = (await now()) + finalizing + 2n;
      await at(leavesAt - 1n);
      await expectRefused(
        longest,
        () => vault.connect(leaver).completeWithdrawal(MINED),
        "WithdrawalNotReady",
        [leavesAt - 1n, leavesAt],
        vault,
      );
      await at(leavesAt);
      await market.finalize(longest.taskId);
      expect((await vault.accounts(leaver)).withdrawing).to.equal(STAKES[0] - MISSED);
    });

    it("after its penalties took all leaves nothing behind", async () => {
      const stake = MISSED;
      const strict = await registerTask(task, { deviationPenalty: 0n, verifierStake: stake });
      const { market, vault, taskId, verifiers } = strict;
      await market.connect(verifiers[0]).enrol(taskId, stake);
      await playRound(strict, [silent(BETTER)]);
      await finalize(strict);
      expect(await vault.pooled(market, taskId, verifiers[0])).to.equal(0n);
      expect(await market.isEnrolled(taskId, verifiers[0])).to.equal(true);

      const leaving = market.connect(verifiers[0]).disenrol(taskId);
      await expect(leaving).to.emit(market, "Disenrolled").withArgs(taskId, verifiers[0].address);
      await expect(leaving).not.to.emit(vault, "Unpooled");
      expect((await market.task(taskId)).enrolled).to.equal(0n);
      expect((await vault.accounts(verifiers[0])).withdrawing).to.equal(0n);
    });
  });

  it("rounds end to end: everything that was earned can be claimed, and all stake withdrawn", async () => {
    const { market, vault, token, owner, miner, rival, verifiers, taskId } = task;
    await playRound(task, [NEGATIVE, silent(BETTER), BETTER]);
    await finalize(task);
    await market.connect(owner).requestClose(taskId);
    await passTo((await market.task(taskId)).closableAt);
    await market.closeTask(taskId);
    const parties = [owner, miner, rival, ...verifiers];
    for (const verifier of verifiers) await market.connect(verifier).disenrol(taskId);
    for (const party of parties) {
      if ((await market.claimable(party)) !== 0n) await market.claim(party);
      await vault.connect(party).requestWithdrawal((await vault.accounts(party)).free);
    }
    await passTo((await now()) + (await vault.withdrawalDelaySeconds()));
    for (const party of parties) await vault.connect(party).completeWithdrawal();
    expect(await token.balanceOf(vault)).to.equal(0n);
    expect(await token.balanceOf(market)).to.equal(0n);
    const after = await readLedger(task);
    expect(after.burned).to.equal(burned(MISSED, DEVIATED));
    await expectRefused(task, () => market.claim(miner, MINED), "NothingToClaim", [miner.address]);
  });
});
