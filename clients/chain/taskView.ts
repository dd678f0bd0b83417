import type { ITrainingMarket } from "../../types/TrainingMarket.ts";
import { GradworkError } from "../model/errors.ts";
import type { Gradwork } from "./connection.ts";
import { nextBlock } from "./nextBlock.ts";
import { type Phase, phaseAt } from "./phase.ts";
import { explain } from "./transactions.ts";

/**
 * A task as a client acts on it: facts that are `depth` blocks deep, at the time of the newest block.
 * @property block the newest block, which the time is of
 * @property safeBlock the block that the facts are of
 * @property number of the last round, 0 before the first
 * @property proposals of that round, in the order of their commitments
 */
export type TaskView = {
  block: number;
  safeBlock: number;
  timestamp: bigint;
  task: ITrainingMarket.TaskStructOutput;
  params: ITrainingMarket.TaskParamsStructOutput;
  number: bigint;
  round: ITrainingMarket.RoundStructOutput;
  proposals: ITrainingMarket.ProposalStructOutput[];
  phase: Phase;
};

/** What never changes once a task is registered. */
export type TaskTerms = {
  taskId: bigint;
  params: ITrainingMarket.TaskParamsStructOutput;
  maxSeedingSeconds: bigint;
};

/** @throws {GradworkError} `UNKNOWN_TASK` */
export async function readTerms(gradwork: Gradwork, taskId: bigint): Promise<TaskTerms> {
  const count = await gradwork.market.taskCount();
  if (taskId < 0n || taskId >= count) {
    throw new GradworkError(
      "UNKNOWN_TASK",
      `task ${taskId} does not exist: the market at ${gradwork.deployment.contracts.TrainingMarket} has ${count} task(s), numbered from 0`,
      { taskId: taskId.toString(), count: count.toString() },
    );
  }
  const [params, maxSeedingSeconds] = await Promise.all([
    gradwork.market.params(taskId),
    gradwork.market.MAX_SEEDING_SECONDS(),
  ]);
  return { taskId, params, maxSeedingSeconds };
}

/** The task at the newest block. */
export async function readTask(gradwork: Gradwork, terms: TaskTerms): Promise<TaskView> {
  const { market, provider, depth, wallet } = gradwork;
  const newest = await provider.getBlock("latest");
  if (newest === null) throw new GradworkError("RPC_NO_BLOCK", "the node has no latest block");
  const safeBlock = Math.max(0, newest.number - depth);
  const timestamp = BigInt(newest.timestamp);
  try {
    const task = await market.task(terms.taskId, { blockTag: safeBlock });
    const [round, proposals] = await Promise.all([
      market.round(terms.taskId, task.round, { blockTag: safeBlock }),
      market.proposals(terms.taskId, task.round, { blockTag: safeBlock }),
    ]);
    const phase = phaseAt(task, round, terms.params, terms.maxSeedingSeconds, timestamp);
    return {
      block: newest.number,
      safeBlock,
      timestamp,
      task,
      params: terms.params,
      number: task.round,
      round,
      proposals,
      phase,
    };
  } catch (error) {
    throw explain(error, "task", wallet.address);
  }
}

/** The task once the chain has a block after `block`. */
export async function nextView(
  gradwork: Gradwork,
  terms: TaskTerms,
  block: number,
  signal: AbortSignal,
): Promise<TaskView> {
  await nextBlock(gradwork, block, signal);
  return readTask(gradwork, terms);
}
