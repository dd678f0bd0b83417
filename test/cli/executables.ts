import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { formatEther, parseEther, Wallet } from "ethers";
import { bindContracts, connectChain, type Gradwork } from "../../clients/chain/connection.ts";
import { readDeployment } from "../../clients/chain/deployment.ts";
import { named, OUTCOMES, VERDICTS } from "../../clients/chain/phase.ts";
import { send as sendTransaction, waitForReceipt } from "../../clients/chain/transactions.ts";
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
  openingSeconds: 8,
  leafCheckSeconds: 8,
  commitSeconds: 10,
  revealSeconds: 8,
  disputeSeconds: 1,
  closeDelaySeconds: 2,
  minerReward: "60000000000000000000",
  minImprovementMicroNats: 50_000,
};
const TASK_OPTIONS = ["--sequence-length", "32", "--evaluation-sequences", "16"];
const TRAINING = ["--steps", "30", "--batch-size", "16", "--learning-rate", "0.01", "--threads", "1"];

/** Of a model whose nodes are few: draws find them all. */
const MODEL_PARAMS = {
  answerSeconds: 300,
  stakeCap: "100000000000000000000",
  trustFloor: 1_000_000,
  trustRate: 0,
};
const PROMPT = "Call me Ishmael. Some years ago, never mind how long precisely";

/** Seven processes on two cores. */
const ROUND_TIMEOUT_MS = 240_000;

