import { expect } from "chai";
import { adamWStep, createAdamWState, learningRateAt } from "../../clients/training/adamw.ts";

const options = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.5, clipNorm: 5 };
const tensors = [
  { name: "matrix", shape: [1, 2] },
  { name: "norm", shape: [1] },
];

describe("AdamW", () => {
  it("moves each parameter as computed by hand, and decays matrices only", () => {
    const parameters = Float32Array.of(1, -2, 1);
    const state = createAdamWState(3);

    // First step: the corrected moments are g and g², so that each parameter moves by the learning rate.
    const norm = adamWStep(parameters, Float32Array.of(2, -4, 0.5), state, tensors, 0.1, options);
    expect(Math.abs(norm - Math.sqrt(20.25))).to.be.below(1e-6);
    expect(state.step).to.equal(1);
    expectClose(state.mean, [0.2, -0.4, 0.05]);
    expectClose(state.variance, [0.04, 0.16, 0.0025]);
    expectClose(parameters, [0.95 - 0.1, -1.9 + 0.1, 1 - 0.1]);

    // Second step, g = −g₁: m = (0.09 − 0.1)·g₁, v = (0.0099 + 0.01)·g₁²; corrected −g₁/19 and g₁².
    adamWStep(parameters, Float32Array.of(-2, 4, -0.5), state, tensors, 0.1, options);
    expectClose(state.mean, [-0.02, 0.04, -0.005]);
    expectClose(state.variance, [0.0796, 0.3184, 0.004975]);
    expectClose(parameters, [0.95 * 0.85 + 0.1 / 19, 0.95 * -1.8 - 0.1 / 19, 0.9 + 0.1 / 19]);
  });

  it("scales a gradient longer than the clip norm down to it", () => {
    const state = createAdamWState(3);
    const norm = adamWStep(new Float32Array(3), Float32Array.of(0, 30, 40), state, tensors, 0.1, options);
    expect(norm).to.equal(50);
    expectClose(state.mean, [0, 0.3, 0.4]);
  });

  it("warms up linearly, decays along a cosine, and stays", () => {
    const schedule = { peakLearningRate: 1, finalLearningRate: 0.2, warmUpSteps: 4, totalSteps: 12 };
    const rates = [1, 2, 4, 8, 12, 100].map((step) => learningRateAt(schedule, step));
    expectClose(rates, [0.25, 0.5, 1, 0.6, 0.2, 0.2]);
    expect(Math.abs(learningRateAt({ ...schedule, warmUpSteps: 0 }, 12) - 0.2)).to.be.below(1e-12);
  });
});

function expectClose(values: ArrayLike<number>, expected: readonly number[]): void {
  expect(values.length).to.equal(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(values[i]! - value)).to.be.below(1e-6);
}
