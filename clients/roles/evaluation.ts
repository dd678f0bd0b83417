import { drawIndices } from "../model/draws.ts";
import { decodeLeaves } from "../model/mxfp4.ts";
import { copySequences } from "../training/dataset.ts";
import { evaluate } from "../training/trainer.ts";
import type { CommittedModel } from "./head.ts";
import type { TaskDefinition } from "./taskDefinition.ts";

/** The tokens of the evaluation sequences that a round's seed draws (protocol, §1 Draws). */
export function drawEvaluation(definition: TaskDefinition, round: bigint, seed: string): Uint32Array {
  const { taskId, manifest, dataset } = definition;
  const { first, count } = dataset.evaluation;
  const drawn = drawIndices(seed, "EVAL", taskId, round, 0n, manifest.evaluation.sequences, count);
  return copySequences(
    dataset,
    Uint32Array.from(drawn, (index) => first + index),
  );
}

/** A model's mean loss on sequences, at the precision that the manifest asks for. */
export function measureLoss(
  definition: TaskDefinition,
  model: CommittedModel,
  sequences: Uint32Array,
  signal: AbortSignal,
): Promise<{ lossNats: number; flops: number }> {
  const parameters =
    definition.manifest.evaluation.precision === "mxfp4"
      ? decodeLeaves(model.commitment.quantLeaves, model.parameters.length)
      : model.parameters;
  return evaluate({ engine: definition.engine, parameters, sequences, signal });
}
