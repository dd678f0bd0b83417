import { UNAVAILABLE } from "./scores.ts";
import { trimmedMean } from "./trimmedMean.ts";
import { weightedMedian } from "./weightedMedian.ts";

const ONE = 1_000_000n;

/** Of what a duty can earn: silence costs more than all that a duty could. */
const SILENCE_MULTIPLE = 2n;

/** What of a model's parameters decides a query; shares, factors and scores in millionths. */
export type AppraisalParams = {
  readonly aggregate: "Median" | "TrimmedMean";
  readonly trimShare: bigint;
  readonly qualityFactor: bigint;
  readonly costFactor: bigint;
  readonly toleranceScore: bigint;
  readonly deviationMultiple: bigint;
  readonly quorumShare: bigint;
};

/** A responder's part in a query. */
export type AppraisedAnswer = {
  /** in wei */
  readonly price: bigint;
  readonly isCommitted: boolean;
  readonly isConvicted: boolean;
};

/** An assessor's part in it. */
export type Ballot = {
  /** its trust, at least 1 */
  readonly weight: bigint;
  /** of each answer; undefined where it revealed nothing */
  readonly scores: readonly number[] | undefined;
  readonly isConvicted: boolean;
};

/** Amounts in wei, scores in millionths; `undefined` where there is no consensus, or no quality to speak of. */
export type Verdict = {
  isQuorate: boolean;
  answers: { consensus: bigint | undefined; spread: bigint; paid: bigint; quality: bigint | undefined }[];
  assessors: { paid: bigint; lost: bigint; quality: bigint | undefined }[];
};

/**
 * How a query's fee is split: the most that one answer and one assessor's duty can earn, and what burns when it is asked;
 * in wei, each rounded down.
 */
export function splitFee(
  fee: bigint,
  { burnShare, assessorShare }: { readonly burnShare: bigint; readonly assessorShare: bigint },
  counts: { readonly responders: number | bigint; readonly assessors: number | bigint },
): { answerMost: bigint; dutyMost: bigint; burned: bigint } {
  const burned = (fee * burnShare) / ONE;
  const assessing = (fee * assessorShare) / ONE;
  return {
    answerMost: (fee - burned - assessing) / BigInt(counts.responders),
    dutyMost: assessing / BigInt(counts.assessors),
    burned,
  };
}

/**
 * What assessors' scores say of a query's answers and of the assessors themselves, and what each earns or loses
 * (protocol, §3.5): what the market settles by, in other words.
 * @param answerMost most that an answer can earn, in wei
 * @param dutyMost most that an assessor can earn, in wei
 */
export function appraise(
  answers: readonly AppraisedAnswer[],
  ballots: readonly Ballot[],
  answerMost: bigint,
  dutyMost: bigint,
  params: AppraisalParams,
): Verdict {
  const standing = ballots.filter(({ isConvicted }) => !isConvicted);
  const counted = standing.flatMap(({ weight, scores }) =>
    scores === undefined ? [] : [{ weight, scores }],
  );
  const total = weightOf(standing);
  const isQuorate = total > 0n && weightOf(counted) * ONE >= params.quorumShare * total;
  const results = answers.map((answer, j) => {
    const result = { consensus: undefined, spread: 0n, paid: 0n, limit: 0n };
    if (answer.isConvicted) return { ...result, quality: 0n };
    if (!answer.isCommitted) return { ...result, quality: undefined };
    if (!isQuorate) return { ...result, paid: answer.price, quality: undefined };
    const available = counted.filter(({ scores }) => scores[j] !== UNAVAILABLE);
    if (2n * weightOf(available) <= weightOf(counted)) return { ...result, quality: 0n };
    const values = available.map(({ scores }) => BigInt(scores[j]!));
    const weights = available.map(({ weight }) => weight);
    const consensus =
      params.aggregate === "Median"
        ? weightedMedian(values, weights)
        : trimmedMean(values, weights, params.trimShare);
    const distances = values.map((value) => distance(value, consensus));
    const spread = weightedMedian(distances, weights);
    const earned = (answerMost * params.qualityFactor * consensus) / (ONE * ONE);
    const cost = (answer.price * params.costFactor) / ONE;
    return {
      consensus,
      spread,
      paid: earned > cost ? earned - cost : 0n,
      quality: consensus,
      limit: maximum(spread * params.deviationMultiple, params.toleranceScore),
    };
  });
  const assessors = ballots.map(({ scores, isConvicted }) => {
    if (isConvicted) return { paid: 0n, lost: 0n, quality: 0n };
    if (scores === undefined) return { paid: 0n, lost: SILENCE_MULTIPLE * dutyMost, quality: 0n };
    let [closeness, judged, outliers] = [0n, 0n, 0n];
    for (const [j, { consensus, limit }] of results.entries()) {
      if (consensus === undefined || scores[j] === UNAVAILABLE) continue;
      const away = distance(BigInt(scores[j]!), consensus);
      judged++;
      if (away > limit) outliers++;
      else closeness += ((limit - away) * ONE) / limit;
    }
    const count = BigInt(answers.length);
    return {
      paid: (dutyMost * closeness) / (ONE * count),
      lost: outliers * (dutyMost / count),
      quality: judged === 0n ? undefined : closeness / judged,
    };
  });
  return { isQuorate, answers: results.map(({ limit: _, ...result }) => result), assessors };
}

function weightOf(list: readonly { readonly weight: bigint }[]): bigint {
  return list.reduce((sum, { weight }) => sum + weight, 0n);
}

function distance(a: bigint, b: bigint): bigint {
  return a < b ? b - a : a - b;
}

function maximum(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
