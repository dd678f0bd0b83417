import type { ITrainingMarket } from "../../types/TrainingMarket.ts";

/** `Stage`, `Phase`, `Outcome` and `Verdict` of contracts/interfaces/ITrainingMarket.sol, in its order. */
export const STAGES = ["None", "Sealed", "Opened", "Seeded", "Checked", "Final"] as const;
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
export const OUTCOMES = [
  "None",
  "Confirmed",
  "Rejected",
  "Void",
  "Unopened",
  "Unseeded",
  "Unchecked",
  "Fraud",
  "PoisonedHead",
] as const;
export const VERDICTS = ["None", "Positive", "Negative", "Unavailable"] as const;

export type Stage = (typeof STAGES)[number];
export type Phase = (typeof PHASES)[number];
export type Outcome = (typeof OUTCOMES)[number];
export type Verdict = (typeof VERDICTS)[number];

/** The name of an enum's value as a contract returns it. */
export function named<Names extends readonly string[]>(names: Names, value: bigint): Names[number] {
  const name = names[Number(value)];
  if (name === undefined) throw new RangeError(`no name for ${value} among ${names.join(", ")}`);
  return name;
}

/** When the windows of a round end, in seconds; those after the seed only once it is recorded. */
export function deadlines(
  round: ITrainingMarket.RoundStructOutput,
  params: ITrainingMarket.TaskParamsStructOutput,
) {
  const openingEndsAt = round.proposalEndsAt + params.openingSeconds;
  const leafCheckEndsAt = round.seededAt + params.leafCheckSeconds;
  const commitEndsAt = leafCheckEndsAt + params.commitSeconds;
  const revealEndsAt = commitEndsAt + params.revealSeconds;
  return {
    openingEndsAt,
    leafCheckEndsAt,
    commitEndsAt,
    revealEndsAt,
    disputeEndsAt: revealEndsAt + params.disputeSeconds,
  };
}

/** When a round that goes no further than its present stage has ended, in seconds. */
export function endsAt(
  round: ITrainingMarket.RoundStructOutput,
  params: ITrainingMarket.TaskParamsStructOutput,
  maxSeedingSeconds: bigint,
): bigint {
  const ends = deadlines(round, params);
  switch (named(STAGES, round.stage)) {
    case "Sealed":
      return ends.openingEndsAt;
    case "Opened":
      return ends.openingEndsAt + maxSeedingSeconds;
    case "Seeded":
      return ends.leafCheckEndsAt;
    default:
      return ends.disputeEndsAt;
  }
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
  if (timestamp >= endsAt(round, params, maxSeedingSeconds)) return "Ended";
  const ends = deadlines(round, params);
  switch (stage) {
    case "Sealed":
    case "Opened":
      if (timestamp < round.proposalEndsAt) return "Proposing";
      return timestamp < ends.openingEndsAt ? "Opening" : "Seeding";
    case "Seeded":
      return "LeafChecking";
    case "Checked":
      if (timestamp < ends.commitEndsAt) return "Committing";
      return timestamp < ends.revealEndsAt ? "Revealing" : "Disputing";
  }
}
