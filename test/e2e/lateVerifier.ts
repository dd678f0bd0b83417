import { expect } from "chai";
import { confirmed, joinMiner, startMiner, startOne } from "../../scripts/adversaries/cast.ts";
import type { Member } from "../../scripts/adversaries/company.ts";
import { openStage, type Stage } from "../../scripts/adversaries/stage.ts";
import { SMALL_TASK } from "../../scripts/adversaries/task.ts";
import type { Scene } from "../../scripts/adversaries/taskScene.ts";

describe("a verifier that joins at the second round, with the task's owner offline", function () {
  this.timeout(120_000);

  let stage: Stage;
  let scene: Scene;
  let miner: Member;
  let early: Member;
  let late: Member;

  before(async () => {
    stage = await openStage(SMALL_TASK);
    scene = await stage.openScene({ rounds: 2n });
    early = await startOne(scene, "early", {});
    miner = await joinMiner(scene, "miner", 2n);
    startMiner(scene, miner);
    await scene.final(1n);
    await scene.ending(miner);
    await scene.leave(scene.owner);

    late = await startOne(scene, "late", {});
    startMiner(scene, miner);
    await scene.final(2n);
    const hasFollowed = async () =>
      late.events.some((event) => event.kind === "synced" && event.round === 2n);
    await scene.until("it has followed the head", hasFollowed);
  });

  after(() => stage?.close());

  it("fetches everything from those that fetched it before", () => {
    expect(late.events.some(({ kind }) => kind === "fetched")).to.equal(true);
    expect(late.events.some(({ kind }) => kind === "retrying")).to.equal(false);
  });

  it("rebuilds the head from the genesis and every confirmed update", async () => {
    const synced = late.events.flatMap((event) => (event.kind === "synced" ? [event] : []));
    expect(synced.map(({ round }) => round)).to.deep.equal([1n, 2n]);
    expect(synced.at(-1)?.fullRoot).to.equal(await scene.head());
  });

  it("measures, attests and is paid like the others", async () => {
    const attested = late.events.flatMap((event) => (event.kind === "attested" ? [event] : []));
    expect(attested.map(({ round, verdicts }) => ({ round, verdicts }))).to.deep.equal([
      { round: 2n, verdicts: ["Positive"] },
    ]);
    const first = confirmed(scene, miner, [early]);
    const second = confirmed(scene, miner, [early, late]);
    const { late: paid, early: earned } = await scene.changes();
    expect(paid).to.equal(second.late);
    expect(earned).to.equal(first.early! + second.early!);
  });
});
