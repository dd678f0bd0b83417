import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EIP1193Provider } from "@nomicfoundation/ignition-core";
import { expect } from "chai";
import { Wallet } from "ethers";
import { network } from "hardhat";
import { CONTRACT_NAMES, type RandomnessSource } from "../../clients/chain/artifacts.ts";
import { bindContracts, connectChain } from "../../clients/chain/connection.ts";
import { DEPLOYMENT_GAS, deployGradwork, walletProvider } from "../../deploy/deployGradwork.ts";
import { gradworkModule } from "../../deploy/gradwork.ts";
import { expectCode } from "../contracts/support/expectCode.ts";

const WEEK = 7n * 24n * 60n * 60n;
const OPTIONS = { confirmations: 1, pollMs: 1 };
const TRANSACTIONS = 8;

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
    const { chainId, block, randomness, contracts } = await deployGradwork(provider, OPTIONS);
    expect(randomness).to.equal("block-hash");
    expect(chainId).to.equal(31_337);
    expect(block).to.equal(0);
    expect(Object.keys(contracts)).to.deep.equal(CONTRACT_NAMES);
    for (const address of Object.values(contracts)) {
      expect(await ethers.provider.getCode(address, block)).to.equal("0x");
      expect(await ethers.provider.getCode(address)).not.to.equal("0x");
    }
    const market = await ethers.getContractAt("TrainingMarket", contracts.TrainingMarket);
    const vault = await ethers.getContractAt("StakeVault", contracts.StakeVault);
    expect(await market.VAULT()).to.equal(contracts.StakeVault);
    expect(await market.RANDOMNESS()).to.equal(contracts.Randomness);
    expect(await market.LEAF_CHECKER()).to.equal(contracts.LeafChecker);
    expect(await market.TASK_RULES()).to.equal(contracts.TaskRules);
    expect(await market.COMMITTEE()).to.equal(contracts.Committee);
    expect(await market.DISPUTES()).to.equal(contracts.Disputes);
    const quality = await ethers.getContractAt("QualityMarket", contracts.QualityMarket);
    expect(await quality.RANDOMNESS()).to.equal(contracts.Randomness);
    expect(await quality.REGISTRY()).to.equal(contracts.NodeRegistry);
    const registry = await ethers.getContractAt("NodeRegistry", contracts.NodeRegistry);
    expect(await registry.MARKET()).to.equal(contracts.QualityMarket);
    expect(await registry.VAULT()).to.equal(contracts.StakeVault);
    expect(await vault.TOKEN()).to.equal(contracts.TestToken);
    expect(await vault.withdrawalDelaySeconds()).to.equal(WEEK);
  });

  it("fixes what moves money as the vault's only protocol contracts, for good", async () => {
    const { ethers, provider } = await network.create();
    const [deployer, other] = await ethers.getSigners();
    const { contracts } = await deployGradwork(provider, OPTIONS);
    const vault = await ethers.getContractAt("StakeVault", contracts.StakeVault);
    const fixed = await vault.queryFilter(vault.filters.ProtocolsFixed());
    const { TrainingMarket, Committee, Disputes, NodeRegistry } = contracts;
    const protocols = [TrainingMarket, Committee, Disputes, NodeRegistry];
    expect(fixed.map(({ args }) => Array.from(args.protocols))).to.deep.equal([protocols]);
    for (const protocol of protocols) expect(await vault.isProtocol(protocol), protocol).to.equal(true);
    await expect(vault.connect(deployer!).fixProtocols([other!])).to.be.revertedWithCustomError(
      vault,
      "ProtocolsAlreadyFixed",
    );
    expect(await vault.isProtocol(other!)).to.equal(false);
  });

  it("takes another withdrawal delay as a parameter of the module", async () => {
    const { ethers, ignition } = await network.create();
    const parameters = { Gradwork: { withdrawalDelaySeconds: 3_600 } };
    const { StakeVault } = await ignition.deploy(gradworkModule("block-hash"), { parameters });
    const vault = await ethers.getContractAt("StakeVault", await StakeVault.getAddress());
    expect(await vault.withdrawalDelaySeconds()).to.equal(3_600n);
  });

  it("deploys drand's seeds where they are asked for", async () => {
    const { ethers, provider } = await network.create();
    const { randomness, contracts } = await deployGradwork(provider, { ...OPTIONS, randomness: "drand" });
    expect(randomness).to.equal("drand");
    const market = await ethers.getContractAt("TrainingMarket", contracts.TrainingMarket);
    expect(await market.RANDOMNESS()).to.equal(contracts.Randomness);
    const drand = await ethers.getContractAt("DrandRandomness", contracts.Randomness);
    await expect(drand.submit.staticCall(1n, "0x")).to.be.revertedWithCustomError(drand, "WrongPointLength");
  });

  it("begins nothing where drand's signatures can't be checked", async () => {
    const { provider } = await network.create({ override: { hardfork: "cancun" } });
    const old = metered(provider);
    const deployment = deployGradwork(old, { ...OPTIONS, randomness: "drand" });
    const error = await expectCode(deployment, "RANDOMNESS_UNSUPPORTED");
    expect(error.message).to.include("EIP-2537").and.to.include("--randomness block-hash");
    expect(old.sent).to.equal(0);
  });

  for (const randomness of ["block-hash", "drand"] satisfies RandomnessSource[]) {
    it(`takes a little less gas than it asks for at first, with ${randomness}`, async () => {
      const { ethers, provider } = await network.create();
      await deployGradwork(provider, { ...OPTIONS, randomness });
      const blocks = Array.from({ length: TRANSACTIONS }, (_, i) => ethers.provider.getBlock(i + 1));
      const gas = (await Promise.all(blocks)).reduce((sum, block) => sum + block!.gasUsed, 0n);
      expect(gas < DEPLOYMENT_GAS, `${gas}`).to.equal(true);
      expect(gas > (DEPLOYMENT_GAS * 9n) / 10n, `${gas}`).to.equal(true);
    });
  }

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
      expect(rest.sent).to.equal(TRANSACTIONS - 3);
      expect(await ethers.provider.getBlockNumber()).to.equal(TRANSACTIONS);
      const market = await ethers.getContractAt("TrainingMarket", contracts.TrainingMarket);
      expect(await market.VAULT()).to.equal(contracts.StakeVault);
    });

    it("does not go on with another source of seeds", async () => {
      const { provider } = await network.create();
      const cut = deployGradwork(metered(provider, 3), { ...OPTIONS, journal });
      expect(await cut.catch((error) => error.message)).to.equal("the line went dead");
      const other = metered(provider);
      const changed = deployGradwork(other, { ...OPTIONS, journal, randomness: "drand" });
      const error = await expectCode(changed, "DEPLOYMENT_NOT_RESUMABLE");
      expect(error.message).to.include(`remove ${journal}`);
      expect(other.sent).to.equal(0);
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
        const { market, vault, randomness, drand } = await bindContracts(chain, deployment);
        expect(await market.VAULT()).to.equal(deployment.contracts.StakeVault);
        expect(await market.RANDOMNESS()).to.equal(await randomness.getAddress());
        expect(drand).to.equal(undefined);
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
