// The weights that a node runs: a folder, or a model on the hub.
import { join } from "node:path";
import type { ModelSource } from "../inference/pretrained.ts";
import { invalidOption } from "./values.ts";

export const WEIGHTS_OPTION = [
  "--weights <dir>",
  "folder in the Hugging Face ONNX layout, or a name on its hub (default: the embedded model)",
] as const;

/** @throws {GradworkError} `INVALID_OPTION` */
export function requireWeights(weights: string): string {
  if (weights !== "") return weights;
  throw invalidOption("--weights", weights, "a folder, or a name on the hub as owner/name");
}

/** @param directory of the node, which keeps what comes from the hub */
export function weightsSource(weights: string, directory: string): ModelSource {
  return { model: weights, hub: { cacheFolder: join(directory, "hub"), download: true } };
}
