import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { expect } from "chai";
import { id, parseEther, ZeroHash } from "ethers";
import { named, OUTCOMES, type Outcome, PHASES, VERDICTS } from "../../clients/chain/phase.ts";
import { draw } from "../../clients/model/draws.ts";
import { sortitionWeight } from "../../clients/model/sortition.ts";
import { gasUsed } from "./support/gasUsed.ts";
import { expectSolvent } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  at,
  attest,
  attestationCommitment,
  type Ballot,
  checkLeaves,
  commitAttestation,
  createTask,
  currentRound,
  DEPOSIT,
  ends,
  ethers,
  finalize,
  fundParties,
  fundParty,
  MINED,
  NEGATIVE,
  NONE,
  networkHelpers,
  openingArguments,
  openProposal,
  outcomeOf,
  PARAMS,
  partyAt,
  passTo,
  playRound,
  positive,
  propose,
  recordSeed,
  registerTask,
  requestSeed,
  revealArguments,
  revealAttestation,
  SMALL_VECTORS,
  STAKES,
  startRound,
  stepFrom,
  type Task,
  tick,
  UNAVAILABLE,
  type Vote,
} from "./support/scenario.ts";

const { verifierStake: LEAST, missedRevealPenalty: MISSED, deviationPenalty: PENALTY } = PARAMS;

const POSITIVE = positive(5_000_000n, 4_990_000n);
const BETTER: Vote = { verdict: "Positive", reason: 0, lossAfter: 4_990_000n };

function silent(ballot: Ballot): Ballot {
  return { ...ballot, silent: true };
}

function sumOf(amounts: readonly bigint[]): bigint {
  return amounts.reduce((sum, amount) => sum + amount, 0n);
}

