import { expect } from "chai";
import { id, type Result, ZeroHash } from "ethers";
import { NO_WINNER, named, OUTCOMES, PHASES, STAGES, STATUSES } from "../../clients/chain/phase.ts";
import { BLOCKS_PER_LEAF, QUANT_LEAF_BYTES } from "../../clients/model/geometry.ts";
import { FORGERIES, forgedTransition, LEAF_VERDICTS } from "./support/forgery.ts";
import { expectSolvent } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  checkLeaves,
  createTask,
  currentProposal,
  currentRound,
  DEPOSIT,
  drawnOpenings,
  ESCROW,
  ends,
  enrolVerifiers,
  ethers,
  finalize,
  LOCATION,
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
  proposalCommitment,
  propose,
  recordSeed,
  registerTask,
  requestSeed,
  SMALL,
  SMALL_VECTORS,
  startRound,
  stepFrom,
  type Task,
  tick,
  UNAVAILABLE,
} from "./support/scenario.ts";
import { commitTransition, makeVectors } from "./support/transition.ts";

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
        .withArgs(taskId, 1n, miner.address, 0n, sealed, proposalEndsAt);
      await expect(proposing)
        .to.emit(vault, "Locked")
        .withArgs(await market.getAddress(), miner.address, PARAMS.minerBond);
      expect(((await currentRound(task)) as unknown as Result).toObject()).to.deep.equal({
        stage: BigInt(STAGES.indexOf("Proposed")),
        proposals: 1n,
        opened: 0n,
        checked: 0n,
        winner: NO_WINNER,
        proposalEndsAt,
        seededAt: 0n,
        disputesEndAt: 0n,
        seedTicket: 0n,
        oldRoot: SMALL.head.fullRoot,
        seed: ZeroHash,
      });
      expect(((await currentProposal(task)) as unknown as Result).toObject()).to.deep.equal({
        miner: miner.address,
        bond: PARAMS.minerBond,
        status: BigInt(STATUSES.indexOf("Sealed")),
        outcome: BigInt(OUTCOMES.indexOf("None")),
        openDemands: 0n,
        commitment: sealed,
        fullRoot: ZeroHash,
        quantRoot: ZeroHash,
        updateRoot: ZeroHash,
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

    it("joins the round while its proposal window is open: another bond and fee, no other reward", async () => {
      const { market, vault, token, rival, taskId } = task;
      await propose(task);
      const { proposalEndsAt } = await ends(task);
      const { escrow } = await market.task(taskId);
      const wallet = await token.balanceOf(rival);
      const sealed = await proposalCommitment(task, rival);
      await expect(propose(task, rival))
        .to.emit(market, "Proposed")
        .withArgs(taskId, 1n, rival.address, 1n, sealed, proposalEndsAt);
      expect((await currentRound(task)).proposals).to.equal(2n);
      expect((await market.task(taskId)).escrow).to.equal(escrow);
      expect((await vault.accounts(rival)).locked).to.equal(PARAMS.minerBond);
      expect(await token.balanceOf(rival)).to.equal(wallet - PARAMS.proposalFee);
      const proposals = await market.proposals(taskId, 1n);
      expect(proposals.map((proposal) => proposal.miner)).to.deep.equal([task.miner.address, rival.address]);
    });

    it("refuses a second proposal of an account in one round", async () => {
      const { market, miner, taskId } = task;
      await propose(task);
      await propose(task, task.rival);
      const again = () => market.connect(miner).propose(taskId, 1n, id("again"), MINED);
      await expectRefused(task, again, "AlreadyProposed", [miner.address, 1n]);
    });

    it("refuses more proposals than the task takes in a round", async () => {
      const few = await registerTask(task, { maxProposals: 2n });
      const { market, stranger, taskId } = few;
      await propose(few);
      await propose(few, few.rival);
      const third = () => market.connect(stranger).propose(taskId, 1n, id("third"), MINED);
      await expectRefused(few, third, "TooManyProposals", [2n]);
    });

    it("refuses a proposal that was sealed for another round", async () => {
      const { market, miner, rival, taskId } = task;
      const send = (party: typeof miner, number: bigint) => () =>
        market.connect(party).propose(taskId, number, id("sealed"), MINED);
      for (const number of [0n, 2n]) {
        await expectRefused(task, send(miner, number), "WrongRound", [number, 1n]);
      }
      await propose(task);
      await expectRefused(task, send(rival, 2n), "WrongRound", [2n, 1n]);
      await passTo((await ends(task)).openingEndsAt);
      await finalize(task);
      await expectRefused(task, send(rival, 1n), "WrongRound", [1n, 2n]);
    });

    it("refuses where the escrow holds less than a round's rewards", async () => {
      const { market, miner } = task;
      const poor = await registerTask(task, { minerReward: ESCROW, minerBond: 2n * ESCROW + 1n });
      const given = ESCROW + PARAMS.verifierReward;
      const tryIt = () => market.connect(miner).propose(poor.taskId, 1n, id("sealed"), MINED);
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
        () => market.connect(stranger).propose(taskId, 1n, id("sealed"), MINED),
        "InsufficientFree",
        [stranger.address, PARAMS.minerBond, 0n],
        vault,
      );
      await token.connect(miner).approve(vault, PARAMS.proposalFee - 1n);
      await expectRefused(
        task,
        () => market.connect(miner).propose(taskId, 1n, id("sealed"), MINED),
        "ERC20InsufficientAllowance",
        [await vault.getAddress(), PARAMS.proposalFee - 1n, PARAMS.proposalFee],
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
        .withArgs(taskId, 1n, 0n, SMALL.fullRoot, SMALL.quantRoot, SMALL.updateRoot, LOCATION);
      const { status, fullRoot, quantRoot, updateRoot } = await currentProposal(task);
      expect(named(STATUSES, status)).to.equal("Opened");
      expect([fullRoot, quantRoot, updateRoot]).to.deep.equal([
        SMALL.fullRoot,
        SMALL.quantRoot,
        SMALL.updateRoot,
      ]);
      expect((await currentRound(task)).opened).to.equal(1n);
      expect(await market.trees(taskId, 1n, 0n)).to.deep.equal([
        [SMALL.head.fullRoot, SMALL.updateRoot, SMALL.fullRoot, SMALL.quantRoot],
        SMALL.head.parameterCount,
      ]);
    });

    it("shows each proposal of a round, in any order", async () => {
      const other = { ...task, miner: task.rival, transition: stepFrom(SMALL_VECTORS.parameters, 1) };
      await propose(task);
      await propose(other);
      await openProposal(other, 1n);
      await openProposal(task, 0n);
      const roots = (await task.market.proposals(task.taskId, 1n)).map(({ fullRoot }) => fullRoot);
      expect(roots).to.deep.equal([SMALL.fullRoot, other.transition.fullRoot]);
      expect((await currentRound(task)).opened).to.equal(2n);
    });

    it("refuses an opening that does not match its commitment in any of its values", async () => {
      const { market } = task;
      const honest = openingArguments(task);
      const others = honest.slice(2).map((value, i) => {
        const other = value === LOCATION ? `${LOCATION}x` : id("else");
        return honest.with(i + 2, other) as typeof honest;
      });
      const given = await Promise.all(others.map((opening) => proposalCommitment(task, task.miner, opening)));
      await startRound(task, "Opening");
      const { commitment } = await currentProposal(task);
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
        await market.connect(miner).propose(taskId, (await market.task(taskId)).round + 1n, copied);
        await passTo((await ends(task)).proposalEndsAt);
        await expectRefused(task, open, "CommitmentMismatch", [expected, copied]);
        await passTo((await ends(task)).openingEndsAt);
        await finalize(task);
      }
    });

    it("refuses a location of more than 256 bytes", async () => {
      await startRound(task, "Opening");
      const opening = openingArguments(task).with(5, "l".repeat(257)) as ReturnType<typeof openingArguments>;
      await expectRefused(task, () => task.market.openProposal(...opening, MINED), "TextTooLong", [257, 256]);
    });

    it("refuses to open twice, and to open what was not proposed", async () => {
      await startRound(task, "Opening");
      await task.market.openProposal(...openingArguments(task));
      for (const [index, status] of [
        [0n, "Opened"],
        [1n, "None"],
      ] as const) {
        await expectRefused(
          task,
          () => task.market.openProposal(...openingArguments(task, index), MINED),
          "WrongStatus",
          [STATUSES.indexOf(status), STATUSES.indexOf("Sealed")],
        );
      }
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
      await expect(market.connect(stranger).checkLeaves(taskId, 0n, openings))
        .to.emit(market, "LeavesChecked")
        .withArgs(taskId, 1n, 0n);
      expect(named(STATUSES, (await currentProposal(task)).status)).to.equal("Checked");
      const { opened, checked } = await currentRound(task);
      expect([opened, checked]).to.deep.equal([0n, 1n]);
    });

    it("refuses another number of leaves than the task's", async () => {
      const { market, taskId } = task;
      const { openings } = await drawnOpenings(task);
      for (const given of [[], openings.slice(1), [...openings, openings[0]!]]) {
        await expectRefused(task, () => market.checkLeaves(taskId, 0n, given, MINED), "WrongLeafCount", [
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
        market.checkLeaves(taskId, 0n, [{ ...first!, ...opening }, ...openings.slice(1)], MINED);
      const refused: [() => Promise<unknown>, string, unknown[]][] = [
        [send({ oldLeaf: first!.oldLeaf.slice(1) }), "WrongLeafLength", [1_023, 1_024]],
        [send({ updateLeaf: new Uint8Array(64) }), "WrongLeafLength", [64, 136]],
        [send({ updateLeaf: new Uint8Array() }), "WrongLeafLength", [0, 136]],
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
        () => market.checkLeaves(taskId, 0n, openings.with(3, other), MINED),
        "NotInTree",
        [transition.head.fullRoot, indices[3]],
        leafChecker,
      );
    });

    it("refuses a proposal that does not exist", async () => {
      const { openings } = await drawnOpenings(task);
      await expectRefused(
        task,
        () => task.market.checkLeaves(task.taskId, 1n, openings, MINED),
        "WrongStatus",
        [STATUSES.indexOf("None"), STATUSES.indexOf("Opened")],
      );
    });
  });

  describe("checkLeaves, of several proposals,", () => {
    it("draws other leaves of each, and checks each once", async () => {
      const many = await registerTask(task, { leafChecks: 16n });
      const other = { ...many, miner: many.rival, transition: stepFrom(SMALL_VECTORS.parameters, 1) };
      await startRound(many, "LeafChecking", [], [many, other]);
      const first = await drawnOpenings(many);
      const second = await drawnOpenings(other, 1n);
      expect(first.indices).not.to.deep.equal(second.indices);
      await checkLeaves(other, 1n);
      await expectRefused(
        many,
        () => many.market.checkLeaves(many.taskId, 1n, second.openings, MINED),
        "WrongStatus",
        [STATUSES.indexOf("Checked"), STATUSES.indexOf("Opened")],
      );
      await checkLeaves(many, 0n);
    });
  });

  describe("checkLeaves, of a proposal that breaks a rule,", () => {
    for (const forgery of FORGERIES) {
      if (forgery.verdict === "NonFiniteOld") continue;

      it(`is the end of it where ${forgery.what}`, async () => {
        const forged = await registerTask(task, {}, forgedTransition(forgery));
        const { market, taskId } = forged;
        await startRound(forged, "LeafChecking");
        const checking = checkLeaves(forged);
        const verdict = LEAF_VERDICTS.indexOf(forgery.verdict);
        const fraud = OUTCOMES.indexOf("Fraud");
        await expect(checking)
          .to.emit(market, "LeafRefuted")
          .withArgs(taskId, 1n, 0n, 0n, verdict, forgery.element);
        await expect(checking)
          .to.emit(market, "ProposalRefuted")
          .withArgs(taskId, 1n, 0n, fraud, ethers.ZeroAddress);
        await expect(checking).to.emit(market, "ProposalEnded").withArgs(taskId, 1n, 0n, fraud);
        const { status, outcome, bond } = await currentProposal(forged);
        expect([named(STATUSES, status), named(OUTCOMES, outcome), bond]).to.deep.equal([
          "Final",
          "Fraud",
          0n,
        ]);
        // Nothing is left to decide.
        expect(named(PHASES, await market.phase(taskId))).to.equal("Ended");
        await expect(finalize(forged)).to.emit(market, "RoundFinalized").withArgs(taskId, 1n, NO_WINNER);
        expect((await market.task(taskId)).head.fullRoot).to.equal(forged.transition.head.fullRoot);
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
        .withArgs(forged.taskId, 1n, 0n, 2n, LEAF_VERDICTS.indexOf("WrongQuantization"), 0n);
    });

    it("of which the head is to blame ends the round and the task", async () => {
      const poison = FORGERIES.find(({ verdict }) => verdict === "NonFiniteOld")!;
      const poisoned = await registerTask(task, {}, forgedTransition(poison));
      const { market, taskId } = poisoned;
      const other = { ...poisoned, transition: poisoned.transition, miner: poisoned.rival };
      await propose(other);
      await propose(poisoned);
      await openProposal(poisoned, 1n);
      await requestSeed(poisoned);
      await recordSeed(poisoned);
      const checking = checkLeaves(poisoned, 1n);
      const verdict = LEAF_VERDICTS.indexOf("NonFiniteOld");
      await expect(checking)
        .to.emit(market, "LeafRefuted")
        .withArgs(taskId, 1n, 1n, 0n, verdict, poison.element);
      await expect(checking).to.emit(market, "HeadPoisoned").withArgs(taskId, ethers.ZeroAddress);
      await expect(checking).to.emit(market, "RoundFinalized").withArgs(taskId, 1n, NO_WINNER);
      await expect(checking).not.to.emit(market, "ProposalRefuted");
      expect(named(PHASES, await market.phase(taskId))).to.equal("Closed");
      expect(named(STAGES, (await currentRound(poisoned)).stage)).to.equal("Final");
      for (const index of [0n, 1n]) expect(await outcomeOf(poisoned, index)).to.equal("PoisonedHead");
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
      const { market, taskId } = task;
      await playRound(task);
      const finalizing = finalize(task);
      await expect(finalizing)
        .to.emit(market, "ProposalEnded")
        .withArgs(taskId, 1n, 0n, OUTCOMES.indexOf("Confirmed"));
      await expect(finalizing)
        .to.emit(market, "HeadMoved")
        .withArgs(taskId, 1n, 0n, SMALL.fullRoot, SMALL.quantRoot, SMALL.updateRoot);
      await expect(finalizing).to.emit(market, "RoundFinalized").withArgs(taskId, 1n, 0n);
      const { head, headRound, headProposal } = await market.task(taskId);
      expect(head).to.deep.equal([SMALL.fullRoot, SMALL.quantRoot, 700n]);
      expect([headRound, headProposal]).to.deep.equal([1n, 0n]);
      expect((await currentRound(task)).winner).to.equal(0n);
    });

    it("leaves the head where it is in every other case", async () => {
      const { market, taskId } = task;
      const genesis = SMALL.head.fullRoot;
      const worse = positive(4_000_000n, 5_000_000n);
      for (const ballots of [[], [NEGATIVE, NEGATIVE, NEGATIVE], [worse, worse, worse], [UNAVAILABLE]]) {
        await playRound(task, ballots);
        await expect(finalize(task)).not.to.emit(market, "HeadMoved");
        const { head, headRound } = await market.task(taskId);
        expect([head.fullRoot, headRound]).to.deep.equal([genesis, 0n]);
        expect((await currentRound(task)).winner).to.equal(NO_WINNER);
      }
    });
  });

  it("lets the next round start from the confirmed head only", async () => {
    const { market, leafChecker, taskId } = task;
    await playRound(task);
    await finalize(task);
    // An update of the old head: its old leaves are not in the new head's tree.
    const late = { ...task, transition: stepFrom(SMALL_VECTORS.parameters, 1) };
    await startRound(late, "LeafChecking");
    const { openings, indices } = await drawnOpenings(late);
    await expectRefused(
      task,
      () => market.checkLeaves(taskId, 0n, openings, MINED),
      "NotInTree",
      [SMALL.fullRoot, indices[0]],
      leafChecker,
    );
  });

  describe("what only the disputes may call", () => {
    const calls: [name: string, call: (task: Task) => Promise<unknown>][] = [
      ["convict", ({ market, miner, taskId }) => market.convict(taskId, 1n, 0n, 9n, miner, MINED)],
      ["poison", ({ market, miner, taskId }) => market.poison(taskId, miner, MINED)],
      ["recordDemands", ({ market, taskId }) => market.recordDemands(taskId, 1n, 0n, 1n, 2n ** 47n, MINED)],
    ];
    for (const [name, call] of calls) {
      it(`refuses ${name} to everybody else`, async () => {
        await startRound(task, "Committing");
        await expectRefused(task, () => call(task), "NotDisputes", [task.deployer.address]);
      });
    }
  });

  describe("releaseBond", () => {
    it("is refused for the head's bond, and for one that is gone", async () => {
      const { market, taskId } = task;
      await playRound(task);
      const release = (number: bigint) => () => market.releaseBond(taskId, number, 0n, MINED);
      await expectRefused(task, release(1n), "WrongStatus", [
        STATUSES.indexOf("Checked"),
        STATUSES.indexOf("Final"),
      ]);
      await finalize(task);
      await expectRefused(task, release(1n), "NothingAtStake", [taskId, 1n, 0n]);

      const next = { ...task, transition: stepFrom(SMALL_VECTORS.newParameters, 1) };
      await playRound(next);
      await finalize(next);
      // It went back when the head moved on.
      await expectRefused(task, release(1n), "NothingAtStake", [taskId, 1n, 0n]);
    });

    it("returns the bond of a past head once no demand is open on it, whoever asks", async () => {
      const slow = await registerTask(task, { answerSeconds: 40_000n });
      await enrolVerifiers(slow);
      const { market, vault, disputes, miner, rival, stranger, taskId } = slow;
      await playRound(slow);
      await finalize(slow);
      await disputes.connect(rival).demand(taskId, 1n, 0n, 0n);
      const next = { ...slow, miner: rival, transition: stepFrom(SMALL_VECTORS.newParameters, 1) };
      await playRound(next);
      await finalize(next);
      expect((await market.task(taskId)).headRound).to.equal(2n);
      const release = () => market.connect(stranger).releaseBond(taskId, 1n, 0n, MINED);
      await expectRefused(slow, release, "DemandsOpen", [taskId, 1n, 0n]);

      await disputes.answer(taskId, 1n, 0n, rival, SMALL.opening(0));
      await expect(release())
        .to.emit(vault, "Unlocked")
        .withArgs(await market.getAddress(), miner.address, PARAMS.minerBond);
      expect((await vault.accounts(miner)).free).to.equal(DEPOSIT);
      await expectRefused(slow, release, "NothingAtStake", [taskId, 1n, 0n]);
    });

    it("returns the last head's bond after the task's closing, if a demand kept it then", async () => {
      const slow = await registerTask(task, { answerSeconds: 40_000n });
      await enrolVerifiers(slow);
      const { market, vault, disputes, owner, miner, rival, taskId } = slow;
      await playRound(slow);
      await finalize(slow);
      await market.connect(owner).requestClose(taskId);
      await passTo((await market.task(taskId)).closableAt);
      await disputes.connect(rival).demand(taskId, 1n, 0n, 0n);
      await market.closeTask(taskId);
      expect((await vault.accounts(miner)).locked).to.equal(PARAMS.minerBond);
      await disputes.answer(taskId, 1n, 0n, rival, SMALL.opening(0));
      await market.releaseBond(taskId, 1n, 0n);
      expect((await vault.accounts(miner)).free).to.equal(DEPOSIT);
    });
  });
});
