import { expect } from "chai";
import { named, OUTCOMES, type Outcome, PHASES } from "../../clients/chain/phase.ts";
import { FORGERIES, forgedTransition } from "./support/forgery.ts";
import { expectChanges, expectSolvent, type Ledger, readLedger } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  at,
  attest,
  type Ballot,
  CONFIRMING,
  checkLeaves,
  commitAttestation,
  createTask,
  currentProposal,
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
  outcomeOf,
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
  stepFrom,
  type Task,
  tick,
  UNAVAILABLE,
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

function silent(ballot: Ballot): Ballot {
  return { ...ballot, silent: true };
}

/** Shares of a pot by stake, rounded down, and what is left of it. */
function split(pot: bigint, stakes: readonly bigint[]): { shares: bigint[]; rest: bigint } {
  const total = stakes.reduce((sum, stake) => sum + stake, 0n);
  const shares = stakes.map((stake) => (pot * stake) / total);
  return { shares, rest: pot - shares.reduce((sum, share) => sum + share, 0n) };
}

async function improvementOf({ committee, taskId }: Task): Promise<bigint> {
  const events = await committee.queryFilter(committee.filters.ProposalTallied(taskId));
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

  /** Plays a round with these ballots and expects its outcome and what it did to everyone's money. */
  async function expectRound(
    ballots: (Ballot | undefined)[],
    outcome: Outcome,
    changes: Partial<Ledger>,
  ): Promise<void> {
    await playRound(task, ballots);
    await expectSolvent(task);
    await finalize(task);
    expect(await outcomeOf(task)).to.equal(outcome);
    await expectChanges(task, before, changes);
  }

  /** Plays a round of one drawn leaf, which is this one, and checks it. */
  async function playDrawing(drawing: Task, leaf: number): Promise<void> {
    for (;;) {
      const snapshot = await networkHelpers.takeSnapshot();
      await startRound(drawing, "LeafChecking");
      const { indices } = await drawnOpenings(drawing);
      if (indices[0] === leaf) break;
      await snapshot.restore();
      await networkHelpers.mine();
    }
    await checkLeaves(drawing);
  }

  async function lockedOf({ vault }: Task, party = task.miner): Promise<bigint> {
    return (await vault.accounts(party)).locked;
  }

  describe("Confirmed", () => {
    it("pays the miner, and the verifiers by weight", async () => {
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

    it("costs the silent and those against it their penalties, of which nobody gets anything", async () => {
      await expectRound([NEGATIVE, silent(BETTER), BETTER], "Confirmed", {
        miner: REWARD - FEE,
        first: -DEVIATED,
        second: -MISSED,
        third: DUTY + FEE,
        escrow: -REWARD - DUTY,
        burned: MISSED + DEVIATED,
      });
      const { committee, verifiers, taskId } = task;
      const told = await Promise.all([
        committee.queryFilter(committee.filters.VerifierRewarded(taskId)),
        committee.queryFilter(committee.filters.VerifierPenalized(taskId)),
      ]);
      const [first, second, third] = verifiers.map(({ address }) => address);
      expect(told.map((events) => events.map(({ args }) => args.verifier))).to.deep.equal([
        [third],
        [first, second],
      ]);
    });

    it("costs one whose losses are out of tolerance, on either side", async () => {
      const { shares, rest } = split(DUTY + FEE, [STAKES[1], STAKES[2]]);
      for (const off of [
        positive(BEFORE + TOLERANCE + 1n, BEFORE - 10_000n),
        positive(BEFORE - TOLERANCE - 1n, BEFORE - 10_000n),
        positive(BEFORE, BEFORE - 10_000n + TOLERANCE + 1n),
        positive(BEFORE, BEFORE - 10_000n - TOLERANCE - 1n),
      ]) {
        const snapshot = await networkHelpers.takeSnapshot();
        await expectRound([off, BETTER, BETTER], "Confirmed", {
          miner: REWARD - FEE,
          first: -DEVIATED,
          second: shares[0]!,
          third: shares[1]!,
          escrow: -REWARD - DUTY + rest,
          burned: DEVIATED,
        });
        await snapshot.restore();
      }
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

    it("leaves one that did not commit as it was, unless somebody reports it", async () => {
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

      const next = stepFrom(SMALL_VECTORS.newParameters, -1);
      const second = { ...task, miner: rival, transition: next };
      await playRound(second, [SAME, SAME, SAME]);
      await finalize(second);
      expect(await outcomeOf(task)).to.equal("Void");
      expect([await bondOf(miner), await bondOf(rival)]).to.deep.equal([BOND, 0n]);

      await playRound(second);
      await finalize(second);
      expect(await outcomeOf(task)).to.equal("Confirmed");
      expect([await bondOf(miner), await bondOf(rival)]).to.deep.equal([0n, BOND]);
      const { head, headRound } = await task.market.task(task.taskId);
      expect([head.fullRoot, headRound]).to.deep.equal([next.fullRoot, 3n]);
    });

    it("of the same miner again keeps one bond locked", async () => {
      await playRound(task);
      await finalize(task);
      await playRound({ ...task, transition: stepFrom(SMALL_VECTORS.newParameters, 1) });
      await finalize(task);
      expect(await lockedOf(task)).to.equal(BOND);
    });
  });

  describe("Rejected by votes", () => {
    it("costs the miner a share of its bond, which burns, and pays the fee to those who voted so", async () => {
      const { shares, rest } = split(FEE, [STAKES[0], STAKES[1]]);
      const otherReason: Ballot = {
        lossBefore: 0n,
        votes: [{ verdict: "Negative", reason: 1, lossAfter: 0n }],
      };
      await expectRound([NEGATIVE, otherReason, BETTER], "Rejected", {
        miner: -FEE - REJECTED,
        first: shares[0]!,
        second: shares[1]!,
        third: -DEVIATED,
        escrow: rest,
        burned: REJECTED + DEVIATED,
      });
      expect(await lockedOf(task)).to.equal(0n);
    });

    it("costs the silent too, and leaves one that abstained as it was", async () => {
      const strict = await registerTask(task, { quorumBps: 4_000n });
      await enrolVerifiers(strict);
      before = await readLedger(strict);
      await playRound(strict, [silent(BETTER), UNAVAILABLE, NEGATIVE]);
      await finalize(strict);
      expect(await outcomeOf(strict)).to.equal("Rejected");
      await expectChanges(strict, before, {
        miner: -FEE - REJECTED,
        first: -MISSED,
        third: FEE,
        burned: REJECTED + MISSED,
      });
    });

    it("counts who found it unavailable and demanded a leaf on chain", async () => {
      const { disputes, market, verifiers, taskId, params, transition } = task;
      await startRound(task, "Committing");
      await tick();
      await disputes.connect(verifiers[2]).demand(taskId, 1n, 0n, 0n);
      await tick();
      await disputes.answer(taskId, 1n, 0n, verifiers[2], transition.opening(0));
      await attest(task, [BETTER, BETTER, UNAVAILABLE]);
      await finalize(task);
      expect(await outcomeOf(task)).to.equal("Rejected");
      const { demandDeposit, answerRefund } = params;
      await expectChanges(task, before, {
        miner: -FEE - REJECTED + answerRefund,
        first: -DEVIATED,
        second: -DEVIATED,
        third: FEE - demandDeposit,
        burned: REJECTED + 2n * DEVIATED + demandDeposit - answerRefund,
      });
      expect(named(PHASES, await market.phase(taskId))).to.equal("Idle");
    });

    it("counts who demanded one before it committed, whatever it demands later", async () => {
      const { disputes, verifiers, taskId, transition } = task;
      const demander = verifiers[2];
      const demand = async (leaf: bigint) => {
        await tick();
        await disputes.connect(demander).demand(taskId, 1n, 0n, leaf);
        await tick();
        await disputes.answer(taskId, 1n, 0n, demander, transition.opening(Number(leaf)));
      };
      const ballots = [BETTER, BETTER, UNAVAILABLE];
      await startRound(task, "Committing");
      await demand(0n);
      for (const [i, verifier] of verifiers.entries()) await commitAttestation(task, verifier, ballots[i]!);
      await passTo((await ends(task)).commitEndsAt);
      await demand(1n);
      for (const [i, verifier] of verifiers.entries()) await revealAttestation(task, verifier, ballots[i]!);
      await passTo((await ends(task)).disputeEndsAt);
      await finalize(task);
      expect(await outcomeOf(task)).to.equal("Rejected");
    });

    it("does not count a demand made when the commit window was over", async () => {
      const { disputes, verifiers, taskId, transition } = task;
      const ballots = [BETTER, BETTER, UNAVAILABLE];
      await startRound(task, "Revealing", ballots);
      await tick();
      await disputes.connect(verifiers[2]).demand(taskId, 1n, 0n, 0n);
      await tick();
      await disputes.answer(taskId, 1n, 0n, verifiers[2], transition.opening(0));
      for (const [i, verifier] of verifiers.entries()) await revealAttestation(task, verifier, ballots[i]!);
      await passTo((await ends(task)).disputeEndsAt);
      await finalize(task);
      expect(await outcomeOf(task)).to.equal("Confirmed");
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
    it("costs the miner the same share, and pays the fee to those who measured it", async () => {
      const { shares, rest } = split(FEE, [STAKES[1], STAKES[2]]);
      await expectRound([NEGATIVE, WORSE, WORSE], "Rejected", {
        miner: -FEE - REJECTED,
        second: shares[0]!,
        third: shares[1]!,
        escrow: rest,
        burned: REJECTED,
      });
      expect(await improvementOf(task)).to.equal(-10_000n);
    });

    it("costs one whose losses are out of tolerance", async () => {
      const { shares, rest } = split(FEE, [STAKES[1], STAKES[2]]);
      await expectRound([BETTER, WORSE, WORSE], "Rejected", {
        miner: -FEE - REJECTED,
        first: -DEVIATED,
        second: shares[0]!,
        third: shares[1]!,
        escrow: rest,
        burned: REJECTED + DEVIATED,
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
        third: FEE,
        burned: MISSED,
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

    it("gives the task the fee where nobody revealed, and burns what the silent lose", async () => {
      await expectRound([silent(BETTER), silent(BETTER), silent(BETTER)], "Void", {
        miner: -FEE,
        first: -MISSED,
        second: -MISSED,
        third: -MISSED,
        escrow: FEE,
        burned: 3n * MISSED,
      });
    });

    it("gives the miner its bond back", async () => {
      await playRound(task, []);
      expect(await lockedOf(task)).to.equal(BOND);
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
        const ballot = positive(BEFORE, BEFORE - improvement);
        await playRound(task, [ballot, ballot, ballot]);
        await finalize(task);
        expect(await outcomeOf(task)).to.equal(outcome);
        expect(await improvementOf(task)).to.equal(improvement);
      });
    }
  });

  describe("without attestations", () => {
    const forfeited: Partial<Ledger> = { miner: -FEE - BOND, escrow: FEE, burned: BOND };

    it("Unopened burns the bond, and the fee stays with the task", async () => {
      await propose(task);
      await passTo((await ends(task)).openingEndsAt);
      await finalize(task);
      expect(await outcomeOf(task)).to.equal("Unopened");
      await expectChanges(task, before, forfeited);
    });

    it("Unchecked burns the bond, and the fee stays with the task", async () => {
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

    it("Fraud, shown by the drawn leaves, burns the bond at once, and nobody earns from it", async () => {
      const wrongSum = FORGERIES.find(({ verdict }) => verdict === "WrongSum")!;
      const forged = await registerTask(task, {}, forgedTransition(wrongSum));
      const start = await readLedger(forged);
      await startRound(forged, "LeafChecking");
      await checkLeaves(forged);
      expect(await outcomeOf(forged)).to.equal("Fraud");
      await expectChanges(forged, start, { ...forfeited, escrow: -REWARD - DUTY });
      await expectSolvent(forged);
      await finalize(forged);
      await expectChanges(forged, start, forfeited);
    });

    it("PoisonedHead gives all bonds and fees back, and the owner the rest of the task", async () => {
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

    it("PoisonedHead gives the owner the fee of a proposal that was out of the round before", async () => {
      const poison = FORGERIES.find(({ verdict }) => verdict === "NonFiniteOld")!;
      const poisoned = await registerTask(task, {}, forgedTransition(poison));
      const start = await readLedger(poisoned);
      const copy = { ...poisoned, miner: task.rival };
      await startRound(poisoned, "LeafChecking", [], [poisoned, copy]);
      expect(await outcomeOf(poisoned, 1n)).to.equal("Duplicate");
      await checkLeaves(poisoned);
      await expectChanges(poisoned, start, { rival: -FEE, owner: ESCROW + FEE, escrow: -ESCROW });
    });

    it("PoisonedHead burns the bond of the one who made that head, and nobody else's", async () => {
      // Leaf 1 becomes infinite in a round that draws leaf 0 only, and is found in a later one.
      const vectors = makeVectors(300, 5);
      const finite = vectors.newParameters.slice();
      vectors.newParameters[256] = Number.POSITIVE_INFINITY;
      const next = followVectors(finite, new Float32Array(300).fill(1e-3));
      next.parameters[256] = Number.POSITIVE_INFINITY;
      next.newParameters[256] = Number.POSITIVE_INFINITY;

      const genesis = await registerTask(task, { leafChecks: 1n }, commitTransition(vectors));
      await enrolVerifiers(genesis);
      await playDrawing(genesis, 0);
      await attest(genesis, CONFIRMING);
      await finalize(genesis);
      expect(await outcomeOf(genesis)).to.equal("Confirmed");
      const { market, miner, rival } = task;
      const { taskId } = genesis;
      expect(await lockedOf(task)).to.equal(BOND);

      const start = await readLedger(genesis);
      const later = { ...genesis, miner: rival, transition: commitTransition(next) };
      await playDrawing(later, 1);
      expect(await outcomeOf(later)).to.equal("PoisonedHead");
      await expectChanges(genesis, start, {
        miner: -BOND,
        owner: start.escrow,
        escrow: -start.escrow,
        burned: BOND,
      });
      for (const party of [miner, rival]) expect(await lockedOf(task, party)).to.equal(0n);
      const refuted = await market.queryFilter(market.filters.ProposalRefuted(taskId));
      expect(refuted.map(({ args }) => [args.round, args.proposal, args.cause])).to.deep.equal([
        [1n, 0n, BigInt(OUTCOMES.indexOf("Fraud"))],
      ]);
      // It won all the same.
      const outcome = named(OUTCOMES, (await market.proposal(taskId, 1n, 0n)).outcome);
      expect(outcome).to.equal("Confirmed");
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

    it("costs each open proposal a hundredth of its bond each time, all of it burned", async () => {
      const other = { ...task, miner: task.rival, transition: stepFrom(SMALL_VECTORS.parameters, 1) };
      await startRound(task, "Seeding", [], [task, other]);
      await task.market.requestSeed(task.taskId);
      await expectChanges(task, before, { miner: -FEE, rival: -FEE, escrow: -REWARD - DUTY });
      await rollOver();
      await expectChanges(task, before, {
        miner: -FEE - firstLoss,
        rival: -FEE - firstLoss,
        escrow: -REWARD - DUTY,
        burned: 2n * firstLoss,
      });
      expect((await currentProposal(task)).bond).to.equal(BOND - firstLoss);
      await expectSolvent(task);
      await rollOver();
      await expectChanges(task, before, {
        miner: -FEE - firstLoss - secondLoss,
        rival: -FEE - firstLoss - secondLoss,
        escrow: -REWARD - DUTY,
        burned: 2n * (firstLoss + secondLoss),
      });

      await recordSeed(task);
      await checkLeaves(task);
      await checkLeaves(other, 1n);
      await passTo((await ends(task)).disputeEndsAt);
      await finalize(task);
      for (const party of [task.miner, task.rival]) {
        const { free, locked } = await task.vault.accounts(party);
        expect([free, locked]).to.deep.equal([DEPOSIT - firstLoss - secondLoss, 0n]);
      }
    });

    it("costs nothing of a proposal that was not opened, which loses its bond anyway", async () => {
      await propose(task);
      await propose(task, task.rival);
      await openProposal(task);
      await requestSeed(task);
      await rollOver();
      expect((await currentProposal(task, 1n)).bond).to.equal(BOND);
      await recordSeed(task);
      await passTo((await ends(task)).leafCheckEndsAt);
      await finalize(task);
      await expectChanges(task, before, {
        miner: -FEE - BOND,
        rival: -FEE - BOND,
        escrow: 2n * FEE,
        burned: 2n * BOND,
      });
    });

    it("leaves the winner's bond smaller", async () => {
      await propose(task);
      await openProposal(task);
      await requestSeed(task);
      await rollOver();
      await recordSeed(task);
      await checkLeaves(task);
      await attest(task, CONFIRMING);
      await finalize(task);
      expect((await currentProposal(task)).bond).to.equal(BOND - firstLoss);
      expect(await lockedOf(task)).to.equal(BOND - firstLoss);
    });
  });

  describe("a verifier that leaves", () => {
    it("during a round is penalized from what it has under withdrawal", async () => {
      const { vault, committee, taskId, verifiers } = task;
      await playRound(task, [silent(BETTER), BETTER, BETTER]);
      await committee.connect(verifiers[0]).disenrol(taskId);
      await expect(finalize(task))
        .to.emit(committee, "VerifierPenalized")
        .withArgs(taskId, 1n, verifiers[0].address, MISSED);
      expect((await vault.accounts(verifiers[0])).withdrawing).to.equal(STAKES[0] - MISSED);
    });

    it("during a round is still paid for its duty", async () => {
      const { committee, vault, taskId, verifiers } = task;
      await playRound(task);
      await committee.connect(verifiers[0]).disenrol(taskId);
      const { shares } = split(DUTY + FEE, STAKES);
      await expect(finalize(task))
        .to.emit(committee, "VerifierRewarded")
        .withArgs(taskId, 1n, verifiers[0].address, shares[0]);
      expect(await vault.balanceOf(verifiers[0])).to.equal(shares[0]);
    });

    it("as soon as its stake was counted cannot withdraw before the longest round is over and an hour has passed", async () => {
      const { market, vault, disputes, committee, verifiers } = task;
      const [leaver] = verifiers;
      const { openingSeconds, leafCheckSeconds, commitSeconds, revealSeconds } = PARAMS;
      const { answerSeconds, answerSlotSeconds } = PARAMS;
      const seedingSeconds = await market.MAX_SEEDING_SECONDS();
      const pursuit = 3n * (2n * answerSeconds + (await disputes.MAX_OPEN_DEMANDS()) * answerSlotSeconds);
      const others = openingSeconds + seedingSeconds + leafCheckSeconds + commitSeconds + revealSeconds;
      const finalizing = 3_600n;
      const disputeSeconds = (await vault.withdrawalDelaySeconds()) - 1n - others - pursuit - finalizing;
      const longest = await registerTask(task, { disputeSeconds });
      await enrolVerifiers(longest);

      await propose(longest);
      await at((await ends(longest)).proposalEndsAt);
      await committee.connect(leaver).disenrol(longest.taskId);
      await tick();
      await market.openProposal(...openingArguments(longest));
      await requestSeed(longest);
      await networkHelpers.mine(2);
      await at((await ends(longest)).openingEndsAt + seedingSeconds - 1n);
      await market.recordSeed(longest.taskId);
      await checkLeaves(longest);
      await attest(longest, [silent(BETTER), BETTER, BETTER]);
      // What demands could have added.
      await passTo((await now()) + pursuit);
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
      const strict = await registerTask(task, { deviationPenalty: 0n, verifierStake: MISSED });
      const { committee, vault, taskId, verifiers } = strict;
      await committee.connect(verifiers[0]).enrol(taskId, MISSED);
      await playRound(strict, [silent(BETTER)]);
      await finalize(strict);
      expect(await vault.pooled(committee, taskId, verifiers[0])).to.equal(0n);
      expect((await committee.enrolment(taskId, verifiers[0])).active).to.equal(true);

      const leaving = committee.connect(verifiers[0]).disenrol(taskId);
      await expect(leaving).to.emit(committee, "Disenrolled").withArgs(taskId, verifiers[0].address);
      await expect(leaving).not.to.emit(vault, "Unpooled");
      expect((await committee.enrolment(taskId, verifiers[0])).active).to.equal(false);
      expect((await vault.accounts(verifiers[0])).withdrawing).to.equal(0n);
    });
  });

  it("rounds end to end: everything that was earned can be claimed, and all stake withdrawn", async () => {
    const { market, vault, committee, token, owner, miner, rival, verifiers, taskId } = task;
    await playRound(task, [NEGATIVE, silent(BETTER), BETTER]);
    await finalize(task);
    await market.connect(owner).requestClose(taskId);
    await passTo((await market.task(taskId)).closableAt);
    await market.closeTask(taskId);
    const parties = [owner, miner, rival, ...verifiers];
    for (const verifier of verifiers) await committee.connect(verifier).disenrol(taskId);
    for (const party of parties) {
      if ((await vault.balanceOf(party)) !== 0n) await vault.claim(party);
      await vault.connect(party).requestWithdrawal((await vault.accounts(party)).free);
    }
    await vault.claim(await vault.BURN_ADDRESS());
    await passTo((await now()) + (await vault.withdrawalDelaySeconds()));
    for (const party of parties) await vault.connect(party).completeWithdrawal();
    expect(await token.balanceOf(vault)).to.equal(0n);
    const after = await readLedger(task);
    expect(after.burned).to.equal(MISSED + DEVIATED);
  });
});