describe("Committee", () => {
  let task: Task;

  beforeEach(async () => {
    task = await networkHelpers.loadFixture(createTask);
  });

  /** Expects a refusal by the committee. */
  async function expectNo(send: () => Promise<unknown>, error: string, args: unknown[]): Promise<void> {
    await expectRefused(task, send, error, args, task.committee);
  }

  /** From the first second after the openings to the first of the commitments. */
  async function reachCommitting(attested: Task): Promise<void> {
    await requestSeed(attested);
    await recordSeed(attested);
    await checkLeaves(attested);
  }

  it("knows its market, which made it", async () => {
    const { committee, market } = task;
    expect(await committee.MARKET()).to.equal(await market.getAddress());
    expect(await market.COMMITTEE()).to.equal(await committee.getAddress());
    expect(await committee.MAX_ATTESTERS()).to.equal(48n);
  });

  it("convenes and settles for nobody but the market", async () => {
    const { committee, deployer, taskId } = task;
    await playRound(task);
    await expectNo(() => committee.convene(taskId, 2n, 1n, 1n, 1n, MINED), "NotMarket", [deployer.address]);
    await expectNo(() => committee.settle(taskId, 1n, [0n], MINED), "NotMarket", [deployer.address]);
  });

  it("is drawn from the stake at the proposal window's end, fixed when the seed is recorded", async () => {
    const { committee, taskId, params } = task;
    await propose(task);
    await openProposal(task);
    expect((await committee.panel(taskId, 1n)).readAt).to.equal(0n);
    const { proposalEndsAt } = await ends(task);
    await requestSeed(task);
    const total = STAKES.reduce((sum, stake) => sum + stake);
    await expect(recordSeed(task))
      .to.emit(committee, "Convened")
      .withArgs(taskId, 1n, total, proposalEndsAt - 1n);
    expect(await committee.panel(taskId, 1n)).to.deep.equal([
      total,
      params.verifierStake,
      proposalEndsAt - 1n,
      params.committeeSize,
      0n,
    ]);
  });

  describe("enrol", () => {
    it("moves free stake into the task's pool", async () => {
      const { committee, vault, rival, taskId } = task;
      const enrolling = committee.connect(rival).enrol(taskId, LEAST);
      await expect(enrolling).to.emit(committee, "Enrolled").withArgs(taskId, rival.address, LEAST);
      await expect(enrolling)
        .to.emit(vault, "Pooled")
        .withArgs(await committee.getAddress(), taskId, rival.address, LEAST);
      expect(await committee.enrolment(taskId, rival)).to.deep.equal([true, 0n]);
      expect((await vault.accounts(rival)).free).to.equal(DEPOSIT - LEAST);
    });

    it("adds to the stake of one that is enrolled, in any amount", async () => {
      const { committee, vault, taskId, verifiers } = task;
      await committee.connect(verifiers[0]).enrol(taskId, 1n);
      expect(await vault.pooled(committee, taskId, verifiers[0])).to.equal(STAKES[0] + 1n);
    });

    it("refuses nothing, less than the least stake, and more than is free", async () => {
      const { committee, vault, rival, taskId } = task;
      const enrol = (amount: bigint) => () => committee.connect(rival).enrol(taskId, amount, MINED);
      await expectNo(enrol(0n), "ZeroAmount", []);
      await expectNo(enrol(LEAST - 1n), "StakeTooSmall", [LEAST - 1n, LEAST]);
      const tooMuch = [rival.address, DEPOSIT + 1n, DEPOSIT];
      await expectRefused(task, enrol(DEPOSIT + 1n), "InsufficientFree", tooMuch, vault);
    });
  });

  describe("disenrol", () => {
    it("takes all stake out of the pool and starts its withdrawal", async () => {
      const { committee, vault, taskId, verifiers } = task;
      const [, verifier] = verifiers;
      const leaving = committee.connect(verifier).disenrol(taskId);
      await expect(leaving).to.emit(committee, "Disenrolled").withArgs(taskId, verifier.address);
      await expect(leaving)
        .to.emit(vault, "Unpooled")
        .withArgs(await committee.getAddress(), taskId, verifier.address, STAKES[1]);
      expect((await committee.enrolment(taskId, verifier)).active).to.equal(false);
      expect(await vault.pooled(committee, taskId, verifier)).to.equal(0n);
      expect((await vault.accounts(verifier)).withdrawing).to.equal(STAKES[1]);
    });

    it("is refused to one who is not enrolled, or no longer", async () => {
      const { committee, rival, taskId, verifiers } = task;
      const [verifier] = verifiers;
      await committee.connect(verifier).disenrol(taskId);
      for (const party of [rival, verifier]) {
        const leave = () => committee.connect(party).disenrol(taskId, MINED);
        await expectNo(leave, "NotEnrolled", [taskId, party.address]);
      }
    });

    it("leaves other tasks' pools alone", async () => {
      const { committee, vault, taskId, verifiers } = task;
      const other = await registerTask(task);
      await committee.connect(verifiers[0]).enrol(other.taskId, LEAST);
      await committee.connect(verifiers[0]).disenrol(taskId);
      expect(await vault.pooled(committee, other.taskId, verifiers[0])).to.equal(LEAST);
      expect((await committee.enrolment(other.taskId, verifiers[0])).active).to.equal(true);
    });
  });

  describe("sortition", () => {
    it("draws nobody before the seed is recorded", async () => {
      const { committee, taskId, verifiers } = task;
      expect(await committee.weightOf(taskId, 1n, verifiers[0])).to.equal(0n);
      await startRound(task, "Seeding");
      expect(await committee.weightOf(taskId, 1n, verifiers[0])).to.equal(0n);
      await tick();
      await task.market.requestSeed(taskId);
      await recordSeed(task);
      expect(await committee.weightOf(taskId, 1n, verifiers[0])).to.equal(STAKES[0]);
    });

    it("draws everybody whose stake is a committee's share or more, with that stake as weight", async () => {
      const { committee, taskId, verifiers, rival } = task;
      await startRound(task, "Committing");
      for (const [i, verifier] of verifiers.entries()) {
        expect(await committee.weightOf(taskId, 1n, verifier)).to.equal(STAKES[i]);
      }
      expect(await committee.weightOf(taskId, 1n, rival)).to.equal(0n);
    });

    it("draws a sole staker in every round, whatever the committee's size", async () => {
      const alone = await registerTask(task, { committeeSize: 1n });
      const { committee, verifiers, taskId } = alone;
      await committee.connect(verifiers[0]).enrol(taskId, LEAST);
      const noBetter = positive(5_000_000n, 5_000_000n);
      for (let number = 1n; number <= 5n; number++) {
        await playRound(alone, [noBetter]);
        expect(await committee.weightOf(taskId, number, verifiers[0])).to.equal(LEAST);
        await finalize(alone);
      }
    });

    it("counts stake that joins in the last second of the proposal window, none from the next on", async () => {
      const { committee, rival, stranger, taskId, verifiers } = task;
      await fundParty(task, stranger);
      await propose(task);
      const { proposalEndsAt } = await ends(task);
      await at(proposalEndsAt - 1n);
      await committee.connect(rival).enrol(taskId, LEAST);
      await at(proposalEndsAt);
      await committee.connect(stranger).enrol(taskId, 10n * LEAST);
      await tick();
      await committee.connect(verifiers[0]).enrol(taskId, 10n * LEAST);
      await tick();
      await task.market.openProposal(...openingArguments(task));
      await reachCommitting(task);
      expect(await committee.weightOf(taskId, 1n, rival)).to.equal(LEAST);
      expect(await committee.weightOf(taskId, 1n, stranger)).to.equal(0n);
      expect(await committee.weightOf(taskId, 1n, verifiers[0])).to.equal(STAKES[0]);
    });

    it("counts stake that leaves from the end of the proposal window on, none that left before", async () => {
      const { committee, taskId, verifiers } = task;
      await propose(task);
      const { proposalEndsAt } = await ends(task);
      await at(proposalEndsAt - 1n);
      await committee.connect(verifiers[0]).disenrol(taskId);
      await at(proposalEndsAt);
      await committee.connect(verifiers[1]).disenrol(taskId);
      await tick();
      await task.market.openProposal(...openingArguments(task));
      await reachCommitting(task);
      expect(await committee.weightOf(taskId, 1n, verifiers[0])).to.equal(0n);
      expect(await committee.weightOf(taskId, 1n, verifiers[1])).to.equal(STAKES[1]);
    });

    it("counts stake for one account, where it moves to another after the proposal window", async () => {
      const { committee, vault, token, taskId, verifiers, stranger } = task;
      const [mover] = verifiers;
      await startRound(task, "Opening");
      await committee.connect(mover).disenrol(taskId);
      // The tokens can't follow before the withdrawal's delay; others of the same owner can.
      await token.connect(mover).transfer(stranger, STAKES[0]);
      await token.connect(stranger).approve(vault, STAKES[0]);
      await vault.connect(stranger).deposit(STAKES[0]);
      await committee.connect(stranger).enrol(taskId, STAKES[0]);
      await openProposal(task);
      await reachCommitting(task);
      expect(await committee.weightOf(taskId, 1n, mover)).to.equal(STAKES[0]);
      expect(await committee.weightOf(taskId, 1n, stranger)).to.equal(0n);
    });

    it("gives no weight to an address that was made for the seed", async () => {
      const { committee, market, taskId } = task;
      await startRound(task, "LeafChecking");
      const { seed } = await currentRound(task);
      // A draw that would admit it with a thousandth of the stake.
      const isDrawn = (address: bigint) =>
        draw(seed, "COMMITTEE", taskId, 1n, 0n, address) < (2n ** 256n * 8n) / 1_000n;
      let address = 0xfen << 152n;
      while (!isDrawn(address)) address++;
      const ground = await partyAt(task, address);
      await committee.connect(ground).enrol(taskId, LEAST);
      await checkLeaves(task);
      expect(named(PHASES, await market.phase(taskId))).to.equal("Committing");
      expect(await committee.weightOf(taskId, 1n, ground)).to.equal(0n);
      const commit = () => committee.connect(ground).commitAttestation(taskId, 1n, id("sealed"), MINED);
      await expectNo(commit, "NotDrawn", [ground.address, 1n]);
    });

    it("draws no one whose penalties left it less than the least stake, until it adds to it", async () => {
      const { committee, taskId, verifiers } = task;
      const [verifier] = verifiers;
      await playRound(task, [silent(NEGATIVE), NEGATIVE, NEGATIVE]);
      await finalize(task);

      const snapshot = await networkHelpers.takeSnapshot();
      await startRound(task, "Committing");
      const commit = () => committee.connect(verifier).commitAttestation(taskId, 2n, id("sealed"), MINED);
      await expectNo(commit, "NotDrawn", [verifier.address, 2n]);

      await snapshot.restore();
      const enrol = (amount: bigint) => committee.connect(verifier).enrol(taskId, amount, MINED);
      await expectNo(() => enrol(MISSED - 1n), "StakeTooSmall", [LEAST - 1n, LEAST]);
      await enrol(MISSED);
      await startRound(task, "Committing");
      await commitAttestation(task, verifier, NEGATIVE);
      expect((await committee.attesters(taskId, 2n))[0]).to.deep.equal([verifier.address, LEAST]);
    });
  });

  describe("sortition among many", () => {
    const SIZE = PARAMS.committeeSize;
    let crowd: Task;
    let stakers: HardhatEthersSigner[];
    // From 200 to 8,450: the largest are always drawn, the smallest in one of some 90 rounds.
    const stakes = Array.from(
      { length: 60 },
      (_, i) => LEAST + BigInt(i ** 3) * parseEther("0.04") + BigInt(i),
    );
    const total = sumOf(stakes);

    async function createCrowd(): Promise<{ crowd: Task; stakers: HardhatEthersSigner[] }> {
      const crowd = await registerTask(await networkHelpers.loadFixture(createTask));
      const stakers = await fundParties(crowd, stakes.length);
      for (const [i, staker] of stakers.entries()) {
        await tick();
        await crowd.committee.connect(staker).enrol(crowd.taskId, stakes[i]!);
      }
      return { crowd, stakers };
    }

    beforeEach(async () => {
      ({ crowd, stakers } = await networkHelpers.loadFixture(createCrowd));
    });

    it("each weighs what its own draw says, and on average the committee has its size and the whole weight", async () => {
      const { committee, taskId } = crowd;
      const rounds = 20;
      let [drawn, weight] = [0, 0n];
      for (let number = 1n; number <= rounds; number++) {
        await startRound(crowd, "Committing");
        const { seed } = await currentRound(crowd);
        for (const [i, staker] of stakers.entries()) {
          const weighs = await committee.weightOf(taskId, number, staker);
          const drawnValue = draw(seed, "COMMITTEE", taskId, number, 0n, BigInt(staker.address));
          expect(weighs).to.equal(sortitionWeight(drawnValue, stakes[i]!, total, SIZE));
          if (weighs !== 0n) drawn++;
          weight += weighs;
        }
        await passTo((await ends(crowd)).disputeEndsAt);
        await finalize(crowd);
      }
      // Both within four standard deviations.
      const chances = stakes.map((stake) => Math.min(1, Number(stake * SIZE) / Number(total)));
      const expectedDrawn = rounds * chances.reduce((sum, p) => sum + p, 0);
      const deviationOfDrawn = Math.sqrt(rounds * chances.reduce((sum, p) => sum + p * (1 - p), 0));
      expect(Math.abs(drawn - expectedDrawn)).to.be.below(4 * deviationOfDrawn);
      const squares = chances.map((p, i) => (Number(stakes[i]) / Number(total)) ** 2 * (1 / p - 1));
      const deviationOfWeight = Math.sqrt(squares.reduce((sum, each) => sum + each, 0) / rounds);
      expect(Math.abs(Number(weight) / rounds / Number(total) - 1)).to.be.below(4 * deviationOfWeight);
    });

    it("only who is drawn attests, and its votes weigh more than its stake where it was drawn by luck", async () => {
      const { committee, taskId } = crowd;
      await startRound(crowd, "Committing");
      const weights: bigint[] = [];
      for (const staker of stakers) weights.push(await committee.weightOf(taskId, 1n, staker));
      const lucky = stakers[weights.findIndex((weight) => weight !== 0n)]!;
      const unlucky = stakers[weights.indexOf(0n)]!;

      const commit = () => committee.connect(unlucky).commitAttestation(taskId, 1n, id("sealed"), MINED);
      await expectNo(commit, "NotDrawn", [unlucky.address, 1n]);

      const sealed = await attestationCommitment(crowd, lucky, POSITIVE);
      expect(total / SIZE > stakes[stakers.indexOf(lucky)]!).to.equal(true);
      await expect(commitAttestation(crowd, lucky, POSITIVE))
        .to.emit(committee, "AttestationCommitted")
        .withArgs(taskId, 1n, lucky.address, sealed, total / SIZE);
      await passTo((await ends(crowd)).commitEndsAt);
      await revealAttestation(crowd, lucky, POSITIVE);
      await expectNo(() => committee.reportAbsence(taskId, unlucky, MINED), "NotDrawn", [
        unlucky.address,
        1n,
      ]);
      await passTo((await ends(crowd)).disputeEndsAt);
      // An eighth of the weight is no quorum.
      await expect(finalize(crowd))
        .to.emit(committee, "ProposalTallied")
        .withArgs(taskId, 1n, 0n, OUTCOMES.indexOf("Void"), 10_000n, total / SIZE, 0n);
    });
  });

  describe("commitAttestation", () => {
    it("records a commitment and the weight that it counts for", async () => {
      const { committee, taskId, verifiers } = task;
      await startRound(task, "Committing");
      for (const [i, verifier] of verifiers.entries()) {
        const sealed = await attestationCommitment(task, verifier, POSITIVE);
        await expect(commitAttestation(task, verifier, POSITIVE))
          .to.emit(committee, "AttestationCommitted")
          .withArgs(taskId, 1n, verifier.address, sealed, STAKES[i]);
        const attestation = await committee.attestation(taskId, 1n, verifier);
        expect(attestation).to.deep.equal([sealed, 0n, false, false]);
      }
      const attesters = verifiers.map((verifier, i) => [verifier.address, STAKES[i]]);
      expect(await committee.attesters(taskId, 1n)).to.deep.equal(attesters);
    });

    it("refuses the zero commitment, and one for another round", async () => {
      const { committee, taskId, verifiers } = task;
      await startRound(task, "Committing");
      const commit = (number: bigint, sealed: string) => () =>
        committee.connect(verifiers[0]).commitAttestation(taskId, number, sealed, MINED);
      await expectNo(commit(1n, ZeroHash), "ZeroCommitment", []);
      for (const number of [0n, 2n]) {
        await expectNo(commit(number, id("sealed")), "WrongRound", [number, 1n]);
      }
    });

    it("refuses a second commitment by one verifier", async () => {
      const { committee, taskId, verifiers } = task;
      await startRound(task, "Committing");
      await commitAttestation(task, verifiers[0], POSITIVE);
      const again = () => committee.connect(verifiers[0]).commitAttestation(taskId, 1n, id("again"), MINED);
      await expectNo(again, "AlreadyAttested", [verifiers[0].address, 1n]);
    });

    it("refuses one who is not enrolled", async () => {
      const { committee, rival, taskId } = task;
      await startRound(task, "Committing");
      const commit = () => committee.connect(rival).commitAttestation(taskId, 1n, id("sealed"), MINED);
      await expectNo(commit, "NotDrawn", [rival.address, 1n]);
    });
  });

  describe("revealAttestation", () => {
    const valid: [name: string, ballot: Ballot][] = [
      ["positive, with its losses", POSITIVE],
      ["positive, with losses of 0", positive(0n, 0n)],
      ["positive, with the largest losses", positive(2n ** 64n - 1n, 2n ** 64n - 1n)],
      ["negative, with a reason", NEGATIVE],
      [
        "negative, with the last reason and a loss before",
        { lossBefore: 9n, votes: [{ verdict: "Negative", reason: 255, lossAfter: 0n }] },
      ],
      ["unavailable", UNAVAILABLE],
      ["none", { lossBefore: 9n, votes: [NONE] }],
    ];
    for (const [name, ballot] of valid) {
      it(`shows a verdict that is ${name}`, async () => {
        const { committee, taskId, verifiers } = task;
        await startRound(task, "Revealing", [ballot]);
        const sealed = await attestationCommitment(task, verifiers[0], ballot);
        const [lossBefore, votes] = revealArguments(ballot);
        await expect(revealAttestation(task, verifiers[0], ballot))
          .to.emit(committee, "AttestationRevealed")
          .withArgs(
            taskId,
            1n,
            verifiers[0].address,
            lossBefore,
            votes.map(({ verdict, reason, lossAfter }) => [verdict, reason, lossAfter]),
          );
        expect(await committee.attestation(taskId, 1n, verifiers[0])).to.deep.equal([
          sealed,
          lossBefore,
          true,
          false,
        ]);
        const [{ verdict, lossAfter }] = votes as [(typeof votes)[number]];
        expect(await committee.vote(taskId, 1n, verifiers[0], 0n)).to.deep.equal([verdict, lossAfter]);
      });
    }

    const contradictory: [name: string, vote: Vote][] = [
      ["positive with a reason", { verdict: "Positive", reason: 1, lossAfter: 4_990_000n }],
      ["negative without a reason", { verdict: "Negative", reason: 0, lossAfter: 0n }],
      ["negative with a loss after", { verdict: "Negative", reason: 3, lossAfter: 1n }],
      ["unavailable with a reason", { verdict: "Unavailable", reason: 1, lossAfter: 0n }],
      ["unavailable with a loss after", { verdict: "Unavailable", reason: 0, lossAfter: 1n }],
    ];
    for (const [name, vote] of contradictory) {
      it(`refuses a verdict that is ${name}`, async () => {
        const { committee, taskId, verifiers } = task;
        const ballot = { lossBefore: 5n, votes: [vote] };
        await startRound(task, "Revealing", [ballot]);
        const reveal = () =>
          committee.connect(verifiers[0]).revealAttestation(taskId, ...revealArguments(ballot), MINED);
        const { verdict, reason, lossAfter } = vote;
        await expectNo(reveal, "InvalidVote", [0n, VERDICTS.indexOf(verdict), reason, lossAfter]);
      });
    }

    it("refuses a verdict that does not exist", async () => {
      const { committee, taskId, verifiers } = task;
      await startRound(task, "Revealing", [POSITIVE]);
      const [lossBefore, votes, salt] = revealArguments(POSITIVE);
      const reveal = () =>
        committee
          .connect(verifiers[0])
          .revealAttestation(taskId, lossBefore, [{ ...votes[0]!, verdict: 4n }], salt, MINED);
      await expect(reveal()).to.be.revertedWithoutReason(ethers);
    });

    it("refuses what does not match the commitment in any of its values", async () => {
      const { committee, taskId, verifiers } = task;
      const [verifier] = verifiers;
      await startRound(task, "Revealing", [POSITIVE]);
      const { commitment } = await committee.attestation(taskId, 1n, verifier);
      const others: Ballot[] = [
        { ...POSITIVE, votes: UNAVAILABLE.votes },
        { ...POSITIVE, votes: [{ ...BETTER, reason: 1 }] },
        { ...POSITIVE, lossBefore: POSITIVE.lossBefore + 1n },
        { ...POSITIVE, votes: [{ ...BETTER, lossAfter: BETTER.lossAfter - 1n }] },
        { ...POSITIVE, votes: [BETTER, BETTER] },
        { ...POSITIVE, votes: [] },
      ];
      for (const ballot of others) {
        await expectNo(
          () => committee.connect(verifier).revealAttestation(taskId, ...revealArguments(ballot), MINED),
          "CommitmentMismatch",
          [await attestationCommitment(task, verifier, ballot), commitment],
        );
      }
      const [before, votes] = revealArguments(POSITIVE);
      await expect(
        committee.connect(verifier).revealAttestation(taskId, before, votes, id("salt 2"), MINED),
      ).to.be.revertedWithCustomError(committee, "CommitmentMismatch");
      expect((await committee.attestation(taskId, 1n, verifier)).revealed).to.equal(false);
    });

    it("refuses the copy of another verifier's commitment", async () => {
      const { committee, taskId, verifiers } = task;
      const [honest, copier] = verifiers;
      await startRound(task, "Committing");
      const copied = await attestationCommitment(task, honest, POSITIVE);
      await commitAttestation(task, honest, POSITIVE);
      await committee.connect(copier).commitAttestation(taskId, 1n, copied);
      await passTo((await ends(task)).commitEndsAt);
      await revealAttestation(task, honest, POSITIVE);
      await expectNo(
        () => committee.connect(copier).revealAttestation(taskId, ...revealArguments(POSITIVE), MINED),
        "CommitmentMismatch",
        [await attestationCommitment(task, copier, POSITIVE), copied],
      );
    });

    it("refuses one who committed nothing, and a second reveal", async () => {
      const { committee, taskId, verifiers } = task;
      await startRound(task, "Revealing", [POSITIVE]);
      const reveal = (i: 0 | 1) => () =>
        committee.connect(verifiers[i]).revealAttestation(taskId, ...revealArguments(POSITIVE), MINED);
      await expectNo(reveal(1), "NothingCommitted", [verifiers[1].address, 1n]);
      await revealAttestation(task, verifiers[0], POSITIVE);
      await expectNo(reveal(0), "AlreadyAttested", [verifiers[0].address, 1n]);
    });
  });

  describe("a ballot on several proposals", () => {
    /** The task as the others see it that propose steps of their own beside the miner's. */
    function rivals(...miners: HardhatEthersSigner[]): Task[] {
      return [
        task,
        ...miners.map((miner, i) => ({
          ...task,
          miner,
          transition: stepFrom(SMALL_VECTORS.parameters, i + 1),
        })),
      ];
    }

    it("is one commitment and one reveal, with a vote for each, and each is counted", async () => {
      const { committee, taskId, verifiers } = task;
      const ballot: Ballot = {
        lossBefore: 5_000_000n,
        votes: [BETTER, { verdict: "Negative", reason: 2, lossAfter: 0n }],
      };
      await startRound(task, "Disputing", [ballot, ballot, ballot], rivals(task.rival));
      expect(await committee.vote(taskId, 1n, verifiers[1], 0n)).to.deep.equal([1n, 4_990_000n]);
      expect(await committee.vote(taskId, 1n, verifiers[1], 1n)).to.deep.equal([2n, 0n]);
      await passTo((await ends(task)).disputeEndsAt);
      const finalizing = finalize(task);
      const weight = sumOf(STAKES);
      await expect(finalizing)
        .to.emit(committee, "ProposalTallied")
        .withArgs(taskId, 1n, 0n, OUTCOMES.indexOf("Confirmed"), 10_000n, weight, 0n);
      await expect(finalizing)
        .to.emit(committee, "ProposalTallied")
        .withArgs(taskId, 1n, 1n, OUTCOMES.indexOf("Rejected"), 0n, 0n, weight);
    });

    it("has as many votes as the round has proposals, those that no longer matter too", async () => {
      const { committee, taskId, verifiers } = task;
      const copy = { ...task, miner: task.rival };
      const one = POSITIVE;
      const two = { ...POSITIVE, votes: [BETTER, NONE] };
      const three = { ...POSITIVE, votes: [BETTER, NONE, NONE] };
      await startRound(task, "Revealing", [one, two, three], [task, copy]);
      expect(await outcomeOf(task, 1n)).to.equal("Duplicate");
      const reveal = (verifier: HardhatEthersSigner, ballot: Ballot) => () =>
        committee.connect(verifier).revealAttestation(taskId, ...revealArguments(ballot), MINED);
      await expectNo(reveal(verifiers[0], one), "WrongVoteCount", [1n, 2n]);
      await expectNo(reveal(verifiers[2], three), "WrongVoteCount", [3n, 2n]);
      await reveal(verifiers[1], two)();
    });

    it("says nothing of an own proposal, but attests the others", async () => {
      const { committee, taskId, verifiers } = task;
      const [, second] = verifiers;
      const both = { ...POSITIVE, votes: [BETTER, BETTER] };
      const others = { ...POSITIVE, votes: [BETTER, NONE] };
      await startRound(task, "Committing", [], rivals(second));
      const snapshot = await networkHelpers.takeSnapshot();
      await commitAttestation(task, second, both);
      await passTo((await ends(task)).commitEndsAt);
      const reveal = () =>
        committee.connect(second).revealAttestation(taskId, ...revealArguments(both), MINED);
      await expectNo(reveal, "OwnProposal", [second.address, 1n]);

      await snapshot.restore();
      await attest(task, [both, others]);
      const finalizing = finalize(task);
      await expect(finalizing)
        .to.emit(committee, "ProposalTallied")
        .withArgs(taskId, 1n, 0n, OUTCOMES.indexOf("Confirmed"), 10_000n, STAKES[0] + STAKES[1], 0n);
      await expect(finalizing)
        .to.emit(committee, "ProposalTallied")
        .withArgs(taskId, 1n, 1n, OUTCOMES.indexOf("Void"), 10_000n, STAKES[0], 0n);
    });
  });

  describe("quorum and vote", () => {
    /** A task in which the first verifiers have these stakes. */
    async function withStakes(stakes: bigint[], quorumBps: bigint): Promise<Task> {
      const other = await registerTask(task, { quorumBps });
      for (const [i, stake] of stakes.entries()) {
        await other.committee.connect(other.verifiers[i]!).enrol(other.taskId, stake);
      }
      return other;
    }

    async function expectOutcome(played: Task, ballots: Ballot[], outcome: Outcome): Promise<void> {
      await playRound(played, ballots);
      await finalize(played);
      expect(await outcomeOf(played)).to.equal(outcome);
    }

    const [THIRD, HALF, TWO_THIRDS] = [parseEther("300"), parseEther("450"), parseEther("600")];

    it("a quorum is reached with exactly its share of the enrolled stake", async () => {
      await expectOutcome(await withStakes([HALF, HALF], 5_000n), [POSITIVE], "Confirmed");
    });

    it("and missed with a wei less", async () => {
      await expectOutcome(await withStakes([HALF, HALF + 1n], 5_000n), [POSITIVE], "Void");
    });

    it("and counts neither stake that came nor stake that left since the proposal window", async () => {
      const half = await withStakes([HALF, HALF], 5_000n);
      await startRound(half, "Committing");
      await half.committee.connect(half.rival).enrol(half.taskId, parseEther("1000"));
      await attest(half, [POSITIVE]);
      await finalize(half);
      expect(await outcomeOf(half)).to.equal("Confirmed");

      const less = await withStakes([HALF, HALF + 1n], 5_000n);
      await startRound(less, "Committing");
      await less.committee.connect(less.verifiers[1]).disenrol(less.taskId);
      await attest(less, [POSITIVE]);
      await finalize(less);
      expect(await outcomeOf(less)).to.equal("Void");
    });

    it("needs verdicts: neither silence nor an abstention adds to it, a negative verdict does", async () => {
      await expectOutcome(
        await withStakes([TWO_THIRDS, THIRD], 10_000n),
        [POSITIVE, silent(POSITIVE)],
        "Void",
      );
      await expectOutcome(await withStakes([TWO_THIRDS, THIRD], 10_000n), [POSITIVE, UNAVAILABLE], "Void");
      await expectOutcome(await withStakes([TWO_THIRDS, THIRD], 10_000n), [POSITIVE, NEGATIVE], "Confirmed");
    });

    for (const [name, seconds, outcome] of [
      [
        "before the commit window closes counts against a proposal that it finds unavailable",
        -1n,
        "Rejected",
      ],
      ["from then on does not, where others' votes may be known", 0n, "Confirmed"],
    ] as const) {
      it(`a verifier's demand ${name}`, async () => {
        const third = await withStakes([THIRD + 1n, TWO_THIRDS], 5_000n);
        const { disputes, verifiers, taskId, transition } = third;
        await startRound(third, "Committing");
        await commitAttestation(third, verifiers[0], UNAVAILABLE);
        await commitAttestation(third, verifiers[1], POSITIVE);
        await at((await ends(third)).commitEndsAt + seconds);
        await disputes.connect(verifiers[0]).demand(taskId, 1n, 0n, 0n);
        await passTo((await ends(third)).commitEndsAt + 1n);
        await disputes.answer(taskId, 1n, 0n, verifiers[0], transition.opening(0));
        await revealAttestation(third, verifiers[0], UNAVAILABLE);
        await revealAttestation(third, verifiers[1], POSITIVE);
        await passTo((await ends(third)).disputeEndsAt);
        await finalize(third);
        expect(await outcomeOf(third)).to.equal(outcome);
      });
    }

    it("a third of the weight does not reject", async () => {
      await expectOutcome(await withStakes([THIRD, TWO_THIRDS], 5_000n), [NEGATIVE, POSITIVE], "Confirmed");
    });

    it("and a wei more does", async () => {
      await expectOutcome(
        await withStakes([THIRD + 1n, TWO_THIRDS], 5_000n),
        [NEGATIVE, POSITIVE],
        "Rejected",
      );
    });
  });

  describe("reportAbsence", () => {
    /** Plays a round in which these verifiers commit, to the first second in which absences are reported. */
    async function playAbsent(ballots: (Ballot | undefined)[], absent: Task = task): Promise<void> {
      await startRound(absent, "Revealing", ballots);
    }

    async function finish(): Promise<void> {
      await passTo((await ends(task)).disputeEndsAt);
      await finalize(task);
    }

    it("costs a drawn verifier that did not commit a penalty: half of it is the reporter's, the rest burns", async () => {
      const { committee, vault, verifiers, stranger, taskId } = task;
      await playAbsent([undefined, POSITIVE]);
      const reporting = committee.connect(stranger).reportAbsence(taskId, verifiers[0]);
      await expect(reporting)
        .to.emit(committee, "AbsenceReported")
        .withArgs(taskId, 1n, verifiers[0].address, stranger.address, 1n);
      await expect(reporting)
        .to.emit(vault, "Slashed")
        .withArgs(
          await committee.getAddress(),
          verifiers[0].address,
          PENALTY - PENALTY / 2n,
          stranger.address,
          PENALTY / 2n,
        );
      expect(await vault.balanceOf(stranger)).to.equal(PENALTY / 2n);
      expect(await vault.pooled(committee, taskId, verifiers[0])).to.equal(STAKES[0] - PENALTY);
      expect(await committee.enrolment(taskId, verifiers[0])).to.deep.equal([true, 1n]);
      expect((await committee.attestation(taskId, 1n, verifiers[0])).reported).to.equal(true);
      await expectSolvent(task);
    });

    it("is taken once for a verifier and round", async () => {
      const { committee, verifiers, taskId } = task;
      await playAbsent([]);
      await committee.reportAbsence(taskId, verifiers[0]);
      await expectNo(() => committee.reportAbsence(taskId, verifiers[0], MINED), "AlreadyReported", [
        verifiers[0].address,
        1n,
      ]);
      await committee.reportAbsence(taskId, verifiers[1]);
    });

    it("is refused of one that committed, and of one that is not drawn", async () => {
      const { committee, rival, verifiers, taskId } = task;
      await playAbsent([POSITIVE]);
      await expectNo(() => committee.reportAbsence(taskId, verifiers[0], MINED), "AlreadyAttested", [
        verifiers[0].address,
        1n,
      ]);
      await expectNo(() => committee.reportAbsence(taskId, rival, MINED), "NotDrawn", [rival.address, 1n]);
    });

    it("is refused in a round that ended because nothing was left to attest", async () => {
      const { committee, verifiers, taskId } = task;
      await startRound(task, "LeafChecking");
      await passTo((await ends(task)).leafCheckEndsAt);
      await expectNo(() => committee.reportAbsence(taskId, verifiers[0], MINED), "WrongPhase", [
        PHASES.indexOf("Ended"),
        PHASES.indexOf("Revealing"),
      ]);
    });

    it("takes the place of a verifier after the third time in a row, and starts its withdrawal", async () => {
      const { committee, vault, verifiers, taskId } = task;
      for (let miss = 1n; miss <= 3n; miss++) {
        await playAbsent([]);
        const reporting = committee.reportAbsence(taskId, verifiers[2]);
        if (miss < 3n) await expect(reporting).not.to.emit(committee, "Disenrolled");
        else {
          await expect(reporting).to.emit(committee, "Disenrolled").withArgs(taskId, verifiers[2].address);
        }
        expect(await committee.enrolment(taskId, verifiers[2])).to.deep.equal([miss < 3n, miss]);
        await finish();
      }
      expect(await vault.pooled(committee, taskId, verifiers[2])).to.equal(0n);
      expect((await vault.accounts(verifiers[2])).withdrawing).to.equal(STAKES[2] - 3n * PENALTY);
      await startRound(task, "Committing");
      expect(await committee.weightOf(taskId, 4n, verifiers[2])).to.equal(0n);
    });

    /** Lets the third verifier miss rounds, each of them reported. */
    async function miss(times: number): Promise<void> {
      for (let i = 0; i < times; i++) {
        await playAbsent([]);
        await task.committee.reportAbsence(task.taskId, task.verifiers[2]);
        await finish();
      }
    }

    it("counts misses in a row: a commitment starts anew, whether it is revealed or not", async () => {
      const { committee, verifiers, taskId } = task;
      await miss(2);
      await playRound(task, [undefined, undefined, silent(POSITIVE)]);
      await finalize(task);
      expect(await committee.enrolment(taskId, verifiers[2])).to.deep.equal([true, 0n]);
      await miss(2);
      expect(await committee.enrolment(taskId, verifiers[2])).to.deep.equal([true, 2n]);
    });

    it("counts only what was reported", async () => {
      const { committee, verifiers, taskId } = task;
      await miss(2);
      await playAbsent([]);
      await finish();
      expect(await committee.enrolment(taskId, verifiers[2])).to.deep.equal([true, 2n]);
    });

    it("is not undone by leaving and enrolling again, nor by adding stake", async () => {
      const { committee, verifiers, taskId } = task;
      const [, , verifier] = verifiers;
      await miss(2);
      await committee.connect(verifier).enrol(taskId, 1n);
      await committee.connect(verifier).disenrol(taskId);
      await committee.connect(verifier).enrol(taskId, STAKES[2]);
      expect(await committee.enrolment(taskId, verifier)).to.deep.equal([true, 2n]);
      await miss(1);
      expect(await committee.enrolment(taskId, verifier)).to.deep.equal([false, 3n]);

      // Back again, it has one round to show that it is there.
      await committee.connect(verifier).enrol(taskId, STAKES[2]);
      const snapshot = await networkHelpers.takeSnapshot();
      await miss(1);
      expect(await committee.enrolment(taskId, verifier)).to.deep.equal([false, 3n]);
      await snapshot.restore();
      await playRound(task, [undefined, undefined, POSITIVE]);
      expect(await committee.enrolment(taskId, verifier)).to.deep.equal([true, 0n]);
    });

    it("costs one that left since the proposal window too, from what it has under withdrawal", async () => {
      const { committee, vault, verifiers, taskId } = task;
      await startRound(task, "Opening");
      await committee.connect(verifiers[0]).disenrol(taskId);
      await openProposal(task);
      await reachCommitting(task);
      await passTo((await ends(task)).commitEndsAt);
      await committee.reportAbsence(taskId, verifiers[0]);
      expect((await vault.accounts(verifiers[0])).withdrawing).to.equal(STAKES[0] - PENALTY);
      expect(await committee.enrolment(taskId, verifiers[0])).to.deep.equal([false, 1n]);
    });

    it("of the third miss of one that left already takes no place a second time", async () => {
      const { committee, verifiers, taskId } = task;
      await miss(2);
      await startRound(task, "Opening");
      await committee.connect(verifiers[2]).disenrol(taskId);
      await openProposal(task);
      await reachCommitting(task);
      await passTo((await ends(task)).commitEndsAt);
      const reporting = committee.reportAbsence(taskId, verifiers[2]);
      await expect(reporting).to.emit(committee, "AbsenceReported");
      await expect(reporting).not.to.emit(committee, "Disenrolled");
      expect(await committee.enrolment(taskId, verifiers[2])).to.deep.equal([false, 3n]);
    });

    it("costs nothing but the place where the task has no such penalty", async () => {
      const mild = await registerTask(task, { deviationPenalty: 0n });
      const { committee, vault, verifiers, taskId } = mild;
      await committee.connect(verifiers[0]).enrol(taskId, STAKES[0]);
      await playAbsent([], mild);
      const reporting = committee.reportAbsence(taskId, verifiers[0]);
      await expect(reporting).to.emit(committee, "AbsenceReported");
      await expect(reporting).not.to.emit(vault, "Slashed");
      expect(await vault.pooled(committee, taskId, verifiers[0])).to.equal(STAKES[0]);
    });
  });

  describe("what a round costs", () => {
    /** A lookup in the history of 300 changes reads some more places of it than in one of 3. */
    const SEARCH_GAS = 10_000;
    /** Bytes of a hash that are zero cost less. */
    const DATA_GAS = 500;

    /** Gas of each step of a round of a task in which so many have staked, three of them much. */
    async function measure(stakers: number): Promise<Record<string, number>> {
      const staked = await registerTask(await networkHelpers.loadFixture(createTask), {
        verifierStake: MISSED,
        quorumBps: 2_000n,
      });
      const { committee, verifiers, taskId, stranger } = staked;
      for (const verifier of verifiers) {
        await tick();
        await committee.connect(verifier).enrol(taskId, parseEther("3000"));
      }
      for (const party of await fundParties(staked, stakers - verifiers.length)) {
        await tick();
        await committee.connect(party).enrol(taskId, MISSED);
      }
      await tick();
      const proposing = await gasUsed(propose(staked));
      await openProposal(staked);
      await reachCommitting(staked);
      const [first, second, absent] = verifiers;
      const committing = await gasUsed(commitAttestation(staked, first, POSITIVE));
      await commitAttestation(staked, second, POSITIVE);
      await passTo((await ends(staked)).commitEndsAt);
      const revealing = await gasUsed(revealAttestation(staked, first, POSITIVE));
      await revealAttestation(staked, second, POSITIVE);
      await tick();
      const reporting = await gasUsed(committee.connect(stranger).reportAbsence(taskId, absent));
      await passTo((await ends(staked)).disputeEndsAt);
      const finalizing = await gasUsed(finalize(staked));
      expect(await outcomeOf(staked)).to.equal("Confirmed");
      return { proposing, committing, revealing, reporting, finalizing };
    }

    it("does not depend on how many have staked", async () => {
      const [few, many] = [await measure(3), await measure(300)];
      const bounds = {
        proposing: DATA_GAS,
        committing: SEARCH_GAS,
        revealing: DATA_GAS,
        reporting: SEARCH_GAS,
        finalizing: SEARCH_GAS,
      };
      for (const [step, bound] of Object.entries(bounds)) {
        expect(Math.abs(many[step]! - few[step]!), step).to.be.below(bound);
      }
    });
  });
});
