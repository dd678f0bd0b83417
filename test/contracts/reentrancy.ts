import { expect } from "chai";
import type { BaseContract } from "ethers";
import type { ReentrantToken } from "../../types/test/ReentrantToken.ts";
import { FORGERIES, forgedTransition } from "./support/forgery.ts";
import { expectSolvent } from "./support/money.ts";
import {
  CONFIRMING,
  checkLeaves,
  ends,
  enrolVerifiers,
  ethers,
  finalize,
  networkHelpers,
  now,
  openProposal,
  openScenario,
  PARAMS,
  passTo,
  playRound,
  propose,
  registerTask,
  STAKES,
  startRound,
  type Task,
  UNAVAILABLE,
  type Vote,
} from "./support/scenario.ts";

const WITHDRAWN = 1_000n;
const SILENT: Vote = { ...UNAVAILABLE, silent: true };

/** A task whose token calls back during transfers, and is a staker too. */
type ReentrantTask = Task & { reentrant: ReentrantToken };

async function createReentrantTask(): Promise<ReentrantTask> {
  const reentrant = await ethers.deployContract("ReentrantToken");
  const vault = await ethers.deployContract("StakeVault", [reentrant, 7 * 86_400]);
  const randomness = await ethers.deployContract("BlockHashRandomness");
  const leafChecker = await ethers.deployContract("LeafChecker");
  const market = await ethers.deployContract("TrainingMarket", [reentrant, vault, randomness, leafChecker]);
  await vault.fixProtocols([market]);
  const contracts = {
    TestToken: await reentrant.getAddress(),
    StakeVault: await vault.getAddress(),
    BlockHashRandomness: await randomness.getAddress(),
    LeafChecker: await leafChecker.getAddress(),
    TrainingMarket: await market.getAddress(),
  };
  const scenario = await openScenario({ chainId: 31_337, block: 0, contracts });
  const task = { ...(await registerTask(scenario)), reentrant };
  await enrolVerifiers(task);
  await actAsToken(task, reentrant, "faucet", [10n * WITHDRAWN]);
  await actAsToken(task, reentrant, "approve", [contracts.StakeVault, 10n * WITHDRAWN]);
  await actAsToken(task, vault, "deposit", [2n * WITHDRAWN]);
  return task;
}

