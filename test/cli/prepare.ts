import { expect } from "chai";
import { Command } from "commander";
import { parseEther, Wallet } from "ethers";
import { defineDeploy, prepareDeploy } from "../../clients/cli/deploy/options.ts";
import { defineKeeperRun, prepareKeeperRun } from "../../clients/cli/keeperRun/options.ts";
import { defineMinerRun, prepareMinerRun } from "../../clients/cli/minerRun/options.ts";
import { mergeModel, mergeTaskParams } from "../../clients/cli/overrides.ts";
import { defineStakeDeposit, prepareStakeDeposit } from "../../clients/cli/stakeDeposit/options.ts";
import { defineStakeWithdraw, prepareStakeWithdraw } from "../../clients/cli/stakeWithdraw/options.ts";
import { defineStatus, prepareStatus } from "../../clients/cli/status/options.ts";
import { defineTaskClose, prepareTaskClose } from "../../clients/cli/taskClose/options.ts";
import { defineTaskCreate, prepareTaskCreate } from "../../clients/cli/taskCreate/options.ts";
import { defineTaskFund, prepareTaskFund } from "../../clients/cli/taskFund/options.ts";
import { defineTaskShow, prepareTaskShow } from "../../clients/cli/taskShow/options.ts";
import { defineVerifierLeave, prepareVerifierLeave } from "../../clients/cli/verifierLeave/options.ts";
import { defineVerifierRun, prepareVerifierRun } from "../../clients/cli/verifierRun/options.ts";
import { defineWatchRun, prepareWatchRun } from "../../clients/cli/watchRun/options.ts";
import { DEFAULT_MODEL, DEFAULT_TASK_PARAMS, DEFAULT_TRAINING } from "../../clients/roles/defaults.ts";
import { thrownBy } from "../model/thrown.ts";

const account = new Wallet(`0x${"42".repeat(32)}`);
/** Documented by drand. */
const DRAND_URLS = ["https://api.drand.sh", "https://drand.cloudflare.com"];
const env = { GRADWORK_PRIVATE_KEY: account.privateKey };

/** A command line as its command reads it, before it is prepared. */
function read<Raw>(define: (parent: Command) => Command, line: string): Raw {
  const command = define(new Command()).exitOverride();
  command
    .action(() => {})
    .parse(
      line.split(" ").filter((word) => word !== ""),
      { from: "user" },
    );
  return command.opts() as Raw;
}

