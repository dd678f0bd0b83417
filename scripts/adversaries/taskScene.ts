import { cp } from "node:fs/promises";
import { join } from "node:path";
import { named, STAGES } from "../../clients/chain/phase.ts";
import { commitModel } from "../../clients/model/commitment.ts";
import { FULL_LEAF_BYTES } from "../../clients/model/geometry.ts";
import { parameterBytes } from "../../clients/model/parameters.ts";
import {
  type PreparedTask,
  prepareTask,
  registerTask,
  type TaskOptions,
  type TaskParams,
} from "../../clients/roles/createTask.ts";
import { fundTask, wealthOf } from "../../clients/roles/money.ts";
import { type BlobStore, openBlobStore } from "../../clients/storage/blobStore.ts";
import { type Company, type Ground, type Member, openCompany } from "./company.ts";

/**
 * @property rounds that the task's escrow pays for
 * @property genesis changes the initial model's parameters before the task is registered
 */
export type SceneOptions = {
  params?: Partial<TaskParams>;
  rounds?: bigint;
  genesis?: (parameters: Float32Array) => void;
};

/** One task, who takes part in it, and what everybody owned when they came. */
export type Scene = Company & {
  taskId: bigint;
  params: TaskParams;
  prepared: PreparedTask;
  owner: Member;
  /** Waits until a round is final. */
  final(round: bigint): Promise<void>;
  /** The task's head. */
  head(): Promise<string>;
};

/** The files of one task that many can be made of. */
export type TaskFiles = { prepared: PreparedTask; blobs: string; params: TaskParams };

export async function prepareFiles(blobs: string, task: Omit<TaskOptions, "location">): Promise<TaskFiles> {
  return { prepared: await prepareTask(await openBlobStore(blobs), task), blobs, params: task.params };
}

export async function openTaskScene(
  ground: Ground,
  id: string,
  files: TaskFiles,
  options: SceneOptions = {},
): Promise<Scene> {
  const params = { ...files.params, ...options.params };
  const rounds = options.rounds ?? 1n;
  const { market } = ground.gradwork;
  let taskId: bigint | undefined;
  const company = await openCompany(ground, id, {
    wealthOf,
    escrow: async () => (await market.task(taskId!)).escrow,
  });
  const { minerReward, verifierReward } = params;
  const escrow = rounds * (minerReward + verifierReward);
  await cp(files.blobs, join(company.directoryOf("owner"), "blobs"), { recursive: true });
  const owner = await company.join("owner", { stake: 0n, tokens: escrow });
  const prepared =
    options.genesis === undefined
      ? files.prepared
      : await withGenesis(owner.store, files.prepared, options.genesis);
  const { gradwork, endpoint: location, signal } = owner;
  const registered = await registerTask(gradwork, prepared, { params, location }, signal);
  taskId = registered.taskId;
  await fundTask(gradwork, taskId, escrow, signal);

  return {
    ...company,
    taskId,
    params,
    prepared,
    owner,
    final: (round) =>
      company.until(`round ${round} is final`, async () => {
        const { stage } = await owner.gradwork.market.round(registered.taskId, round);
        return named(STAGES, stage) === "Final";
      }),
    head: async () => (await market.task(registered.taskId)).head.fullRoot,
  };
}

/** The same task from another initial model, which the store then has. */
async function withGenesis(
  store: BlobStore,
  prepared: PreparedTask,
  change: (parameters: Float32Array) => void,
): Promise<PreparedTask> {
  const parameters = prepared.contents.parameters.slice();
  change(parameters);
  const fullRoot = await store.put(parameterBytes(parameters), { leafLength: FULL_LEAF_BYTES });
  // What is not finite has no 4-bit form.
  const isModel = parameters.every(Number.isFinite);
  const quantRoot = isModel ? commitModel(parameters).quantTree.root : prepared.genesis.quantRoot;
  return {
    ...prepared,
    genesis: { ...prepared.genesis, fullRoot, quantRoot },
    contents: { ...prepared.contents, parameters },
  };
}
