import { expect } from "chai";
import { id, type Result, ZeroHash } from "ethers";
import { named, PHASES, STATUSES } from "../../clients/chain/phase.ts";
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
        headRound: 0n,
        closableAt: 0n,
        headProposal: 0n,
        closed: false,
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
      "answerSeconds",
      "answerSlotSeconds",
    ] as const;
    const dutyReward = PARAMS.verifierReward + PARAMS.maxProposals * PARAMS.proposalFee;
    const mostDeviation = PARAMS.missedRevealPenalty / PARAMS.maxProposals;
    const mostDeposit = (bond: bigint, depth: bigint) => bond / 2n / (depth + 1n);
    /** Bonds of a few wei, and demands of one. */
    const tiny: Partial<TaskParams> = { minerReward: 0n, minerBond: 6n, demandDeposit: 1n, answerRefund: 0n };
    /** A verifierReward of half of what 96 bits hold, and the amounts that must exceed it. */
    const huge: Partial<TaskParams> = {
      verifierReward: 3n * 2n ** 94n,
      missedRevealPenalty: UINT96_MAX,
      verifierStake: UINT96_MAX,
      minerBond: 2n ** 95n,
      demandDeposit: 2n ** 88n,
    };
    type Row = [name: keyof TaskParams, given: bigint, limit: bigint, others?: Partial<TaskParams>];
    const outOfRange: Row[] = [
      ...windows.flatMap((name): Row[] => [
        [name, 0n, 1n],
        [name, MOST_WINDOW + 1n, MOST_WINDOW],
      ]),
      ["leafChecks", 0n, 1n],
      ["leafChecks", 17n, 16n],
      ["maxProposals", 0n, 1n],
      ["maxProposals", 9n, 8n, { proposalFee: 0n, deviationPenalty: 0n }],
      ["committeeSize", 0n, 1n],
      ["committeeSize", 17n, 16n],
      ["quorumBps", 0n, 1n],
      ["quorumBps", 10_001n, 10_000n],
      ["rejectionBps", 1_001n, 1_000n],
      ["minImprovementMicroNats", 0n, 1n, { toleranceMicroNats: 0n }],
      ["minImprovementMicroNats", 2n ** 63n, 2n ** 63n - 1n],
      ["toleranceMicroNats", PARAMS.minImprovementMicroNats, PARAMS.minImprovementMicroNats - 1n],
      ["minerReward", 2n ** 94n, 2n ** 94n - 1n, huge],
      ["minerBond", 2n * PARAMS.minerReward, 2n * PARAMS.minerReward + 1n],
      ["missedRevealPenalty", dutyReward, dutyReward + 1n],
      ["deviationPenalty", mostDeviation + 1n, mostDeviation],
      ["verifierStake", PARAMS.missedRevealPenalty - 1n, PARAMS.missedRevealPenalty],
      ["demandDeposit", 0n, 1n, tiny],
      ["demandDeposit", 2n, 1n, tiny],
      ["demandDeposit", mostDeposit(PARAMS.minerBond, 2n) + 1n, mostDeposit(PARAMS.minerBond, 2n)],
      ["answerRefund", PARAMS.demandDeposit / 2n + 1n, PARAMS.demandDeposit / 2n],
    ];
    for (const [name, given, limit, others = {}] of outOfRange) {
      it(`refuses ${name} = ${given}: the limit is ${limit}`, async () => {
        const { market } = task;
        const register = (value: bigint) =>
          market.registerTask({ ...PARAMS, ...others, [name]: value }, SMALL.head, ZeroHash, LOCATION, MINED);
        await expectRefused(task, () => register(given), "ParameterOutOfRange", [name, given, limit]);
        // The longest windows fit in no round, but for the one before stake is read and the one after the last round.
        const fits = limit !== MOST_WINDOW || name === "proposalSeconds" || name === "closeDelaySeconds";
        if (fits) await register(limit);
      });
    }

    it("refuses a bond of one wei, which no demand's deposit is below", async () => {
      const { market } = task;
      const params = { ...PARAMS, ...tiny, minerBond: 1n };
      await expectRefused(
        task,
        () => market.registerTask(params, SMALL.head, ZeroHash, LOCATION, MINED),
        "ParameterOutOfRange",
        ["demandDeposit", 1n, 0n],
      );
    });

    it("refuses a deposit of which one for each level and the leaf exceed half of the bond", async () => {
      const { market } = task;
      const head = { ...SMALL.head, parameterCount: 2n ** 40n };
      const most = mostDeposit(PARAMS.minerBond, 32n);
      const register = (demandDeposit: bigint) =>
        market.registerTask({ ...PARAMS, demandDeposit }, head, ZeroHash, LOCATION, MINED);
      await expectRefused(task, () => register(most + 1n), "ParameterOutOfRange", [
        "demandDeposit",
        most + 1n,
        most,
      ]);
      await register(most);
    });

    it("refuses deposits that all together burn no more than the bond that filling every place would save", async () => {
      const { market, disputes } = task;
      const places = await disputes.MAX_OPEN_DEMANDS();
      const [minerReward, answerRefund] = [0n, 3n];
      const costOf = (deposit: bigint) => (deposit * places * (places + 1n)) / 2n - answerRefund * places;
      const demandDeposit = 1_000n;
      const register = (minerBond: bigint) =>
        market.registerTask(
          { ...PARAMS, minerReward, minerBond, demandDeposit, answerRefund },
          SMALL.head,
          ZeroHash,
          LOCATION,
          MINED,
        );
      const cost = costOf(demandDeposit);
      await expectRefused(task, () => register(cost), "ParameterOutOfRange", [
        "fillingCost",
        cost,
        cost + 1n,
      ]);
      await register(cost - 1n);
    });

    it("refuses windows that may together outlast the withdrawal of stake", async () => {
      const { market, vault, disputes } = task;
      expect(await vault.withdrawalDelaySeconds()).to.equal(WITHDRAWAL_DELAY);
      const { openingSeconds, leafCheckSeconds, commitSeconds, revealSeconds } = PARAMS;
      const seeding = await market.MAX_SEEDING_SECONDS();
      // For each of two levels and for the leaf: asked at the last moment, answered at the last moment.
      const pursuit =
        3n * (2n * PARAMS.answerSeconds + (await disputes.MAX_OPEN_DEMANDS()) * PARAMS.answerSlotSeconds);
      const others = openingSeconds + seeding + leafCheckSeconds + commitSeconds + revealSeconds + pursuit;
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
      ["propose", ({ market }) => market.propose(unknown, 1n, id("commitment"), MINED)],
      [
        "openProposal",
        ({ market }) => market.openProposal(unknown, 0n, ZeroHash, ZeroHash, ZeroHash, "", ZeroHash, MINED),
      ],
      ["requestSeed", ({ market }) => market.requestSeed(unknown, MINED)],
      ["recordSeed", ({ market }) => market.recordSeed(unknown, MINED)],
      ["checkLeaves", ({ market }) => market.checkLeaves(unknown, 0n, [], MINED)],
      ["finalize", ({ market }) => market.finalize(unknown, MINED)],
      ["enrol", ({ committee }) => committee.enrol(unknown, 1n, MINED)],
      [
        "commitAttestation",
        ({ committee }) => committee.commitAttestation(unknown, 1n, id("commitment"), MINED),
      ],
      ["revealAttestation", ({ committee }) => committee.revealAttestation(unknown, 0n, [], ZeroHash, MINED)],
      ["reportAbsence", ({ committee, miner }) => committee.reportAbsence(unknown, miner, MINED)],
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

    it("has nobody enrolled who could leave, and no bond to release", async () => {
      const { market, committee, miner } = task;
      await expectRefused(
        task,
        () => committee.connect(miner).disenrol(unknown, MINED),
        "NotEnrolled",
        [unknown, miner.address],
        committee,
      );
      await expectRefused(task, () => market.releaseBond(unknown, 1n, 0n, MINED), "WrongStatus", [
        STATUSES.indexOf("None"),
        STATUSES.indexOf("Final"),
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
      const { market, vault, owner, stranger, taskId } = task;
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
      expect(await vault.balanceOf(owner)).to.equal(ESCROW);
      expect(named(PHASES, await market.phase(taskId))).to.equal("Closed");
    });

    it("lets rounds start until the delay has passed, to the second", async () => {
      const { market, owner, miner, taskId } = task;
      await market.connect(owner).requestClose(taskId);
      const { closableAt } = await market.task(taskId);
      const snapshot = await networkHelpers.takeSnapshot();
      await at(closableAt - 1n);
      await market.connect(miner).propose(taskId, 1n, id("sealed"));
      await snapshot.restore();
      await at(closableAt);
      await expectRefused(
        task,
        () => market.connect(miner).propose(taskId, 1n, id("sealed"), MINED),
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
      expect((await market.proposal(taskId, 1n, 0n)).bond).to.equal(0n);
    });

    it("ends a task for good, but lets verifiers leave", async () => {
      const { market, vault, committee, owner, miner, taskId, verifiers } = task;
      await market.connect(owner).requestClose(taskId);
      await passTo((await market.task(taskId)).closableAt);
      await market.closeTask(taskId);
      const [verifier] = verifiers;
      const calls = [
        () => market.connect(owner).fundTask(taskId, 1n, MINED),
        () => market.connect(owner).requestClose(taskId, MINED),
        () => market.closeTask(taskId, MINED),
        () => market.connect(miner).propose(taskId, 1n, id("sealed"), MINED),
      ];
      for (const call of calls) await expectRefused(task, call, "TaskAlreadyClosed", [taskId]);
      const enrol = () => committee.connect(verifier).enrol(taskId, 1n, MINED);
      await expectRefused(task, enrol, "TaskAlreadyClosed", [taskId]);
      await committee.connect(verifier).disenrol(taskId);
      expect((await vault.accounts(verifier)).withdrawing).to.equal(STAKES[0]);
    });
  });
});
