import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { expect } from "chai";
import { MaxUint256, ZeroAddress } from "ethers";
import type { StakeVault } from "../../types/StakeVault.ts";
import type { TestToken } from "../../types/TestToken.ts";
import { expectRefusal } from "./support/refusal.ts";
import { at, BURN_ADDRESS, ethers, MINED, networkHelpers, now, passTo, tick } from "./support/scenario.ts";

const WEEK = 7n * 24n * 60n * 60n;
const YEAR = 365n * 24n * 60n * 60n;
const POOL = 7n;

/** A vault whose two protocol contracts are accounts of the test, so that their calls can be made one by one. */
type Setting = {
  token: TestToken;
  vault: StakeVault;
  deployer: HardhatEthersSigner;
  market: HardhatEthersSigner;
  otherMarket: HardhatEthersSigner;
  alice: HardhatEthersSigner;
  bob: HardhatEthersSigner;
};

async function deployVault(): Promise<Setting> {
  const signers = await ethers.getSigners();
  const [deployer, market, otherMarket] = [signers[0]!, signers[1]!, signers[2]!];
  const [alice, bob] = [signers[3]!, signers[4]!];
  const token = await ethers.deployContract("TestToken");
  const vault = await ethers.deployContract("StakeVault", [token, WEEK]);
  await vault.fixProtocols([market, otherMarket]);
  for (const party of [alice, bob]) {
    await token.connect(party).faucet(1_000n);
    await token.connect(party).approve(vault, MaxUint256);
    await vault.connect(party).deposit(600n);
  }
  return { token, vault, deployer, market, otherMarket, alice, bob };
}

/** Expects a refusal by the vault that leaves vault and token as they were. */
async function expectRefused(
  { token, vault }: Setting,
  send: () => Promise<unknown>,
  error: string,
  args: unknown[],
): Promise<void> {
  await expectRefusal([token, vault], send, vault, error, args);
}

async function expectAccount(
  { vault }: Setting,
  party: HardhatEthersSigner,
  expected: { free: bigint; locked?: bigint; withdrawing?: bigint; pooled?: bigint },
): Promise<void> {
  const { free, locked, withdrawing } = await vault.accounts(party);
  const { locked: expectedLocked = 0n, withdrawing: expectedWithdrawing = 0n, pooled = 0n } = expected;
  expect({ free, locked, withdrawing }).to.deep.equal({
    free: expected.free,
    locked: expectedLocked,
    withdrawing: expectedWithdrawing,
  });
  expect(await vault.stakeOf(party)).to.equal(free + locked + withdrawing + pooled);
}

/** Expects these balances, in wei, and none of anybody else. */
async function expectBalances(
  { vault, deployer, market, otherMarket, alice, bob }: Setting,
  expected: { market?: bigint; otherMarket?: bigint; alice?: bigint; bob?: bigint; burned?: bigint },
): Promise<void> {
  const parties = { deployer, market, otherMarket, alice, bob, burned: BURN_ADDRESS };
  const seen: Record<string, bigint> = {};
  for (const [name, party] of Object.entries(parties)) {
    const balance = await vault.balanceOf(party);
    if (balance !== 0n) seen[name] = balance;
  }
  expect(seen).to.deep.equal(expected);
}

async function expectSolvent({ token, vault, market, otherMarket, alice, bob }: Setting): Promise<void> {
  let owed = 0n;
  for (const party of [market, otherMarket, alice, bob, BURN_ADDRESS]) {
    owed += (await vault.stakeOf(party)) + (await vault.balanceOf(party));
  }
  expect(await token.balanceOf(vault)).to.equal(owed);
}

