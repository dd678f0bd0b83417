import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EIP1193Provider } from "@nomicfoundation/ignition-core";
import { expect } from "chai";
import { Wallet } from "ethers";
import { network } from "hardhat";
import { CONTRACT_NAMES } from "../../clients/chain/artifacts.ts";
import { bindContracts, connectChain } from "../../clients/chain/connection.ts";
import { deployGradwork, walletProvider } from "../../deploy/deployGradwork.ts";
import { gradworkModule } from "../../deploy/gradwork.ts";
import { expectCode } from "../contracts/support/expectCode.ts";

const WEEK = 7n * 24n * 60n * 60n;
const OPTIONS = { confirmations: 1, pollMs: 1 };

/** A provider that counts the transactions sent through it and answers nothing after the first `most`. */
function metered(provider: EIP1193Provider, most = Number.POSITIVE_INFINITY) {
  const meter = {
    sent: 0,
    async request(request: { method: string; params?: unknown[] }) {
      if (meter.sent === most) throw new Error("the line went dead");
      if (request.method === "eth_sendTransaction") meter.sent++;
      return provider.request(request as Parameters<EIP1193Provider["request"]>[0]);
    },
  };
  return meter;
}

describe("deployGradwork", () => {
  it("deploys contracts that know each other", async () => {
    const { ethers, provider } = await network.create();
    const { chainId, block, contracts } = await deployGradwork(provider, OPTIONS);
    expect(chainId).to.equal(31_337);
    expect(block).to.equal(0);
    expect(Object.keys(contracts)).to.deep.equal(CONTRACT_NAMES);
    for (const address of Object.values(contracts)) {
      expect(await ethers.provider.getCode(address, block)).to.equal("0x");
      expect(await ethers.provider.getCode(address)).not.to.equal("0x");
    }
    const market = await ethers.getContractAt("TrainingMarket", contracts.TrainingMarket);
    const vault = await ethers.getContractAt("StakeVault", contracts.StakeVault);
    expect(await market.TOKEN()).to.equal(contracts.TestToken);
    expect(await market.VAULT()).to.equal(contracts.StakeVault);
    expect(await market.RANDOMNESS()).to.equal(contracts.BlockHashRandomness);
    expect(await market.LEAF_CHECKER()).to.equal(contracts.LeafChecker);
    expect(await vault.TOKEN()).to.equal(contracts.TestToken);
    expect(await vault.withdrawalDelaySeconds()).to.equal(WEEK);
  });

  it("fixes the market as the vault's only protocol contract, for good", async () => {
    const { ethers, provider } = await network.create();
    const [deployer, other] = await ethers.getSigners();
    const { contracts } = await deployGradwork(provider, OPTIONS);
    const vault = await ethers.getContractAt("StakeVault", contracts.StakeVault);
    const fixed = await vault.queryFilter(vault.filters.ProtocolsFixed());
    expect(fixed.map(({ args }) => Array.from(args.protocols))).to.deep.equal([[contracts.TrainingMarket]]);
    expect(await vault.isProtocol(contracts.TrainingMarket)).to.equal(true);
    await expect(vault.connect(deployer!).fixProtocols([other!])).to.be.revertedWithCustomError(
      vault,
      "ProtocolsAlreadyFixed",
    );
    expect(await vault.isProtocol(other!)).to.equal(false);
  });

  it("takes another withdrawal delay as a parameter of the module", async () => {
    const { ethers, ignition } = await network.create();
    const parameters = { Gradwork: { withdrawalDelaySeconds: 3_600 } };
    const { StakeVault } = await ignition.deploy(gradworkModule, { parameters });
    const vault = await ethers.getContractAt("StakeVault", await StakeVault.getAddress());
    expect(await vault.withdrawalDelaySeconds()).to.equal(3_600n);
  });

  it("needs an account to deploy from", async () => {
    const { provider } = await network.create();
    const without: EIP1193Provider = {
      request: async (request) => (request.method === "eth_accounts" ? [] : provider.request(request)),
    };
    await expectCode(deployGradwork(without, OPTIONS), "DEPLOYMENT_FAILED");
  });

  describe("with a journal", () => {
    let journal: string;

    beforeEach(() => {
      journal = mkdtempSync(join(tmpdir(), "gradwork-journal-"));
    });

    afterEach(() => {
      rmSync(journal, { recursive: true });
    });

    it("goes on where it was cut short", async () => {
      const { ethers, provider } = await network.create();
      const cut = deployGradwork(metered(provider, 3), { ...OPTIONS, journal });
      expect(await cut.catch((error) => error.message)).to.equal("the line went dead");
      const rest = metered(provider);
      const { contracts } = await deployGradwork(rest, { ...OPTIONS, journal });
      expect(rest.sent).to.equal(3);
      expect(await ethers.provider.getBlockNumber()).to.equal(6);
      const market = await ethers.getContractAt("TrainingMarket", contracts.TrainingMarket);
      expect(await market.TOKEN()).to.equal(contracts.TestToken);
    });

    it("deploys nothing a second time", async () => {
      const { provider } = await network.create();
      const first = await deployGradwork(provider, { ...OPTIONS, journal });
      const again = metered(provider);
      const second = await deployGradwork(again, { ...OPTIONS, journal });
      expect(second.contracts).to.deep.equal(first.contracts);
      expect(again.sent).to.equal(0);
    });
  });

  describe("with a key, over HTTP", () => {
    const wallet = new Wallet(`0x${"5a".repeat(32)}`);

    /** Serves a chain on which the wallet has this much, connects to it as the wallet, and stops the server. */
    async function withBalance(
      balance: bigint,
      use: (chain: Awaited<ReturnType<typeof connectChain>>) => Promise<void>,
    ): Promise<void> {
      const accounts = [{ privateKey: `0x${"01".repeat(32)}`, balance: 10n ** 24n }];
      if (balance > 0n) accounts.push({ privateKey: wallet.privateKey, balance });
      const server = await network.createServer({ override: { accounts } }, "127.0.0.1");
      const { address, port } = await server.listen();
      const chain = await connectChain(`http://${address}:${port}`, wallet, 0);
      try {
        await use(chain);
      } finally {
        chain.provider.destroy();
        await server.close();
      }
    }

    it("deploys contracts that clients bind", async () => {
      await withBalance(10n ** 18n, async (chain) => {
        const deployment = await deployGradwork(walletProvider(chain), OPTIONS);
        const { market, vault } = await bindContracts(chain, deployment);
        expect(await market.VAULT()).to.equal(deployment.contracts.StakeVault);
        expect(await vault.isProtocol(market)).to.equal(true);
      });
    });

    for (const [what, balance] of [
      ["nothing", 0n],
      ["a wei", 1n],
      ["enough for the first contracts only", 10n ** 15n],
    ] as const) {
      it(`says so where the account has ${what}`, async () => {
        await withBalance(balance, async (chain) => {
          const error = await expectCode(deployGradwork(walletProvider(chain), OPTIONS), "UNFUNDED_ACCOUNT");
          expect(error.data.account).to.equal(wallet.address);
        });
      });
    }
  });
});
