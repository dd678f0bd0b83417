import { expect } from "chai";
import type { BaseContract } from "ethers";
import { named, PHASES } from "../../clients/chain/phase.ts";
import type { ReentrantToken } from "../../types/test/ReentrantToken.ts";
import { expectSolvent } from "./support/money.ts";
import {
  enrolVerifiers,
  ethers,
  finalize,
  networkHelpers,
  now,
  openScenarioWith,
  PARAMS,
  passTo,
  playRound,
  proposableRound,
  propose,
  registerTask,
  SMALL_VECTORS,
  startRound,
  stepFrom,
  type Task,
  tick,
  UNAVAILABLE,
} from "./support/scenario.ts";

const WITHDRAWN = 1_000n;

/** A task whose token calls back during transfers, and is a staker too. */
type ReentrantTask = Task & { reentrant: ReentrantToken };

async function createReentrantTask(): Promise<ReentrantTask> {
  const reentrant = await ethers.deployContract("ReentrantToken");
  const scenario = await openScenarioWith(reentrant, await ethers.deployContract("BlockHashRandomness"));
  const task = { ...(await registerTask(scenario)), reentrant };
  await enrolVerifiers(task);
  const funds = PARAMS.minerBond + PARAMS.proposalFee + 20n * PARAMS.demandDeposit;
  await actAsToken(task, reentrant, "faucet", [funds]);
  await actAsToken(task, reentrant, "approve", [await task.vault.getAddress(), funds]);
  await actAsToken(task, task.vault, "deposit", [PARAMS.minerBond + 2n * WITHDRAWN]);
  return task;
}

/** Makes a call in which the token itself is the sender. */
async function actAsToken({ reentrant }: ReentrantTask, callee: BaseContract, name: string, args: unknown[]) {
  await tick();
  return reentrant.act(await callee.getAddress(), callee.interface.encodeFunctionData(name, args));
}

