import { queryEvents } from "../chain/events.ts";
import type { TaskView } from "../chain/taskView.ts";
import { commitModel, type ModelCommitment } from "../model/commitment.ts";
import { GradworkError } from "../model/errors.ts";
import { FULL_LEAF_BYTES, leafCount, QUANT_LEAF_BYTES } from "../model/geometry.ts";
import { applyUpdate } from "../model/update.ts";
import type { BlobReference } from "../storage/blobReference.ts";
import { obtain, type Party } from "./party.ts";
import type { TaskDefinition } from "./taskDefinition.ts";

/** A model and its commitment. */
export type CommittedModel = { parameters: Float32Array; commitment: ModelCommitment };

/**
 * The model that a task's chain of confirmed updates leads to.
 * @property round that confirmed it, 0 for the genesis
 */
export type Head = CommittedModel & { round: bigint; nextBlock: number };

export function genesisHead({ genesis, registeredAt }: TaskDefinition): Head {
  return { ...genesis, round: 0n, nextBlock: registeredAt };
}

/** Where an MXFP4 vector is, an update or a quantized model. */
export function quantReference(root: string, parameterCount: number): BlobReference {
  return {
    hash: root,
    leafLength: QUANT_LEAF_BYTES,
    byteLength: QUANT_LEAF_BYTES * leafCount(parameterCount),
  };
}

/** Where a model's parameters are. */
export function fullReference(root: string, parameterCount: number): BlobReference {
  return { hash: root, leafLength: FULL_LEAF_BYTES, byteLength: FULL_LEAF_BYTES * leafCount(parameterCount) };
}

/**
 * Brings a head up to the view: applies every update that was confirmed since, and checks every root.
 * @param known a model that may be the next head already, to spare its rebuilding
 * @throws {GradworkError} `HEAD_DIVERGED` when a confirmed update does not lead to the roots on chain
 */
export async function followHead(
  party: Party,
  definition: TaskDefinition,
  head: Head,
  view: TaskView,
  known?: CommittedModel,
): Promise<Head> {
  if (head.commitment.fullTree.root === view.task.head.fullRoot) return head;
  const moves = await queryEvents(
    party.gradwork.market,
    "HeadMoved",
    [definition.taskId],
    head.nextBlock,
    view.safeBlock,
    party.signal,
  );
  let { parameters, commitment, round } = head;
  for (const { args } of moves) {
    if (args.round <= round) continue;
    if (known !== undefined && known.commitment.fullTree.root === args.fullRoot) {
      ({ parameters, commitment } = known);
    } else {
      const reference = quantReference(args.updateRoot, parameters.length);
      parameters = applyUpdate(parameters, await obtain(party, reference, [definition.location]));
      commitment = commitModel(parameters);
    }
    requireRoots({ fullRoot: args.fullRoot, quantRoot: args.quantRoot }, commitment);
    round = args.round;
    party.observe({ kind: "synced", round, fullRoot: args.fullRoot });
  }
  requireRoots(view.task.head, commitment);
  return { parameters, commitment, round, nextBlock: view.safeBlock };
}

function requireRoots(expected: { fullRoot: string; quantRoot: string }, given: ModelCommitment): void {
  if (expected.fullRoot === given.fullTree.root && expected.quantRoot === given.quantTree.root) return;
  throw new GradworkError(
    "HEAD_DIVERGED",
    `the confirmed updates lead to the model ${given.fullTree.root}, the chain's head is ${expected.fullRoot}: a committee confirmed an update that does not rebuild, and nobody can go on from it`,
    { expected: expected.fullRoot, given: given.fullTree.root },
  );
}
