import { isDeepStrictEqual } from "node:util";
import { GradworkError } from "../../clients/model/errors.ts";
import { MAX_SCORE } from "../../clients/model/scores.ts";
import {
  type AggregateName,
  type Arena,
  ASSESSORS,
  expectedVerdict,
  modelParams,
  passHour,
  selectQuery,
  settleQuery,
  splitOf,
  takenBack,
} from "./arena.ts";
import { type Attack, drawQuestion, FRIEND, type Laziness, type Question, randomFor } from "./world.ts";

/** Queries that are settled by one aggregate, with some assessors who are not honest in one way. */
export type CellPlan = {
  readonly aggregate: AggregateName;
  readonly strategy: Attack | Laziness;
  /** how many of the assessors */
  readonly attackers: number;
  readonly queries: number;
  readonly seed: number;
};

/** Means over a cell's queries. Amounts are shares of what a duty can earn; of nobody they are NaN. */
export type CellFigures = {
  /** distance of the consensus from the true quality, 0 to 1, over the answers that the strategy is after */
  readonly error: number;
  /** earned less stake lost, of one assessor */
  readonly honest: number;
  readonly dishonest: number;
  /** stake lost by one of them */
  readonly honestLost: number;
  readonly dishonestLost: number;
  /** what the friend earned, and what went back to the asker */
  readonly friend: number;
  readonly asker: number;
  /** weight at the last query, 0 to 1 */
  readonly honestTrust: number;
  readonly dishonestTrust: number;
};

/**
 * Settles a cell's queries, and takes them back. The same seed draws the same answers and honest scores whatever the
 * aggregate and the number of those who are not honest.
 * @throws {GradworkError} `SETTLEMENT_DIFFERS` where the contracts and the clients disagree on any query
 */
export function runCell(arena: Arena, plan: CellPlan, signal: AbortSignal): Promise<CellFigures> {
  return takenBack(arena, () => playCell(arena, plan, signal));
}

async function playCell(arena: Arena, plan: CellPlan, signal: AbortSignal): Promise<CellFigures> {
  const { aggregate, strategy, attackers, queries, seed } = plan;
  const params = modelParams(aggregate);
  const dutyMost = Number(splitOf(params).dutyMost);
  const world = randomFor(`${seed} world ${strategy.name}`);
  const random = randomFor(`${seed} ${strategy.name} ${attackers}`);
  const all = (): number[] => [];
  const [errors, friend, asker] = [all(), all(), all()];
  const honest = { pay: all(), lost: all() };
  const dishonest = { pay: all(), lost: all() };
  let weights: readonly bigint[] = [];
  let lastConsensus: number[] | undefined;
  for (let i = 0; i < queries; i++) {
    signal.throwIfAborted();
    if (params.trustRate !== 0n) passHour(arena);
    const question = drawQuestion(world, ASSESSORS);
    const scores = question.seen.map((seen, number) =>
      number < attackers ? strategy.score({ question, seen, lastConsensus, random }) : seen,
    );
    const selection = await selectQuery(arena, aggregate);
    const settlement = await settleQuery(arena, selection, scores);
    const expected = expectedVerdict(aggregate, selection, scores);
    if (!isDeepStrictEqual(settlement.verdict, expected)) {
      throw new GradworkError(
        "SETTLEMENT_DIFFERS",
        `the contracts settled query ${i} of ${aggregate}, ${strategy.name}, ${attackers} other than the clients would`,
        { settled: settlement.verdict, expected, scores },
      );
    }
    const { answers, assessors } = settlement.verdict;
    lastConsensus = answers.map(({ consensus }) => Number(consensus));
    if ("isAimedAt" in strategy) errors.push(...errorsOf(strategy, question, lastConsensus));
    for (const [number, { paid, lost }] of assessors.entries()) {
      const side = number < attackers ? dishonest : honest;
      side.pay.push(Number(paid - lost) / dutyMost);
      side.lost.push(Number(lost) / dutyMost);
    }
    friend.push(Number(answers[FRIEND]!.paid) / dutyMost);
    asker.push(Number(settlement.refund) / dutyMost);
    weights = selection.weights;
  }
  const trust = weights.map((weight) => Number(weight) / MAX_SCORE);
  return {
    error: mean(errors),
    honest: mean(honest.pay),
    dishonest: mean(dishonest.pay),
    honestLost: mean(honest.lost),
    dishonestLost: mean(dishonest.lost),
    friend: mean(friend),
    asker: mean(asker),
    honestTrust: mean(trust.slice(attackers)),
    dishonestTrust: mean(trust.slice(0, attackers)),
  };
}

function errorsOf({ isAimedAt }: Attack, question: Question, consensus: readonly number[]): number[] {
  return consensus.flatMap((value, j) =>
    isAimedAt(question, j) ? [Math.abs(value - question.truth[j]!) / MAX_SCORE] : [],
  );
}

/** NaN of nothing. */
function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
