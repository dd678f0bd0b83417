import { expect } from "chai";
import { id, type Result, ZeroAddress, ZeroHash } from "ethers";
import { named, PHASES } from "../../clients/chain/phase.ts";
import { expectChanges, expectSolvent, readLedger } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  at,
  createTask,
  DEPOSIT,
  ESCROW,
  finalize,
  LOCATION,
  MINED,
  networkHelpers,
  now,
  PARAMS,
  passTo,
  playRound,
  registerTask,
  SMALL,
  STAKES,
  startRound,
  type Task,
  type TaskParams,
  tick,
} from "./support/scenario.ts";

const DAY = 24n * 60n * 60n;
const MOST_WINDOW = 30n * DAY;
const WITHDRAWAL_DELAY = 7n * DAY;
const UINT96_MAX = 2n ** 96n - 1n;

/** A struct as ethers decoded it, by its fields' names. */
function toObject(struct: unknown): unknown {
  return (struct as Result).toObject(true);
}

describe("TrainingMarket, tasks and parties", () => {
  let task: Task;

  beforeEach(async () => {
    task = await networkHelpers.loadFixture(createTask);
  });

  afterEach(async () => {
    await expectSolvent(task);
  });

  describe("announce", () => {
    it("publishes an endpoint of at most 256 bytes", async () => {
      const { market, stranger } = task;
      for (const endpoint of ["", "http://127.0.0.1:8080/", "e".repeat(256)]) {
        await expect(market.connect(stranger).announce(endpoint))
          .to.emit(market, "EndpointAnnounced")
          .withArgs(stranger.address, endpoint);
      }
      // 129 characters of two bytes.
      for (const [endpoint, bytes] of [
        ["e".repeat(257), 257],
        ["é".repeat(129), 258],
      ] as const) {
        await expectRefused(task, () => market.announce(endpoint, MINED), "TextTooLong", [bytes, 256]);
      }
    });
  });

  describe("registerTask", () => {
    it("numbers tasks from 0 and stores what it is given", async () => {
      const { market, owner } = task;
      expect(await market.taskCount()).to.equal(1n);
      const location = "l".repeat(256);
      const head = { ...SMALL.head, parameterCount: 2n ** 40n };
      await expect(market.connect(owner).registerTask(PARAMS, head, id("other manifest"), location))
        .to.emit(market, "TaskRegistered")
        .withArgs(
          1n,
          owner.address,
          id("other manifest"),
          location,
          Object.values(head),
          Object.values(PARAMS),
        );
      expect(await market.taskCount()).to.equal(2n);
      expect(toObject(await market.task(1n))).to.deep.equal({
        owner: owner.address,
        escrow: 0n,
        round: 0n,
        enrolled: 0n,
        closableAt: 0n,
        closed: false,
        headMiner: ZeroAddress,
        headBond: 0n,
        manifestHash: id("other manifest"),
        location,
        head,
      });
      expect(toObject(await market.params(1n))).to.deep.equal(PARAMS);
      expect(named(PHASES, await market.phase(1n))).to.equal("Idle");
    });

    it("refuses a location of more than 256 bytes", async () => {
      const { market } = task;
      const register = () => market.registerTask(PARAMS, SMALL.head, ZeroHash, "l".repeat(257), MINED);
      await expectRefused(task, register, "TextTooLong", [257, 256]);
    });

    for (const [parameterCount, limit] of [
      [0n, 1n],
      [2n ** 40n + 1n, 2n ** 40n],
    ] as const) {
      it(`refuses a model of ${parameterCount} parameters`, async () => {
        const { market } = task;
        const head = { ...SMALL.head, parameterCount };
        await expectRefused(
          task,
          () => market.registerTask(PARAMS, head, ZeroHash, LOCATION, MINED),
          "ParameterOutOfRange",
          ["parameterCount", parameterCount, limit],
        );
      });
    }

    const windows = [
      "proposalSeconds",
      "openingSeconds",
      "leafCheckSeconds",
      "commitSeconds",
      "revealSeconds",
      "disputeSeconds",
      "closeDelaySeconds",
    ] as const;
    const dutyReward = PARAMS.verifierReward + PARAMS.proposalFee;
    const dutyRisk = PARAMS.missedRevealPenalty + PARAMS.deviationPenalty;
    const outOfRange: [name: keyof TaskParams, given: bigint, limit: bigint][] = [
      ...windows.flatMap((name): [keyof TaskParams, bigint, bigint][] => [
        [name, 0n, 1n],
        [name, MOST_WINDOW + 1n, MOST_WINDOW],
      ]),
      ["leafChecks", 0n, 1n],
      ["leafChecks", 17n, 16n],
      ["quorumBps", 0n, 1n],
      ["quorumBps", 10_001n, 10_000n],
      ["rejectionBps", 1_001n, 1_000n],
      ["minImprovementMicroNats", 0n, 1n],
      ["minImprovementMicroNats", 2n ** 63n, 2n ** 63n - 1n],
      ["toleranceMicroNats", PARAMS.minImprovementMicroNats, PARAMS.minImprovementMicroNats - 1n],
      ["minerBond", 0n, 1n],
      ["minerReward", UINT96_MAX - PARAMS.verifierReward + 1n, UINT96_MAX - PARAMS.verifierReward],
      ["missedRevealPenalty", dutyReward, dutyReward + 1n],
      ["deviationPenalty", PARAMS.missedRevealPenalty + 1n, PARAMS.missedRevealPenalty],
      ["verifierStake", dutyRisk - 1n, dutyRisk],
    ];
    for (const [name, given, limit] of outOfRange) {
      it(`refuses ${name} = ${given}: the limit is ${limit}`, async () => {
        const { market } = task;
        const params = { ...PARAMS, [name]: given };
        await expectRefused(
          task,
          () => market.registerTask(params, SMALL.head, ZeroHash, LOCATION, MINED),
          "ParameterOutOfRange",
          [name, given, limit],
        );
        const tolerance = name === "minImprovementMicroNats" ? { toleranceMicroNats: 0n } : {};
        const allowed = { ...PARAMS, ...tolerance, [name]: limit };
        // The longest windows fit in no round, but for the one before stake is read and the one after the last round.
        const fits = limit !== MOST_WINDOW || name === "proposalSeconds" || name === "closeDelaySeconds";
        if (fits) await market.registerTask(allowed, SMALL.head, ZeroHash, LOCATION);
      });
    }

    it("refuses windows that may together outlast the withdrawal of stake", async () => {
      const { market, vault } = task;
      expect(await vault.withdrawalDelaySeconds()).to.equal(WITHDRAWAL_DELAY);
      const { openingSeconds, leafCheckSeconds, commitSeconds, revealSeconds } = PARAMS;
      const seeding = await market.MAX_SEEDING_SECONDS();
      const others = openingSeconds + seeding + leafCheckSeconds + commitSeconds + revealSeconds;
      const finalizing = 3_600n;
      const register = (disputeSeconds: bigint) =>
        market.registerTask({ ...PARAMS, disputeSeconds }, SMALL.head, ZeroHash, LOCATION, MINED);
      await expectRefused(
        task,
        () => register(WITHDRAWAL_DELAY - others - finalizing),
        "ParameterOutOfRange",
        ["longestRoundSeconds", WITHDRAWAL_DELAY, WITHDRAWAL_DELAY - 1n],
      );
      await register(WITHDRAWAL_DELAY - others - finalizing - 1n);
    });
  });

  describe("fundTask", () => {
    it("adds to the escrow from anyone's wallet", async () => {
      const { market, rival, taskId } = task;
      const before = await readLedger(task);
      await expect(market.connect(rival).fundTask(taskId, 5n))
        .to.emit(market, "TaskFunded")
        .withArgs(taskId, rival.address, 5n);
      await expectChanges(task, before, { rival: -5n, escrow: 5n });
    });

    it("refuses nothing, more than 96 bits, and what the wallet does not hold", async () => {
      const { market, token, owner, rival, taskId } = task;
      const fund = (amount: bigint) => () => market.connect(owner).fundTask(taskId, amount, MINED);
      await expectRefused(task, fund(0n), "ZeroAmount", []);
      await expectRefused(task, fund(2n ** 96n), "SafeCastOverflowedUintDowncast", [96n, 2n ** 96n]);
      const wallet = await token.balanceOf(rival);
      await expectRefused(
        task,
        () => market.connect(rival).fundTask(taskId, wallet + 1n, MINED),
        "ERC20InsufficientBalance",
        [rival.address, wallet, wallet + 1n],
        token,
      );
    });
  });

  describe("a task id that does not exist", () => {
    const unknown = 1n;
    type Call = (task: Task) => Promise<unknown>;
    const calls: [name: string, call: Call][] = [
      ["fundTask", ({ market }) => market.fundTask(unknown, 1n, MINED)],
      ["requestClose", ({ market }) => market.requestClose(unknown, MINED)],
      ["closeTask", ({ market }) => market.closeTask(unknown, MINED)],
      ["enrol", ({ market }) => market.enrol(unknown, 1n, MINED)],
      ["propose", ({ market }) => market.propose(unknown, id("commitment"), MINED)],
      [
        "openProposal",
        ({ market }) => market.openProposal(unknown, ZeroHash, ZeroHash, ZeroHash, "", ZeroHash, MINED),
      ],
      ["requestSeed", ({ market }) => market.requestSeed(unknown, MINED)],
      ["recordSeed", ({ market }) => market.recordSeed(unknown, MINED)],
      ["checkLeaves", ({ market }) => market.checkLeaves(unknown, [], MINED)],
      ["commitAttestation", ({ market }) => market.commitAttestation(unknown, id("commitment"), MINED)],
      [
        "revealAttestation",
        ({ market }) => market.revealAttestation(unknown, 1n, 0n, 0n, 0n, ZeroHash, MINED),
      ],
      ["finalize", ({ market }) => market.finalize(unknown, MINED)],
    ];
    for (const [name, call] of calls) {
      it(`is refused by ${name}`, async () => {
        await expectRefused(task, () => call(task), "UnknownTask", [unknown]);
      });
    }

    it("is refused by the views of a task", async () => {
      const { market } = task;
      for (const view of [market.task, market.params, market.phase]) {
        await expect(view(unknown)).to.be.revertedWithCustomError(market, "UnknownTask").withArgs(unknown);
      }
    });

    it("has nobody enrolled who could leave", async () => {
      const { market, miner } = task;
      await expectRefused(task, () => market.connect(miner).disenrol(unknown, MINED), "NotEnrolled", [
        unknown,
        miner.address,
      ]);
    });
  });

  describe("closing", () => {
    it("is requested by the owner, once", async () => {
      const { market, owner, stranger, taskId } = task;
      await expectRefused(task, () => market.connect(stranger).requestClose(taskId, MINED), "NotOwner", [
        stranger.address,
        owner.address,
      ]);
      const closableAt = (await now()) + 1n + PARAMS.closeDelaySeconds;
      await tick();
      await expect(market.connect(owner).requestClose(taskId))
        .to.emit(market, "TaskCloseRequested")
        .withArgs(taskId, closableAt);
      expect((await market.task(taskId)).closableAt).to.equal(closableAt);
      await expectRefused(task, () => market.connect(owner).requestClose(taskId, MINED), "TaskClosing", [
        taskId,
        closableAt,
      ]);
    });

    it("is done by anyone after the delay, to the second, and gives the owner what is left", async () => {
      const { market, owner, stranger, taskId } = task;
      const close = () => market.connect(stranger).closeTask(taskId, MINED);
      await tick();
      await expectRefused(task, close, "NotClosable", [(await now()) + 1n, 0n]);
      await market.connect(owner).requestClose(taskId);
      const { closableAt } = await market.task(taskId);
      const before = await readLedger(task);
      await at(closableAt - 1n);
      await expectRefused(task, close, "NotClosable", [closableAt - 1n, closableAt]);
      await at(closableAt);
      await expect(close()).to.emit(market, "TaskClosed").withArgs(taskId, ESCROW);
      await expectChanges(task, before, { owner: ESCROW, escrow: -ESCROW });
      expect(await market.claimable(owner)).to.equal(ESCROW);
      expect(named(PHASES, await market.phase(taskId))).to.equal("Closed");
    });

    it("lets rounds start until the delay has passed, to the second", async () => {
      const { market, owner, miner, taskId } = task;
      await market.connect(owner).requestClose(taskId);
      const { closableAt } = await market.task(taskId);
      const snapshot = await networkHelpers.takeSnapshot();
      await at(closableAt - 1n);
      await market.connect(miner).propose(taskId, id("sealed"));
      await snapshot.restore();
      await at(closableAt);
      await expectRefused(
        task,
        () => market.connect(miner).propose(taskId, id("sealed"), MINED),
        "TaskClosing",
        [taskId, closableAt],
      );
    });

    it("waits for the round that runs", async () => {
      const { market, owner, taskId } = task;
      await market.connect(owner).requestClose(taskId);
      await startRound(task, "Committing");
      expect((await market.task(taskId)).closableAt < (await now())).to.equal(true);
      const phase = await market.phase(taskId);
      await expectRefused(task, () => market.closeTask(taskId, MINED), "WrongPhase", [phase, 0n]);
    });

    it("gives the last winner its bond back", async () => {
      const { market, vault, owner, miner, taskId } = task;
      await playRound(task);
      await finalize(task);
      expect((await vault.accounts(miner)).locked).to.equal(PARAMS.minerBond);
      await market.connect(owner).requestClose(taskId);
      await passTo((await market.task(taskId)).closableAt);
      await expect(market.closeTask(taskId))
        .to.emit(vault, "Unlocked")
        .withArgs(await market.getAddress(), miner.address, PARAMS.minerBond);
      const account = await vault.accounts(miner);
      expect([account.free, account.locked]).to.deep.equal([DEPOSIT, 0n]);
      expect((await market.task(taskId)).headBond).to.equal(0n);
    });

    it("ends a task for good, but lets verifiers leave", async () => {
      const { market, vault, owner, miner, taskId, verifiers } = task;
      await market.connect(owner).requestClose(taskId);
      await passTo((await market.task(taskId)).closableAt);
      await market.closeTask(taskId);
      const [verifier] = verifiers;
      const calls = [
        () => market.connect(owner).fundTask(taskId, 1n, MINED),
        () => market.connect(owner).requestClose(taskId, MINED),
        () => market.closeTask(taskId, MINED),
        () => market.connect(verifier).enrol(taskId, 1n, MINED),
        () => market.connect(miner).propose(taskId, id("sealed"), MINED),
      ];
      for (const call of calls) await expectRefused(task, call, "TaskAlreadyClosed", [taskId]);
      await market.connect(verifier).disenrol(taskId);
      expect((await vault.accounts(verifier)).withdrawing).to.equal(STAKES[0]);
    });
  });

  describe("enrol", () => {
    it("moves free stake into the task's pool", async () => {
      const { market, vault, rival, taskId } = task;
      const enrolling = market.connect(rival).enrol(taskId, PARAMS.verifierStake);
      await expect(enrolling)
        .to.emit(market, "Enrolled")
        .withArgs(taskId, rival.address, PARAMS.verifierStake);
      await expect(enrolling)
        .to.emit(vault, "Pooled")
        .withArgs(await market.getAddress(), taskId, rival.address, PARAMS.verifierStake);
      expect(await market.isEnrolled(taskId, rival)).to.equal(true);
      expect((await market.task(taskId)).enrolled).to.equal(4n);
      expect((await vault.accounts(rival)).free).to.equal(DEPOSIT - PARAMS.verifierStake);
    });

    it("adds to the stake of one that is enrolled, in any amount", async () => {
      const { market, vault, taskId, verifiers } = task;
      await market.connect(verifiers[0]).enrol(taskId, 1n);
      expect((await market.task(taskId)).enrolled).to.equal(3n);
      expect(await vault.pooled(market, taskId, verifiers[0])).to.equal(STAKES[0] + 1n);
    });

    it("refuses nothing, less than the least stake, and more than is free", async () => {
      const { market, vault, rival, taskId } = task;
      const enrol = (amount: bigint) => () => market.connect(rival).enrol(taskId, amount, MINED);
      const least = PARAMS.verifierStake;
      await expectRefused(task, enrol(0n), "ZeroAmount", []);
      await expectRefused(task, enrol(least - 1n), "StakeTooSmall", [least - 1n, least]);
      await expectRefused(
        task,
        enrol(DEPOSIT + 1n),
        "InsufficientFree",
        [rival.address, DEPOSIT + 1n, DEPOSIT],
        vault,
      );
    });
  });

  describe("disenrol", () => {
    it("takes all stake out of the pool and starts its withdrawal", async () => {
      const { market, vault, taskId, verifiers } = task;
      const [, verifier] = verifiers;
      const leaving = market.connect(verifier).disenrol(taskId);
      await expect(leaving).to.emit(market, "Disenrolled").withArgs(taskId, verifier.address);
      await expect(leaving)
        .to.emit(vault, "Unpooled")
        .withArgs(await market.getAddress(), taskId, verifier.address, STAKES[1]);
      expect(await market.isEnrolled(taskId, verifier)).to.equal(false);
      expect((await market.task(taskId)).enrolled).to.equal(2n);
      expect(await vault.pooled(market, taskId, verifier)).to.equal(0n);
      expect((await vault.accounts(verifier)).withdrawing).to.equal(STAKES[1]);
    });

    it("is refused to one who is not enrolled, or no longer", async () => {
      const { market, rival, taskId, verifiers } = task;
      const [verifier] = verifiers;
      await market.connect(verifier).disenrol(taskId);
      for (const party of [rival, verifier]) {
        await expectRefused(task, () => market.connect(party).disenrol(taskId, MINED), "NotEnrolled", [
          taskId,
          party.address,
        ]);
      }
    });

    it("leaves other tasks' pools alone", async () => {
      const { market, vault, taskId, verifiers } = task;
      const other = await registerTask(task);
      await market.connect(verifiers[0]).enrol(other.taskId, PARAMS.verifierStake);
      await market.connect(verifiers[0]).disenrol(taskId);
      expect(await vault.pooled(market, other.taskId, verifiers[0])).to.equal(PARAMS.verifierStake);
      expect(await market.isEnrolled(other.taskId, verifiers[0])).to.equal(true);
    });
  });

  describe("claim", () => {
    it("sends an account what it earned, whoever asks, once", async () => {
      const { market, token, miner, stranger, taskId } = task;
      await playRound(task);
      await expect(finalize(task))
        .to.emit(market, "Earned")
        .withArgs(taskId, miner.address, PARAMS.minerReward);
      const wallet = await token.balanceOf(miner);
      await expect(market.connect(stranger).claim(miner))
        .to.emit(market, "Claimed")
        .withArgs(miner.address, PARAMS.minerReward);
      expect(await token.balanceOf(miner)).to.equal(wallet + PARAMS.minerReward);
      await expectRefused(task, () => market.claim(miner, MINED), "NothingToClaim", [miner.address]);
    });

    it("is refused to an account that earned nothing", async () => {
      const { market, stranger } = task;
      await expectRefused(task, () => market.claim(stranger, MINED), "NothingToClaim", [stranger.address]);
    });
  });
});
