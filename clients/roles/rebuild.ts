import type { ITrainingMarket } from "../../types/TrainingMarket.ts";
import { commitModel } from "../model/commitment.ts";
import { GradworkError } from "../model/errors.ts";
import { QUANT_LEAF_BYTES } from "../model/geometry.ts";
import { buildTree } from "../model/merkle.ts";
import { applyUpdate } from "../model/update.ts";
import { type CommittedModel, quantReference } from "./head.ts";
import type { CommittedUpdate } from "./opening.ts";
import { obtain, type Party } from "./party.ts";
import type { NEGATIVE_REASONS } from "./statements.ts";

export type NegativeReason = (typeof NEGATIVE_REASONS)[number];

/** Which of a proposal's trees breaks the rules; of an update also the leaf, which its bytes show. */
export type Fault =
  | {
      tree: "update";
      leaf: number;
      reason: NegativeReason;
      withOld: boolean;
      detail: Record<string, unknown>;
    }
  | { tree: "full" | "quant"; reason: NegativeReason; model: CommittedModel };

/** What a proposal's update is: a model that has the proposal's roots, or at fault. */
export type Rebuilt = CommittedUpdate & { base: CommittedModel; seconds: number } & (
    | { model: CommittedModel; fault?: never }
    | { model?: never; fault: Fault }
  );

/**
 * Fetches a proposal's update and rebuilds θ′, Q(θ′) and their roots. Undefined while the update can't be had.
 * @param base θ
 * @param first endpoints to try before others
 * @param patienceMs for the fetching
 */
export async function rebuild(
  party: Party,
  base: CommittedModel,
  roots: Pick<ITrainingMarket.ProposalStructOutput, "fullRoot" | "quantRoot" | "updateRoot">,
  first: string[],
  patienceMs: number,
): Promise<Rebuilt | undefined> {
  const startedAt = performance.now();
  const reference = quantReference(roots.updateRoot, base.parameters.length);
  const patience = AbortSignal.timeout(patienceMs);
  let update: Uint8Array;
  try {
    update = await obtain(party, reference, first, patience);
  } catch (error) {
    const isMissing = error instanceof GradworkError && error.code === "BLOB_UNAVAILABLE";
    if (party.signal.aborted || !(isMissing || patience.aborted)) throw error;
    party.observe({ kind: "retrying", action: "fetch the update", error: error as Error });
    return undefined;
  }
  const known = { update, updateTree: buildTree(update, QUANT_LEAF_BYTES), base };
  const seconds = () => (performance.now() - startedAt) / 1000;
  let model: CommittedModel;
  try {
    const parameters = applyUpdate(base.parameters, update);
    model = { parameters, commitment: commitModel(parameters) };
  } catch (error) {
    return { ...known, seconds: seconds(), fault: updateFault(error) };
  }
  if (model.commitment.fullTree.root !== roots.fullRoot) {
    return { ...known, seconds: seconds(), fault: { tree: "full", reason: "full root differs", model } };
  }
  if (model.commitment.quantTree.root !== roots.quantRoot) {
    return {
      ...known,
      seconds: seconds(),
      fault: { tree: "quant", reason: "quantized root differs", model },
    };
  }
  return { ...known, seconds: seconds(), model };
}

function updateFault(error: unknown): Fault {
  if (!(error instanceof GradworkError)) throw error;
  const leaf = error.data.leaf as number;
  const detail = error.data;
  if (error.code === "UPDATE_INVALID_ENCODING") {
    return { tree: "update", leaf, reason: "update has an invalid encoding", withOld: false, detail };
  }
  if (error.code === "UPDATE_SUM_NOT_FINITE") {
    return { tree: "update", leaf, reason: "sum is not finite", withOld: true, detail };
  }
  throw error;
}
