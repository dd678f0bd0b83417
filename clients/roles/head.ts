import { queryEvents } from "../chain/events.ts";
import type { TaskView } from "../chain/taskView.ts";
import { commitModel, type ModelCommitment } from "../model/commitment.ts";
import { GradworkError } from "../model/errors.ts";
import { FULL_LEAF_BYTES, leafCount, QUANT_LEAF_BYTES } from "../model/geometry.ts";
import { applyUpdate } from "../model/update.ts";
import type { TreeReference } from "../storage/blobReference.ts";
import { obtain, type Party } from "./party.ts";
import type { TaskOrigin } from "./taskDefinition.ts";

/** A model and its commitment. */
export type CommittedModel = { parameters: Float32Array; commitment: ModelCommitment };

/**
 * The model that a task's chain of confirmed updates leads to.
 * @property round that confirmed it, 0 for the genesis
 */
export type Head = CommittedModel & { round: bigint; nextBlock: number };

export function genesisHead({ genesis, registeredAt }: TaskOrigin): Head {
  return { ...genesis, round: 0n, nextBlock: registeredAt };
}

/** Where an MXFP4 vector is, an update or a quantized model. */
export function quantReference(root: string, parameterCount: number): TreeReference {
  return {
    hash: root,
    leafLength: QUANT_LEAF_BYTES,
    byteLength: QUANT_LEAF_BYTES * leafCount(parameterCount),
  };
}

/** Where a model's parameters are. */
export function fullReference(root: string, parameterCount: number): TreeReference {
  return { hash: root, leafLength: FULL_LEAF_BYTES, byteLength: FULL_LEAF_BYTES * leafCount(parameterCount) };
}

/**
 * Brings a head up to the view: applies every update that was confirmed since, and checks every root.
 * @param known models of which one may be the next head already, to spare its rebuilding
 * @throws {GradworkError} `HEAD_DIVERGED` when a confirmed update does not lead to the roots on chain
 */
export async function followHead(
  party: Party,
  origin: TaskOrigin,
  head: Head,
  view: TaskView,
  known: readonly CommittedModel[] = [],
): Promise<Head> {
  if (head.commitment.fullTree.root === view.task.head.fullRoot) return head;
  const followed = await follow(party, origin, head, view.safeBlock, view.task.headRound, known);
  requireRoots(view.task.head, followed.commitment);
  return followed;
}

/**
 * The model that a round's proposals started from, rebuilt from the genesis.
 * @throws {GradworkError} `HEAD_DIVERGED`
 */
export function headBefore(
  party: Party,
  origin: TaskOrigin,
  view: TaskView,
  round: bigint,
): Promise<CommittedModel> {
  return follow(party, origin, genesisHead(origin), view.safeBlock, round - 1n, []);
}

/** Applies the updates that moved the head after `head` and up to a round. */
async function follow(
  party: Party,
  { taskId, location }: TaskOrigin,
  head: Head,
  safeBlock: number,
  lastRound: bigint,
  known: readonly CommittedModel[],
): Promise<Head> {
  const { market } = party.gradwork;
  const moves = await queryEvents(market, "HeadMoved", [taskId], head.nextBlock, safeBlock, party.signal);
  let { parameters, commitment, round } = head;
  for (const { args } of moves) {
    if (args.round <= round || args.round > lastRound) continue;
    const same = known.find((model) => model.commitment.fullTree.root === args.fullRoot);
    if (same !== undefined) {
      ({ parameters, commitment } = same);
    } else {
      const update = await obtain(party, quantReference(args.updateRoot, parameters.length), [location]);
      try {
        parameters = applyUpdate(parameters, update);
      } catch (error) {
        throw diverged(args.fullRoot, (error as Error).message);
      }
      commitment = commitModel(parameters);
    }
    requireRoots({ fullRoot: args.fullRoot, quantRoot: args.quantRoot }, commitment);
    round = args.round;
    party.observe({ kind: "synced", round, fullRoot: args.fullRoot });
  }
  return { parameters, commitment, round, nextBlock: safeBlock };
}

function requireRoots(expected: { fullRoot: string; quantRoot: string }, given: ModelCommitment): void {
  if (expected.fullRoot === given.fullTree.root && expected.quantRoot === given.quantTree.root) return;
  throw diverged(expected.fullRoot, `the model ${given.fullTree.root} of 4-bit form ${given.quantTree.root}`);
}

function diverged(expected: string, given: string): GradworkError {
  return new GradworkError(
    "HEAD_DIVERGED",
    `the chain's head is ${expected}, the confirmed updates lead to: ${given}. A committee confirmed an update that does not rebuild, and nobody can go on from it`,
    { expected, given },
  );
}
