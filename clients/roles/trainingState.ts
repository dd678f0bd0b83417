import { GradworkError } from "../model/errors.ts";
import { type AdamWState, createAdamWState } from "../training/adamw.ts";
import type { Party } from "./party.ts";

/** What a miner carries from round to round beside the model: the optimizer's moments, and the update's error. */
export type TrainingState = { optimizer: AdamWState; errorFeedback: Float32Array };

/** The state of the head and that of a candidate; the one that is no longer needed is overwritten. */
type Slots = { a?: string; b?: string };

const key = (party: Party, taskId: bigint) =>
  `training/${party.gradwork.deployment.contracts.TrainingMarket}/${taskId}`;

function readSlots(party: Party, taskId: bigint): Slots {
  return (party.state.getValue(key(party, taskId)) ?? {}) as Slots;
}

/** The state that belongs to a model, by its root; a new one where none was kept. In memory of its own. */
export function loadTrainingState(
  party: Party,
  taskId: bigint,
  fullRoot: string,
  parameterCount: number,
): TrainingState {
  const slots = readSlots(party, taskId);
  const slot = slots.a === fullRoot ? "a" : slots.b === fullRoot ? "b" : undefined;
  const bytes = slot && party.state.getBytes(`${key(party, taskId)}/${slot}`);
  if (bytes === undefined) {
    return { optimizer: createAdamWState(parameterCount), errorFeedback: new Float32Array(parameterCount) };
  }
  if (bytes.length !== 4 * (1 + 3 * parameterCount)) {
    throw new GradworkError(
      "STATE_CORRUPT",
      `the training state of ${fullRoot} has ${bytes.length} bytes, not those of ${parameterCount} parameters`,
      { fullRoot, bytes: bytes.length, parameterCount },
    );
  }
  const [step] = new Uint32Array(bytes.buffer, bytes.byteOffset, 1);
  const part = (i: number) =>
    new Float32Array(bytes.buffer, bytes.byteOffset + 4 * (1 + i * parameterCount), parameterCount);
  return { optimizer: { step: step!, mean: part(0), variance: part(1) }, errorFeedback: part(2) };
}

/** Keeps the state of a candidate beside that of the head it was trained from. */
export function saveTrainingState(
  party: Party,
  taskId: bigint,
  headRoot: string,
  candidateRoot: string,
  { optimizer, errorFeedback }: TrainingState,
): void {
  const parameterCount = errorFeedback.length;
  const words = new Float32Array(1 + 3 * parameterCount);
  new Uint32Array(words.buffer)[0] = optimizer.step;
  words.set(optimizer.mean, 1);
  words.set(optimizer.variance, 1 + parameterCount);
  words.set(errorFeedback, 1 + 2 * parameterCount);
  const slots = readSlots(party, taskId);
  const slot = slots.a === headRoot ? "b" : "a";
  party.state.transaction(() => {
    party.state.putBytes(`${key(party, taskId)}/${slot}`, new Uint8Array(words.buffer));
    party.state.putValue(key(party, taskId), { ...slots, [slot]: candidateRoot });
  });
}
