import { expect } from "chai";
import { createAdamWState } from "../../clients/training/adamw.ts";
import { cutDataset } from "../../clients/training/dataset.ts";
import { initialParameters, llamaTensors } from "../../clients/training/llama.ts";
import { createRandom } from "../../clients/training/random.ts";
import { evaluate, sequenceLosses, type TrainingRound, trainRound } from "../../clients/training/trainer.ts";
import { createEngine, tinyConfig } from "./tinyModel.ts";

const SEQUENCE_LENGTH = 33;
const STEPS = 30;

describe("trainer", () => {
  const engine = createEngine(tinyConfig, SEQUENCE_LENGTH);
  after(() => engine.release());
  const parameters = initialParameters(tinyConfig, 1);
  const dataset = cutDataset(countingTokens(200 * SEQUENCE_LENGTH), SEQUENCE_LENGTH, 0.1);
  const signal = new AbortController().signal;
  const held = dataset.tokens.subarray(dataset.evaluation.first * SEQUENCE_LENGTH);

  const round = (): TrainingRound => ({
    engine,
    tensors: llamaTensors(tinyConfig),
    parameters,
    optimizerState: createAdamWState(parameters.length),
    optimizer: { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.01, clipNorm: 1 },
    schedule: { peakLearningRate: 0.02, finalLearningRate: 0.002, warmUpSteps: 5, totalSteps: STEPS },
    dataset,
    steps: STEPS,
    batchSize: 4,
    seed: 1,
    signal,
  });
  const sum = (a: Float32Array, b: Float32Array) => a.map((x, i) => x + b[i]!);

  it("lowers the loss on sequences that it did not train on", async () => {
    const start = parameters.slice();
    const seen: number[] = [];
    const result = await trainRound({ ...round(), onProgress: ({ step }) => seen.push(step) });
    expect(parameters).to.deep.equal(start);
    expect(result.steps).to.equal(STEPS);
    expect(result.flops).to.equal(STEPS * engine.gradientFlops(4));
    expect(seen).to.deep.equal(Array.from({ length: STEPS }, (_, i) => i + 1));

    const before = await evaluate({ engine, parameters, sequences: held, signal });
    const after = await evaluate({
      engine,
      parameters: sum(parameters, result.delta),
      sequences: held,
      signal,
    });
    expect(Math.abs(before.lossNats - Math.log(tinyConfig.vocab_size))).to.be.below(0.05);
    expect(after.lossNats).to.be.below(before.lossNats - 1);
    expect(after.flops).to.equal(engine.lossFlops(dataset.evaluation.count));
  });

  it("gives the same update for the same seed, and continues from the optimizer's state", async () => {
    const first = { ...round(), steps: 6 };
    const again = { ...round(), steps: 6 };
    const { delta } = await trainRound(first);
    expect((await trainRound(again)).delta).to.deep.equal(delta);
    expect((await trainRound({ ...round(), steps: 6, seed: 2 })).delta).not.to.deep.equal(delta);
    expect(first.optimizerState).to.deep.equal(again.optimizerState);
    await trainRound(first);
    expect(first.optimizerState.step).to.equal(12);
  });

  it("sums an evaluation over all tokens, whatever the batches", async () => {
    const losses = await engine.tokenLosses(parameters, held);
    const mean = losses.reduce((total, loss) => total + loss, 0) / losses.length;
    expect(dataset.evaluation.count).to.be.above(16);
    const { lossNats } = await evaluate({ engine, parameters, sequences: held, signal });
    expect(Math.abs(lossNats - mean)).to.be.below(1e-6);
  });

  it("gives each sequence's loss, whose mean is the evaluation's", async () => {
    const losses = await sequenceLosses({ engine, parameters, sequences: held, signal });
    expect(losses).to.have.length(dataset.evaluation.count);
    const { lossNats } = await evaluate({ engine, parameters, sequences: held, signal });
    const mean = losses.reduce((total, loss) => total + loss, 0) / losses.length;
    expect(Math.abs(lossNats - mean)).to.be.below(1e-9);
    // One in the second batch of the evaluation.
    const sequences = held.subarray(17 * SEQUENCE_LENGTH, 18 * SEQUENCE_LENGTH);
    const alone = await evaluate({ engine, parameters, sequences, signal });
    expect(Math.abs(losses[17]! - alone.lossNats)).to.be.below(1e-6);
    expect(Math.abs(losses[16]! - alone.lossNats)).to.be.above(1e-4);
  });

  it("stops between steps when it is aborted", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    let steps = 0;
    const aborted = trainRound({
      ...round(),
      signal: controller.signal,
      onProgress: ({ step }) => {
        steps = step;
        if (step === 3) controller.abort(reason);
      },
    });
    expect(await failureOf(aborted)).to.equal(reason);
    expect(steps).to.equal(3);
    const evaluation = evaluate({ engine, parameters, sequences: held, signal: controller.signal });
    expect(await failureOf(evaluation)).to.equal(reason);
    const each = sequenceLosses({ engine, parameters, sequences: held, signal: controller.signal });
    expect(await failureOf(each)).to.equal(reason);
  });

  it("ends at its deadline with the steps that it made", async () => {
    const deadlineMilliseconds = Date.now() + 200;
    const { steps, flops } = await trainRound({ ...round(), steps: 1_000_000, deadlineMilliseconds });
    expect(steps).to.be.within(1, 999_999);
    expect(flops).to.equal(steps * engine.gradientFlops(4));
    const late = trainRound({ ...round(), deadlineMilliseconds: 0 });
    expect(await failureOf(late)).to.have.property("code", "NO_TRAINING_STEP");
  });

  it("gives up when the loss is no longer finite", async () => {
    const broken = parameters.map((x) => x * 1e30);
    expect(await failureOf(trainRound({ ...round(), parameters: broken }))).to.have.property(
      "code",
      "TRAINING_DIVERGED",
    );
  });
});

/** Sequences that count up, each from another start: what comes next is certain, once learned. */
function countingTokens(length: number): Uint32Array {
  const random = createRandom(4);
  let start = 0;
  return Uint32Array.from({ length }, (_, i) => {
    if (i % SEQUENCE_LENGTH === 0) start = Math.floor(tinyConfig.vocab_size * random());
    return (start + i) % tinyConfig.vocab_size;
  });
}

function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (reason) => reason,
  );
}
