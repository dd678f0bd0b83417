import type { ITrainingMarket } from "../../types/TrainingMarket.ts";

/** The enums of contracts/interfaces/ITrainingMarket.sol and ICommittee.sol, in their order. */
export const STAGES = ["None", "Proposed", "Seeded", "Final"] as const;
export const PHASES = [
  "Idle",
  "Proposing",
  "Opening",
  "Seeding",
  "LeafChecking",
  "Committing",
  "Revealing",
  "Disputing",
  "Ended",
  "Closed",
] as const;
export const STATUSES = ["None", "Sealed", "Opened", "Checked", "Final"] as const;
export const OUTCOMES = [
  "None",
  "Confirmed",
  "Outdone",
  "Rejected",
  "Void",
  "Duplicate",
  "Unopened",
  "Unseeded",
  "Unchecked",
  "Fraud",
  "Unanswered",
  "PoisonedHead",
] as const;
export const VERDICTS = ["None", "Positive", "Negative", "Unavailable"] as const;

/** `Round.winner` of a round that did not move the head. */
export const NO_WINNER = 255n;

export type Stage = (typeof STAGES)[number];
export type Phase = (typeof PHASES)[number];
export type Status = (typeof STATUSES)[number];
export type Outcome = (typeof OUTCOMES)[number];
export type Verdict = (typeof VERDICTS)[number];

/** The name of an enum's value as a contract returns it. */
export function named<Names extends readonly string[]>(names: Names, value: bigint): Names[number] {
  const name = names[Number(value)];
  if (name === undefined) throw new RangeError(`no name for ${value} among ${names.join(", ")}`);
  return name;
}

/** When the windows of a round end, in seconds, if nothing ends them before; those after the seed only once it is recorded. */
export function deadlines(
  round: ITrainingMarket.RoundStructOutput,
  params: ITrainingMarket.TaskParamsStructOutput,
) {
  const openingEndsAt = round.proposalEndsAt + params.openingSeconds;
  const leafCheckEndsAt = round.seededAt + params.leafCheckSeconds;
  const commitEndsAt = leafCheckEndsAt + params.commitSeconds;
  const revealEndsAt = commitEndsAt + params.revealSeconds;
  let disputeEndsAt = revealEndsAt + params.disputeSeconds;
  if (round.disputesEndAt > disputeEndsAt) disputeEndsAt = round.disputesEndAt;
  return {
    openingEndsAt,
    leafCheckEndsAt,
    commitEndsAt,
    revealEndsAt,
    disputeEndsAt,
  };
}

/** When a round in phase `Ended` could be finalized first, in seconds, as far as the clock says. */
export function endedAt(
  round: ITrainingMarket.RoundStructOutput,
  params: ITrainingMarket.TaskParamsStructOutput,
  maxSeedingSeconds: bigint,
): bigint {
  const ends = deadlines(round, params);
  if (named(STAGES, round.stage) === "Proposed") {
    return round.opened === 0n ? ends.openingEndsAt : ends.openingEndsAt + maxSeedingSeconds;
  }
  if (round.checked !== 0n) return ends.disputeEndsAt;
  return round.opened === 0n ? round.seededAt : ends.leafCheckEndsAt;
}

/**
 * The phase of a task at a time, from facts recorded on chain: the twin of contracts/libraries/RoundClock.sol, so that
 * a client can act on facts that are some blocks deep at the time of the newest block.
 * @param timestamp seconds
 */
export function phaseAt(
  task: Pick<ITrainingMarket.TaskStructOutput, "closed" | "round">,
  round: ITrainingMarket.RoundStructOutput,
  params: ITrainingMarket.TaskParamsStructOutput,
  maxSeedingSeconds: bigint,
  timestamp: bigint,
): Phase {
  if (task.closed) return "Closed";
  const stage = named(STAGES, round.stage);
  if (stage === "None" || stage === "Final") return "Idle";
  const ends = deadlines(round, params);
  if (timestamp < round.proposalEndsAt) return "Proposing";
  if (timestamp < ends.openingEndsAt) return "Opening";
  if (stage === "Proposed") {
    const isOver = round.opened === 0n || timestamp >= ends.openingEndsAt + maxSeedingSeconds;
    return isOver ? "Ended" : "Seeding";
  }
  if (timestamp < ends.leafCheckEndsAt && round.opened !== 0n) return "LeafChecking";
  if (round.checked === 0n) return "Ended";
  if (timestamp < ends.commitEndsAt) return "Committing";
  if (timestamp < ends.revealEndsAt) return "Revealing";
  return timestamp < ends.disputeEndsAt ? "Disputing" : "Ended";
}
