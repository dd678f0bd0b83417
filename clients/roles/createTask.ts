import type { TransactionReceipt } from "ethers";
import type { ITrainingMarket } from "../../types/TrainingMarket.ts";
import type { Gradwork } from "../chain/connection.ts";
import { send } from "../chain/transactions.ts";
import { littleEndianBytes } from "../model/bytes.ts";
import { commitModel } from "../model/commitment.ts";
import { commitDataset } from "../model/dataset.ts";
import { GradworkError } from "../model/errors.ts";
import { FULL_LEAF_BYTES } from "../model/geometry.ts";
import { keccak256Bytes } from "../model/keccak.ts";
import { encodeManifest, type LlamaConfig, MANIFEST_SCHEMA, type Manifest } from "../model/manifest.ts";
import { parameterBytes } from "../model/parameters.ts";
import type { BlobStore } from "../storage/blobStore.ts";
import { cutDataset, type Dataset } from "../training/dataset.ts";
import { gradientGraph, initialParameters, llamaTensors, lossGraph } from "../training/llama.ts";
import { loadTokenizer, trainTokenizer } from "../training/tokenizer.ts";

/** `ITrainingMarket.TaskParams`: amounts in token wei, times in seconds, losses in micro-nats. */
export type TaskParams = Record<keyof ITrainingMarket.TaskParamsStruct, bigint>;

export type TaskOptions = {
  text: string;
  model: LlamaConfig;
  /** tokens in a sequence */
  sequenceLength: number;
  /** share of the sequences, from the text's end, that losses are measured on */
  evaluationShare: number;
  evaluation: Manifest["evaluation"];
  /** of the initial parameters */
  seed: number;
  params: TaskParams;
  /** URL under which the blobs will be served */
  location: string;
};

/**
 * A task's blobs, in a store, and what is registered of them.
 * @property contents what the manifest stands for, in memory
 */
export type PreparedTask = {
  manifest: Manifest;
  manifestHash: string;
  genesis: { fullRoot: string; quantRoot: string; parameterCount: number };
  contents: {
    graphs: { loss: Uint8Array; gradient: Uint8Array };
    dataset: Dataset;
    parameters: Float32Array;
  };
};

/**
 * Makes everything that a task consists of from a text: tokenizer, dataset, graphs, initial model and manifest. Equal
 * options give equal hashes.
 */
export async function prepareTask(
  store: BlobStore,
  options: Omit<TaskOptions, "location">,
): Promise<PreparedTask> {
  const { text, model, sequenceLength, evaluationShare, evaluation, seed } = options;
  const tokenizerFile = trainTokenizer(text, model.vocab_size);
  const tokens = loadTokenizer(tokenizerFile).encode(text);
  const dataset = cutDataset(tokens, sequenceLength, evaluationShare);
  const graphs = {
    loss: lossGraph(model, { sequenceLength }),
    gradient: gradientGraph(model, { sequenceLength }),
  };
  const parameters = initialParameters(model, seed);
  const { fullTree, quantTree } = commitModel(parameters);

  const manifest: Manifest = {
    schema: MANIFEST_SCHEMA,
    model,
    tensors: llamaTensors(model),
    graphs: { loss: keccak256Bytes(graphs.loss), gradient: keccak256Bytes(graphs.gradient) },
    tokenizer: keccak256Bytes(tokenizerFile),
    dataset: {
      root: commitDataset(dataset.tokens, sequenceLength).root,
      sequences: dataset.train.count + dataset.evaluation.count,
      sequenceLength,
      train: dataset.train,
      evaluation: dataset.evaluation,
    },
    evaluation,
  };
  const manifestBytes = encodeManifest(manifest);
  for (const file of [tokenizerFile, graphs.loss, graphs.gradient, manifestBytes]) await store.put(file);
  await store.put(littleEndianBytes(dataset.tokens), { leafLength: 4 * sequenceLength });
  await store.put(parameterBytes(parameters), { leafLength: FULL_LEAF_BYTES });
  return {
    manifest,
    manifestHash: keccak256Bytes(manifestBytes),
    genesis: { fullRoot: fullTree.root, quantRoot: quantTree.root, parameterCount: parameters.length },
    contents: { graphs, dataset, parameters },
  };
}

/** Registers a prepared task. */
export async function registerTask(
  gradwork: Gradwork,
  { manifestHash, genesis }: Pick<PreparedTask, "manifestHash" | "genesis">,
  { params, location }: Pick<TaskOptions, "params" | "location">,
  signal: AbortSignal,
): Promise<{ taskId: bigint; receipt: TransactionReceipt }> {
  const { market } = gradwork;
  const receipt = await send(
    gradwork,
    market.registerTask,
    [params, genesis, manifestHash, location],
    signal,
  );
  for (const log of receipt.logs) {
    const parsed = market.interface.parseLog(log);
    if (parsed?.name === "TaskRegistered") return { taskId: parsed.args.taskId, receipt };
  }
  throw new GradworkError("NOT_REGISTERED", `transaction ${receipt.hash} registered no task`, {
    hash: receipt.hash,
  });
}
