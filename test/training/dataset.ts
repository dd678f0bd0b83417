import { expect } from "chai";
import { copySequences, createSampler, cutDataset, mobyDickText } from "../../clients/training/dataset.ts";

describe("dataset", () => {
  const tokens = Uint32Array.from({ length: 10 * 32 + 7 }, (_, i) => i);

  it("is cut into whole sequences, the last of them for evaluation", () => {
    const dataset = cutDataset(tokens, 32, 0.25);
    expect(dataset.tokens).to.deep.equal(tokens.subarray(0, 320));
    expect(dataset.train).to.deep.equal({ first: 0, count: 7 });
    expect(dataset.evaluation).to.deep.equal({ first: 7, count: 3 });
    const copied = copySequences(dataset, Uint32Array.of(9, 0));
    expect([...copied]).to.deep.equal([...tokens.subarray(288, 320), ...tokens.subarray(0, 32)]);
  });

  it("gives every training sequence once before any comes again, in an order of its own for each seed", () => {
    const range = { first: 5, count: 12 };
    const next = createSampler(range, 1);
    const drawn = [next(5), next(5), next(5), next(9)].flatMap((indices) => [...indices]);
    const all = Array.from({ length: 12 }, (_, i) => 5 + i);
    expect(drawn.slice(0, 12)).to.have.members(all);
    expect(drawn.slice(12)).to.have.members(all);
    expect(drawn.slice(0, 12)).not.to.deep.equal(drawn.slice(12));
    expect([...createSampler(range, 1)(24)]).to.deep.equal(drawn);
    expect([...createSampler(range, 2)(24)]).not.to.deep.equal(drawn);
  });

  it("holds all of Moby Dick", () => {
    const text = mobyDickText();
    expect(text).to.include("Call me Ishmael. Some years ago—never mind how long precisely");
    expect(text.trimEnd().slice(-60)).to.include("only found another orphan.");
    expect(text.length).to.be.above(1_200_000);
  });

  it("refuses sequences that are too short or too few", () => {
    expect(() => cutDataset(tokens, 31, 0.1))
      .to.throw()
      .with.property("code", "INVALID_SEQUENCE_LENGTH");
    for (const share of [0, 1, Number.NaN]) {
      expect(() => cutDataset(tokens, 32, share))
        .to.throw()
        .with.property("code", "DATASET_TOO_SMALL");
    }
    expect(() => cutDataset(tokens.subarray(0, 60), 32, 0.5))
      .to.throw()
      .with.property("code", "DATASET_TOO_SMALL");
  });
});
