// Who plays beside an adversary, and what they earn.
import type { BaseContract, EventLog } from "ethers";
import { queryEvents } from "../../clients/chain/events.ts";
import { named, OUTCOMES, type Outcome } from "../../clients/chain/phase.ts";
import { isRevert } from "../../clients/chain/transactions.ts";
import { leafCount, treeDepth } from "../../clients/model/geometry.ts";
import { runKeeper } from "../../clients/roles/keeper.ts";
import {
  HONEST_MINER,
  type MinerConduct,
  runMiner,
  type TrainingOptions,
} from "../../clients/roles/miner.ts";
import { type Actor, act } from "../../clients/roles/party.ts";
import { HONEST_VERIFIER, runVerifier, type VerifierConduct } from "../../clients/roles/verifier.ts";
import { runWatch } from "../../clients/roles/watch.ts";
import type { Expected } from "./adversary.ts";
import type { Company, Member } from "./company.ts";
import { SMALL_TRAINING } from "./task.ts";
import type { Scene } from "./taskScene.ts";

/** Somebody with bonds and fees for so many proposals. */
export function joinMiner(scene: Scene, name = "miner", proposals = 1n): Promise<Member> {
  const { minerBond, proposalFee } = scene.params;
  return scene.join(name, { stake: proposals * minerBond, tokens: proposals * proposalFee });
}

/** Verifiers of equal stake, enrolled and at work, so that their stake counts in the next round. */
export async function startVerifiers(
  scene: Scene,
  count: number,
  conduct: Partial<VerifierConduct> = {},
  name = "verifier",
  stake = scene.params.verifierStake,
): Promise<Member[]> {
  const names = Array.from({ length: count }, (_, i) => (count === 1 ? name : `${name} ${i + 1}`));
  const verifiers = await Promise.all(names.map((one) => scene.join(one, { stake })));
  for (const verifier of verifiers) {
    scene.start(verifier, (member) =>
      runVerifier(member, { taskId: scene.taskId, stake, threads: 1 }, { ...HONEST_VERIFIER, ...conduct }),
    );
  }
  await untilEnrolled(scene, verifiers);
  return verifiers;
}

/** Waits until the stake of verifiers is in the task's pool. */
export function untilEnrolled({ owner, taskId, until }: Scene, verifiers: Member[]): Promise<void> {
  const { committee } = owner.gradwork;
  return until("all verifiers are enrolled", async () => {
    const all = await Promise.all(verifiers.map(({ address }) => committee.enrolment(taskId, address)));
    return all.every(({ active }) => active);
  });
}

export function startMiner(
  scene: Scene,
  miner: Member,
  conduct: Partial<MinerConduct> = {},
  options: { rounds?: number; training?: Partial<TrainingOptions> } = {},
): void {
  const training = { ...SMALL_TRAINING, ...options.training };
  const steps = { ...HONEST_MINER, ...conduct };
  // It goes on beside a miner's turns, in which it waits for the chain.
  const train: MinerConduct["train"] = (...of) => scene.hold(() => steps.train(...of));
  scene.start(miner, (member) =>
    runMiner(
      member,
      { taskId: scene.taskId, training, rounds: options.rounds ?? 1, threads: 1 },
      { ...steps, train },
    ),
  );
}

/**
 * Lets miners take part in the same round, in the order given.
 * @param mining starts each
 */
export async function startInOrder(scene: Scene, round: bigint, mining: (() => void)[]): Promise<void> {
  const { market } = scene.owner.gradwork;
  for (const [i, start] of mining.entries()) {
    start();
    await scene.until(`${i + 1} proposals of round ${round} are made`, async () => {
      const { proposals } = await market.round(scene.taskId, round);
      return proposals === BigInt(i + 1);
    });
  }
}

/** A watch, with tokens for some demands. */
export async function startWatch(scene: Scene, tokens = 0n): Promise<Member> {
  const watch = await scene.join("watch", { stake: 0n, tokens });
  scene.start(watch, (member) => runWatch(member, { taskId: scene.taskId }));
  return watch;
}

export async function startKeeper(scene: Scene): Promise<Member> {
  const keeper = await scene.join("keeper", { stake: 0n });
  scene.start(keeper, (member) => runKeeper(member, { taskId: scene.taskId }));
  return keeper;
}

