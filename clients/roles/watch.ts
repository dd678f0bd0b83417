import { readTerms } from "../chain/taskView.ts";
import { leafOf } from "../model/commitment.ts";
import { GradworkError } from "../model/errors.ts";
import { FULL_LEAF_BYTES, PARAMETERS_PER_LEAF } from "../model/geometry.ts";
import { buildTree, merkleProof } from "../model/merkle.ts";
import { createGuard } from "./guard.ts";
import { fullReference } from "./head.ts";
import { act, announce, obtain, type Party } from "./party.ts";
import { loadOrigin, readRegistration, type TaskOrigin } from "./taskDefinition.ts";
import { createRoundCloser, persist, takeTurns } from "./turns.ts";

/** A share of the commit window, so that an update that nobody serves keeps no other from being looked at. */
const PATIENCE_SHARE = 4;

/**
 * Does what a verifier does for safety, without stake: rebuilds every proposal and proves what is forged, for the prover's
 * share of the bond.
 */
export async function runWatch(party: Party, { taskId }: { taskId: bigint }): Promise<void> {
  const terms = await readTerms(party.gradwork, taskId);
  await announce(party);
  const origin = await persist(party, "load the task", () => loadOrProvePoison(party, taskId));
  const guard = createGuard(party, origin);
  const closeRound = createRoundCloser(party);
  const patienceMs = (Number(terms.params.commitSeconds) * 1_000) / PATIENCE_SHARE;
  await takeTurns(party, terms, async (view) => {
    await closeRound(view);
    if (view.phase === "Closed") return true;
    const head = await guard.follow(view);
    if (head === undefined) return false;
    const isSeedAsked = view.phase === "Seeding" && view.round.seedTicket !== 0n;
    const isInspectable = ["LeafChecking", "Committing", "Revealing", "Disputing"].includes(view.phase);
    // A miner publishes its update before it asks for the seed.
    if (isSeedAsked || isInspectable) await guard.inspect(view, head, patienceMs);
    return false;
  });
}

/** Loads a task; where its genesis was never a model, shows that on chain, which ends the task. */
async function loadOrProvePoison(party: Party, taskId: bigint): Promise<TaskOrigin> {
  try {
    return await loadOrigin(party, taskId);
  } catch (error) {
    if (!(error instanceof GradworkError && error.code === "NON_FINITE_PARAMETER")) throw error;
    const { genesis, location } = await readRegistration(party, taskId);
    const reference = fullReference(genesis.fullRoot, Number(genesis.parameterCount));
    const bytes = await obtain(party, reference, [location]);
    const leaf = Math.floor((error.data.index as number) / PARAMETERS_PER_LEAF);
    const proof = merkleProof(buildTree(bytes, FULL_LEAF_BYTES), leaf);
    const { disputes } = party.gradwork;
    await act(party, 0n, disputes.provePoison, [taskId, leaf, leafOf(bytes, FULL_LEAF_BYTES, leaf), proof]);
    throw error;
  }
}
