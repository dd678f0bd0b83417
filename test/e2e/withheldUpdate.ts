import { expect } from "chai";
import { named, OUTCOMES } from "../../clients/chain/phase.ts";
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
const WEALTH = { miner: 2n * params.minerBond, verifier: params.verifierStake };

describe("a miner that never publishes its update", function () {
  this.timeout(120_000);

  let stage: Stage;
  let miner: Joined;
  let verifier: Joined;
  let taskId: bigint;

  before(async () => {
    stage = await openStage();
    const [creator, ...others] = await Promise.all([
      stage.join("creator", { tokens: params.minerReward + params.verifierReward, stake: 0n }),
      stage.join("miner", { tokens: WEALTH.miner, stake: params.minerBond }),
      stage.join("verifier", { tokens: WEALTH.verifier, stake: WEALTH.verifier }),
    ]);
    [miner, verifier] = others;
    taskId = await openTask(creator, SMALL_TASK, 1n);
    const verifying = runVerifier(verifier, { taskId, threads: 1 });
    const { market } = verifier.gradwork;
    while (!(await market.isEnrolled(taskId, verifier.address))) await sleep(BLOCK_MS, verifier.signal);

    // The ordinary client, with one thing changed.
    const withholding = { ...miner, store: { ...miner.store, async publish() {} } };
    const mining = runMiner(withholding, { taskId, training: SMALL_TRAINING, rounds: 1 });
    await finality(verifier, 1n, verifying);
    await mining;
    await verifier.leave();
    await Promise.allSettled([verifying]);
  });

  after(() => stage?.close());

  it("gets no verdict: its verifier looks for the update, and abstains", async () => {
    const failures = verifier.events.flatMap((event) =>
      event.kind === "retrying" && event.action === "fetch the update" ? [event.error] : [],
    );
    expect(failures).not.to.have.length(0);
    const attested = verifier.events.flatMap((event) => (event.kind === "attested" ? [event] : []));
    expect(attested.map(({ round, verdict }) => ({ round, verdict }))).to.deep.equal([
      { round: 1n, verdict: "Unavailable" },
    ]);
  });

  it("leaves the round void and the head where it was", async () => {
    const { outcome, fullRoot } = await verifier.gradwork.market.round(taskId, 1n);
    expect(named(OUTCOMES, outcome)).to.equal("Void");
    expect((await verifier.gradwork.market.task(taskId)).head.fullRoot).not.to.equal(fullRoot);
  });

  it("costs the miner its fee, and the verifier nothing", async () => {
    const { vault, token, market } = verifier.gradwork;
    const wealth = async (account: string) =>
      (await vault.stakeOf(account)) + (await token.balanceOf(account)) + (await market.claimable(account));
    expect(await wealth(miner.address)).to.equal(WEALTH.miner - params.proposalFee);
    expect(await wealth(verifier.address)).to.equal(WEALTH.verifier);
    const { escrow } = await market.task(taskId);
    expect(escrow).to.equal(params.minerReward + params.verifierReward + params.proposalFee);
  });
});
