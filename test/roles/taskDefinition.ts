import { expect } from "chai";
import { GradworkError } from "../../clients/model/errors.ts";
import { decodeManifest, encodeManifest } from "../../clients/model/manifest.ts";
import { type PreparedTask, prepareTask, registerTask } from "../../clients/roles/createTask.ts";
import { announce } from "../../clients/roles/party.ts";
import { loadTask } from "../../clients/roles/taskDefinition.ts";
import type { Member } from "../../scripts/adversaries/company.ts";
import { openStage, type Stage } from "../../scripts/adversaries/stage.ts";
import { SMALL_TASK } from "../../scripts/adversaries/task.ts";
import type { Scene } from "../../scripts/adversaries/taskScene.ts";

const { params } = SMALL_TASK;

describe("a task's definition", function () {
  this.timeout(60_000);

  let stage: Stage;
  let scene: Scene;
  let owner: Member;
  let reader: Member;
  let prepared: PreparedTask;

  before(async () => {
    stage = await openStage(SMALL_TASK);
    scene = await stage.openScene();
    ({ owner, prepared } = scene);
    reader = await scene.join("reader", { stake: 0n });
    await announce(owner);
  });

  after(() => stage?.close());

  const register = async (changed: PreparedTask, location = owner.endpoint) => {
    const { taskId } = await registerTask(owner.gradwork, changed, { params, location }, owner.signal);
    return taskId;
  };

  const failureOf = async (taskId: bigint): Promise<GradworkError> => {
    try {
      await loadTask(reader, taskId, 1);
    } catch (error) {
      if (error instanceof GradworkError) return error;
      throw error;
    }
    throw new Error("expected a failure, there was none");
  };

  it("is the same for equal options", async () => {
    const again = await prepareTask(reader.store, SMALL_TASK);
    expect(again).to.deep.equal(prepared);
    const otherSeed = await prepareTask(reader.store, { ...SMALL_TASK, seed: 8 });
    expect(otherSeed.genesis.fullRoot).not.to.equal(prepared.genesis.fullRoot);
  });

  it("comes whole from its creator's endpoint", async () => {
    const late = await scene.join("late", { stake: 0n });
    const definition = await loadTask(late, await register(prepared), 1);
    expect(definition.manifest).to.deep.equal(prepared.manifest);
    expect(definition.genesis.parameters.length).to.equal(prepared.genesis.parameterCount);
    expect(definition.engine.sequenceLength).to.equal(SMALL_TASK.sequenceLength);
    const { graphs, tokenizer, dataset } = prepared.manifest;
    for (const hash of [graphs.loss, graphs.gradient, tokenizer, dataset.root, prepared.genesis.fullRoot]) {
      expect(await late.store.has(hash), hash).to.equal(true);
    }
    await definition.engine.release();
  });

  it("is refused where the chain has another parameter count than the manifest's tensors", async () => {
    const genesis = { ...prepared.genesis, parameterCount: prepared.genesis.parameterCount + 1 };
    const error = await failureOf(await register({ ...prepared, genesis }));
    expect(error.code).to.equal("TASK_INCONSISTENT");
    expect(error.data).to.deep.equal({
      what: "parameters",
      expected: String(genesis.parameterCount),
      given: String(prepared.genesis.parameterCount),
    });
  });

  it("is refused where the chain's quantized root is not that of the genesis", async () => {
    const quantRoot = `0x${"ab".repeat(32)}`;
    const error = await failureOf(
      await register({ ...prepared, genesis: { ...prepared.genesis, quantRoot } }),
    );
    expect(error.code).to.equal("TASK_INCONSISTENT");
    expect(error.data).to.deep.equal({
      what: "quantRoot of the genesis",
      expected: quantRoot,
      given: prepared.genesis.quantRoot,
    });
  });

  it("is refused where the dataset has a token past the vocabulary", async () => {
    const manifest = { ...prepared.manifest, model: { ...prepared.manifest.model, vocab_size: 2 } };
    const manifestHash = await owner.store.put(encodeManifest(manifest));
    const error = await failureOf(await register({ ...prepared, manifestHash }));
    expect(error.code).to.equal("TASK_INCONSISTENT");
    expect(error.message).to.contain("vocabulary of 2");
  });

  it("is refused where a graph is not for the dataset's sequences", async () => {
    const { dataset } = prepared.manifest;
    const sequenceLength = 2 * dataset.sequenceLength;
    const root = await owner.store.put(
      await reader.store
        .read({
          hash: dataset.root,
          leafLength: 4 * dataset.sequenceLength,
          byteLength: 4 * dataset.sequenceLength * dataset.sequences,
        })
        .then((bytes) => bytes.subarray(0, 4 * sequenceLength * 10)),
      { leafLength: 4 * sequenceLength },
    );
    const train = { first: 0, count: 8 };
    const evaluation = { first: 8, count: 2 };
    const manifest = {
      ...prepared.manifest,
      dataset: { root, sequences: 10, sequenceLength, train, evaluation },
    };
    const manifestHash = await owner.store.put(encodeManifest(decodeManifest(encodeManifest(manifest))));
    const error = await failureOf(await register({ ...prepared, manifestHash }));
    expect(error.code).to.equal("TASK_INCONSISTENT");
    expect(error.data.what).to.equal("sequence length of the graphs");
  });

  it("is refused where nobody has its manifest, with what each endpoint answered", async () => {
    const manifestHash = `0x${"cd".repeat(32)}`;
    const error = await failureOf(await register({ ...prepared, manifestHash }, "http://127.0.0.1:9"));
    expect(error.code).to.equal("BLOB_UNAVAILABLE");
    const codes = (error.data.failures as { code: string }[]).map(({ code }) => code);
    expect(codes).to.include("BLOB_UNREACHABLE").and.to.include("BLOB_HTTP_STATUS");
  });
});
