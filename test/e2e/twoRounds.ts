import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { bindContracts, connectChain, walletFromKey } from "../../clients/chain/connection.ts";
import { openLocalModel } from "../../clients/inference/localModel.ts";
import { SMALL_TASK, SMALL_TRAINING } from "../../scripts/adversaries/task.ts";
import { type LocalChain, startLocalChain } from "../../scripts/demo/localChain.ts";
import { runScene, type SceneReport } from "../../scripts/demo/run.ts";

const BLOCK_MS = 500;
const ROUNDS = 2;
const VERIFIERS = 3;

describe("two rounds of one miner and three verifiers", function () {
  this.timeout(240_000);

  // A reward that three verifiers can't share evenly.
  const params = { ...SMALL_TASK.params, verifierReward: SMALL_TASK.params.verifierReward + 2n };
  const pot = params.verifierReward + params.proposalFee;
  const share = pot / BigInt(VERIFIERS);
  const remainder = pot - BigInt(VERIFIERS) * share;

  let chain: LocalChain;
  let directory: string;
  let report: SceneReport;

  before(async () => {
    chain = await startLocalChain({ blockMs: BLOCK_MS });
    directory = mkdtempSync(join(tmpdir(), "gradwork-two-rounds-"));
    const silent = { say() {}, show() {}, table() {} };
    const scene = {
      rpc: chain.rpc,
      funderKey: chain.funderKey,
      directory,
      verifiers: VERIFIERS,
      rounds: ROUNDS,
      task: { ...SMALL_TASK, params },
      training: SMALL_TRAINING,
      exportTo: join(directory, "model"),
      sweep: true,
    };
    report = await runScene(scene, silent, AbortSignal.timeout(220_000));
  });

  after(async () => {
    await chain?.close();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  it("confirms every round with all verifiers' votes, and the loss falls", () => {
    expect(
      report.rounds.map(({ round, confirmed, positive, negative }) => ({
        round,
        confirmed,
        positive,
        negative,
      })),
    ).to.deep.equal([
      { round: 1, confirmed: true, positive: 3, negative: 0 },
      { round: 2, confirmed: true, positive: 3, negative: 0 },
    ]);
    for (const { lossBefore, lossAfter, improvement } of report.rounds) {
      expect(lossAfter).to.be.lessThan(lossBefore);
      expect(Math.abs(improvement - (lossBefore - lossAfter))).to.be.lessThan(0.002);
    }
  });

  it("pays everybody to the wei", () => {
    const changes = Object.values(report.accounts).map(({ role, before, after }) => ({
      role,
      change: BigInt(after) - BigInt(before),
    }));
    const rounds = BigInt(ROUNDS);
    expect(changes).to.deep.equal([
      { role: "owner", change: -rounds * (params.minerReward + params.verifierReward) },
      { role: "miner", change: rounds * (params.minerReward - params.proposalFee) },
      ...Array.from({ length: VERIFIERS }, () => ({ role: "verifier", change: rounds * share })),
    ]);
  });

  it("produces a model that can be exported, and continues a prompt", async () => {
    const generator = await openLocalModel({ model: join(directory, "model"), threads: 1 });
    try {
      const prompt = new TextEncoder().encode("Call me");
      const options = { maxTokens: 8, seed: 1, signal: AbortSignal.timeout(60_000) };
      expect((await generator.generate(prompt, options)).text.length).to.be.greaterThan(0);
    } finally {
      await generator.close();
    }
  });

  it("leaves in the contracts what they owe, and not a wei more", async () => {
    const funder = await connectChain(chain.rpc, walletFromKey(chain.funderKey, "the funder"), 0);
    const gradwork = await bindContracts(funder, {
      chainId: report.chainId,
      block: 0,
      randomness: "block-hash",
      contracts: report.contracts,
    });
    const { escrow } = await gradwork.market.task(0n);
    expect(escrow).to.equal(BigInt(ROUNDS) * remainder);
    const last = await gradwork.market.proposal(0n, BigInt(ROUNDS), 0n);
    expect(last.bond).to.equal(params.minerBond);
    expect(await gradwork.vault.balanceOf(report.contracts.TrainingMarket)).to.equal(escrow);
    const stakes = await Promise.all(
      Object.keys(report.accounts).map((account) => gradwork.vault.stakeOf(account)),
    );
    const owed = stakes.reduce((sum, stake) => sum + stake, 0n);
    expect(await gradwork.token.balanceOf(report.contracts.StakeVault)).to.equal(owed + escrow);
  });

  it("moves the head on chain to what the miner trained", async () => {
    const funder = await connectChain(chain.rpc, walletFromKey(chain.funderKey, "the funder"), 0);
    const gradwork = await bindContracts(funder, {
      chainId: report.chainId,
      block: 0,
      randomness: "block-hash",
      contracts: report.contracts,
    });
    const last = await gradwork.market.proposal(0n, BigInt(ROUNDS), 0n);
    expect(report.head).to.deep.equal({ fullRoot: last.fullRoot, quantRoot: last.quantRoot });
  });

  it("spends far less on verifying than on training", () => {
    for (const { trainFlops, verifyFlops } of report.rounds) {
      expect(verifyFlops).to.be.greaterThan(0);
      expect(verifyFlops / trainFlops).to.be.lessThan(0.05);
    }
  });

  it("sends what is left for gas back to the funder", async () => {
    const { provider } = await connectChain(chain.rpc, walletFromKey(chain.funderKey, "the funder"), 0);
    for (const account of Object.keys(report.accounts)) {
      const left = await provider.getBalance(account);
      // A sweep pays its gas at the highest price that it offered, and gets the difference back.
      expect(left < 10n ** 15n, `${account} has ${left} wei left`).to.equal(true);
    }
  });
});
