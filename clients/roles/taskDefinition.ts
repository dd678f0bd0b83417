import { queryEvents } from "../chain/events.ts";
import { commitModel } from "../model/commitment.ts";
import { GradworkError } from "../model/errors.ts";
import { decodeManifest, type Manifest } from "../model/manifest.ts";
import { parameterCount, parametersFromBytes } from "../model/parameters.ts";
import type { Dataset } from "../training/dataset.ts";
import type { Engine } from "../training/engine.ts";
import { createOnnxEngine } from "../training/onnxEngine.ts";
import { type CommittedModel, fullReference } from "./head.ts";
import { type Actor, obtain, type Party } from "./party.ts";

const MAX_MANIFEST_BYTES = 1 << 20;
/** Of a tokenizer or a graph. */
export const MAX_FILE_BYTES = 1 << 28;

/**
 * What a task began with, checked against the chain.
 * @property genesis the model that the task began with
 * @property registeredAt block of the registration
 */
export type TaskOrigin = {
  taskId: bigint;
  manifest: Manifest;
  genesis: CommittedModel;
  location: string;
  registeredAt: number;
};

/** All that a task's manifest stands for. */
export type TaskDefinition = TaskOrigin & { engine: Engine; dataset: Dataset };

/** What a task was registered with. */
export type Registration = {
  manifestHash: string;
  location: string;
  genesis: { fullRoot: string; quantRoot: string; parameterCount: bigint };
  registeredAt: number;
};

/** @throws {GradworkError} `UNKNOWN_TASK` */
export async function readRegistration({ gradwork, signal }: Actor, taskId: bigint): Promise<Registration> {
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
  return { manifestHash, location, genesis, registeredAt: registration.blockNumber };
}

/**
 * Fetches and checks the manifest and the genesis: all that rebuilding a task's models takes. They are in the party's
 * store afterwards, to be served on.
 * @throws {GradworkError} `BLOB_UNAVAILABLE`, `MANIFEST_*`, `TASK_INCONSISTENT`; `NON_FINITE_PARAMETER` where the genesis
 * was never a model
 */
export async function loadOrigin(party: Party, taskId: bigint): Promise<TaskOrigin> {
  const { manifestHash, location, genesis, registeredAt } = await readRegistration(party, taskId);
  const reference = { hash: manifestHash, maxBytes: MAX_MANIFEST_BYTES };
  const manifest = decodeManifest(await obtain(party, reference, [location]));
  const parameters = parameterCount(manifest.tensors);
  requireEqual("parameters", BigInt(parameters), genesis.parameterCount);
  const genesisReference = fullReference(genesis.fullRoot, parameters);
  const theta = parametersFromBytes(await obtain(party, genesisReference, [location]), parameters);
  const commitment = commitModel(theta);
  requireEqual("quantRoot of the genesis", commitment.quantTree.root, genesis.quantRoot);
  return { taskId, manifest, genesis: { parameters: theta, commitment }, location, registeredAt };
}

/**
 * Fetches and checks all that a task consists of; it is in the party's store afterwards, to be served on.
 * @param threads of the engine
 * @throws {GradworkError} `GRAPH_HASH_MISMATCH`, and as `loadOrigin` does
 */
export async function loadTask(party: Party, taskId: bigint, threads?: number): Promise<TaskDefinition> {
  const origin = await loadOrigin(party, taskId);
  const { manifest, location } = origin;
  const { graphs, dataset, tensors } = manifest;
  const fetch = (hash: string) => obtain(party, { hash, maxBytes: MAX_FILE_BYTES }, [location]);
  const loss = { bytes: await fetch(graphs.loss), hash: graphs.loss };
  const gradient = { bytes: await fetch(graphs.gradient), hash: graphs.gradient };
  // Nobody computes with the tokenizer; who reads the model needs it.
  await fetch(manifest.tokenizer);

  const sequenceBytes = 4 * dataset.sequenceLength;
  const datasetReference = {
    hash: dataset.root,
    leafLength: sequenceBytes,
    byteLength: sequenceBytes * dataset.sequences,
  };
  const tokens = asTokens(await obtain(party, datasetReference, [location]), manifest.model.vocab_size);
  const engine = createOnnxEngine({ tensors, loss, gradient, ...(threads === undefined ? {} : { threads }) });
  requireEqual("sequence length of the graphs", engine.sequenceLength, dataset.sequenceLength);
  const { sequenceLength, train, evaluation } = dataset;
  return { ...origin, engine, dataset: { tokens, sequenceLength, train, evaluation } };
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
