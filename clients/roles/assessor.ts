import { hexlify, randomBytes, toUtf8Bytes, ZeroHash } from "ethers";
import { commitmentsHash, scoreCommitment } from "../chain/queryStatements.ts";
import { type QueryView, readAsked, statementDomain } from "../chain/queryView.ts";
import type { JsonFields } from "../messages/jsonFields.ts";
import { GradworkError } from "../model/errors.ts";
import { packScores, UNAVAILABLE } from "../model/scores.ts";
import type { Assessor } from "../quality/assessor.ts";
import type { Json } from "../storage/stateStore.ts";
import { type ReadAnswer, readAnswer } from "./answers.ts";
import type { Actor } from "./party.ts";
import {
  drawnFor,
  dutyKey,
  keepSigned,
  type NodeWork,
  type QueryNode,
  type QueryNodeOptions,
  requireCommitments,
  requireSigned,
  runQueryNode,
  type SignedCommitment,
  signStatement,
} from "./queryNode.ts";
import { actUnlessDone } from "./turns.ts";

/** Share of the time to commit that is left when other assessors' signed commitments are put on chain. */
const FALLBACK_SHARE = 4n;

/** For a responder to send its answer. */
const ANSWER_TIMEOUT_MS = 20_000;

/** What an assessor commits to: a score for each answer, in millionths, or `UNAVAILABLE`. */
export type ScoreStatement = { scores: number[]; salt: string };

/** What others signed on the fast path: to hold them to it on the slow one. */
type SignedStatements = { answers: SignedCommitment[]; scores?: SignedCommitment[] };

export type AssessorOptions = QueryNodeOptions & { assessor: Assessor };

/** What an assessor does; another may be put in the place of any step. */
export type AssessorConduct = {
  /** A score for each answer; undefined ones never came. */
  score: (
    options: AssessorOptions,
    view: QueryView,
    answers: readonly (ReadAnswer | undefined)[],
    signal: AbortSignal,
  ) => Promise<number[]>;
  /** What it commits to, signed and on chain. */
  commitment: (node: QueryNode, query: bigint, statement: ScoreStatement) => string;
  commit: typeof commit;
  /** Holds others to what they signed. */
  hold: typeof hold;
  reveal: typeof reveal;
};

export const HONEST_ASSESSOR: AssessorConduct = { score, commitment, commit, hold, reveal };

/** Scores the answers that it is drawn for (PoQ, arXiv 2405.17934: an M-node), until the signal aborts. */
export async function runAssessor(
  actor: Actor,
  options: AssessorOptions,
  conduct: AssessorConduct = HONEST_ASSESSOR,
): Promise<void> {
  await runQueryNode(actor, "Assessor", options, (node) => assess(node, options, conduct));
}

