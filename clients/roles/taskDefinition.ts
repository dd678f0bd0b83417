import { queryEvents } from "../chain/events.ts";
import { commitModel } from "../model/commitment.ts";
import { GradworkError } from "../model/errors.ts";
import { decodeManifest, type Manifest } from "../model/manifest.ts";
import { parameterCount, parametersFromBytes } from "../model/parameters.ts";
import type { Dataset } from "../training/dataset.ts";
import type { Engine } from "../training/engine.ts";
import { createOnnxEngine } from "../training/onnxEngine.ts";
import { type CommittedModel, fullReference } from "./head.ts";
import { obtain, type Party } from "./party.ts";

const MAX_MANIFEST_BYTES = 1 << 20;
const MAX_FILE_BYTES = 1 << 28;

/**
 * All that a task's manifest stands for, checked against the chain.
 * @property genesis the model that the task began with
 * @property registeredAt block of the registration
 */
export type TaskDefinition = {
  taskId: bigint;
  manifest: Manifest;
  engine: Engine;
  dataset: Dataset;
  genesis: CommittedModel;
  location: string;
  registeredAt: number;
};

/**
 * Fetches and checks what a task consists of; all of it is in the party's store afterwards, to be served on.
 * @param threads of the engine
 * @throws {GradworkError} `BLOB_UNAVAILABLE`, `MANIFEST_*`, `GRAPH_HASH_MISMATCH`, `TASK_INCONSISTENT`
 */
export async function loadTask(party: Party, taskId: bigint, threads?: number): Promise<TaskDefinition> {
  const { gradwork, signal } = party;
  const [registration] = await queryEvents(
    gradwork.market,
    "TaskRegistered",
    [taskId],
    gradwork.deployment.block,
    await gradwork.provider.getBlockNumber(),
    signal,
  );
  if (registration === undefined) {
    throw new GradworkError("UNKNOWN_TASK", `task ${taskId} was not registered`, {
      taskId: taskId.toString(),
    });
  }
  const { manifestHash, location, genesis } = registration.args;
  const fetch = (hash: string, maxBytes: number) => obtain(party, { hash, maxBytes }, [location]);

  const manifest = decodeManifest(await fetch(manifestHash, MAX_MANIFEST_BYTES));
  const { graphs, dataset, tensors } = manifest;
  const parameters = parameterCount(tensors);
  requireEqual("parameters", BigInt(parameters), genesis.parameterCount);

  const loss = { bytes: await fetch(graphs.loss, MAX_FILE_BYTES), hash: graphs.loss };
  const gradient = { bytes: await fetch(graphs.gradient, MAX_FILE_BYTES), hash: graphs.gradient };
  // Nobody computes with the tokenizer; who reads the model needs it.
  await fetch(manifest.tokenizer, MAX_FILE_BYTES);

  const sequenceBytes = 4 * dataset.sequenceLength;
  const datasetReference = {
    hash: dataset.root,
    leafLength: sequenceBytes,
    byteLength: sequenceBytes * dataset.sequences,
  };
  const tokens = asTokens(await obtain(party, datasetReference, [location]), manifest.model.vocab_size);

  const genesisReference = fullReference(genesis.fullRoot, parameters);
  const theta = parametersFromBytes(await obtain(party, genesisReference, [location]), parameters);
  const commitment = commitModel(theta);
  requireEqual("quantRoot of the genesis", commitment.quantTree.root, genesis.quantRoot);

  const engine = createOnnxEngine({ tensors, loss, gradient, ...(threads === undefined ? {} : { threads }) });
  requireEqual("sequence length of the graphs", engine.sequenceLength, dataset.sequenceLength);
  return {
    taskId,
    manifest,
    engine,
    dataset: {
      tokens,
      sequenceLength: dataset.sequenceLength,
      train: dataset.train,
      evaluation: dataset.evaluation,
    },
    genesis: { parameters: theta, commitment },
    location,
    registeredAt: registration.blockNumber,
  };
}

function asTokens(bytes: Uint8Array, vocabularySize: number): Uint32Array {
  const tokens = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const wrong = tokens.findIndex((token) => token >= vocabularySize);
  if (wrong >= 0) {
    throw new GradworkError(
      "TASK_INCONSISTENT",
      `token ${wrong} of the dataset is ${tokens[wrong]}, the model has a vocabulary of ${vocabularySize}`,
      { token: wrong, value: tokens[wrong], vocabularySize },
    );
  }
  return tokens;
}

function requireEqual<T extends bigint | number | string>(what: string, given: T, expected: T): void {
  if (given === expected) return;
  throw new GradworkError(
    "TASK_INCONSISTENT",
    `the task's ${what} should be ${expected}, its files give ${given}: take part in another task`,
    { what, expected: String(expected), given: String(given) },
  );
}
