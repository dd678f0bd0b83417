import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { formatEther, parseEther, Wallet } from "ethers";
import { bindContracts, connectChain, type Gradwork } from "../../clients/chain/connection.ts";
import { readDeployment } from "../../clients/chain/deployment.ts";
import { named, OUTCOMES, VERDICTS } from "../../clients/chain/phase.ts";
import { waitForReceipt } from "../../clients/chain/transactions.ts";
import { openState } from "../../clients/storage/stateStore.ts";
import { mobyDickText } from "../../clients/training/dataset.ts";
import { type LocalChain, startLocalChain } from "../../scripts/demo/localChain.ts";
import { outputOf, type Running, runGradwork, startGradwork } from "./gradwork.ts";

const TEXT_CHARACTERS = 40_000;
const MODEL = {
  vocab_size: 300,
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 16,
  max_position_embeddings: 32,
};
/** Windows for a chain that makes a block a second. */
const PARAMS = {
  proposalSeconds: 2,
  openingSeconds: 4,
  leafCheckSeconds: 6,
  commitSeconds: 7,
  revealSeconds: 5,
  disputeSeconds: 1,
  minerReward: "60000000000000000000",
  minImprovementMicroNats: 50_000,
};
const TASK_OPTIONS = ["--sequence-length", "32", "--evaluation-sequences", "16"];
const TRAINING = ["--steps", "30", "--batch-size", "16", "--learning-rate", "0.01", "--threads", "1"];

const miner = Wallet.createRandom();
const verifiers = [Wallet.createRandom(), Wallet.createRandom(), Wallet.createRandom()] as const;

describe("the gradwork executable", () => {
  let chain: LocalChain;
  let folder: string;
  let owner: Gradwork;
  const running: Running[] = [];

  /** Arguments that every command takes, and the account that it acts as. */
  const common = () => ["--rpc", chain.rpc, "--deployment", "deployment.json"];
  const as = (account: { privateKey: string }) => ({ GRADWORK_PRIVATE_KEY: account.privateKey });
  const send = (account: { privateKey: string }, ...args: string[]) =>
    outputOf(runGradwork([...args, ...common(), "--depth", "1"], folder, as(account)));
  const start = (account: { privateKey: string }, ...args: string[]) => {
    const started = startGradwork([...args, ...common(), "--depth", "1"], folder, as(account));
    running.push(started);
    return started;
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "gradwork-cli-"));
    writeFileSync(join(folder, "text.txt"), mobyDickText().slice(0, TEXT_CHARACTERS));
    writeFileSync(join(folder, "model.json"), JSON.stringify(MODEL));
    writeFileSync(join(folder, "params.json"), JSON.stringify(PARAMS));
    chain = await startLocalChain({ blockMs: 1_000 });
  });

  after(async () => {
    for (const { child } of running) child.kill("SIGKILL");
    await Promise.all(running.map(({ ended }) => ended));
    owner?.provider.destroy();
    await chain?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("deploys the contracts and writes where they are", async () => {
    const funder = await connectChain(chain.rpc, new Wallet(chain.funderKey), 1);
    const nonce = await funder.wallet.getNonce();
    const funding = [miner, ...verifiers].map(({ address }, i) =>
      funder.wallet.sendTransaction({ to: address, value: parseEther("1"), nonce: nonce + i }),
    );
    for (const { hash } of await Promise.all(funding)) {
      await waitForReceipt(funder, hash, "funding", new AbortController().signal);
    }
    const output = await send({ privateKey: chain.funderKey }, "deploy");

    const deployment = readDeployment(join(folder, "deployment.json"));
    for (const [name, address] of Object.entries(deployment.contracts)) {
      expect(output).to.match(new RegExp(`${name} +${address}`));
      expect(await funder.provider.getCode(address), name).not.to.equal("0x");
    }
    expect(existsSync(join(folder, "deployment.json.journal"))).to.equal(false);
    owner = await bindContracts(funder, deployment);
  });

  it("deposits stake, makes a task and funds it", async () => {
    const location = `http://127.0.0.1:${await freePort()}`;
    const files = ["--text", "text.txt", "--model", "model.json", "--params", "params.json"];
    const [created, ...deposits] = await Promise.all([
      send(
        { privateKey: chain.funderKey },
        "task",
        "create",
        "--blobs",
        "blobs",
        ...files,
        ...TASK_OPTIONS,
        "--endpoint",
        location,
      ),
      send(miner, "stake", "deposit", "--amount", "1000", "--faucet"),
      ...verifiers.map((verifier) => send(verifier, "stake", "deposit", "--amount", "150.5", "--faucet")),
    ]);
    const funded = await send(
      { privateKey: chain.funderKey },
      "task",
      "fund",
      "0",
      "--amount",
      "200",
      "--faucet",
    );

    const task = await owner.market.task(0n);
    expect(created).to.include("task 0 registered").and.include(task.manifestHash);
    expect(task.location).to.equal(location);
    expect(deposits[0]).to.include("deposited 1000 tGRAD");
    expect(deposits[1]).to.include("deposited 150.5 tGRAD");
    expect(await owner.vault.stakeOf(verifiers[0].address)).to.equal(parseEther("150.5"));
    expect(funded).to.include("200 tGRAD");
    expect(task.escrow).to.equal(parseEther("200"));
    const params = await owner.market.params(0n);
    expect(params.minerReward).to.equal(parseEther("60"));
    expect(params.verifierReward).to.equal(parseEther("30"));
    expect(params.revealSeconds).to.equal(5n);
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
