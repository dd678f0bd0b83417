import { expect } from "chai";
import type { AddressLike } from "ethers";
import { named, STAGES } from "../../../clients/chain/phase.ts";
import { BURN_ADDRESS, type Scenario, type Task } from "./scenario.ts";

/** Everything that a party or place holds, in wei. */
export type Ledger = {
  owner: bigint;
  miner: bigint;
  rival: bigint;
  first: bigint;
  second: bigint;
  third: bigint;
  escrow: bigint;
  burned: bigint;
};

/** What an account owns: in its wallet, in the vault, and what it can claim. */
export async function wealthOf({ token, vault }: Scenario, account: AddressLike): Promise<bigint> {
  const parts = await Promise.all([
    token.balanceOf(account),
    vault.stakeOf(account),
    vault.balanceOf(account),
  ]);
  return parts.reduce((sum, part) => sum + part);
}

export async function readLedger(task: Task): Promise<Ledger> {
  const [first, second, third] = task.verifiers;
  return {
    owner: await wealthOf(task, task.owner),
    miner: await wealthOf(task, task.miner),
    rival: await wealthOf(task, task.rival),
    first: await wealthOf(task, first),
    second: await wealthOf(task, second),
    third: await wealthOf(task, third),
    escrow: (await task.market.task(task.taskId)).escrow,
    burned: await wealthOf(task, BURN_ADDRESS),
  };
}

/** Expects these changes of a ledger, and no others. */
export async function expectChanges(task: Task, before: Ledger, changes: Partial<Ledger>): Promise<void> {
  const after = await readLedger(task);
  const seen = Object.fromEntries(
    Object.entries(after)
      .map(([name, amount]) => [name, amount - before[name as keyof Ledger]] as const)
      .filter(([, change]) => change !== 0n),
  );
  const expected = Object.fromEntries(Object.entries(changes).filter(([, change]) => change !== 0n));
  expect(seen).to.deep.equal(expected);
}

/** Expects the vault to hold what is owed, to the wei, and no token to be lost. */
export async function expectSolvent(scenario: Scenario, others: AddressLike[] = []): Promise<void> {
  const { token, vault, market, committee, disputes, deployer, owner, miner, rival, verifiers, stranger } =
    scenario;
  const parties = [deployer, owner, miner, rival, ...verifiers, stranger, BURN_ADDRESS, ...others];
  let [staked, owed, held] = [0n, 0n, 0n];
  for (const party of parties) {
    staked += await vault.stakeOf(party);
    owed += await vault.balanceOf(party);
    held += await token.balanceOf(party);
  }
  const taskCount = await market.taskCount();
  let escrow = 0n;
  for (let taskId = 0n; taskId < taskCount; taskId++) {
    const [task, params] = [await market.task(taskId), await market.params(taskId)];
    const { stage, proposals } = await market.round(taskId, task.round);
    const isLive = !["None", "Final"].includes(named(STAGES, stage));
    escrow += task.escrow;
    if (isLive) escrow += params.minerReward + params.verifierReward + proposals * params.proposalFee;
  }
  expect(await vault.balanceOf(market), "market").to.equal(escrow);
  expect(await vault.balanceOf(committee), "committee").to.equal(0n);
  const deposits = await vault.balanceOf(disputes);
  expect(await token.balanceOf(vault), "vault").to.equal(staked + owed + escrow + deposits);
  expect(await token.totalSupply(), "supply").to.equal(held + staked + owed + escrow + deposits);
}
