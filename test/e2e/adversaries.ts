import { expect } from "chai";
import { playAdversary } from "../../scripts/adversaries/adversary.ts";
import { ADVERSARIES } from "../../scripts/adversaries/all.ts";
import { openStage, type Stage } from "../../scripts/adversaries/stage.ts";
import { SMALL_TASK } from "../../scripts/adversaries/task.ts";

describe("adversaries, each the ordinary client with one thing changed", function () {
  this.timeout(120_000);

  let stage: Stage;

  before(async () => {
    stage = await openStage(SMALL_TASK);
  });

  after(() => stage?.close());

  it("have a name each", () => {
    const names = ADVERSARIES.map(({ name }) => name);
    expect(new Set(names).size).to.equal(names.length);
    for (const name of names) expect(name).to.match(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  });

  for (const adversary of ADVERSARIES) {
    it(`${adversary.name}: ${adversary.title}`, async () => {
      const { expected, actual } = await playAdversary(stage, adversary);
      expect(actual).to.deep.equal(expected);
    });
  }
});