const miner = Wallet.createRandom();
const verifiers = [Wallet.createRandom(), Wallet.createRandom(), Wallet.createRandom()] as const;
/** A verifier that enrols and does nothing. */
const absent = new Wallet(Wallet.createRandom().privateKey);
const [watch, keeper] = [Wallet.createRandom(), Wallet.createRandom()];
const [responder, asker] = [Wallet.createRandom(), Wallet.createRandom()];
const assessors = [Wallet.createRandom(), Wallet.createRandom(), Wallet.createRandom()] as const;
const accounts = [miner, ...verifiers, absent, watch, keeper, responder, ...assessors, asker];

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
    writeFileSync(join(folder, "model-params.json"), JSON.stringify(MODEL_PARAMS));
    chain = await startLocalChain({ blockMs: 1_000 });
  });

  after(async () => {
    for (const { child } of running) child.kill("SIGKILL");
    await Promise.all(running.map(({ ended }) => ended));
    owner?.provider.destroy();
    await chain?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("deploys the contracts, cut short and gone on with, and writes where they are", async () => {
    const funder = await connectChain(chain.rpc, new Wallet(chain.funderKey), 1);
    const nonce = await funder.wallet.getNonce();
    const funding = accounts.map(({ address }, i) =>
      funder.wallet.sendTransaction({ to: address, value: parseEther("1"), nonce: nonce + i }),
    );
    for (const { hash } of await Promise.all(funding)) {
      await waitForReceipt(funder, hash, "funding", new AbortController().signal);
    }

    const first = start({ privateKey: chain.funderKey }, "deploy");
    await first.wrote("transaction 0x");
    first.child.kill("SIGINT");
    const { exitCode, stderr } = await first.ended;
    expect(exitCode, stderr).to.equal(130);
    expect(stderr).to.match(/\nstopped\n$/);
    expect(existsSync(join(folder, "deployment.json"))).to.equal(false);
    const output = await send({ privateKey: chain.funderKey }, "deploy");

    expect(output).to.include("seeds from block-hash");
    // Seven contracts and the call that names them to the vault, each once.
    expect((await funder.wallet.getNonce()) - nonce).to.equal(accounts.length + 8);
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
      ...[...verifiers, absent].map((verifier) =>
        send(verifier, "stake", "deposit", "--amount", "150.5", "--faucet"),
      ),
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
    expect(params.revealSeconds).to.equal(8n);
  });

  it("lets a miner, three verifiers, a watch and a keeper, each a process of its own, confirm a round", async () => {
    const idle = await bindContracts(await connectChain(chain.rpc, absent, 1), owner.deployment);
    const { signal } = new AbortController();
    await sendTransaction(idle, idle.committee.enrol, [0n, parseEther("100")], signal);
    idle.provider.destroy();
    const { location, head: genesis } = await owner.market.task(0n);
    const { port } = new URL(location);
    const run = (role: string) => [role, "run", "--task", "0"];
    const watching = start(
      watch,
      ...[...run("watch"), "--state", "watch", "--blobs", "blobs", "--port", port],
    );
    const keeping = start(keeper, ...run("keeper"));
    await watching.wrote(`serving at ${location}`);
    const verifying = verifiers.map((verifier, i) =>
      start(verifier, ...run("verifier"), "--state", `verifier-${i}`, "--threads", "1"),
    );
    await Promise.all(verifying.map(({ wrote }) => wrote("enrol is on chain")));
    const mining = start(
      miner,
      ...[...run("miner"), "--state", "miner", "--port", "0", "--rounds", "1", "--json-logs", ...TRAINING],
    );
    const parties = [watching, keeping, ...verifying];
    const log = (await outputOf(mining.ended)).trim().split("\n");
    await Promise.all(parties.map(({ wrote }) => wrote("round 1: ended Confirmed")));
    for (const { child } of parties) child.kill("SIGINT");
    const [watched, kept, ...verified] = await Promise.all(parties.map(({ ended }) => outputOf(ended)));

    const proposal = await owner.market.proposal(0n, 1n, 0n);
    expect(named(OUTCOMES, proposal.outcome)).to.equal("Confirmed");
    expect((await owner.market.task(0n)).head.fullRoot)
      .to.equal(proposal.fullRoot)
      .and.not.equal(genesis.fullRoot);
    for (const { address } of verifiers) {
      const { lossBefore } = await owner.committee.attestation(0n, 1n, address);
      const { verdict, lossAfter } = await owner.committee.vote(0n, 1n, address, 0n);
      expect(named(VERDICTS, verdict), address).to.equal("Positive");
      expect(lossBefore - lossAfter > BigInt(PARAMS.minImprovementMicroNats), address).to.equal(true);
      // A third of the reward and of the miner's fee, and what the faucet left.
      expect(await owner.token.balanceOf(address)).to.equal(parseEther("111"));
    }
    const events = log.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.every(({ role, account }) => role === "miner" && account === miner.address)).to.equal(true);
    expect(events).to.deep.include.members([events.find(({ kind }) => kind === "trained")]);
    expect(events.find(({ kind }) => kind === "finalized")).to.deep.include({
      round: "1",
      outcomes: ["Confirmed"],
    });
    // Who needs no stake checks all the same, and holds what it checked.
    expect(existsSync(join(folder, "blobs", proposal.updateRoot))).to.equal(true);
    // Half of what absence costs.
    expect(await owner.token.balanceOf(keeper.address)).to.equal(parseEther("5"));
    expect(kept).to.include("reportAbsence is on chain").and.include("claimed 5 tGRAD");
    expect(watched).to.include("round 1: ended Confirmed").and.not.include("is wrong");
    for (const output of verified) {
      expect(output).to.match(/round 1: measured proposal 0: \d\.\d{4} nats → \d\.\d{4} nats/);
      expect(output).to.include("round 1: attested Positive").and.include("claimed 11 tGRAD");
    }
  }).timeout(ROUND_TIMEOUT_MS);

  it("leaves no process and no lock behind", () => {
    expect(running).to.have.length(1 + 6);
    for (const { child } of running) expect(() => process.kill(child.pid!, 0)).to.throw("ESRCH");
    for (const name of ["miner", "verifier-0", "verifier-1", "verifier-2"]) {
      const state = openState(join(folder, name, "state.sqlite"));
      expect(state.listDuties({ status: "revealed" }), name).to.have.length(1);
      state.close();
    }
  });

  it("writes the model that was trained, for responders, without a key", async () => {
    const args = ["task", "export", "0", "--to", "exported", "--blobs", "blobs", ...common()];
    const { fullRoot } = (await owner.market.task(0n)).head;
    expect(await outputOf(runGradwork(args, folder)))
      .to.include(fullRoot)
      .and.include("exported");
    expect(readdirSync(join(folder, "exported", "onnx"))).to.deep.equal(["model.onnx"]);
    expect(readdirSync(join(folder, "exported"))).to.include.members(["config.json", "tokenizer.json"]);
    await refused(args.slice(0, 5), "FOLDER_OCCUPIED", {});
    await refused(["task", "export", "7", "--to", "other"], "UNKNOWN_TASK", {});
  });

  it("lets a responder and three assessors, each a process of its own, answer and judge", async () => {
    const asking = ["--model", "0", "--state", "asked", "--json"];
    const [registered] = await Promise.all([
      send(miner, "model", "register", "--name", "llama", "--params", "model-params.json"),
      ...[responder, ...assessors].map((node) =>
        send(node, "stake", "deposit", "--amount", "101", "--faucet"),
      ),
    ]);
    expect(registered).to.include("model 0 registered: llama");
    await refused(["ask", PROMPT, ...asking, "--fee", "10", "--faucet"], "TOO_FEW_NODES", as(asker));
    const nodes = [responder, ...assessors].map((node, i) => {
      const role = i === 0 ? "responder" : "assessor";
      return start(node, role, "run", "--model", "0", "--state", `${role}-${i}`, "--stake", "101");
    });
    await Promise.all(nodes.map(({ wrote }) => wrote("join is on chain")));

    const report = JSON.parse(await send(asker, "ask", PROMPT, ...asking, "--fee", "10", "--faucet"));
    expect(report).to.include({ query: "0", end: "Settled", path: "fast" });
    const [answer] = report.answers;
    expect(answer.responder).to.equal(responder.address);
    expect(answer.text.length).to.be.greaterThan(10);
    const scores = answer.scores.map(({ score }: { score: number }) => score);
    expect(scores).to.deep.equal([answer.consensus, answer.consensus, answer.consensus]);
    await refused(["answers", "0", "--state", "elsewhere"], "NOT_ASKED_HERE", as(asker));
    const again = JSON.parse(await send(asker, "answers", "0", "--state", "asked", "--json"));
    expect(again.answers).to.deep.equal(report.answers);

    await Promise.all(nodes.map(({ wrote }) => wrote("claimed")));
    expect(await owner.token.balanceOf(responder.address)).to.equal(BigInt(answer.paid) + parseEther("100"));
    for (const { child } of nodes) child.kill("SIGINT");
    for (const output of await Promise.all(nodes.map(({ ended }) => outputOf(ended)))) {
      expect(output).to.include("of model 0");
    }
    const left = await send(assessors[0], "node", "leave", "--model", "0", "--role", "assessor");
    expect(left).to.match(/^left model 0: 101 tGRAD can be withdrawn from /);
    await refused(["node", "leave", "--model", "0", "--role", "assessor"], "NOT_JOINED", as(assessors[0]));
  }).timeout(ROUND_TIMEOUT_MS);

  it("shows the task and what an account has, without a key", async () => {
    const shown = await outputOf(runGradwork(["task", "show", "0", ...common()], folder));
    const { head, owner: address } = await owner.market.task(0n);
    expect(shown).to.match(new RegExp(`owner +${address}`));
    expect(shown).to.match(new RegExp(`head +${head.fullRoot}`));
    expect(shown).to.match(/escrow +110 tGRAD, enough for 1 rounds/);
    expect(shown).to.match(/least improvement +0\.0500 nats/);
    expect(shown).to.match(/windows +propose 2 s, .*, reveal 8 s, dispute 1 s/);
    expect(shown).to.match(new RegExp(`proposal 0 +Confirmed, by ${miner.address}`));
    for (const verifier of verifiers) {
      expect(shown).to.match(
        new RegExp(`${verifier.address} +0: \\d\\.\\d{4} nats → \\d\\.\\d{4} nats, weight 100 tGRAD`),
      );
    }

    const status = await outputOf(runGradwork(["status", verifiers[1].address, ...common()], folder));
    const currency = formatEther(await owner.provider.getBalance(verifiers[1].address));
    expect(status).to.include(`account ${verifiers[1].address} on chain ${owner.chainId}`);
    expect(status).to.match(new RegExp(`wallet +111 tGRAD, and ${currency} of the chain's currency`));
    expect(status).to.match(/stake, free +50\.5 tGRAD/);
    expect(status).to.match(/stake, enrolled +100 tGRAD/);
    expect(status).to.match(/claimable +0 tGRAD/);
    expect(status).to.include("0: round 1, Idle, escrow 110 tGRAD, enrolled");
  });

  it("requests a withdrawal and completes none before its time", async () => {
    const requested = await send(verifiers[0], "stake", "withdraw", "--amount", "50.5");
    expect(requested).to.match(/^50\.5 tGRAD can be withdrawn from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC on/);
    expect((await owner.vault.accounts(verifiers[0].address)).withdrawing).to.equal(parseEther("50.5"));
    await refused(["stake", "withdraw", "--complete"], "WITHDRAWAL_NOT_READY", as(verifiers[0]));
    await refused(["stake", "withdraw", "--amount", "1"], "INSUFFICIENT_STAKE", as(verifiers[0]));
    await refused(["stake", "withdraw", "--complete"], "NOTHING_TO_WITHDRAW", as(verifiers[1]));
  });

  it("lets a verifier leave, with what its absence left it", async () => {
    const left = await send(absent, "verifier", "leave", "--task", "0");
    expect(left).to.match(
      /^left task 0: 90 tGRAD can be withdrawn from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC on/,
    );
    expect((await owner.committee.enrolment(0n, absent.address)).active).to.equal(false);
    expect((await owner.vault.accounts(absent.address)).withdrawing).to.equal(parseEther("90"));
    await refused(["verifier", "leave", "--task", "0"], "NOT_ENROLLED", as(absent));
  });

  it("warns of a least improvement that noise passes, and says how to get above it", async () => {
    writeFileSync(
      join(folder, "fine.json"),
      JSON.stringify({ ...PARAMS, minImprovementMicroNats: 5, toleranceMicroNats: 1 }),
    );
    const create = async (...args: string[]) => {
      const { exitCode, stdout, stderr } = await runGradwork(
        ["task", "create", "--blobs", "warned", ...args, ...common(), "--depth", "1"],
        folder,
        as({ privateKey: chain.funderKey }),
      );
      expect(exitCode, stderr).to.equal(0);
      expect(stdout).to.match(/^task \d+ registered/);
      return stderr;
    };
    const files = ["--text", "text.txt", "--model", "model.json", "--params", "fine.json"];
    const warned = await create(...files, ...TASK_OPTIONS);
    const [, least] = warned.match(/^warning: minImprovementMicroNats is 5; below (\d+), .*$/m) ?? [];
    expect(Number(least)).to.be.within(100, 5_000);
    expect(warned).to.match(/^warning: .* more --evaluation-sequences: .* there are 16$/m);
    // The default task, whole.
    expect(await create()).not.to.include("warning");
  });

  it("closes a task in two steps, the second when it is time", async () => {
    const account = { privateKey: chain.funderKey };
    await refused(["task", "close", "0"], "NOT_OWNER", as(miner));
    await refused(["task", "close", "0", "--complete"], "TASK_NOT_CLOSABLE", as(miner));
    // Of the default task the delay is a day.
    for (const taskId of ["0", "2"]) {
      const requested = await send(account, "task", "close", taskId);
      expect(requested).to.include(`task ${taskId} starts no round from `);
      expect(requested).to.include(`gradwork task close ${taskId} --complete`);
    }
    await refused(["task", "close", "2"], "CLOSING_REQUESTED", as(account));
    await refused(["task", "close", "2", "--complete"], "TASK_NOT_CLOSABLE", as(account));

    const before = await owner.token.balanceOf(owner.wallet.address);
    const closed = await send(miner, "task", "close", "0", "--complete");
    expect(closed).to.include(`task 0 is closed, 110 tGRAD moved to ${owner.wallet.address}`);
    expect((await owner.market.task(0n)).closed).to.equal(true);
    expect((await owner.token.balanceOf(owner.wallet.address)) - before).to.equal(parseEther("110"));
    expect((await owner.vault.accounts(miner.address)).locked).to.equal(0n);
    for (const step of [[], ["--complete"]]) {
      await refused(["task", "close", "0", ...step], "TASK_CLOSED", as(account));
    }
  });

  /** Runs a command that should be refused in one line, without writing a file or sending a transaction. */
  async function refused(
    args: string[],
    code: string,
    env: Record<string, string>,
    { rpc = chain.rpc, deployment = "deployment.json" } = {},
  ): Promise<string> {
    const files = filesIn(folder);
    const sent = await owner.provider.getTransactionCount(miner.address);
    const { exitCode, stdout, stderr } = await runGradwork(
      [...args, "--rpc", rpc, "--deployment", deployment],
      folder,
      env,
    );
    expect(stderr).to.match(new RegExp(`^([^\\n]+…\\n)?error: [^\n]+ \\(${code}\\)\n$`));
    expect(stderr).not.to.include("    at ");
    expect(stdout).to.equal("");
    expect(exitCode).to.equal(1);
    expect(filesIn(folder)).to.deep.equal(files);
    expect(await owner.provider.getTransactionCount(miner.address)).to.equal(sent);
    return stderr;
  }

  describe("refuses", () => {
    const run = ["verifier", "run", "--task", "0", "--state", "refused"];

    it("to act without a key, and names the variable", async () => {
      expect(await refused(run, "MISSING_KEY", {})).to.include("GRADWORK_PRIVATE_KEY");
      const other = ["stake", "deposit", "--amount", "1", "--private-key-env", "OTHER_KEY"];
      expect(await refused(other, "MISSING_KEY", as(miner))).to.include("OTHER_KEY");
    });

    it("and shows where in the code only when asked to", async () => {
      const { stderr, exitCode } = await runGradwork(["task", "show", "0"], folder, { GRADWORK_DEBUG: "1" });
      expect(stderr)
        .to.match(/^error: .*\(DEPLOYMENT_UNREADABLE\)\n/)
        .and.include("    at ");
      expect(exitCode).to.equal(1);
    });

    it("a wrong key without showing it", async () => {
      const key = miner.privateKey.slice(0, -1);
      expect(await refused(run, "INVALID_KEY", { GRADWORK_PRIVATE_KEY: key })).not.to.include(
        key.slice(2, 20),
      );
    });

    it("a deployment on another chain, and one that is not there", async () => {
      const deployment = JSON.parse(readFileSync(join(folder, "deployment.json"), "utf8"));
      writeFileSync(join(folder, "elsewhere.json"), JSON.stringify({ ...deployment, chainId: 11155111 }));
      const contracts = { ...deployment.contracts, TrainingMarket: miner.address };
      writeFileSync(join(folder, "gone.json"), JSON.stringify({ ...deployment, contracts }));
      const message = await refused(run, "WRONG_CHAIN", as(miner), { deployment: "elsewhere.json" });
      expect(message).to.include("11155111").and.include(String(owner.chainId));
      await refused(run, "NO_CONTRACT", as(miner), { deployment: "gone.json" });
      await refused(run, "DEPLOYMENT_UNREADABLE", as(miner), { deployment: "missing.json" });
    });

    it("an RPC that nobody listens on", async () => {
      const rpc = `http://127.0.0.1:${await freePort()}`;
      expect(await refused(run, "RPC_UNREACHABLE", as(miner), { rpc })).to.include(rpc);
      await refused(run, "RPC_INVALID", as(miner), { rpc: "ws://127.0.0.1" });
    });

    it("a task that does not exist", async () => {
      await refused(["verifier", "run", "--task", "7", "--state", "refused"], "UNKNOWN_TASK", as(miner));
      await refused(["task", "fund", "7", "--amount", "1"], "UNKNOWN_TASK", as(miner));
      await refused(["task", "show", "7"], "UNKNOWN_TASK", {});
      await refused(["task", "close", "7"], "UNKNOWN_TASK", as(miner));
      await refused(["keeper", "run", "--task", "7"], "UNKNOWN_TASK", as(miner));
      await refused(["verifier", "leave", "--task", "7"], "UNKNOWN_TASK", as(miner));
    });

    it("an account without the chain's currency", async () => {
      const stranger = Wallet.createRandom();
      expect(await refused(run, "UNFUNDED_ACCOUNT", as(stranger))).to.include(stranger.address);
    });

    it("tokens that the wallet does not hold", async () => {
      await refused(["stake", "deposit", "--amount", "100000"], "INSUFFICIENT_TOKENS", as(miner));
    });

    it("to overwrite a deployment", async () => {
      await refused(["deploy"], "DEPLOYMENT_EXISTS", as(miner));
    });

    it("a task whose model or parameters are wrong, and names the field", async () => {
      const create = (option: string, content: object) => {
        writeFileSync(join(folder, "wrong.json"), JSON.stringify(content));
        return ["task", "create", "--blobs", "unborn", "--text", "text.txt", option, "wrong.json"];
      };
      const misspelt = create("--params", { minerRewards: 1 });
      expect(await refused(misspelt, "INVALID_FIELD", as(miner))).to.include('"minerRewards"');
      const odd = create("--model", { ...MODEL, head_dim: 7 });
      expect(await refused(odd, "INVALID_MODEL_CONFIG", as(miner))).to.include("head_dim");
      // In the range of its type, and so refused by the contract.
      const many = create("--params", { leafChecks: 200 });
      expect(await refused(many, "REVERTED", as(miner))).to.include("name leafChecks, given 200");
      writeFileSync(join(folder, "short.txt"), "Call me Ishmael.");
      const short = ["task", "create", "--blobs", "unborn", "--text", "short.txt"];
      await refused(short, "VOCABULARY_OUT_OF_REACH", as(miner));
    });
  });
});

function filesIn(folder: string): string[] {
  return readdirSync(folder).sort();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
