import { expect } from "chai";
import { sleep } from "../../clients/chain/sleep.ts";
import { runMiner } from "../../clients/roles/miner.ts";
import { runVerifier } from "../../clients/roles/verifier.ts";
import {
  BLOCK_MS,
  finality,
  type Joined,
  openStage,
  openTask,
  SMALL_TASK,
  SMALL_TRAINING,
  type Stage,
} from "./support/stage.ts";

const { params } = SMALL_TASK;

describe("a verifier that joins at the second round, with the task's creator offline", function () {
  this.timeout(240_000);

  let stage: Stage;
  let late: Joined;
  let head: { fullRoot: string; quantRoot: string };

  before(async () => {
    stage = await openStage();
    const rounds = 2n;
    const funding = rounds * (params.minerReward + params.verifierReward);
    const stake = params.verifierStake;
    const [creator, miner, early] = await Promise.all([
      stage.join("creator", { tokens: funding, stake: 0n }),
      stage.join("miner", { tokens: 3n * params.minerBond, stake: 2n * params.minerBond }),
      stage.join("early", { tokens: stake, stake }),
    ]);
    const taskId = await openTask(creator, SMALL_TASK, rounds);
    const mining = runMiner(miner, { taskId, training: SMALL_TRAINING, rounds: 1 });
    const verifying = runVerifier(early, { taskId, threads: 1 });
    await finality(early, 1n, verifying);
    await mining;
    await creator.leave();

    late = await stage.join("late", { tokens: stake, stake });
    const catchingUp = runVerifier(late, { taskId, threads: 1 });
    while (!(await late.gradwork.market.isEnrolled(taskId, late.address))) await sleep(BLOCK_MS, late.signal);
    const again = runMiner(miner, { taskId, training: SMALL_TRAINING, rounds: 1 });
    await finality(late, 2n, catchingUp);
    await finality(early, 2n, verifying);
    await again;
    ({ head } = await late.gradwork.market.task(taskId));
    await Promise.all([early.leave(), late.leave(), miner.leave()]);
    await Promise.allSettled([verifying, catchingUp]);
  });

  after(() => stage?.close());

  it("fetches everything from those that fetched it before", () => {
    const fetched = late.events.flatMap((event) => (event.kind === "fetched" ? [event.bytes] : []));
    expect(fetched.reduce((sum, bytes) => sum + bytes, 0)).to.be.greaterThan(0);
  });

  it("rebuilds the head from the genesis and every confirmed update", () => {
    const synced = late.events.flatMap((event) => (event.kind === "synced" ? [event] : []));
    expect(synced.map(({ round }) => round)).to.deep.equal([1n, 2n]);
    expect(synced.at(-1)?.fullRoot).to.equal(head.fullRoot);
  });

  it("measures, attests and is paid like the others", () => {
    const attested = late.events.flatMap((event) => (event.kind === "attested" ? [event] : []));
    expect(attested.map(({ round, verdict }) => ({ round, verdict }))).to.deep.equal([
      { round: 2n, verdict: "Positive" },
    ]);
    const claimed = late.events.flatMap((event) => (event.kind === "claimed" ? [event.amount] : []));
    expect(claimed).to.deep.equal([(params.verifierReward + params.proposalFee) / 2n]);
  });
});