function assess(node: QueryNode, options: AssessorOptions, conduct: AssessorConduct): NodeWork {
  const { state, observe } = node;
  const underWay = new Map<bigint, Promise<ScoreStatement>>();
  /** What came since the last block, by query. Most queries are settled before the next, when it is written down. */
  const signedLately = new WeakMap<QueryView, SignedStatements>();

  /** @param commitments of the answers, in their order; zero of one that was not committed */
  async function scoreOnce(
    view: QueryView,
    commitments: readonly string[],
    answers: readonly SignedCommitment[] | undefined,
  ): Promise<ScoreStatement> {
    const startedAt = performance.now();
    const { promptHash } = await readAsked(node.gradwork, view.id, node.signal);
    const read = commitments.map((commitment, index) =>
      commitment === ZeroHash
        ? undefined
        : readAnswer(node, view, index, promptHash, commitment, answers, ANSWER_TIMEOUT_MS).catch(
            (error: Error) => {
              node.signal.throwIfAborted();
              observe({ kind: "retrying", action: `read answer ${index} to query ${view.id}`, error });
              return undefined;
            },
          ),
    );
    const scores = await conduct.score(options, view, await Promise.all(read), node.signal);
    const statement = { scores, salt: hexlify(randomBytes(32)) };
    state.recordDuty(dutyKey(node, view.id), statement);
    const seconds = (performance.now() - startedAt) / 1_000;
    const shown = scores.map((value) => (value === UNAVAILABLE ? undefined : value));
    observe({ kind: "assessed", query: view.id, scores: shown, seconds });
    return statement;
  }

  /** The scores of a query's answers, made once. */
  async function scoresOf(
    view: QueryView,
    commitments: readonly string[],
    answers?: readonly SignedCommitment[],
  ): Promise<ScoreStatement> {
    const known = recorded(node, view.id);
    if (known !== undefined) return known;
    const work = underWay.get(view.id) ?? scoreOnce(view, commitments, answers);
    underWay.set(view.id, work);
    return work.finally(() => underWay.delete(view.id));
  }

  async function giveCommitment(query: bigint, body: JsonFields, signal: AbortSignal): Promise<Json> {
    const { view, index } = await drawnFor(node, query, signal);
    const answers = await requireCommitments(node, view, "Responder", body.answers);
    if (!signedLately.has(view)) signedLately.set(view, { answers });
    const statement = await scoresOf(
      view,
      answers.map(({ commitment }) => commitment),
      answers,
    );
    const commitment = conduct.commitment(node, query, statement);
    const signature = signStatement(node, "ScoreCommitment", { query, commitment });
    return keepSigned(view, index, { commitment, signature });
  }

  /** Checks what others committed to as it comes: who waits for the last one has then checked the rest. */
  async function takeAhead(query: bigint, { scores }: JsonFields, signal: AbortSignal): Promise<Json> {
    const { view } = await drawnFor(node, query, signal);
    const { responders, assessors } = view.query;
    const list = Array.isArray(scores) ? scores.slice(0, Number(assessors)) : [];
    for (const [i, each] of list.entries()) {
      if (each !== null) await requireSigned(node, view, Number(responders) + i, each);
    }
    return {};
  }

  /** Nobody's scores are told before all are committed. */
  async function giveReveal(query: bigint, body: JsonFields, signal: AbortSignal): Promise<Json> {
    const { view, index } = await drawnFor(node, query, signal);
    const answers = await requireCommitments(node, view, "Responder", body.answers);
    const scores = await requireCommitments(node, view, "Assessor", body.scores);
    const statement = recorded(node, query);
    const mine = scores[index - answers.length]!;
    if (statement === undefined || conduct.commitment(node, query, statement) !== mine.commitment) {
      throw new GradworkError(
        "COMMITMENT_DIFFERS",
        `the commitment given for ${node.address} is not its own`,
      );
    }
    signedLately.set(view, { answers, scores });
    const commitments = commitmentsHash([...answers, ...scores].map(({ commitment }) => commitment));
    const signature = signStatement(node, "ScoreReveal", { query, commitments });
    return { scores: packScores(statement.scores).toString(), salt: statement.salt, signature };
  }

  return {
    handlers: { scores: giveCommitment, committed: takeAhead, reveal: giveReveal },
    async turn(view, index) {
      const drawn = node.drawn.get(view.id)?.view;
      const lately = drawn === undefined ? undefined : signedLately.get(drawn);
      if (drawn !== undefined && lately !== undefined) {
        remember(node, view.id, lately);
        signedLately.delete(drawn);
      }
      const assessor = index - Number(view.query.responders);
      if (view.phase === "Committing") {
        const isCommitted = ((view.query.committed >> BigInt(assessor)) & 1n) === 1n;
        if (!isCommitted) {
          const statement = await scoresOf(view, await committedAnswers(node, view));
          await conduct.commit(node, view, assessor, conduct.commitment(node, view.id, statement));
        }
      }
      if (view.phase === "Committing" || view.phase === "Revealing") await conduct.hold(node, view);
      if (view.phase === "Revealing") await conduct.reveal(node, view, assessor);
    },
  };
}

function recorded(node: QueryNode, query: bigint): ScoreStatement | undefined {
  return node.state.findDuty(dutyKey(node, query))?.statement as ScoreStatement | undefined;
}

function signedKey(query: bigint): string {
  return `signed-${query}`;
}