export function memberOf({ members }: Company, address: string): Member {
  const member = members.find((one) => one.address === address);
  if (member === undefined) throw new Error(`${address} is nobody's`);
  return member;
}

/** Makes a call that the contracts must refuse with an error. */
export async function tryInVain<Args extends unknown[]>(
  scene: Company,
  actor: Actor,
  error: string,
  method: { name: string },
  args: Args,
): Promise<void> {
  const member = memberOf(scene, actor.address);
  try {
    await act(actor, 0n, method, args);
  } catch (failure) {
    if (!isRevert(failure, error)) throw failure;
    member.refusals.push(error);
    scene.say(`${member.name}: ${method.name} is refused: ${error}`);
    return;
  }
  throw new Error(`${member.name}: ${method.name} was not refused with ${error}`);
}

/** Throws unless what somebody tried was refused with these errors, in this order. */
export function requireRefusals({ name, refusals }: Member, errors: string[]): void {
  if (refusals.join() === errors.join()) return;
  throw new Error(
    `${name} was refused with ${refusals.join(", ") || "nothing"}, not with ${errors.join(", ")}`,
  );
}

/** `fullRoot` of a proposal, once it is opened. */
export async function rootOf(scene: Scene, round: bigint, proposal = 0): Promise<string> {
  return (await scene.owner.gradwork.market.proposal(scene.taskId, round, proposal)).fullRoot;
}

/** What must be seen beside heads and money. */
export function insist(isSo: boolean, otherwise: string): asserts isSo {
  if (!isSo) throw new Error(otherwise);
}

export async function insistOutcome(
  { taskId, owner }: Scene,
  round: bigint,
  proposal: number,
  expected: Outcome,
): Promise<void> {
  const { outcome } = await owner.gradwork.market.proposal(taskId, round, proposal);
  const given = named(OUTCOMES, outcome);
  insist(given === expected, `proposal ${proposal} of round ${round} ended ${given}, not ${expected}`);
}

/** What the owner paid in for the rounds of the scene. */
export function funded({ params }: Scene, rounds = 1n): Record<string, bigint> {
  const amount = rounds * (params.minerReward + params.verifierReward);
  return { owner: -amount, escrow: amount };
}

/** Adds up changes of money by name. */
export function sum(...parts: Record<string, bigint>[]): Record<string, bigint> {
  const total: Record<string, bigint> = {};
  for (const part of parts) {
    for (const [name, amount] of Object.entries(part)) total[name] = (total[name] ?? 0n) + amount;
  }
  return total;
}

/**
 * A round whose winner is paid: by the escrow, where what could not be shared evenly stays.
 * @param rewarded of equal weight
 */
export function confirmed({ params }: Scene, winner: Member, rewarded: Member[]): Record<string, bigint> {
  const pot = params.verifierReward + params.proposalFee;
  const share = pot / BigInt(rewarded.length);
  const shares = Object.fromEntries(rewarded.map(({ name }) => [name, share]));
  return sum({ [winner.name]: params.minerReward - params.proposalFee }, shares, {
    escrow: pot - share * BigInt(rewarded.length) - params.minerReward - params.verifierReward,
  });
}

/** A proposal's fee, shared by those on its final side, of equal weight; without any it stays with the task. */
export function feeTo({ params }: Scene, miner: Member, rewarded: Member[]): Record<string, bigint> {
  const fee = params.proposalFee;
  const share = rewarded.length === 0 ? 0n : fee / BigInt(rewarded.length);
  const shares = Object.fromEntries(rewarded.map(({ name }) => [name, share]));
  return sum({ [miner.name]: -fee }, shares, { escrow: fee - share * BigInt(rewarded.length) });
}

/** An amount lost, half of it to a prover if there is one, the rest burned. */
export function slashed(loser: Member, amount: bigint, prover?: Member): Record<string, bigint> {
  const paid = prover === undefined ? 0n : amount / 2n;
  return sum(
    { [loser.name]: -amount, burned: amount - paid },
    prover === undefined ? {} : { [prover.name]: paid },
  );
}

/** What was emitted about the scene's task. */
export async function eventsOf(
  { taskId, owner }: Scene,
  contract: BaseContract,
  name: string,
  ...topics: unknown[]
): Promise<EventLog[]> {
  const { provider, deployment } = owner.gradwork;
  const newest = await provider.getBlockNumber();
  return queryEvents(contract, name, [taskId, ...topics], deployment.block, newest, owner.signal);
}