describe("command-line options", () => {
  describe("of a chain and an account", () => {
    const prepare = (line: string, given: NodeJS.ProcessEnv = env) =>
      prepareDeploy(read(defineDeploy, line), given);

    it("default to a local chain, gradwork.json, GRADWORK_PRIVATE_KEY and two blocks", () => {
      const { wallet, ...rest } = prepare("");
      expect(wallet.address).to.equal(account.address);
      expect(rest).to.deep.equal({
        rpc: "http://127.0.0.1:8545",
        deploymentFile: "gradwork.json",
        depth: 2,
        randomness: "block-hash",
      });
    });

    it("are taken as given, the key with or without 0x", () => {
      const line = "--rpc https://rpc.example.org --deployment a.json --private-key-env KEY --depth 0";
      const { wallet, rpc, deploymentFile, depth } = prepare(line, { KEY: account.privateKey.slice(2) });
      expect(wallet.address).to.equal(account.address);
      expect([rpc, deploymentFile, depth]).to.deep.equal(["https://rpc.example.org", "a.json", 0]);
    });

    it("name the variable that lacks a key, and never show what may be one", () => {
      expect(thrownBy(() => prepare("", {}))).to.deep.equal({
        code: "MISSING_KEY",
        data: { privateKeyEnv: "GRADWORK_PRIVATE_KEY" },
      });
      expect(thrownBy(() => prepare("", { GRADWORK_PRIVATE_KEY: "0x12" })).code).to.equal("INVALID_KEY");
      const mistaken = thrownBy(() => prepare(`--private-key-env ${account.privateKey}`));
      expect(mistaken.code).to.equal("INVALID_OPTION");
      expect(JSON.stringify(mistaken)).not.to.include(account.privateKey.slice(2));
    });

    it("refuse a depth that is no whole number", () => {
      for (const depth of ["1.5", "-1", "0x2", "", "many", "1e3"]) {
        const refusal = thrownBy(() => prepareDeploy({ ...read(defineDeploy, ""), depth }, env));
        expect(refusal.code, depth).to.equal("INVALID_OPTION");
        expect(refusal.data).to.include({ option: "--depth", given: depth });
      }
    });
  });

  it("of deploy name a source of seeds", () => {
    const prepare = (line: string) => prepareDeploy(read(defineDeploy, line), env);
    expect(prepare("--randomness drand").randomness).to.equal("drand");
    const { code, data } = thrownBy(() => prepare("--randomness dice"));
    expect(code).to.equal("INVALID_OPTION");
    expect(data).to.include({ option: "--randomness", given: "dice" });
  });

  describe("of task create", () => {
    const prepare = (line: string) => prepareTaskCreate(read(defineTaskCreate, `--blobs b ${line}`), env);

    it("default to sequences that give the model a token at each position and the endpoint of a local miner", () => {
      const { wallet: _, ...options } = prepare("");
      expect(options).to.deep.equal({
        blobs: "b",
        sequenceLength: DEFAULT_MODEL.max_position_embeddings + 1,
        evaluation: { sequences: 48, precision: "mxfp4" },
        evaluationShare: 0.05,
        seed: 1,
        location: "http://127.0.0.1:8645",
        rpc: "http://127.0.0.1:8545",
        deploymentFile: "gradwork.json",
        depth: 2,
      });
      const miner = prepareMinerRun(read(defineMinerRun, "--task 0 --state s"), env);
      expect(options.location).to.equal(`http://${miner.host}:${miner.port}`);
    });

    it("are taken as given", () => {
      const options = prepare(
        "--text t.txt --model m.json --params p.json --sequence-length 64 --evaluation-sequences 8 " +
          "--evaluation-share 0.25 --precision float32 --seed 7 --endpoint https://blobs.example.org/a/",
      );
      expect(options).to.include({ textFile: "t.txt", modelFile: "m.json", paramsFile: "p.json", seed: 7 });
      expect(options).to.include({ sequenceLength: 64, evaluationShare: 0.25 });
      expect(options.evaluation).to.deep.equal({ sequences: 8, precision: "float32" });
      expect(options.location).to.equal("https://blobs.example.org/a");
    });

    it("refuse values out of range", () => {
      const wrong = ["--sequence-length 31", "--evaluation-sequences 0", "--evaluation-share 1", "--seed -1"];
      for (const line of [...wrong, "--evaluation-share x", "--precision int8"]) {
        const { code, data } = thrownBy(() => prepare(line));
        expect(code, line).to.equal("INVALID_OPTION");
        expect(`${data.option} ${data.given}`).to.equal(line);
      }
      expect(thrownBy(() => prepare("--endpoint ftp://a.example.org")).code).to.equal("BAD_ENDPOINT");
    });
  });

  describe("of amounts", () => {
    const prepare = (amount: string) =>
      prepareStakeDeposit({ ...read(defineStakeDeposit, "--amount 1"), amount }, env);

    it("are tokens, to the last of 18 places", () => {
      expect(prepare("250").amount).to.equal(parseEther("250"));
      expect(prepare("0.000000000000000001").amount).to.equal(1n);
      expect(prepare("79228162514.264337593543950335").amount).to.equal(2n ** 96n - 1n);
      expect(prepare("1").faucet).to.equal(false);
      const raw = "--amount 2.5 --faucet";
      expect(prepareStakeDeposit(read(defineStakeDeposit, raw), env)).to.include({ faucet: true });
      expect(prepareTaskFund("3", read(defineTaskFund, `${raw} 3`), env)).to.include({
        taskId: 3n,
        amount: parseEther("2.5"),
        faucet: true,
      });
    });

    it("are refused where they are nothing, too much, too fine or no number", () => {
      const tooMuch = "79228162514.264337593543950336";
      for (const amount of [
        "0",
        "0.0",
        tooMuch,
        "0.0000000000000000001",
        "-1",
        "1e3",
        "1,000",
        "0x10",
        "",
        " 1",
      ]) {
        const { code, data } = thrownBy(() => prepare(amount));
        expect(code, amount).to.equal("INVALID_OPTION");
        expect(data).to.include({ option: "--amount", given: amount });
      }
    });
  });

  describe("of stake withdraw", () => {
    const prepare = (line: string) => prepareStakeWithdraw(read(defineStakeWithdraw, line), env);

    it("ask for an amount or for the completion", () => {
      expect(prepare("--amount 3").amount).to.equal(parseEther("3"));
      expect(prepare("--complete")).not.to.have.property("amount");
    });

    it("refuse both, and neither", () => {
      for (const line of ["", "--amount 3 --complete"]) {
        expect(thrownBy(() => prepare(line)).code, line).to.equal("INVALID_OPTION");
      }
    });
  });

  describe("of miner run", () => {
    const prepare = (line: string) =>
      prepareMinerRun(read(defineMinerRun, `--task 4 --state s ${line}`), env);

    it("default to the default training, without end, on the port that tasks are registered with", () => {
      const { training, wallet: _, ...options } = prepare("");
      expect(training).to.deep.equal(DEFAULT_TRAINING);
      expect(options).to.deep.equal({
        taskId: 4n,
        directory: "s",
        host: "127.0.0.1",
        port: 8645,
        drandUrls: DRAND_URLS,
        jsonLogs: false,
        rpc: "http://127.0.0.1:8545",
        deploymentFile: "gradwork.json",
        depth: 2,
      });
    });

    it("let the learning rate fall to a tenth over all rounds", () => {
      const { rounds, training } = prepare(
        "--rounds 5 --steps 8 --batch-size 2 --learning-rate 1e-2 --seed 0",
      );
      expect(rounds).to.equal(5);
      expect(training).to.deep.equal({
        ...DEFAULT_TRAINING,
        steps: 8,
        batchSize: 2,
        schedule: { peakLearningRate: 0.01, finalLearningRate: 0.001, warmUpSteps: 8, totalSteps: 40 },
        seed: 0,
      });
    });

    it("refuse values out of range", () => {
      const wrong = ["--rounds 0", "--steps 0", "--batch-size 1.5", "--learning-rate 0", "--seed x"];
      for (const line of [...wrong, "--port 65536", "--threads 0"]) {
        const { code, data } = thrownBy(() => prepare(line));
        expect(code, line).to.equal("INVALID_OPTION");
        expect(`${data.option} ${data.given}`).to.equal(line);
      }
    });

    it("ask for a public URL where the address is not one to be reached at", () => {
      expect(thrownBy(() => prepare("--host 0.0.0.0")).data).to.include({ option: "--host" });
      expect(thrownBy(() => prepare("--public-url http://a?b")).code).to.equal("BAD_ENDPOINT");
      expect(prepare("--host 0.0.0.0 --public-url http://a.example.org/")).to.include({
        host: "0.0.0.0",
        publicUrl: "http://a.example.org",
      });
    });
  });

  it("of verifier run default to the least stake and a free port", () => {
    const prepare = (line: string) =>
      prepareVerifierRun(read(defineVerifierRun, `--task 4 --state s ${line}`), env);
    expect(prepare("")).to.include({ taskId: 4n, directory: "s", port: 0 }).and.not.to.have.property("stake");
    const given = prepare("--stake 120.5 --blobs b --threads 2 --json-logs");
    expect(given).to.include({ stake: parseEther("120.5"), blobs: "b", threads: 2, jsonLogs: true });
    expect(given.drandUrls).to.deep.equal(DRAND_URLS);
    expect(thrownBy(() => prepare("--stake 0")).data).to.include({ option: "--stake" });
  });

  it("of verifier leave name a task", () => {
    const raw = read<Parameters<typeof prepareVerifierLeave>[0]>(defineVerifierLeave, "--task 4");
    expect(prepareVerifierLeave(raw, env)).to.include({ taskId: 4n, depth: 2 });
    expect(thrownBy(() => prepareVerifierLeave(raw, {})).code).to.equal("MISSING_KEY");
  });

  it("of watch run are a party's", () => {
    const prepare = (line: string) =>
      prepareWatchRun(read(defineWatchRun, `--task 4 --state s ${line}`), env);
    expect(prepare("")).to.include({ taskId: 4n, directory: "s", port: 0, jsonLogs: false });
    expect(prepare("--blobs b --port 8646")).to.include({ blobs: "b", port: 8646 });
  });

  it("of keeper run are a task and where drand's seeds are", () => {
    const prepare = (line: string) => prepareKeeperRun(read(defineKeeperRun, `--task 4 ${line}`), env);
    const { wallet: _, ...options } = prepare("");
    expect(options).to.deep.equal({
      taskId: 4n,
      jsonLogs: false,
      drandUrls: DRAND_URLS,
      rpc: "http://127.0.0.1:8545",
      deploymentFile: "gradwork.json",
      depth: 2,
    });
    const given = prepare("--drand-url http://127.0.0.1:8080/ https://drand.example.org/a --json-logs");
    expect(given.drandUrls).to.deep.equal(["http://127.0.0.1:8080", "https://drand.example.org/a"]);
    expect(given.jsonLogs).to.equal(true);
    expect(thrownBy(() => prepare("--drand-url https://a?b")).code).to.equal("DRAND_BAD_URL");
  });

  it("of task close are a request, or its completion", () => {
    const prepare = (line: string) => prepareTaskClose("5", read(defineTaskClose, `5 ${line}`), env);
    expect(prepare("")).to.include({ taskId: 5n, complete: false });
    expect(prepare("--complete")).to.include({ taskId: 5n, complete: true });
  });

  it("of task show need no key, but the number of a task", () => {
    const raw = read<Parameters<typeof prepareTaskShow>[1]>(defineTaskShow, "5");
    expect(prepareTaskShow("5", raw)).to.include({ taskId: 5n, deploymentFile: "gradwork.json" });
    for (const task of ["-1", "x", "1.0", ""]) {
      expect(thrownBy(() => prepareTaskShow(task, raw)).data, task).to.include({ option: "TASK" });
    }
  });

  it("of status take an address, or the key's", () => {
    const prepare = (address: string | undefined, given: NodeJS.ProcessEnv) =>
      prepareStatus(address, read(defineStatus, ""), given);
    expect(prepare(undefined, env).account).to.equal(account.address);
    expect(prepare(account.address.toLowerCase(), {}).account).to.equal(account.address);
    expect(thrownBy(() => prepare(undefined, {})).code).to.equal("MISSING_ACCOUNT");
    const mistaken = thrownBy(() => prepare(account.privateKey, {}));
    expect(JSON.stringify(mistaken)).not.to.include(account.privateKey.slice(2));
  });
});