/** Makes a call in which the token itself is the sender. */
async function actAsToken({ reentrant }: ReentrantTask, callee: BaseContract, name: string, args: unknown[]) {
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
    await task.reentrant.arm(await callee.getAddress(), callee.interface.encodeFunctionData(name, args));
  }

  /** The revert data with which the guard of market or vault answers. */
  function guardRefusal(): string {
    return task.market.interface.encodeErrorResult("ReentrancyGuardReentrantCall");
  }

  /** Expects the next transfer's callback to be made, and refused by the guard. */
  async function expectGuarded(
    sending: () => Promise<unknown>,
    callee: BaseContract,
    name: string,
    args: unknown[],
  ): Promise<void> {
    await arm(callee, name, args);
    await expect(sending()).to.emit(task.reentrant, "CalledBack").withArgs(false, guardRefusal());
  }

  /** Starts the withdrawal of some of the token's stake and lets its delay pass. */
  async function awaitWithdrawal(): Promise<void> {
    await actAsToken(task, task.vault, "requestWithdrawal", [WITHDRAWN]);
    await passTo((await now()) + (await task.vault.withdrawalDelaySeconds()));
  }

  it("cannot claim twice", async () => {
    const { market, token, miner } = task;
    await playRound(task);
    await finalize(task);
    const wallet = await token.balanceOf(miner);
    await expectGuarded(() => market.claim(miner), market, "claim", [miner.address]);
    expect(await token.balanceOf(miner)).to.equal(wallet + PARAMS.minerReward);
    expect(await market.claimable(miner)).to.equal(0n);
  });

  it("cannot withdraw twice", async () => {
    const { vault, token, reentrant } = task;
    await awaitWithdrawal();
    const wallet = await token.balanceOf(reentrant);
    const complete = () => actAsToken(task, vault, "completeWithdrawal", []);
    await expectGuarded(complete, vault, "completeWithdrawal", []);
    expect(await token.balanceOf(reentrant)).to.equal(wallet + WITHDRAWN);
    expect((await vault.accounts(reentrant)).withdrawing).to.equal(0n);
  });

  it("cannot deposit within a withdrawal or a deposit", async () => {
    const { vault, miner } = task;
    await awaitWithdrawal();
    const complete = () => actAsToken(task, vault, "completeWithdrawal", []);
    await expectGuarded(complete, vault, "deposit", [1n]);
    await expectGuarded(() => vault.connect(miner).deposit(1n), vault, "deposit", [1n]);
  });

  it("may request a withdrawal within one: what it is owed stays the same", async () => {
    const { vault, reentrant } = task;
    await awaitWithdrawal();
    await arm(vault, "requestWithdrawal", [WITHDRAWN]);
    await expect(actAsToken(task, vault, "completeWithdrawal", []))
      .to.emit(reentrant, "CalledBack")
      .withArgs(true, "0x");
    const { free, withdrawing } = await vault.accounts(reentrant);
    expect([free, withdrawing]).to.deep.equal([0n, WITHDRAWN]);
  });

  it("cannot fund, propose or claim within funding or a proposal", async () => {
    const { market, owner, miner, taskId } = task;
    const fund = () => market.connect(owner).fundTask(taskId, 1n);
    await expectGuarded(fund, market, "fundTask", [taskId, 1n]);
    await expectGuarded(fund, market, "propose", [taskId, ethers.id("sealed")]);
    await expectGuarded(() => propose(task), market, "claim", [miner.address]);
  });

  for (const [name, args] of [
    ["finalize", [0n]],
    ["closeTask", [0n]],
    ["fundTask", [0n, 1n]],
    ["requestSeed", [0n]],
  ] as const) {
    it(`cannot call ${name} while a round is finalized and a closing is due`, async () => {
      const { market, owner, taskId } = task;
      await market.connect(owner).requestClose(taskId);
      await playRound(task, [SILENT, ...CONFIRMING.slice(1)]);
      await expectGuarded(() => finalize(task), market, name, args.slice());
      await market.closeTask(taskId);
      expect((await market.task(taskId)).escrow).to.equal(0n);
    });
  }

  it("may leave a task while a round is finalized, and pays its penalty all the same", async () => {
    const { market, vault, reentrant, taskId } = task;
    const stake = PARAMS.verifierStake;
    await actAsToken(task, reentrant, "faucet", [stake]);
    await actAsToken(task, reentrant, "approve", [await vault.getAddress(), stake]);
    await actAsToken(task, vault, "deposit", [stake]);
    await actAsToken(task, market, "enrol", [taskId, stake]);
    await startRound(task, "Committing");
    await actAsToken(task, market, "commitAttestation", [taskId, ethers.id("never revealed")]);
    for (const verifier of task.verifiers) {
      await market.connect(verifier).commitAttestation(taskId, ethers.id("never revealed"));
    }
    await passTo((await ends(task)).disputeEndsAt);
    await arm(market, "disenrol", [taskId]);
    const finalizing = market.finalize(taskId);
    await expect(finalizing).to.emit(reentrant, "CalledBack").withArgs(true, "0x");
    await expect(finalizing)
      .to.emit(market, "VerifierPenalized")
      .withArgs(taskId, 1n, await reentrant.getAddress(), PARAMS.missedRevealPenalty);
    expect((await vault.accounts(reentrant)).withdrawing).to.equal(stake - PARAMS.missedRevealPenalty);
    expect(await vault.pooled(market, taskId, task.verifiers[2])).to.equal(
      STAKES[2] - PARAMS.missedRevealPenalty,
    );
  });

  it("cannot close a task while its miner's bond is forfeited", async () => {
    const wrongSum = FORGERIES.find(({ verdict }) => verdict === "WrongSum")!;
    const forged = await registerTask(task, {}, forgedTransition(wrongSum));
    await forged.market.connect(forged.owner).requestClose(forged.taskId);
    await startRound(forged, "LeafChecking");
    await expectGuarded(() => checkLeaves(forged), forged.market, "closeTask", [forged.taskId]);
    await forged.market.closeTask(forged.taskId);
  });

  it("cannot fund a task or request its seed while an old one is replaced", async () => {
    const { market, taskId } = task;
    await propose(task);
    await openProposal(task);
    await passTo((await ends(task)).openingEndsAt);
    await market.requestSeed(taskId);
    for (const [name, args] of [
      ["fundTask", [taskId, 1n]],
      ["requestSeed", [taskId]],
    ] as const) {
      const { seedTicket } = await market.round(taskId, 1n);
      await networkHelpers.mineUpTo(seedTicket + 256n);
      await expectGuarded(() => market.requestSeed(taskId), market, name, args.slice());
    }
  });
});
