import { expect } from "chai";
import { type AddressLike, resolveAddress } from "ethers";
import { named, STAGES } from "../../../clients/chain/phase.ts";
import { BURN_ADDRESS, type Scenario, type Task } from "./scenario.ts";

/** `IQualityMarket.Stage`. */
const QUERY_STAGES = ["None", "Asked", "Selected", "Ended"] as const;

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

/** What an account owns: in its wallet, in the vault, and what it can claim or collect. */
export async function wealthOf(scenario: Scenario, account: AddressLike): Promise<bigint> {
  const { token, vault } = scenario;
  const parts = await Promise.all([
    token.balanceOf(account),
    vault.stakeOf(account),
    vault.balanceOf(account),
    earnedBy(scenario, account),
  ]);
  return parts.reduce((sum, part) => sum + part);
}

/** What an account earned as a node, of all models, and did not collect. */
async function earnedBy({ registry }: Scenario, account: AddressLike): Promise<bigint> {
  const modelCount = await registry.modelCount();
  let earned = 0n;
  for (let model = 0n; model < modelCount; model++) {
    for (const role of [0n, 1n]) earned += await registry.earnedOf(model, role, account);
  }
  return earned;
}

/** What the registry keeps of the fees of queries that have not ended. */
async function heldForQueries({ quality, registry }: Scenario): Promise<bigint> {
  const queryCount = await quality.queryCount();
  let held = 0n;
  for (let id = 0n; id < queryCount; id++) {
    const { stage, fee, model } = await quality.query(id);
    const { burnShare } = await registry.params(model);
    if (named(QUERY_STAGES, stage) !== "Ended") held += fee - (fee * burnShare) / 1_000_000n;
  }
  return held;
}

/** Everyone who ever was a node. */
async function allNodes({ registry }: Scenario): Promise<string[]> {
  const joined = await registry.queryFilter(registry.filters.NodeJoined());
  return [...new Set(joined.map(({ args }) => args.node))];
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

/**
 * Expects the vault to hold what is owed, to the wei, the registry what its nodes earned and its queries can pay, and no
 * token to be lost.
 * @param others parties that are neither the scenario's nor nodes
 */
export async function expectSolvent(scenario: Scenario, others: AddressLike[] = []): Promise<void> {
  const { token, vault, market, committee, disputes, registry, quality } = scenario;
  const { deployer, owner, miner, rival, verifiers, stranger } = scenario;
  const known = [deployer, owner, miner, rival, ...verifiers, stranger];
  const addresses = await Promise.all([...known, ...others].map((party) => resolveAddress(party)));
  const parties = new Set([...addresses, BURN_ADDRESS, ...(await allNodes(scenario))]);
  let [staked, owed, held, earned] = [0n, 0n, 0n, 0n];
  for (const party of parties) {
    staked += await vault.stakeOf(party);
    owed += await vault.balanceOf(party);
    held += await token.balanceOf(party);
    earned += await earnedBy(scenario, party);
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
  const fees = await heldForQueries(scenario);
  expect(await vault.balanceOf(registry), "registry").to.equal(earned + fees);
  expect(await vault.balanceOf(quality), "quality market").to.equal(0n);
  const deposits = await vault.balanceOf(disputes);
  const inVault = staked + owed + escrow + deposits + earned + fees;
  expect(await token.balanceOf(vault), "vault").to.equal(inVault);
  expect(await token.totalSupply(), "supply").to.equal(held + inVault);
}
