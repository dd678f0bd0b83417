import { expect } from "chai";
import { upperNormalQuantile } from "../../clients/training/normalQuantile.ts";

/** z by the probability to exceed it, to 16 digits. */
const KNOWN = [
  [0.075, 1.4395314709384563],
  [0.05, 1.6448536269514722],
  [0.01, 2.3263478740408408],
  [0.0025, 2.807033768343811],
  [0.001, 3.090232306167813],
  [1e-6, 4.753424308822899],
  [1e-10, 6.361340902404056],
] as const;

describe("the upper quantile of the normal distribution", () => {
  for (const [probability, z] of KNOWN) {
    it(`for ${probability} is ${z.toFixed(4)}`, () => {
      expect(Math.abs(upperNormalQuantile(probability) / z - 1)).to.be.below(2e-7);
    });
  }
});
