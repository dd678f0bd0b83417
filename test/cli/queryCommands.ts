import { expect } from "chai";
import { id, parseEther } from "ethers";
import { prepareAsk, type RawAskOptions } from "../../clients/cli/ask/options.ts";
import { prepareAssessorRun } from "../../clients/cli/assessorRun/options.ts";
import { prepareNodeLeave } from "../../clients/cli/nodeLeave/options.ts";
import { mergeModelParams } from "../../clients/cli/overrides.ts";
import { prepareResponderRun, type RawResponderRunOptions } from "../../clients/cli/responderRun/options.ts";
import { embeddedModelFolder } from "../../clients/inference/embedded.ts";
import { DEFAULT_MODEL_PARAMS } from "../../clients/roles/defaults.ts";
import { expectCode } from "../contracts/support/expectCode.ts";

const ENV = { GRADWORK_PRIVATE_KEY: id("a key") };
const SENDER = {
  rpc: "http://127.0.0.1:8545",
  deployment: "gradwork.json",
  privateKeyEnv: "GRADWORK_PRIVATE_KEY",
  depth: "2",
};
const NODE = { ...SENDER, model: "0", state: "node", host: "127.0.0.1", port: "0", drandUrl: [] };
const ASK: RawAskOptions = {
  ...SENDER,
  model: "0",
  fee: "10",
  responders: "1",
  assessors: "3",
  path: "fast",
  state: "asked",
  drandUrl: [],
};
const RESPONDER: RawResponderRunOptions = {
  ...NODE,
  weights: "llama",
  dtype: "fp32",
  serverApi: "chat",
  maxTokens: "96",
  concurrency: "1",
  waiting: "16",
};

/** Expects a refusal that names the option. */
async function expectInvalid(option: string, prepare: () => unknown): Promise<void> {
  const error = await expectCode((async () => prepare())(), "INVALID_OPTION");
  expect(error.data.option).to.equal(option);
}

describe("options of ask", () => {
  it("become amounts, counts and a path", () => {
    const options = prepareAsk("Why?", { ...ASK, seconds: "90", faucet: true }, ENV);
    expect(options).to.include({
      model: 0n,
      prompt: "Why?",
      fee: parseEther("10"),
      responders: 1,
      assessors: 3,
    });
    expect(options).to.include({
      answerSeconds: 90n,
      path: "fast",
      faucet: true,
      json: false,
      directory: "asked",
    });
  });

  for (const [option, raw] of [
    ["--model", { model: "-1" }],
    ["--fee", { fee: "0" }],
    ["--responders", { responders: "9" }],
    ["--assessors", { assessors: "2" }],
    ["--assessors", { assessors: "17" }],
    ["--seconds", { seconds: "0" }],
    ["--path", { path: "middle" }],
    ["--state", { state: "" }],
  ] as const) {
    it(`refuse ${option} ${JSON.stringify(Object.values(raw)[0])}`, () =>
      expectInvalid(option, () => prepareAsk("Why?", { ...ASK, ...raw }, ENV)));
  }

  it("refuse an empty prompt", () => expectInvalid("PROMPT", () => prepareAsk(" ", ASK, ENV)));
});

describe("options of responder run", () => {
  it("name a model in a folder, or one behind a server", () => {
    expect(prepareResponderRun(RESPONDER, ENV).engine).to.deep.equal({
      kind: "local",
      weights: "llama",
      dtype: "fp32",
    });
    const { weights: _, ...rest } = RESPONDER;
    expect(prepareResponderRun(rest, ENV).engine).to.deep.equal({
      kind: "local",
      weights: embeddedModelFolder("llama"),
      dtype: "fp32",
    });
    const server = {
      server: "http://127.0.0.1:11434/v1",
      serverModel: "llama3.2:1b",
      serverKeyEnv: "SERVER_KEY",
    };
    expect(prepareResponderRun({ ...rest, ...server }, ENV).engine).to.deep.equal({
      kind: "server",
      baseUrl: server.server,
      model: server.serverModel,
      api: "chat",
      keyVariable: "SERVER_KEY",
    });
  });

  it("refuse both, and what is none", async () => {
    const { weights: _, ...rest } = RESPONDER;
    const server = "http://127.0.0.1:11434/v1";
    await expectInvalid("--weights", () => prepareResponderRun({ ...RESPONDER, weights: "" }, ENV));
    await expectInvalid("--server", () => prepareResponderRun({ ...RESPONDER, server }, ENV));
    await expectInvalid("--server", () => prepareResponderRun({ ...rest, server: "ftp://x" }, ENV));
    await expectInvalid("--server-model", () => prepareResponderRun({ ...rest, server }, ENV));
    await expectInvalid("--dtype", () => prepareResponderRun({ ...RESPONDER, dtype: "fp8" }, ENV));
    await expectInvalid("--max-tokens", () => prepareResponderRun({ ...RESPONDER, maxTokens: "0" }, ENV));
    await expectInvalid("--price", () => prepareResponderRun({ ...RESPONDER, price: "-1" }, ENV));
    await expectInvalid("--host", () => prepareResponderRun({ ...RESPONDER, host: "0.0.0.0" }, ENV));
  });
});

describe("options of the other commands on models", () => {
  it("name a folder and a role", async () => {
    expect(prepareAssessorRun({ ...NODE, weights: "judge", stake: "150" }, ENV)).to.include({
      weights: "judge",
      stake: parseEther("150"),
    });
    await expectInvalid("--weights", () => prepareAssessorRun({ ...NODE, weights: "" }, ENV));
    expect(prepareNodeLeave({ ...SENDER, model: "3", role: "assessor" }, ENV)).to.include({
      model: 3n,
      role: "Assessor",
    });
    await expectInvalid("--role", () => prepareNodeLeave({ ...SENDER, model: "3", role: "asker" }, ENV));
  });

  it("override a model's parameters by a JSON object", async () => {
    expect(mergeModelParams({ leastFee: "7", aggregate: 1 }, "file")).to.deep.equal({
      ...DEFAULT_MODEL_PARAMS,
      leastFee: 7n,
      aggregate: 1n,
    });
    for (const [field, wrong] of [
      ["trustFloor", 2 ** 24],
      ["burnShare", -1],
      ["aggregate", 256],
      ["fee", 1],
      ["leastFee", "1.5"],
    ] as const) {
      const error = await expectCode(
        (async () => mergeModelParams({ [field]: wrong }, "file"))(),
        "INVALID_FIELD",
      );
      expect(error.data.field).to.equal(field);
    }
  });
});
