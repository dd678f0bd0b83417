import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import type { ContractTransactionResponse } from "ethers";
import type { Phase } from "../../../clients/chain/phase.ts";
import {
  type Ballot,
  CONFIRMING,
  drawnOpenings,
  networkHelpers,
  now,
  passTo,
  startRound,
  type Task,
  tick,
} from "./scenario.ts";
import { type LeafName, type Opening, only } from "./transition.ts";

/** Which proposal a dispute is about: the first arguments of every call. */
export type Target = readonly [taskId: bigint, round: bigint, proposal: bigint];

/** A proposal of the present round. */
export async function targetOf({ market, taskId }: Task, proposal = 0n): Promise<Target> {
  return [taskId, (await market.task(taskId)).round, proposal];
}

/** As {@link startRound}, in a block from which the seed does not draw this leaf. */
export async function startSparing(
  task: Task,
  leaf: number,
  phase: Exclude<Phase, "Idle" | "Closed">,
  ballots: (Ballot | undefined)[] = CONFIRMING,
): Promise<void> {
  for (;;) {
    const snapshot = await networkHelpers.takeSnapshot();
    await startRound(task, "LeafChecking");
    const { indices } = await drawnOpenings(task);
    await snapshot.restore();
    if (!indices.includes(leaf)) break;
    await passTo((await now()) + 1n);
  }
  await startRound(task, phase, ballots);
}

/** Shows the leaf at a place of the task's transition, and of the four only those that are named. */
export async function proveFraud(
  { disputes, transition }: Task,
  target: Target,
  leaf: number,
  prover: HardhatEthersSigner,
  names: readonly LeafName[],
): Promise<ContractTransactionResponse> {
  await tick();
  return disputes.connect(prover).proveFraud(...target, leaf, only(transition.opening(leaf), names));
}

export async function demandLeaf(
  { disputes }: Task,
  target: Target,
  leaf: number,
  demander: HardhatEthersSigner,
): Promise<ContractTransactionResponse> {
  await tick();
  return disputes.connect(demander).demand(...target, leaf);
}

/** Answers a demand from the task's transition, or with another opening. */
export async function answerDemand(
  { disputes, transition, miner }: Task,
  target: Target,
  demander: HardhatEthersSigner,
  opening?: Opening,
): Promise<ContractTransactionResponse> {
  const { leafIndex } = await disputes.demandOf(...target, demander);
  await tick();
  return disputes
    .connect(miner)
    .answer(...target, demander, opening ?? transition.opening(Number(leafIndex)));
}

/** Anyone may; the stranger does. */
export async function closeDemand(
  { disputes, stranger }: Task,
  target: Target,
  demander: HardhatEthersSigner,
): Promise<ContractTransactionResponse> {
  await tick();
  return disputes.connect(stranger).closeDemand(...target, demander);
}