function remember(node: QueryNode, query: bigint, signed: SignedStatements): void {
  const known = node.state.getValue(signedKey(query)) as SignedStatements | undefined;
  if (known?.scores === undefined) node.state.putValue(signedKey(query), signed);
}

async function committedAnswers(
  { gradwork }: QueryNode,
  { id, query, safeBlock }: QueryView,
): Promise<string[]> {
  const places = Array.from({ length: Number(query.responders) }, (_, place) => place);
  return Promise.all(
    places.map((place) => gradwork.quality.commitmentOf(id, place, { blockTag: safeBlock })),
  );
}

/* HONEST CONDUCT */

async function score(
  { assessor }: AssessorOptions,
  _: QueryView,
  answers: readonly (ReadAnswer | undefined)[],
  signal: AbortSignal,
): Promise<number[]> {
  const came = answers.filter((answer) => answer !== undefined);
  if (came.length === 0) return answers.map(() => UNAVAILABLE);
  const texts = came.map(({ text }) => toUtf8Bytes(text));
  const assessed = await assessor.assess(toUtf8Bytes(came[0]!.prompt), texts, signal);
  const scores = assessed.map(({ score: value }) => value).values();
  return answers.map((answer) => (answer === undefined ? UNAVAILABLE : scores.next().value!));
}

function commitment(node: QueryNode, query: bigint, { scores, salt }: ScoreStatement): string {
  return scoreCommitment(statementDomain(node.gradwork), query, node.address, packScores(scores), salt);
}

async function commit(node: QueryNode, view: QueryView, assessor: number, committed: string): Promise<void> {
  const { quality } = node.gradwork;
  await actUnlessDone(node, { query: view.id }, quality.commitScores, [view.id, assessor, committed, "0x"]);
  node.state.markDuty(dutyKey(node, view.id), "committed");
}

/**
 * Holds others to what they signed on the fast path: whoever knows the scores of all must not choose its own by them on
 * the slow one. Who commits to something else is convicted at once, before the own scores are revealed, as the time to
 * commit ends early when all have; for who commits nothing others do so before it is over.
 */
async function hold(node: QueryNode, view: QueryView): Promise<void> {
  const { answersEndAt, commitsEndAt, responders, convicted } = view.query;
  const signed = node.state.getValue(signedKey(view.id)) as SignedStatements | undefined;
  if (signed === undefined) return;
  const lateAt = commitsEndAt - (commitsEndAt - answersEndAt) / FALLBACK_SHARE;
  const isLate = view.phase === "Committing" && view.timestamp >= lateAt;
  const { quality } = node.gradwork;
  const statements = [...signed.answers, ...(signed.scores ?? [])];
  for (const [place, { commitment: said, signature }] of statements.entries()) {
    const onChain = await quality.commitmentOf(view.id, place, { blockTag: view.safeBlock });
    const assessor = place - Number(responders);
    if (onChain === ZeroHash) {
      if (assessor < 0 || !isLate) continue;
      await actUnlessDone(node, { query: view.id }, quality.commitScores, [
        view.id,
        assessor,
        said,
        signature,
      ]);
    } else if (onChain !== said && ((convicted >> BigInt(place)) & 1n) === 0n) {
      const both = [said, onChain] as [string, string];
      await actUnlessDone(node, { query: view.id }, quality.convict, [
        view.id,
        place,
        both,
        [signature, "0x"] as [string, string],
      ]);
    }
  }
}

async function reveal(node: QueryNode, view: QueryView, assessor: number): Promise<void> {
  const { committed, revealed } = view.query;
  const isDue = ((committed >> BigInt(assessor)) & 1n) === 1n && ((revealed >> BigInt(assessor)) & 1n) === 0n;
  const statement = recorded(node, view.id);
  if (!isDue || statement === undefined) return;
  const { quality } = node.gradwork;
  const { scores, salt } = statement;
  await actUnlessDone(node, { query: view.id }, quality.revealScores, [
    view.id,
    assessor,
    packScores(scores),
    salt,
  ]);
  node.state.markDuty(dutyKey(node, view.id), "revealed");
}
