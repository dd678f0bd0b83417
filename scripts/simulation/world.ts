// What answers are worth, how assessors see it, and what those who are not honest make of it (docs/simulation/README.md).
import { id } from "ethers";
import { MAX_SCORE } from "../../clients/model/scores.ts";
import { createRandom, fillNormal, type Random } from "../../clients/training/random.ts";

/** Mean quality of each responder's answers, in millionths, of which each answer is up to {@link QUALITY_RANGE} away. */
export const QUALITIES = [350_000, 600_000, 800_000] as const;
export const QUALITY_RANGE = 150_000;

/** Standard deviation of an honest score. */
export const HONEST_NOISE = 20_000;

/** And of one with noise injected. */
export const INJECTED_NOISE = 300_000;

/** From which on saboteurs want an answer down. */
export const GOOD_QUALITY = 500_000;

/** Of the queries that who manipulates at times picks. */
export const MANIPULATED_SHARE = 0.3;

/** The responder that some assessors are friends of. */
export const FRIEND = 0;

/** One query. Scores in millionths, by responder. */
export type Question = {
  readonly truth: readonly number[];
  /** what each assessor gives that is honest */
  readonly seen: readonly (readonly number[])[];
  /** whether who manipulates at times does so now */
  readonly isPicked: boolean;
};

/** What one assessor gives for the answers; nothing at all where it is silent. */
type Score = (given: {
  question: Question;
  /** what it would give if it were honest */
  seen: readonly number[];
  /** of the query before */
  lastConsensus: readonly number[] | undefined;
  random: Random;
}) => readonly number[] | undefined;

/** Those who hurt others together. */
export type Attack = {
  readonly name: string;
  /** The answers whose consensus it is after. */
  readonly isAimedAt: (question: Question, answer: number) => boolean;
  readonly score: Score;
  /** Who gains by it beside the assessors. */
  readonly accomplice: "friend" | "asker" | undefined;
};

/** Those who spare themselves the work. */
export type Laziness = { readonly name: string; readonly score: Score };

const isOfFriend = (_: Question, answer: number) => answer === FRIEND;
const isGood = ({ truth }: Question, answer: number) => truth[answer]! >= GOOD_QUALITY;
const praiseFriend = (seen: readonly number[]) => seen.map((score, j) => (j === FRIEND ? MAX_SCORE : score));

export const ATTACKS: readonly Attack[] = [
  {
    name: "noise",
    isAimedAt: () => true,
    score: ({ question: { truth }, random }) => noisy(truth, INJECTED_NOISE, random),
    accomplice: undefined,
  },
  {
    name: "boosting",
    isAimedAt: isOfFriend,
    score: ({ seen }) => praiseFriend(seen),
    accomplice: "friend",
  },
  {
    name: "sabotage",
    isAimedAt: isGood,
    score: ({ question, seen }) => seen.map((score, j) => (isGood(question, j) ? 0 : score)),
    accomplice: "asker",
  },
  {
    name: "intermittent",
    isAimedAt: (question, answer) => question.isPicked && isOfFriend(question, answer),
    score: ({ question, seen }) => (question.isPicked ? praiseFriend(seen) : seen),
    accomplice: "friend",
  },
];

export const LAZINESSES: readonly Laziness[] = [
  { name: "constant score", score: ({ seen }) => seen.map(() => MAX_SCORE / 2) },
  {
    name: "random score",
    score: ({ seen, random }) => seen.map(() => Math.floor(random() * (MAX_SCORE + 1))),
  },
  { name: "last consensus again", score: ({ seen, lastConsensus }) => lastConsensus ?? seen },
  { name: "silence", score: () => undefined },
];

/** A generator for each name; equal names give equal numbers. */
export function randomFor(name: string): Random {
  return createRandom(Number.parseInt(id(name).slice(-8), 16));
}

export function drawQuestion(random: Random, assessors: number): Question {
  const truth = QUALITIES.map((mean) => Math.round(mean + QUALITY_RANGE * (2 * random() - 1)));
  const isPicked = random() < MANIPULATED_SHARE;
  const seen = Array.from({ length: assessors }, () => noisy(truth, HONEST_NOISE, random));
  return { truth, seen, isPicked };
}

function noisy(values: readonly number[], standardDeviation: number, random: Random): number[] {
  const noise = new Float32Array(values.length);
  fillNormal(noise, random, standardDeviation);
  return values.map((value, i) => Math.min(MAX_SCORE, Math.max(0, Math.round(value + noise[i]!))));
}