/** Who proved a proposal wrong; undefined where the leaf check did, by a draw that met the forged leaf. */
export async function proverOf(scene: Scene, round: bigint, proposal = 0): Promise<Member | undefined> {
  const { market } = scene.owner.gradwork;
  const [refuted] = await eventsOf(scene, market, "ProposalRefuted", round, proposal);
  return scene.members.find(({ address }) => address === refuted?.args.prover);
}

/** Lets a miner play a round to its end. */
export async function playRound(scene: Scene, conduct: Partial<MinerConduct> = {}): Promise<Member> {
  const miner = await joinMiner(scene);
  startMiner(scene, miner, conduct);
  await scene.final(1n);
  return miner;
}

/** One verifier of a conduct of its own. */
export async function startOne(
  scene: Scene,
  name: string,
  conduct: Partial<VerifierConduct>,
  stake?: bigint,
): Promise<Member> {
  const [verifier] = await startVerifiers(scene, 1, conduct, name, stake);
  return verifier!;
}

/** A round that moved the head. */
export async function moved(scene: Scene, ...changes: Record<string, bigint>[]): Promise<Expected> {
  return { head: await rootOf(scene, 1n), changes: sum(funded(scene), ...changes) };
}

/** A round that left the head at the genesis. */
export function unmoved(scene: Scene, ...changes: Record<string, bigint>[]): Expected {
  return { head: scene.prepared.genesis.fullRoot, changes: sum(funded(scene), ...changes) };
}

/** What a rejected proposal costs its miner, beside the fee. */
export function rejected({ params }: Scene, miner: Member): Record<string, bigint> {
  return slashed(miner, (params.minerBond * params.rejectionBps) / 10_000n);
}

export function deviating({ params }: Scene, ...verifiers: Member[]): Record<string, bigint> {
  return sum(...verifiers.map((verifier) => slashed(verifier, params.deviationPenalty)));
}

/** What answered demands of a proposal cost and paid, by the order in which they came and were answered. */
export async function demanded(
  scene: Scene,
  miner: Member,
  round: bigint,
  proposal: number,
): Promise<Record<string, bigint>> {
  const { demandDeposit, answerRefund } = scene.params;
  const { disputes } = scene.owner.gradwork;
  const all = await Promise.all(
    ["LeafDemanded", "DemandAnswered", "DemandClosed"].map((name) =>
      eventsOf(scene, disputes, name, round, proposal),
    ),
  );
  const inOrder = all.flat().sort((a, b) => a.blockNumber - b.blockNumber || a.index - b.index);
  const open = new Map<string, bigint>();
  const parts: Record<string, bigint>[] = [];
  const VALID = 0n;
  for (const { eventName, args } of inOrder) {
    if (eventName === "LeafDemanded") {
      open.set(args.demander, (1n + BigInt(open.size)) * demandDeposit);
      continue;
    }
    const deposit = open.get(args.demander)!;
    open.delete(args.demander);
    if (eventName !== "DemandAnswered" || args.verdict !== VALID) continue;
    const demander = memberOf(scene, args.demander);
    parts.push({ [demander.name]: -deposit, [miner.name]: answerRefund, burned: deposit - answerRefund });
  }
  insist(open.size === 0, `${open.size} deposits are still held`);
  return sum(...parts);
}

/** How many transactions against a miner somebody sent, by their name. */
export function accusations({ events }: Member): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const event of events) {
    if (
      event.kind !== "sent" ||
      !["proveFraud", "provePoison", "demand", "closeDemand"].includes(event.action)
    )
      continue;
    counts[event.action] = (counts[event.action] ?? 0) + 1;
  }
  return counts;
}

/** Checks that it took a proof, or a demand for each level at most. */
export function insistFewAccusations(scene: Scene, accuser: Member): void {
  const depth = treeDepth(leafCount(scene.prepared.genesis.parameterCount));
  const { proveFraud = 0, demand = 0, closeDemand = 0 } = accusations(accuser);
  const total = proveFraud + demand + closeDemand;
  insist(total > 0 && total <= depth + 2, `${total} transactions accused a miner, at depth ${depth}`);
}
