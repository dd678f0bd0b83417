import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Party } from "../../clients/roles/party.ts";
import {
  loadTrainingState,
  saveTrainingState,
  type TrainingState,
} from "../../clients/roles/trainingState.ts";
import { openState, type StateStore } from "../../clients/storage/stateStore.ts";

const P = 300;
const root = (byte: string) => `0x${byte.repeat(32)}`;
const [GENESIS, FIRST, SECOND, THIRD] = ["00", "01", "02", "03"].map(root) as [
  string,
  string,
  string,
  string,
];

describe("training state", () => {
  let directory: string;
  let state: StateStore;
  let party: Party;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "gradwork-training-state-"));
    state = openState(join(directory, "state.sqlite"));
    const deployment = { contracts: { TrainingMarket: "0x00000000000000000000000000000000000000aa" } };
    // Of a party it reads its state and the market's address.
    party = { state, gradwork: { deployment } } as unknown as Party;
  });

  afterEach(() => {
    state.close();
    rmSync(directory, { recursive: true });
  });

  const stateAt = (step: number): TrainingState => ({
    optimizer: {
      step,
      mean: Float32Array.from({ length: P }, (_, i) => step + i),
      variance: Float32Array.from({ length: P }, (_, i) => step / (i + 1)),
    },
    errorFeedback: Float32Array.from({ length: P }, (_, i) => -step * i),
  });

  it("is new for a model that was never trained", () => {
    const { optimizer, errorFeedback } = loadTrainingState(party, 0n, GENESIS, P);
    expect(optimizer.step).to.equal(0);
    expect(
      [...optimizer.mean, ...optimizer.variance, ...errorFeedback].every((value) => value === 0),
    ).to.equal(true);
  });

  it("comes back as it was saved, for the model that it belongs to", () => {
    saveTrainingState(party, 0n, GENESIS, FIRST, stateAt(60));
    expect(loadTrainingState(party, 0n, FIRST, P)).to.deep.equal(stateAt(60));
    expect(loadTrainingState(party, 0n, GENESIS, P).optimizer.step).to.equal(0);
    expect(loadTrainingState(party, 1n, FIRST, P).optimizer.step).to.equal(0);
  });

  it("keeps the head's while candidates come and go", () => {
    saveTrainingState(party, 0n, GENESIS, FIRST, stateAt(60));
    saveTrainingState(party, 0n, FIRST, SECOND, stateAt(120));
    saveTrainingState(party, 0n, FIRST, THIRD, stateAt(121));
    expect(loadTrainingState(party, 0n, FIRST, P)).to.deep.equal(stateAt(60));
    expect(loadTrainingState(party, 0n, THIRD, P)).to.deep.equal(stateAt(121));
    expect(loadTrainingState(party, 0n, SECOND, P).optimizer.step).to.equal(0);
  });
});
