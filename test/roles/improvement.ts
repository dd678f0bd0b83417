import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type PreparedTask, prepareTask } from "../../clients/roles/createTask.ts";
import { FALSE_CONFIRMATION, leastImprovementNats, measureSpread } from "../../clients/roles/improvement.ts";
import { openBlobStore } from "../../clients/storage/blobStore.ts";
import { createRandom, fillNormal } from "../../clients/training/random.ts";
import { SMALL_TASK } from "../../scripts/adversaries/task.ts";

const ROUNDS = 20_000;

describe("the least improvement of a task", () => {
  it("is the normal quantile of the standard error", () => {
    const noise = { spreadNats: 0.02, sequences: 100, proposals: 1 };
    expect(Math.abs(leastImprovementNats(noise) - 2.3263479 * 0.002)).to.be.below(1e-9);
    expect(Math.abs(leastImprovementNats({ ...noise, proposals: 4 }) - 2.8070338 * 0.002)).to.be.below(1e-9);
  });

  it("grows with the spread, and falls to half for four times the sequences", () => {
    const noise = { spreadNats: 0.02, sequences: 25, proposals: 3 };
    const least = leastImprovementNats(noise);
    expect(Math.abs(leastImprovementNats({ ...noise, spreadNats: 0.06 }) / least - 3)).to.be.below(1e-9);
    expect(Math.abs(leastImprovementNats({ ...noise, sequences: 100 }) / least - 0.5)).to.be.below(1e-9);
    expect(leastImprovementNats({ ...noise, spreadNats: 0 })).to.equal(0);
  });

  for (const proposals of [1, 4, 16]) {
    it(`is passed by the best of ${proposals} useless updates in one round of a hundred`, () => {
      const noise = { spreadNats: 0.02, sequences: 4, proposals };
      const changes = new Float32Array(ROUNDS * proposals * noise.sequences);
      fillNormal(changes, createRandom(proposals), noise.spreadNats);
      const least = leastImprovementNats(noise);
      let confirmed = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const isPassed = Array.from({ length: proposals }, (_, proposal) => {
          const at = (round * proposals + proposal) * noise.sequences;
          const drawn = changes.subarray(at, at + noise.sequences);
          return drawn.reduce((sum, change) => sum + change, 0) / drawn.length > least;
        });
        if (isPassed.includes(true)) confirmed++;
      }
      // Four standard errors of the share.
      const error = 4 * Math.sqrt((FALSE_CONFIRMATION * (1 - FALSE_CONFIRMATION)) / ROUNDS);
      expect(Math.abs(confirmed / ROUNDS - FALSE_CONFIRMATION)).to.be.below(error);
    });
  }
});

describe("the spread of the change that a training step brings", () => {
  const { signal } = new AbortController();
  let folder: string;
  const prepare = async (task: typeof SMALL_TASK): Promise<PreparedTask> =>
    prepareTask(await openBlobStore(join(folder, "blobs")), task);

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "gradwork-improvement-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("is the same whenever it is measured, and leaves the initial model as it is", async () => {
    const prepared = await prepare(SMALL_TASK);
    const parameters = prepared.contents.parameters.slice();
    const spreadNats = await measureSpread(prepared, signal);
    expect(spreadNats).to.be.within(1e-5, 0.1);
    expect(await measureSpread(prepared, signal)).to.equal(spreadNats);
    expect(prepared.contents.parameters).to.deep.equal(parameters);
  });

  it("is measured at the task's precision", async () => {
    const evaluation = { ...SMALL_TASK.evaluation, precision: "float32" as const };
    const exact = await measureSpread(await prepare({ ...SMALL_TASK, evaluation }), signal);
    expect(exact)
      .to.be.within(1e-5, 0.1)
      .and.not.equal(await measureSpread(await prepare(SMALL_TASK), signal));
  });

  it("is nothing where there is but one sequence to draw", async () => {
    const prepared = await prepare({ ...SMALL_TASK, evaluationShare: 1e-9 });
    expect(prepared.manifest.dataset.evaluation.count).to.equal(1);
    expect(await measureSpread(prepared, signal)).to.equal(0);
  });

  it("is not waited for once nobody wants it", async () => {
    const reason = new Error("enough");
    const failure = await measureSpread(await prepare(SMALL_TASK), AbortSignal.abort(reason)).catch(
      (error) => error,
    );
    expect(failure).to.equal(reason);
  });
});
