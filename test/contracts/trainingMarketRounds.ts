import { expect } from "chai";
import { id, type Result, ZeroAddress, ZeroHash } from "ethers";
import { named, OUTCOMES, PHASES, STAGES } from "../../clients/chain/phase.ts";
import { BLOCKS_PER_LEAF, QUANT_LEAF_BYTES } from "../../clients/model/geometry.ts";
import { FORGERIES, forgedTransition, LEAF_VERDICTS } from "./support/forgery.ts";
import { expectSolvent } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  at,
  attestationCommitment,
  checkLeaves,
  commitAttestation,
  createTask,
  currentRound,
  DEPOSIT,
  drawnOpenings,
  ESCROW,
  ends,
  ethers,
  finalize,
  LOCATION,
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
  proposalCommitment,
  propose,
  recordSeed,
  registerTask,
  requestSeed,
  revealArguments,
  revealAttestation,
  SMALL,
  STAKES,
  startRound,
  type Task,
  tick,
  UNAVAILABLE,
  type Vote,
} from "./support/scenario.ts";
import { commitTransition, makeVectors } from "./support/transition.ts";

const POSITIVE = positive(5_000_000n, 4_990_000n);

describe("TrainingMarket, steps of a round", () => {
  let task: Task;

  beforeEach(async () => {
    task = await networkHelpers.loadFixture(createTask);
  });

  afterEach(async () => {
    await expectSolvent(task);
  });

  describe("propose", () => {
    it("starts a round: locks the bond, takes the fee, reserves the rewards", async () => {
      const { market, vault, token, miner, taskId } = task;
      const wallet = await token.balanceOf(miner);
      const sealed = await proposalCommitment(task);
      const proposalEndsAt = (await now()) + 1n + PARAMS.proposalSeconds;
      const proposing = propose(task);
      await expect(proposing)
        .to.emit(market, "Proposed")
        .withArgs(taskId, 1n, miner.address, sealed, proposalEndsAt);
      await expect(proposing)
        .to.emit(vault, "Locked")
        .withArgs(await market.getAddress(), miner.address, PARAMS.minerBond);
      expect(((await currentRound(task)) as unknown as Result).toObject()).to.deep.equal({
        miner: miner.address,
        bond: PARAMS.minerBond,
        stage: BigInt(STAGES.indexOf("Sealed")),
        outcome: BigInt(OUTCOMES.indexOf("None")),
        attesters: 0n,
        proposalEndsAt,
        seededAt: 0n,
        committedStake: 0n,
        seedTicket: 0n,
        commitment: sealed,
        fullRoot: ZeroHash,
        quantRoot: ZeroHash,
        updateRoot: ZeroHash,
        seed: ZeroHash,
      });
      const { round, escrow } = await market.task(taskId);
      expect([round, escrow]).to.deep.equal([1n, ESCROW - PARAMS.minerReward - PARAMS.verifierReward]);
      const account = await vault.accounts(miner);
      expect([account.free, account.locked]).to.deep.equal([DEPOSIT - PARAMS.minerBond, PARAMS.minerBond]);
      expect(await token.balanceOf(miner)).to.equal(wallet - PARAMS.proposalFee);
    });

    it("moves no token where the task has no fee", async () => {
      const free = await registerTask(task, { proposalFee: 0n });
      await expect(propose(free)).not.to.emit(free.token, "Transfer");
    });

    it("refuses a second proposal by the same miner, in every phase of its round", async () => {
      const { market, miner, taskId } = task;
      const again = () => market.connect(miner).propose(taskId, id("again"), MINED);
      await propose(task);
      await expectRefused(task, again, "AlreadyProposed", [miner.address, 1n]);
      await openProposal(task);
      await expectRefused(task, again, "AlreadyProposed", [miner.address, 1n]);
    });

    it("refuses another miner's proposal while a round runs", async () => {
      const { market, miner, rival, taskId } = task;
      const other = () => market.connect(rival).propose(taskId, id("other"), MINED);
      await propose(task);
      await expectRefused(task, other, "RoundTaken", [1n, miner.address]);
      await openProposal(task);
      await expectRefused(task, other, "WrongPhase", [PHASES.indexOf("Opening"), PHASES.indexOf("Idle")]);
    });

    it("refuses where the escrow holds less than a round's rewards", async () => {
      const { market, miner } = task;
      const poor = await registerTask(task, { minerReward: ESCROW });
      const given = ESCROW + PARAMS.verifierReward;
      const tryIt = () => market.connect(miner).propose(poor.taskId, id("sealed"), MINED);
      await expectRefused(task, tryIt, "InsufficientEscrow", [given, ESCROW]);
      await market.connect(task.owner).fundTask(poor.taskId, PARAMS.verifierReward - 1n);
      await expectRefused(task, tryIt, "InsufficientEscrow", [given, given - 1n]);
      await market.connect(task.owner).fundTask(poor.taskId, 1n);
      await propose(poor);
      expect((await market.task(poor.taskId)).escrow).to.equal(0n);
    });

    it("refuses a miner without free stake for the bond, or tokens for the fee", async () => {
      const { market, vault, token, miner, stranger, taskId } = task;
      await expectRefused(
        task,
        () => market.connect(stranger).propose(taskId, id("sealed"), MINED),
        "InsufficientFree",
        [stranger.address, PARAMS.minerBond, 0n],
        vault,
      );
      await token.connect(miner).approve(market, PARAMS.proposalFee - 1n);
      await expectRefused(
        task,
        () => market.connect(miner).propose(taskId, id("sealed"), MINED),
        "ERC20InsufficientAllowance",
        [await market.getAddress(), PARAMS.proposalFee - 1n, PARAMS.proposalFee],
        token,
      );
    });
  });

  describe("openProposal", () => {
    it("shows what was sealed, sent by anyone who has the salt", async () => {
      const { market, stranger, taskId } = task;
      await startRound(task, "Opening");
      await expect(market.connect(stranger).openProposal(...openingArguments(task)))
        .to.emit(market, "ProposalOpened")
        .withArgs(taskId, 1n, SMALL.fullRoot, SMALL.quantRoot, SMALL.updateRoot, LOCATION);
      const round = await currentRound(task);
      expect(named(STAGES, round.stage)).to.equal("Opened");
      expect([round.fullRoot, round.quantRoot, round.updateRoot]).to.deep.equal([
        SMALL.fullRoot,
        SMALL.quantRoot,
        SMALL.updateRoot,
      ]);
    });

    it("refuses an opening that does not match its commitment in any of its values", async () => {
      const { market } = task;
      const honest = openingArguments(task);
      const others = honest.slice(1).map((value, i) => {
        const other = value === LOCATION ? `${LOCATION}x` : id("else");
        return honest.with(i + 1, other) as typeof honest;
      });
      const given = await Promise.all(others.map((opening) => proposalCommitment(task, task.miner, opening)));
      await startRound(task, "Opening");
      const { commitment } = await currentRound(task);
      for (const [i, opening] of others.entries()) {
        await expectRefused(task, () => market.openProposal(...opening, MINED), "CommitmentMismatch", [
          given[i],
          commitment,
        ]);
      }
    });

    it("refuses what was sealed by another miner, or for another round", async () => {
      const { market, miner, rival, taskId } = task;
      const open = () => market.openProposal(...openingArguments(task), MINED);
      const ofFirstRound = await proposalCommitment(task);
      const ofRival = await proposalCommitment(task, rival);
      for (const copied of [ofRival, ofFirstRound]) {
        const expected = await proposalCommitment(task);
        await tick();
        await market.connect(miner).propose(taskId, copied);
        await passTo((await ends(task)).proposalEndsAt);
        await expectRefused(task, open, "CommitmentMismatch", [expected, copied]);
        await passTo((await ends(task)).openingEndsAt);
        await finalize(task);
      }
    });

    it("refuses a location of more than 256 bytes", async () => {
      await startRound(task, "Opening");
      const opening = openingArguments(task).with(4, "l".repeat(257)) as ReturnType<typeof openingArguments>;
      await expectRefused(task, () => task.market.openProposal(...opening, MINED), "TextTooLong", [257, 256]);
    });

    it("refuses to open twice", async () => {
      await startRound(task, "Opening");
      await task.market.openProposal(...openingArguments(task));
      await expectRefused(
        task,
        () => task.market.openProposal(...openingArguments(task), MINED),
        "WrongStage",
        [STAGES.indexOf("Opened"), STAGES.indexOf("Sealed")],
      );
    });
  });

  describe("seed", () => {
    it("is the hash of the block two after its request", async () => {
      const { market, taskId } = task;
      await propose(task);
      await openProposal(task);
      const request = await requestSeed(task);
      const ticket = BigInt(request.blockNumber!) + 2n;
      await expect(request).to.emit(market, "SeedRequested").withArgs(taskId, 1n, ticket);
      expect((await currentRound(task)).seedTicket).to.equal(ticket);

      const record = await recordSeed(task);
      const seed = (await ethers.provider.getBlock(ticket))!.hash;
      await expect(record).to.emit(market, "SeedRecorded").withArgs(taskId, 1n, seed);
      const round = await currentRound(task);
      expect([round.seed, round.seededAt, named(STAGES, round.stage)]).to.deep.equal([
        seed,
        await now(),
        "Seeded",
      ]);
    });

    it("cannot be recorded before it was requested", async () => {
      await startRound(task, "Seeding");
      await expectRefused(task, () => task.market.recordSeed(task.taskId, MINED), "SeedNotRequested", [1n]);
    });

    it("cannot be recorded before its block is mined", async () => {
      const { market, taskId } = task;
      await startRound(task, "Seeding");
      await market.requestSeed(taskId);
      const { seedTicket } = await currentRound(task);
      const record = () => market.recordSeed(taskId, MINED);
      await expectRefused(task, record, "SeedPending", [seedTicket]);
      await expectRefused(task, record, "SeedPending", [seedTicket]);
      await market.recordSeed(taskId);
      expect(named(STAGES, (await currentRound(task)).stage)).to.equal("Seeded");
    });

    it("is not requested again while it can still be read", async () => {
      const { market, taskId } = task;
      await startRound(task, "Seeding");
      await market.requestSeed(taskId);
      const { seedTicket } = await currentRound(task);
      const request = () => market.requestSeed(taskId, MINED);
      await expectRefused(task, request, "SeedStillReadable", [seedTicket]);
      // The 256th block after the ticket is the last that can read it.
      await networkHelpers.mineUpTo(seedTicket + 255n);
      await expectRefused(task, request, "SeedStillReadable", [seedTicket]);
    });

    it("is requested again once it is out of reach", async () => {
      const { market, taskId } = task;
      await startRound(task, "Seeding");
      await market.requestSeed(taskId);
      const { seedTicket } = await currentRound(task);
      await networkHelpers.mineUpTo(seedTicket + 256n);
      await expectRefused(task, () => market.recordSeed(taskId, MINED), "SeedOutOfReach", [seedTicket]);
      const again = await market.requestSeed(taskId);
      const ticket = BigInt(again.blockNumber!) + 2n;
      await expect(again).to.emit(market, "SeedRequested").withArgs(taskId, 1n, ticket);
      await recordSeed(task);
      expect((await currentRound(task)).seed).to.equal((await ethers.provider.getBlock(ticket))!.hash);
    });
  });

  describe("checkLeaves", () => {
    beforeEach(async () => {
      await startRound(task, "LeafChecking");
    });

    it("takes the drawn leaves from anyone", async () => {
      const { market, taskId, stranger } = task;
      const { openings } = await drawnOpenings(task);
      await expect(market.connect(stranger).checkLeaves(taskId, openings))
        .to.emit(market, "LeavesChecked")
        .withArgs(taskId, 1n);
      expect(named(STAGES, (await currentRound(task)).stage)).to.equal("Checked");
    });

    it("refuses another number of leaves than the task's", async () => {
      const { market, taskId } = task;
      const { openings } = await drawnOpenings(task);
      for (const given of [[], openings.slice(1), [...openings, openings[0]!]]) {
        await expectRefused(task, () => market.checkLeaves(taskId, given, MINED), "WrongLeafCount", [
          given.length,
          4,
        ]);
      }
    });

    it("refuses leaves and proofs of a wrong length, and leaves that are not in their trees", async () => {
      const { market, leafChecker, taskId, transition } = task;
      const { openings, indices } = await drawnOpenings(task);
      const [first] = openings;
      const send = (opening: Partial<typeof first>) => () =>
        market.checkLeaves(taskId, [{ ...first!, ...opening }, ...openings.slice(1)], MINED);
      const refused: [() => Promise<unknown>, string, unknown[]][] = [
        [send({ oldLeaf: first!.oldLeaf.slice(1) }), "WrongLeafLength", [1_023, 1_024]],
        [send({ updateLeaf: new Uint8Array(64) }), "WrongLeafLength", [64, 136]],
        [send({ quantProof: first!.quantProof.slice(1) }), "WrongProofLength", [1, 2]],
        [send({ newLeaf: new Uint8Array(1_024) }), "NotInTree", [transition.fullRoot, indices[0]]],
      ];
      for (const [call, error, args] of refused) await expectRefused(task, call, error, args, leafChecker);
    });

    it("refuses leaves that are right but were not drawn", async () => {
      const { market, leafChecker, taskId, transition } = task;
      const { openings, indices } = await drawnOpenings(task);
      const other = transition.opening((indices[3]! + 1) % transition.leafCount);
      await expectRefused(
        task,
        () => market.checkLeaves(taskId, openings.with(3, other), MINED),
        "NotInTree",
        [transition.head.fullRoot, indices[3]],
        leafChecker,
      );
    });
  });

  describe("checkLeaves, of a proposal that breaks a rule,", () => {
    for (const forgery of FORGERIES) {
      const isPoisoned = forgery.verdict === "NonFiniteOld";
      const outcome = isPoisoned ? "PoisonedHead" : "Fraud";

      it(`ends the round as ${outcome} where ${forgery.what}`, async () => {
        const forged = await registerTask(task, {}, forgedTransition(forgery));
        const { market, taskId } = forged;
        await startRound(forged, "LeafChecking");
        const checking = checkLeaves(forged);
        const verdict = LEAF_VERDICTS.indexOf(forgery.verdict);
        await expect(checking)
          .to.emit(market, "LeafRefuted")
          .withArgs(taskId, 1n, 0n, verdict, forgery.element);
        await expect(checking)
          .to.emit(market, "RoundFinalized")
          .withArgs(taskId, 1n, OUTCOMES.indexOf(outcome), 0n, 0n, 0n);
        const round = await currentRound(forged);
        expect(named(STAGES, round.stage)).to.equal("Final");
        expect(named(OUTCOMES, round.outcome)).to.equal(outcome);
        expect(named(PHASES, await market.phase(taskId))).to.equal(isPoisoned ? "Closed" : "Idle");
        const { head } = await market.task(taskId);
        expect(head.fullRoot).to.equal(forged.transition.head.fullRoot);
      });
    }

    it("names the first drawn leaf that breaks one, after those that break none", async () => {
      const vectors = makeVectors(700, 1);
      vectors.newQuant[2 * QUANT_LEAF_BYTES + BLOCKS_PER_LEAF]! ^= 1;
      const forged = await registerTask(task, { leafChecks: 16n }, commitTransition(vectors));
      await startRound(forged, "LeafChecking");
      const { indices } = await drawnOpenings(forged);
      expect(indices).to.include.members([0, 1, 2]);
      await expect(checkLeaves(forged))
        .to.emit(forged.market, "LeafRefuted")
        .withArgs(forged.taskId, 1n, 2n, LEAF_VERDICTS.indexOf("WrongQuantization"), 0n);
    });
  });

  describe("commitAttestation", () => {
    it("records a commitment and the stake that it counts for", async () => {
      const { market, taskId, verifiers } = task;
      await startRound(task, "Committing");
      for (const [i, verifier] of verifiers.entries()) {
        const sealed = await attestationCommitment(task, verifier, POSITIVE);
        await expect(commitAttestation(task, verifier, POSITIVE))
          .to.emit(market, "AttestationCommitted")
          .withArgs(taskId, 1n, verifier.address, sealed, STAKES[i]);
        const attestation = await market.attestation(taskId, 1n, verifier);
        expect(attestation).to.deep.equal([sealed, 0n, 0n, 0n, 0n]);
      }
      const attesters = verifiers.map((verifier, i) => [verifier.address, STAKES[i]]);
      expect(await market.attesters(taskId, 1n)).to.deep.equal(attesters);
      const round = await currentRound(task);
      expect([round.attesters, round.committedStake]).to.deep.equal([3n, STAKES[0] + STAKES[1] + STAKES[2]]);
    });

    it("refuses the zero commitment", async () => {
      const { market, taskId, verifiers } = task;
      await startRound(task, "Committing");
      const commit = () => market.connect(verifiers[0]).commitAttestation(taskId, ZeroHash, MINED);
      await expectRefused(task, commit, "ZeroCommitment", []);
    });

    it("refuses a second commitment by one verifier", async () => {
      const { market, taskId, verifiers } = task;
      await startRound(task, "Committing");
      await commitAttestation(task, verifiers[0], POSITIVE);
      const again = () => market.connect(verifiers[0]).commitAttestation(taskId, id("again"), MINED);
      await expectRefused(task, again, "AlreadyAttested", [verifiers[0].address, 1n]);
    });

    it("refuses the miner of the proposal, enrolled or not", async () => {
      const { market, miner, taskId } = task;
      await market.connect(miner).enrol(taskId, PARAMS.verifierStake);
      await startRound(task, "Committing");
      const commit = () => market.connect(miner).commitAttestation(taskId, id("sealed"), MINED);
      await expectRefused(task, commit, "OwnProposal", [miner.address]);
    });

    it("refuses one who is not enrolled", async () => {
      const { market, rival, taskId } = task;
      await startRound(task, "Committing");
      const commit = () => market.connect(rival).commitAttestation(taskId, id("sealed"), MINED);
      await expectRefused(task, commit, "StakeTooSmall", [0n, PARAMS.verifierStake]);
    });

    it("counts stake enrolled in the last second of the proposal window, none from the next on", async () => {
      const { market, rival, stranger, taskId, verifiers } = task;
      await task.token.connect(stranger).faucet(PARAMS.verifierStake);
      await task.token.connect(stranger).approve(task.vault, PARAMS.verifierStake);
      await task.vault.connect(stranger).deposit(PARAMS.verifierStake);
      await propose(task);
      const { proposalEndsAt } = await ends(task);
      await at(proposalEndsAt - 1n);
      await market.connect(rival).enrol(taskId, PARAMS.verifierStake);
      await at(proposalEndsAt);
      await market.connect(stranger).enrol(taskId, PARAMS.verifierStake);
      await tick();
      await market.connect(verifiers[0]).enrol(taskId, 100n);

      await tick();
      await market.openProposal(...openingArguments(task));
      await requestSeed(task);
      await recordSeed(task);
      await checkLeaves(task);
      await expect(commitAttestation(task, rival, POSITIVE))
        .to.emit(market, "AttestationCommitted")
        .withArgs(
          taskId,
          1n,
          rival.address,
          await attestationCommitment(task, rival, POSITIVE),
          PARAMS.verifierStake,
        );
      await commitAttestation(task, verifiers[0], POSITIVE);
      expect((await market.attesters(taskId, 1n))[1]!.stake).to.equal(STAKES[0]);
      const late = () => market.connect(stranger).commitAttestation(taskId, id("sealed"), MINED);
      await expectRefused(task, late, "StakeTooSmall", [0n, PARAMS.verifierStake]);
    });

    it("counts no stake that left before the proposal window closed", async () => {
      const { market, taskId, verifiers } = task;
      await propose(task);
      await at((await ends(task)).proposalEndsAt - 1n);
      await market.connect(verifiers[0]).disenrol(taskId);
      await openProposal(task);
      await requestSeed(task);
      await recordSeed(task);
      await checkLeaves(task);
      const commit = () => market.connect(verifiers[0]).commitAttestation(taskId, id("sealed"), MINED);
      await expectRefused(task, commit, "StakeTooSmall", [0n, PARAMS.verifierStake]);
    });

    it("refuses a verifier whose penalties left it less than the least stake, until it adds to it", async () => {
      const { market, taskId, verifiers } = task;
      const [verifier] = verifiers;
      const silent: Vote = { ...NEGATIVE, silent: true };
      await playRound(task, [silent, NEGATIVE, NEGATIVE]);
      await finalize(task);

      const left = STAKES[0] - PARAMS.missedRevealPenalty;
      const snapshot = await networkHelpers.takeSnapshot();
      await startRound(task, "Committing");
      const commit = () => market.connect(verifier).commitAttestation(taskId, id("sealed"), MINED);
      await expectRefused(task, commit, "StakeTooSmall", [left, PARAMS.verifierStake]);

      await snapshot.restore();
      const enrol = (amount: bigint) => market.connect(verifier).enrol(taskId, amount, MINED);
      await expectRefused(task, () => enrol(PARAMS.missedRevealPenalty - 1n), "StakeTooSmall", [
        PARAMS.verifierStake - 1n,
        PARAMS.verifierStake,
      ]);
      await enrol(PARAMS.missedRevealPenalty);
      expect((await market.task(taskId)).enrolled).to.equal(3n);
      await startRound(task, "Committing");
      await commitAttestation(task, verifier, NEGATIVE);
      expect((await market.attesters(taskId, 2n))[0]).to.deep.equal([verifier.address, PARAMS.verifierStake]);
    });
  });

  describe("revealAttestation", () => {
    const valid: [name: string, vote: Vote][] = [
      ["positive, with its losses", POSITIVE],
      ["positive, with losses of 0", positive(0n, 0n)],
      ["positive, with the largest losses", positive(2n ** 64n - 1n, 2n ** 64n - 1n)],
      ["negative, with a reason", NEGATIVE],
      ["negative, with the last reason", { ...NEGATIVE, reason: 255 }],
      ["unavailable", UNAVAILABLE],
    ];
    for (const [name, vote] of valid) {
      it(`shows a verdict that is ${name}`, async () => {
        const { market, taskId, verifiers } = task;
        await startRound(task, "Revealing", [vote]);
        const sealed = await attestationCommitment(task, verifiers[0], vote);
        const [verdict, reason, lossBefore, lossAfter] = revealArguments(vote);
        await expect(revealAttestation(task, verifiers[0], vote))
          .to.emit(market, "AttestationRevealed")
          .withArgs(taskId, 1n, verifiers[0].address, verdict, reason, lossBefore, lossAfter);
        const stored = await market.attestation(taskId, 1n, verifiers[0]);
        expect(stored).to.deep.equal([sealed, verdict, BigInt(reason), lossBefore, lossAfter]);
      });
    }

    const contradictory: [name: string, vote: Vote][] = [
      ["none", { ...UNAVAILABLE, verdict: "None" }],
      ["positive with a reason", { ...POSITIVE, reason: 1 }],
      ["negative without a reason", { ...NEGATIVE, reason: 0 }],
      ["negative with a loss before", { ...NEGATIVE, lossBefore: 1n }],
      ["negative with a loss after", { ...NEGATIVE, lossAfter: 1n }],
      ["unavailable with a reason", { ...UNAVAILABLE, reason: 1 }],
      ["unavailable with a loss before", { ...UNAVAILABLE, lossBefore: 1n }],
      ["unavailable with a loss after", { ...UNAVAILABLE, lossAfter: 1n }],
    ];
    for (const [name, vote] of contradictory) {
      it(`refuses a verdict that is ${name}`, async () => {
        const { market, taskId, verifiers } = task;
        await startRound(task, "Revealing", [vote]);
        const [verdict, reason] = revealArguments(vote);
        const reveal = () =>
          market.connect(verifiers[0]).revealAttestation(taskId, ...revealArguments(vote), MINED);
        await expectRefused(task, reveal, "InvalidVerdict", [verdict, reason]);
      });
    }

    it("refuses a verdict that does not exist", async () => {
      const { market, taskId, verifiers } = task;
      await startRound(task, "Revealing", [POSITIVE]);
      const [, ...rest] = revealArguments(POSITIVE);
      await expect(
        market.connect(verifiers[0]).revealAttestation(taskId, 4n, ...rest, MINED),
      ).to.be.revertedWithoutReason(ethers);
    });

    it("refuses what does not match the commitment in any of its values", async () => {
      const { market, taskId, verifiers } = task;
      const [verifier] = verifiers;
      await startRound(task, "Revealing", [POSITIVE]);
      const { commitment } = await market.attestation(taskId, 1n, verifier);
      const others: Vote[] = [
        UNAVAILABLE,
        { ...POSITIVE, reason: 1 },
        { ...POSITIVE, lossBefore: POSITIVE.lossBefore + 1n },
        { ...POSITIVE, lossAfter: POSITIVE.lossAfter - 1n },
      ];
      for (const vote of others) {
        await expectRefused(
          task,
          () => market.connect(verifier).revealAttestation(taskId, ...revealArguments(vote), MINED),
          "CommitmentMismatch",
          [await attestationCommitment(task, verifier, vote), commitment],
        );
      }
      const [verdict, reason, before, after] = revealArguments(POSITIVE);
      await expect(
        market
          .connect(verifier)
          .revealAttestation(taskId, verdict, reason, before, after, id("salt 2"), MINED),
      ).to.be.revertedWithCustomError(market, "CommitmentMismatch");
      expect((await market.attestation(taskId, 1n, verifier)).verdict).to.equal(0n);
    });

    it("refuses the copy of another verifier's commitment", async () => {
      const { market, taskId, verifiers } = task;
      const [honest, copier] = verifiers;
      await startRound(task, "Committing");
      const copied = await attestationCommitment(task, honest, POSITIVE);
      await commitAttestation(task, honest, POSITIVE);
      await market.connect(copier).commitAttestation(taskId, copied);
      await passTo((await ends(task)).commitEndsAt);
      await revealAttestation(task, honest, POSITIVE);
      await expectRefused(
        task,
        () => market.connect(copier).revealAttestation(taskId, ...revealArguments(POSITIVE), MINED),
        "CommitmentMismatch",
        [await attestationCommitment(task, copier, POSITIVE), copied],
      );
    });

    it("refuses one who committed nothing, and a second reveal", async () => {
      const { market, taskId, verifiers } = task;
      await startRound(task, "Revealing", [POSITIVE]);
      const reveal = (i: 0 | 1) => () =>
        market.connect(verifiers[i]).revealAttestation(taskId, ...revealArguments(POSITIVE), MINED);
      await expectRefused(task, reveal(1), "NothingCommitted", [verifiers[1].address, 1n]);
      await revealAttestation(task, verifiers[0], POSITIVE);
      await expectRefused(task, reveal(0), "AlreadyAttested", [verifiers[0].address, 1n]);
    });
  });

  describe("finalize", () => {
    it("is done once", async () => {
      const { market, taskId } = task;
      await playRound(task);
      await finalize(task);
      await expectRefused(task, () => market.finalize(taskId, MINED), "WrongPhase", [
        PHASES.indexOf("Idle"),
        PHASES.indexOf("Ended"),
      ]);
    });

    it("of a confirmed round moves the head", async () => {
      const { market, miner, taskId } = task;
      await playRound(task);
      const stake = STAKES[0] + STAKES[1] + STAKES[2];
      const finalizing = finalize(task);
      await expect(finalizing)
        .to.emit(market, "RoundFinalized")
        .withArgs(taskId, 1n, OUTCOMES.indexOf("Confirmed"), 10_000n, stake, 0n);
      await expect(finalizing)
        .to.emit(market, "HeadMoved")
        .withArgs(taskId, 1n, SMALL.fullRoot, SMALL.quantRoot, SMALL.updateRoot);
      const { head, headMiner, headBond } = await market.task(taskId);
      expect(head).to.deep.equal([SMALL.fullRoot, SMALL.quantRoot, 700n]);
      expect([headMiner, headBond]).to.deep.equal([miner.address, PARAMS.minerBond]);
    });

    it("leaves the head where it is in every other case", async () => {
      const { market, taskId } = task;
      const genesis = SMALL.head.fullRoot;
      const worse = positive(4_000_000n, 5_000_000n);
      for (const votes of [[], [NEGATIVE, NEGATIVE, NEGATIVE], [worse, worse, worse], [UNAVAILABLE]]) {
        await playRound(task, votes);
        await expect(finalize(task)).not.to.emit(market, "HeadMoved");
        const { head, headMiner, headBond } = await market.task(taskId);
        expect(head.fullRoot).to.equal(genesis);
        expect([headMiner, headBond]).to.deep.equal([ZeroAddress, 0n]);
      }
    });
  });

  it("lets the next round start from the confirmed head only", async () => {
    const { market, leafChecker, taskId } = task;
    await playRound(task);
    await finalize(task);
    // The same update again: its old leaves are not in the new head's tree.
    await startRound(task, "LeafChecking");
    const { openings, indices } = await drawnOpenings(task);
    await expectRefused(
      task,
      () => market.checkLeaves(taskId, openings, MINED),
      "NotInTree",
      [SMALL.fullRoot, indices[0]],
      leafChecker,
    );
  });
});