describe("task files", () => {
  it("override the default model field by field", () => {
    expect(mergeModel({}, "m.json")).to.deep.equal(DEFAULT_MODEL);
    const overrides = { hidden_size: 64, model_type: "llama", tie_word_embeddings: false };
    expect(mergeModel(overrides, "m.json")).to.deep.equal({ ...DEFAULT_MODEL, ...overrides });
  });

  it("are refused with the name of the wrong field of a model", () => {
    const wrong = {
      hiden_size: 64,
      hidden_size: "64",
      model_type: "gpt2",
      architectures: [],
      tie_word_embeddings: 1,
      vocab_size: 256,
    };
    for (const [field, value] of Object.entries(wrong)) {
      const { code, data } = thrownBy(() => mergeModel({ [field]: value }, "m.json"));
      expect(code, field).to.equal("INVALID_FIELD");
      expect(data).to.include({ source: "m.json", field });
    }
    expect(thrownBy(() => mergeModel({ num_hidden_layers: 0 }, "m.json")).code).to.equal(
      "INVALID_MODEL_CONFIG",
    );
    for (const value of [null, [], 3])
      expect(thrownBy(() => mergeModel(value, "m.json")).code).to.equal("INVALID_FIELD");
  });

  it("override the default task parameters by integers and decimal strings", () => {
    expect(mergeTaskParams({}, "p.json")).to.deep.equal(DEFAULT_TASK_PARAMS);
    const merged = mergeTaskParams(
      { minerReward: "90000000000000000000", commitSeconds: 600, leafChecks: "8" },
      "p",
    );
    expect(merged).to.deep.equal({
      ...DEFAULT_TASK_PARAMS,
      minerReward: parseEther("90"),
      commitSeconds: 600n,
      leafChecks: 8n,
    });
  });

  it("are refused with the name of the wrong task parameter", () => {
    const wrong = {
      minerRewards: 1,
      minerReward: 1e20,
      verifierReward: "1.5",
      commitSeconds: -1,
      revealSeconds: 2 ** 32,
      leafChecks: 256,
      quorumBps: null,
      toleranceMicroNats: "18446744073709551616",
    };
    for (const [field, value] of Object.entries(wrong)) {
      const { code, data } = thrownBy(() => mergeTaskParams({ [field]: value }, "p.json"));
      expect(code, field).to.equal("INVALID_FIELD");
      expect(data).to.include({ source: "p.json", field });
    }
  });
});