describe("StakeVault", () => {
  let setting: Setting;

  beforeEach(async () => {
    setting = await networkHelpers.loadFixture(deployVault);
  });

  afterEach(async () => {
    await expectSolvent(setting);
  });

  describe("when deployed", () => {
    it("takes a withdrawal delay of 1 second to a year", async () => {
      const { token, vault } = setting;
      for (const delay of [1n, YEAR]) {
        const deployed = await ethers.deployContract("StakeVault", [token, delay]);
        expect(await deployed.withdrawalDelaySeconds()).to.equal(delay);
        expect(await deployed.TOKEN()).to.equal(await token.getAddress());
      }
      for (const delay of [0n, YEAR + 1n]) {
        await expect(ethers.deployContract("StakeVault", [token, delay]))
          .to.be.revertedWithCustomError(vault, "WithdrawalDelayOutOfRange")
          .withArgs(delay, YEAR);
      }
    });

    it("takes no deposit before its protocol contracts are fixed", async () => {
      const { token, alice } = setting;
      const vault = await ethers.deployContract("StakeVault", [token, WEEK]);
      await token.connect(alice).approve(vault, MaxUint256);
      await expect(vault.connect(alice).deposit(1n)).to.be.revertedWithCustomError(
        vault,
        "ProtocolsNotFixed",
      );
      expect(await vault.stakeOf(alice)).to.equal(0n);
    });

    it("has its protocol contracts fixed by the deployer, once, and at least one of them", async () => {
      const { token, deployer, market, otherMarket, alice } = setting;
      const vault = await ethers.deployContract("StakeVault", [token, WEEK]);
      await expect(vault.connect(alice).fixProtocols([alice]))
        .to.be.revertedWithCustomError(vault, "NotDeployer")
        .withArgs(alice.address);
      await expect(vault.fixProtocols([])).to.be.revertedWithCustomError(vault, "NoProtocols");
      expect(await vault.isProtocol(market)).to.equal(false);

      await expect(vault.connect(deployer).fixProtocols([market, otherMarket]))
        .to.emit(vault, "ProtocolsFixed")
        .withArgs([market.address, otherMarket.address]);
      expect(await vault.isProtocol(market)).to.equal(true);
      expect(await vault.isProtocol(otherMarket)).to.equal(true);
      expect(await vault.isProtocol(alice)).to.equal(false);

      await expect(vault.fixProtocols([alice])).to.be.revertedWithCustomError(vault, "ProtocolsAlreadyFixed");
      expect(await vault.isProtocol(alice)).to.equal(false);
    });
  });

  describe("deposit", () => {
    it("moves tokens from the wallet into free stake", async () => {
      const { token, vault, alice } = setting;
      await expect(vault.connect(alice).deposit(400n))
        .to.emit(vault, "Deposited")
        .withArgs(alice.address, 400n);
      await expectAccount(setting, alice, { free: 1_000n });
      expect(await token.balanceOf(alice)).to.equal(0n);
    });

    it("refuses nothing, more than the wallet holds, and more than 96 bits", async () => {
      const { token, vault, alice } = setting;
      const deposit = (amount: bigint) => () => vault.connect(alice).deposit(amount, MINED);
      await expectRefused(setting, deposit(0n), "ZeroAmount", []);
      await expectRefusal([token, vault], deposit(401n), token, "ERC20InsufficientBalance", [
        alice.address,
        400n,
        401n,
      ]);
      await expectRefused(setting, deposit(2n ** 96n), "SafeCastOverflowedUintDowncast", [96n, 2n ** 96n]);
    });
  });

  describe("withdrawal", () => {
    it("takes free stake out after the delay, to the second", async () => {
      const { token, vault, alice } = setting;
      const requestedAt = (await now()) + 1n;
      await at(requestedAt);
      await expect(vault.connect(alice).requestWithdrawal(250n))
        .to.emit(vault, "WithdrawalRequested")
        .withArgs(alice.address, 250n, requestedAt + WEEK);
      await expectAccount(setting, alice, { free: 350n, withdrawing: 250n });
      expect((await vault.accounts(alice)).withdrawableAt).to.equal(requestedAt + WEEK);

      await at(requestedAt + WEEK - 1n);
      await expectRefused(
        setting,
        () => vault.connect(alice).completeWithdrawal(MINED),
        "WithdrawalNotReady",
        [requestedAt + WEEK - 1n, requestedAt + WEEK],
      );
      await at(requestedAt + WEEK);
      await expect(vault.connect(alice).completeWithdrawal())
        .to.emit(vault, "Withdrawn")
        .withArgs(alice.address, 250n);
      await expectAccount(setting, alice, { free: 350n });
      expect(await token.balanceOf(alice)).to.equal(650n);
    });

    it("joins a request that is pending and restarts its delay", async () => {
      const { vault, alice } = setting;
      await vault.connect(alice).requestWithdrawal(100n);
      await passTo((await now()) + WEEK - 10n);
      await tick();
      await vault.connect(alice).requestWithdrawal(50n);
      const restartedAt = await now();
      await at(restartedAt + WEEK - 1n);
      await expectRefused(
        setting,
        () => vault.connect(alice).completeWithdrawal(MINED),
        "WithdrawalNotReady",
        [restartedAt + WEEK - 1n, restartedAt + WEEK],
      );
      await at(restartedAt + WEEK);
      await expect(vault.connect(alice).completeWithdrawal())
        .to.emit(vault, "Withdrawn")
        .withArgs(alice.address, 150n);
    });

    it("refuses nothing, more than is free, and a completion without a request", async () => {
      const { vault, market, alice } = setting;
      await vault.connect(market).lock(alice, 500n);
      const request = (amount: bigint) => () => vault.connect(alice).requestWithdrawal(amount, MINED);
      await expectRefused(setting, request(0n), "ZeroAmount", []);
      await expectRefused(setting, request(101n), "InsufficientFree", [alice.address, 101n, 100n]);
      await expectRefused(setting, request(MaxUint256), "InsufficientFree", [
        alice.address,
        MaxUint256,
        100n,
      ]);
      await expectRefused(
        setting,
        () => vault.connect(alice).completeWithdrawal(MINED),
        "NothingToWithdraw",
        [alice.address],
      );
    });

    it("is done once", async () => {
      const { vault, alice } = setting;
      await vault.connect(alice).requestWithdrawal(100n);
      await passTo((await now()) + WEEK);
      await vault.connect(alice).completeWithdrawal();
      await expectRefused(
        setting,
        () => vault.connect(alice).completeWithdrawal(MINED),
        "NothingToWithdraw",
        [alice.address],
      );
    });
  });

  describe("called by anyone but a protocol contract", () => {
    const calls: [string, (vault: StakeVault, account: string) => Promise<unknown>][] = [
      ["lock", (vault, account) => vault.lock(account, 1n, MINED)],
      ["unlock", (vault, account) => vault.unlock(account, 1n, MINED)],
      ["joinPool", (vault, account) => vault.joinPool(POOL, account, 1n, MINED)],
      ["leavePool", (vault, account) => vault.leavePool(POOL, account, MINED)],
      ["slashLocked", (vault, account) => vault.slashLocked(account, 1n, account, MINED)],
      ["slashPooled", (vault, account) => vault.slashPooled(POOL, account, 1n, account, MINED)],
      ["collect", (vault, account) => vault.collect(account, 1n, MINED)],
      ["pay", (vault, account) => vault.pay(account, 0n, MINED)],
    ];
    for (const [name, call] of calls) {
      it(`refuses ${name}, from the deployer and from the account itself`, async () => {
        const { vault, deployer, alice } = setting;
        for (const caller of [deployer, alice]) {
          await expectRefused(setting, () => call(vault.connect(caller), alice.address), "NotProtocol", [
            caller.address,
          ]);
        }
      });
    }
  });

  describe("a protocol contract's balance", () => {
    it("is collected from a wallet that approved the vault", async () => {
      const { token, vault, market, alice } = setting;
      await expect(vault.connect(market).collect(alice, 150n))
        .to.emit(vault, "Collected")
        .withArgs(market.address, alice.address, 150n);
      await vault.connect(market).collect(alice, 50n);
      await expectBalances(setting, { market: 200n });
      expect(await token.balanceOf(alice)).to.equal(200n);
      await expectAccount(setting, alice, { free: 600n });
    });

    it("is not collected beyond what the wallet holds or has approved", async () => {
      const { token, vault, market, alice } = setting;
      const collect = (amount: bigint) => () => vault.connect(market).collect(alice, amount, MINED);
      await expectRefusal([token, vault], collect(401n), token, "ERC20InsufficientBalance", [
        alice.address,
        400n,
        401n,
      ]);
      await token.connect(alice).approve(vault, 99n);
      await expectRefusal([token, vault], collect(100n), token, "ERC20InsufficientAllowance", [
        await vault.getAddress(),
        99n,
        100n,
      ]);
    });

    it("is paid to anyone, another protocol contract too", async () => {
      const { vault, market, otherMarket, alice, bob } = setting;
      await vault.connect(market).collect(alice, 200n);
      await expect(vault.connect(market).pay(bob, 70n))
        .to.emit(vault, "Paid")
        .withArgs(market.address, bob.address, 70n);
      await vault.connect(market).pay(otherMarket, 120n);
      await vault.connect(otherMarket).pay(bob, 5n);
      await expectBalances(setting, { market: 10n, otherMarket: 115n, bob: 75n });
    });

    it("stays the same when it is paid to itself", async () => {
      const { vault, market, alice } = setting;
      await vault.connect(market).collect(alice, 200n);
      await vault.connect(market).pay(market, 200n);
      await expectBalances(setting, { market: 200n });
    });

    it("is not paid beyond what it is, whatever other protocol contracts hold", async () => {
      const { vault, market, otherMarket, alice, bob } = setting;
      await vault.connect(market).collect(alice, 200n);
      await vault.connect(otherMarket).collect(alice, 100n);
      await expectRefused(
        setting,
        () => vault.connect(otherMarket).pay(bob, 101n, MINED),
        "InsufficientBalance",
        [otherMarket.address, 101n, 100n],
      );
    });

    it("of nothing is neither collected nor paid: no token is called and nothing is recorded", async () => {
      const { token, vault, market, alice } = setting;
      // A transfer of the token would say so even of 0.
      const collecting = vault.connect(market).collect(alice, 0n);
      await expect(collecting).not.to.emit(vault, "Collected");
      await expect(collecting).not.to.emit(token, "Transfer");
      await expect(vault.connect(market).pay(alice, 0n)).not.to.emit(vault, "Paid");
      await expectBalances(setting, {});
    });
  });

  describe("claim", () => {
    it("sends an account its whole balance, whoever asks, once", async () => {
      const { token, vault, market, alice, bob } = setting;
      await vault.connect(market).collect(alice, 200n);
      await vault.connect(market).pay(bob, 70n);
      await vault.connect(market).pay(bob, 30n);
      await expect(vault.connect(alice).claim(bob)).to.emit(vault, "Claimed").withArgs(bob.address, 100n);
      expect(await token.balanceOf(bob)).to.equal(500n);
      await expectBalances(setting, { market: 100n });
      await expectAccount(setting, bob, { free: 600n });
      await expectRefused(setting, () => vault.connect(bob).claim(bob, MINED), "NothingToClaim", [
        bob.address,
      ]);
    });

    it("is refused for a protocol contract, of which it would take the escrow", async () => {
      const { vault, market, alice } = setting;
      await vault.connect(market).collect(alice, 200n);
      for (const caller of [alice, market]) {
        await expectRefused(setting, () => vault.connect(caller).claim(market, MINED), "NotClaimable", [
          market.address,
        ]);
      }
    });

    it("sends what was burned where nobody can take it", async () => {
      const { token, vault, market, alice, bob } = setting;
      await vault.connect(market).lock(alice, 200n);
      await vault.connect(market).slashLocked(alice, 101n, bob);
      expect(await token.balanceOf(BURN_ADDRESS)).to.equal(0n);
      await expect(vault.connect(bob).claim(BURN_ADDRESS))
        .to.emit(vault, "Claimed")
        .withArgs(BURN_ADDRESS, 51n);
      expect(await token.balanceOf(BURN_ADDRESS)).to.equal(51n);
      expect(await vault.BURN_ADDRESS()).to.equal(BURN_ADDRESS);
      await expectBalances(setting, { bob: 50n });
    });
  });

  describe("a bond", () => {
    it("is locked from free stake and unlocked to it", async () => {
      const { vault, market, alice } = setting;
      await expect(vault.connect(market).lock(alice, 200n))
        .to.emit(vault, "Locked")
        .withArgs(market.address, alice.address, 200n);
      await expectAccount(setting, alice, { free: 400n, locked: 200n });
      await expect(vault.connect(market).unlock(alice, 150n))
        .to.emit(vault, "Unlocked")
        .withArgs(market.address, alice.address, 150n);
      await expectAccount(setting, alice, { free: 550n, locked: 50n });
    });

    it("is neither locked beyond what is free nor unlocked or slashed beyond what is locked", async () => {
      const { vault, market, alice, bob } = setting;
      await vault.connect(market).lock(alice, 200n);
      const asMarket = vault.connect(market);
      await expectRefused(setting, () => asMarket.lock(alice, 401n, MINED), "InsufficientFree", [
        alice.address,
        401n,
        400n,
      ]);
      for (const call of [
        () => asMarket.unlock(alice, 201n, MINED),
        () => asMarket.slashLocked(alice, 201n, bob, MINED),
      ]) {
        await expectRefused(setting, call, "InsufficientLocked", [alice.address, 201n, 200n]);
      }
    });

    it("is slashed by a proof: half of it, rounded down, is the prover's, the rest burned", async () => {
      const { vault, market, alice, bob } = setting;
      await vault.connect(market).lock(alice, 200n);
      await expect(vault.connect(market).slashLocked(alice, 101n, bob))
        .to.emit(vault, "Slashed")
        .withArgs(market.address, alice.address, 51n, bob.address, 50n);
      await expectAccount(setting, alice, { free: 400n, locked: 99n });
      await expectBalances(setting, { bob: 50n, burned: 51n });
    });

    it("is burned whole where nobody proved anything", async () => {
      const { vault, market, alice } = setting;
      await vault.connect(market).lock(alice, 200n);
      await expect(vault.connect(market).slashLocked(alice, 101n, ZeroAddress))
        .to.emit(vault, "Slashed")
        .withArgs(market.address, alice.address, 101n, ZeroAddress, 0n);
      await expectAccount(setting, alice, { free: 400n, locked: 99n });
      await expectBalances(setting, { burned: 101n });
    });

    it("of one wei is burned, prover or not", async () => {
      const { vault, market, alice, bob } = setting;
      await vault.connect(market).lock(alice, 1n);
      await expect(vault.connect(market).slashLocked(alice, 1n, bob))
        .to.emit(vault, "Slashed")
        .withArgs(market.address, alice.address, 1n, bob.address, 0n);
      await expectBalances(setting, { burned: 1n });
    });
  });

  describe("a pool", () => {
    it("takes free stake, separately for each protocol contract and number", async () => {
      const { vault, market, otherMarket, alice, bob } = setting;
      await expect(vault.connect(market).joinPool(POOL, alice, 100n))
        .to.emit(vault, "Pooled")
        .withArgs(market.address, POOL, alice.address, 100n);
      await vault.connect(market).joinPool(POOL, alice, 20n);
      await vault.connect(market).joinPool(POOL + 1n, alice, 30n);
      await vault.connect(otherMarket).joinPool(POOL, alice, 40n);
      await vault.connect(market).joinPool(POOL, bob, 50n);
      expect(await vault.pooled(market, POOL, alice)).to.equal(120n);
      expect(await vault.pooled(market, POOL + 1n, alice)).to.equal(30n);
      expect(await vault.pooled(otherMarket, POOL, alice)).to.equal(40n);
      const time = await now();
      await passTo(time + 1n);
      expect(await vault.poolTotalAt(market, POOL, time)).to.equal(170n);
      expect(await vault.poolTotalAt(otherMarket, POOL, time)).to.equal(40n);
      await expectAccount(setting, alice, { free: 410n, pooled: 190n });
    });

    it("is left with all stake at once, which starts its withdrawal", async () => {
      const { vault, market, alice } = setting;
      await vault.connect(market).joinPool(POOL, alice, 120n);
      await vault.connect(alice).requestWithdrawal(30n);
      const leftAt = (await now()) + 5n;
      await at(leftAt);
      const leaving = vault.connect(market).leavePool(POOL, alice);
      await expect(leaving).to.emit(vault, "Unpooled").withArgs(market.address, POOL, alice.address, 120n);
      await expect(leaving)
        .to.emit(vault, "WithdrawalRequested")
        .withArgs(alice.address, 120n, leftAt + WEEK);
      expect(await vault.pooled(market, POOL, alice)).to.equal(0n);
      await expectAccount(setting, alice, { free: 450n, withdrawing: 150n });
    });

    it("is not joined with more than is free, nor left without stake in it", async () => {
      const { vault, market, alice } = setting;
      const asMarket = vault.connect(market);
      await expectRefused(setting, () => asMarket.joinPool(POOL, alice, 601n, MINED), "InsufficientFree", [
        alice.address,
        601n,
        600n,
      ]);
      await asMarket.joinPool(POOL + 1n, alice, 600n);
      await expectRefused(setting, () => asMarket.leavePool(POOL, alice, MINED), "NothingPooled", [
        alice.address,
        POOL,
      ]);
    });

    it("is read at a time, after every change made in that second and before every later one", async () => {
      const { vault, market, alice, bob } = setting;
      const asMarket = vault.connect(market);
      const start = (await now()) + 10n;
      await at(start);
      await asMarket.joinPool(POOL, alice, 100n);
      await at(start + 10n);
      await asMarket.joinPool(POOL, bob, 60n);
      await at(start + 20n);
      await asMarket.slashPooled(POOL, alice, 30n, ZeroAddress);
      await at(start + 30n);
      await asMarket.leavePool(POOL, alice);
      await passTo(start + 40n);
      const expected: [time: bigint, ofAlice: bigint, ofBob: bigint][] = [
        [start - 1n, 0n, 0n],
        [start, 100n, 0n],
        [start + 9n, 100n, 0n],
        [start + 10n, 100n, 60n],
        [start + 19n, 100n, 60n],
        [start + 20n, 70n, 60n],
        [start + 29n, 70n, 60n],
        [start + 30n, 0n, 60n],
        [start + 40n, 0n, 60n],
      ];
      for (const [time, ofAlice, ofBob] of expected) {
        expect(await vault.pooledAt(market, POOL, alice, time), `alice at ${time - start}`).to.equal(ofAlice);
        expect(await vault.pooledAt(market, POOL, bob, time), `bob at ${time - start}`).to.equal(ofBob);
        expect(await vault.poolTotalAt(market, POOL, time)).to.equal(ofAlice + ofBob);
      }
    });

    it("is slashed first, then what is under withdrawal, and never free or locked stake", async () => {
      const { vault, market, alice, bob } = setting;
      const asMarket = vault.connect(market);
      await asMarket.joinPool(POOL, alice, 100n);
      await asMarket.lock(alice, 200n);
      await vault.connect(alice).requestWithdrawal(50n);
      const slash = (amount: bigint) => asMarket.slashPooled(POOL, alice, amount, bob);

      await expect(slash(70n))
        .to.emit(vault, "Slashed")
        .withArgs(market.address, alice.address, 35n, bob.address, 35n);
      expect(await vault.pooled(market, POOL, alice)).to.equal(30n);
      await expectAccount(setting, alice, { free: 250n, locked: 200n, withdrawing: 50n, pooled: 30n });

      await expect(slash(45n))
        .to.emit(vault, "Slashed")
        .withArgs(market.address, alice.address, 23n, bob.address, 22n);
      expect(await vault.pooled(market, POOL, alice)).to.equal(0n);
      await expectAccount(setting, alice, { free: 250n, locked: 200n, withdrawing: 35n });

      await expect(slash(1_000n))
        .to.emit(vault, "Slashed")
        .withArgs(market.address, alice.address, 18n, bob.address, 17n);
      await expect(slash(1_000n))
        .to.emit(vault, "Slashed")
        .withArgs(market.address, alice.address, 0n, bob.address, 0n);
      await expectAccount(setting, alice, { free: 250n, locked: 200n });
      await expectBalances(setting, { bob: 35n + 22n + 17n, burned: 35n + 23n + 18n });
    });

    it("is burned whole where nobody proved anything", async () => {
      const { vault, market, alice } = setting;
      await vault.connect(market).joinPool(POOL, alice, 100n);
      await vault.connect(market).slashPooled(POOL, alice, 70n, ZeroAddress);
      await expectAccount(setting, alice, { free: 500n, pooled: 30n });
      await expectBalances(setting, { burned: 70n });
    });

    it("of one protocol contract is not slashed by another", async () => {
      const { vault, market, otherMarket, alice, bob } = setting;
      await vault.connect(market).joinPool(POOL, alice, 100n);
      await vault.connect(otherMarket).slashPooled(POOL, alice, 70n, bob);
      expect(await vault.pooled(market, POOL, alice)).to.equal(100n);
      await expectBalances(setting, {});
    });
  });
});
