import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { ZeroHash } from "ethers";
import type { Gradwork } from "../../chain/connection.ts";
import { explain } from "../../chain/transactions.ts";
import { GradworkError } from "../../model/errors.ts";
import { parameterCount } from "../../model/parameters.ts";
import { type PreparedTask, prepareTask, registerTask, type TaskOptions } from "../../roles/createTask.ts";
import { FALSE_CONFIRMATION, leastImprovementNats, measureSpread } from "../../roles/improvement.ts";
import { openBlobStore } from "../../storage/blobStore.ts";
import { mobyDickText } from "../../training/dataset.ts";
import { llamaTensors } from "../../training/llama.ts";
import { openSender } from "../chain.ts";
import { readJson, readText } from "../files.ts";
import { formatTokens } from "../formats.ts";
import { mergeModel, mergeTaskParams } from "../overrides.ts";
import type { Session } from "../session.ts";
import { during } from "../terminal.ts";
import type { TaskCreateOptions } from "./options.ts";

/** @throws {GradworkError} `FILE_UNREADABLE`, `FILE_NOT_JSON`; and as all that it calls does */
export async function handleTaskCreate(options: TaskCreateOptions, session: Session): Promise<void> {
  const { blobs, location } = options;
  const { output, progress, signal } = session;
  const task = readTask(options);
  const gradwork = await openSender(options);
  await requireAcceptable(gradwork, task);

  progress.say(`making the tokenizer, dataset, graphs and initial model of ${task.text.length} characters…`);
  const prepared = await putBlobs(blobs, task);
  signal.throwIfAborted();
  progress.say(`the task's blobs are in ${blobs}`);
  await warnOfNoise(prepared, task, session);
  const { taskId } = await during(progress, "registering the task", () =>
    registerTask(gradwork, prepared, task, signal),
  );

  const { manifestHash, genesis } = prepared;
  output.say(`task ${taskId} registered: ${genesis.parameterCount} parameters, manifest ${manifestHash}`);
  const reward = task.params.minerReward + task.params.verifierReward;
  output.say(`a round pays ${formatTokens(reward)} from the escrow: gradwork task fund ${taskId} --amount …`);
  output.say(
    `its blobs must be served at ${location}: gradwork miner run --task ${taskId} --blobs ${blobs} …`,
  );
}

function readTask({ textFile, modelFile, paramsFile, ...options }: TaskCreateOptions): TaskOptions {
  const { sequenceLength, evaluation, evaluationShare, seed, location } = options;
  return {
    text: textFile === undefined ? mobyDickText() : readText(textFile),
    model: mergeModel(modelFile === undefined ? {} : readJson(modelFile), modelFile ?? "the model"),
    params: mergeTaskParams(paramsFile === undefined ? {} : readJson(paramsFile), paramsFile ?? "the params"),
    sequenceLength,
    evaluation,
    evaluationShare,
    seed,
    location,
  };
}

/** Makes the task's blobs; a folder that was made for them goes again where that fails. */
async function putBlobs(folder: string, task: TaskOptions): Promise<PreparedTask> {
  const existed = existsSync(folder);
  try {
    return await prepareTask(await openBlobStore(folder), task);
  } catch (error) {
    if (!existed) await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Says so where chance confirms updates without use too often. */
async function warnOfNoise(
  prepared: PreparedTask,
  { params, evaluation: { sequences } }: TaskOptions,
  { progress, signal }: Session,
): Promise<void> {
  let spreadNats: number;
  try {
    spreadNats = await during(progress, "measuring the noise of an improvement", () =>
      measureSpread(prepared, signal),
    );
  } catch (error) {
    // A task can be made where nothing can be computed.
    if (!(error instanceof GradworkError && error.code === "ENGINE_NOT_INSTALLED")) throw error;
    progress.say(
      `warning: whether minImprovementMicroNats is above the noise is not known: ${error.message}`,
    );
    return;
  }
  const given = params.minImprovementMicroNats;
  const proposals = Number(params.maxProposals);
  const leastNats = leastImprovementNats({ spreadNats, sequences, proposals });
  const least = Math.ceil(1e6 * leastNats);
  if (given >= least) return;
  progress.say(
    `warning: minImprovementMicroNats is ${given}; below ${least}, chance confirms an update without use in more ` +
      `than ${100 * FALSE_CONFIRMATION}% of rounds. Raise it, or lower that bound by more --evaluation-sequences: ` +
      `it falls with their root, and there are ${sequences}`,
  );
}

/** Asks the contract whether it takes the parameters, before hours go into the rest. */
async function requireAcceptable({ market, wallet }: Gradwork, task: TaskOptions): Promise<void> {
  const genesis = {
    fullRoot: ZeroHash,
    quantRoot: ZeroHash,
    parameterCount: parameterCount(llamaTensors(task.model)),
  };
  try {
    await market.registerTask.staticCall(task.params, genesis, ZeroHash, task.location);
  } catch (error) {
    throw explain(error, "registerTask", wallet.address);
  }
}