describe("a token that calls back during a transfer", () => {
  let task: ReentrantTask;

  beforeEach(async () => {
    task = await networkHelpers.loadFixture(createReentrantTask);
  });

  afterEach(async () => {
    await expectSolvent(task, [task.reentrant]);
  });

  async function arm(callee: BaseContract, name: string, args: unknown[]): Promise<void> {
    await tick();
    await task.reentrant.arm(await callee.getAddress(), callee.interface.encodeFunctionData(name, args));
  }

  /** The revert data with which the guard of any contract answers. */
  function guardRefusal(): string {
    return task.market.interface.encodeErrorResult("ReentrancyGuardReentrantCall");
  }

  type Callback = [callee: BaseContract, name: string, args: unknown[]];

  /** Expects the next transfer's callback to be made, and refused by a guard. */
  async function expectGuarded(sending: () => Promise<unknown>, ...callback: Callback): Promise<void> {
    const snapshot = await networkHelpers.takeSnapshot();
    await arm(...callback);
    await expect(sending(), callback[1])
      .to.emit(task.reentrant, "CalledBack")
      .withArgs(false, guardRefusal());
    await snapshot.restore();
  }

  /** Expects the next transfer's callback to be made, and to succeed. */
  async function expectTaken(sending: () => Promise<unknown>, ...callback: Callback): Promise<void> {
    await arm(...callback);
    await expect(sending(), callback[1]).to.emit(task.reentrant, "CalledBack").withArgs(true, "0x");
  }

  /** All calls that move tokens, each of which the vault guards at the latest. */
  async function guardedByVault(): Promise<Callback[]> {
    const { vault, market, miner, taskId, disputes } = task;
    return [
      [vault, "deposit", [1n]],
      [vault, "completeWithdrawal", []],
      [vault, "claim", [miner.address]],
      [market, "fundTask", [taskId, 1n]],
      [market, "propose", [taskId, await proposableRound(task), ethers.id("sealed")]],
      [disputes, "demand", [taskId, 1n, 0n, 0n]],
    ];
  }

  /** Starts the withdrawal of some of the token's stake and lets its delay pass. */
  async function awaitWithdrawal(): Promise<void> {
    await actAsToken(task, task.vault, "requestWithdrawal", [WITHDRAWN]);
    await passTo((await now()) + (await task.vault.withdrawalDelaySeconds()));
  }

  async function confirmRound(): Promise<void> {
    await playRound(task);
    await finalize(task);
  }

  describe("of a deposit, a withdrawal or a claim", () => {
    it("moves no other token through the vault", async () => {
      const { vault, miner } = task;
      await confirmRound();
      await awaitWithdrawal();
      const sendings = [
        () => vault.connect(miner).deposit(1n),
        () => actAsToken(task, vault, "completeWithdrawal", []),
        () => vault.claim(miner),
      ];
      const callbacks = await guardedByVault();
      for (const sending of sendings) {
        for (const callback of callbacks) await expectGuarded(sending, ...callback);
      }
    });

    it("cannot claim twice", async () => {
      const { vault, token, miner } = task;
      await confirmRound();
      const wallet = await token.balanceOf(miner);
      await arm(vault, "claim", [miner.address]);
      await vault.claim(miner);
      expect(await token.balanceOf(miner)).to.equal(wallet + PARAMS.minerReward);
      expect(await vault.balanceOf(miner)).to.equal(0n);
    });

    it("cannot withdraw twice", async () => {
      const { vault, token, reentrant } = task;
      await awaitWithdrawal();
      const wallet = await token.balanceOf(reentrant);
      await arm(vault, "completeWithdrawal", []);
      await actAsToken(task, vault, "completeWithdrawal", []);
      expect(await token.balanceOf(reentrant)).to.equal(wallet + WITHDRAWN);
      expect((await vault.accounts(reentrant)).withdrawing).to.equal(0n);
    });

    it("may request a withdrawal within one: what it is owed stays the same", async () => {
      const { vault, reentrant } = task;
      await awaitWithdrawal();
      const { free } = await vault.accounts(reentrant);
      const complete = () => actAsToken(task, vault, "completeWithdrawal", []);
      await expectTaken(complete, vault, "requestWithdrawal", [WITHDRAWN]);
      const after = await vault.accounts(reentrant);
      expect([after.free, after.withdrawing]).to.deep.equal([free - WITHDRAWN, WITHDRAWN]);
    });

    it("may finalize a round within a claim, once, and everybody is owed what is owed", async () => {
      const { market, vault, miner, taskId } = task;
      await confirmRound();
      await playRound({ ...task, transition: stepFrom(SMALL_VECTORS.newParameters, 1) }, []);
      await expectTaken(() => vault.claim(miner), market, "finalize", [taskId]);
      expect(named(PHASES, await market.phase(taskId))).to.equal("Idle");
      expect(await vault.balanceOf(miner)).to.equal(0n);
    });
  });

  describe("of a proposal's fee", () => {
    it("calls neither market nor vault for more", async () => {
      const { market, taskId, reentrant } = task;
      const sealed = ethers.id("of the token");
      const asToken = () => actAsToken(task, market, "propose", [taskId, 1n, sealed]);
      const callbacks: Callback[] = [
        ...(await guardedByVault()).filter(([, name]) => name !== "demand"),
        [market, "finalize", [taskId]],
        [market, "closeTask", [taskId]],
        [market, "requestSeed", [taskId]],
        [market, "releaseBond", [taskId, 1n, 0n]],
      ];
      for (const callback of callbacks) {
        await expectGuarded(asToken, ...callback);
        await expectGuarded(() => propose(task), ...callback);
      }
      expect(await task.vault.balanceOf(reentrant)).to.equal(0n);
    });

    it("cannot join a round a second time", async () => {
      const { market, taskId } = task;
      const again: Callback = [market, "propose", [taskId, 1n, ethers.id("again")]];
      await arm(...again);
      await actAsToken(task, market, "propose", [taskId, 1n, ethers.id("of the token")]);
      expect((await market.round(taskId, 1n)).proposals).to.equal(1n);
    });
  });

  describe("of a task's funding", () => {
    it("calls neither market nor vault for more", async () => {
      const { market, owner, taskId } = task;
      const fund = () => market.connect(owner).fundTask(taskId, 1n);
      const callbacks: Callback[] = [
        ...(await guardedByVault()).filter(([, name]) => name !== "demand"),
        [market, "finalize", [taskId]],
        [market, "closeTask", [taskId]],
      ];
      for (const callback of callbacks) await expectGuarded(fund, ...callback);
    });

    it("counts once, with what it calls back for refused", async () => {
      const { market, owner, taskId } = task;
      const { escrow } = await market.task(taskId);
      await arm(market, "fundTask", [taskId, 5n]);
      await market.connect(owner).fundTask(taskId, 7n);
      expect((await market.task(taskId)).escrow).to.equal(escrow + 7n);
    });
  });

  describe("of a demand's deposit", () => {
    it("calls neither disputes nor vault for more", async () => {
      const { vault, market, disputes, rival, taskId, transition } = task;
      await startRound(task, "Committing");
      const demand = () => disputes.connect(rival).demand(taskId, 1n, 0n, 0n);
      const callbacks: Callback[] = [
        [vault, "deposit", [1n]],
        [market, "fundTask", [taskId, 1n]],
        [disputes, "demand", [taskId, 1n, 0n, 1n]],
        [disputes, "closeDemand", [taskId, 1n, 0n, rival.address]],
        [disputes, "answer", [taskId, 1n, 0n, rival.address, transition.opening(0)]],
        [disputes, "proveFraud", [taskId, 1n, 0n, 0n, transition.opening(0)]],
        [disputes, "provePoison", [taskId, 0n, "0x", []]],
      ];
      for (const callback of callbacks) await expectGuarded(demand, ...callback);
    });

    it("is in the disputes' balance once", async () => {
      const { disputes, vault, taskId } = task;
      await startRound(task, "Committing");
      await arm(disputes, "demand", [taskId, 1n, 0n, 1n]);
      await actAsToken(task, disputes, "demand", [taskId, 1n, 0n, 0n]);
      expect(await vault.balanceOf(disputes)).to.equal(PARAMS.demandDeposit);
      expect(await disputes.openDemands(taskId, 1n, 0n)).to.equal(1n);
    });

    it("of the head cannot let it go in between: the bond stays while the demand is open", async () => {
      const { market, disputes, vault, owner, rival, miner, taskId } = task;
      await confirmRound();
      await market.connect(owner).requestClose(taskId);
      await passTo((await market.task(taskId)).closableAt);
      const demand = () => disputes.connect(rival).demand(taskId, 1n, 0n, 0n);
      await expectTaken(demand, market, "closeTask", [taskId]);
      expect(named(PHASES, await market.phase(taskId))).to.equal("Closed");
      expect((await vault.accounts(miner)).locked).to.equal(PARAMS.minerBond);
      expect(await disputes.openDemands(taskId, 1n, 0n)).to.equal(1n);
    });
  });

  it("moves no token where a round is finalized, a task closed or stake slashed: nothing calls back", async () => {
    const { market, vault, owner, taskId, reentrant } = task;
    await playRound(task, [{ ...UNAVAILABLE, silent: true }]);
    await arm(vault, "deposit", [1n]);
    const finalizing = finalize(task);
    await expect(finalizing).to.emit(vault, "Slashed");
    await expect(finalizing).not.to.emit(reentrant, "Transfer");
    await market.connect(owner).requestClose(taskId);
    await passTo((await market.task(taskId)).closableAt);
    await expect(market.closeTask(taskId)).not.to.emit(reentrant, "Transfer");
  });
});
