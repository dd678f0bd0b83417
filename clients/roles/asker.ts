import { formatEther, hexlify, keccak256, randomBytes, toUtf8Bytes, ZeroHash } from "ethers";
import type { Gradwork } from "../chain/connection.ts";
import { queryEvents } from "../chain/events.ts";
import { nextBlock } from "../chain/nextBlock.ts";
import { named } from "../chain/phase.ts";
import { commitmentsHash, promptHash, scoreCommitment, statementDigest } from "../chain/queryStatements.ts";
import {
  createContacts,
  type ModelParams,
  QUERY_ENDS,
  type QueryEnd,
  type QueryView,
  readAsked,
  readModel,
  readQuery,
  roleIndex,
  statementDomain,
} from "../chain/queryView.ts";
import { isSignedBy } from "../chain/signing.ts";
import { requestNode } from "../messages/nodeRequest.ts";
import { newReaderSecret, openReader, seal } from "../messages/sealedBox.ts";
import { splitFee } from "../model/appraisal.ts";
import { fromHex, toHex } from "../model/bytes.ts";
import { GradworkError } from "../model/errors.ts";
import { UNAVAILABLE, unpackScores } from "../model/scores.ts";
import type { Json, StateStore } from "../storage/stateStore.ts";
import { type AnswerReader, type ReadAnswer, readAnswer } from "./answers.ts";
import { allow, requireTokens } from "./money.ts";
import { type Actor, act } from "./party.ts";
import {
  isHash,
  requireCommitments,
  requireSigned,
  type SignedCommitment,
  sealPurpose,
  select,
} from "./queryNode.ts";
import type { PromptMessage, QueryPath } from "./responder.ts";
import { actUnlessDone, persist } from "./turns.ts";

/** Of `QualityMarket`: stake outlasts the silence of some queries at once. */
const STAKE_PER_DUTY = 16n;

/** Of a node, for what it has at hand. */
const REPLY_TIMEOUT_MS = 20_000;

/** Of all assessors' commitments, before what came is told: a request costs as much as checking some of them. */
const LOT_SHARE = 1 / 4;

export type AskOptions = {
  model: bigint;
  prompt: string;
  responders: number;
  assessors: number;
  /** token wei */
  fee: bigint;
  /** to commit the answers; by default the longest that the model takes */
  answerSeconds?: bigint;
  path: QueryPath;
  /** remembers prompts and salts */
  state: StateStore;
};

export type AskedAnswer = {
  responder: string;
  /** undefined where it could not be read */
  text: string | undefined;
  /** by assessor, in millionths; undefined where it said that the answer never came */
  scores: { assessor: string; score: number | undefined }[];
  /** in millionths */
  consensus: number;
  spread: number;
  /** token wei */
  paid: bigint;
};

export type AskReport = {
  query: bigint;
  end: QueryEnd;
  /** by which path it was settled in the end */
  path: QueryPath;
  answers: AskedAnswer[];
  refunded: bigint;
  /** from the last score to the message that settles; on the fast path only */
  consensusMs: number | undefined;
  /** of the settlement */
  gasUsed: bigint;
  /** from asking, or going on with it, to the end */
  seconds: number;
};

/** What an asker does once its query is selected; another may be put in the place of any step. */
export type AskerConduct = {
  /** Sends the prompt, and collects what responders commit to; undefined where one is missing. */
  collect: typeof collectAnswers;
  /** Collects what assessors commit to, and then their scores. */
  gather: typeof gatherScores;
  /** Settles by what was collected. */
  settle: typeof settleFast;
};

export const HONEST_ASKER: AskerConduct = {
  collect: collectAnswers,
  gather: gatherScores,
  settle: settleFast,
};

/**
 * Asks a model's nodes, pays for good answers, and reads them. Where the fast path fails, the slow one goes on by itself.
 * @throws {GradworkError} as `requireAskable` does, and `INSUFFICIENT_TOKENS`, before anything is spent
 */
export async function ask(
  actor: Actor,
  options: AskOptions,
  conduct: AskerConduct = HONEST_ASKER,
): Promise<AskReport> {
  const startedAt = performance.now();
  const { prompt, path, state, fee } = options;
  const { answerSeconds } = await requireAskable(actor.gradwork, options);
  await requireTokens(actor.gradwork, fee);
  const asked: Asked = {
    prompt,
    path,
    salt: hexlify(randomBytes(32)),
    readerSecret: toHex(newReaderSecret()),
  };
  // Whatever happens from here on, what was asked can be shown, and its answers opened.
  state.putValue(askedKey(hashOf(asked)), asked);
  const { query, block } = await askOnChain(actor, { answerSeconds, ...options }, asked);
  return bringToItsEnd(actor, query, block, asked, conduct, startedAt);
}

/**
 * Goes on with a query from where it was left, as `ask` does, or reads the answers to one that has ended.
 * @throws {GradworkError} `UNKNOWN_QUERY`; `NOT_ASKED_HERE` where the state has nothing of it
 */
export async function resumeAsked(actor: Actor, query: bigint, state: StateStore): Promise<AskReport> {
  const startedAt = performance.now();
  const { promptHash: hash, block } = await readAsked(actor.gradwork, query, actor.signal);
  const asked = state.getValue(askedKey(hash)) as Asked | undefined;
  if (asked === undefined) throw notAskedHere(query);
  return bringToItsEnd(actor, query, block, asked, HONEST_ASKER, startedAt);
}

export function notAskedHere(query: bigint): GradworkError {
  return new GradworkError(
    "NOT_ASKED_HERE",
    `query ${query} was not asked with this state: name the folder that it was asked with`,
    { query: query.toString() },
  );
}

/** What an asker keeps of a query, from before it is asked; secrets among it. */
type Asked = { prompt: string; path: QueryPath; salt: string; readerSecret: string };

function hashOf({ prompt, salt }: Asked): string {
  return promptHash(keccak256(toUtf8Bytes(prompt)), salt);
}

function askedKey(hash: string): string {
  return `asked-${hash}`;
}

/** @param block in which it was asked */
async function bringToItsEnd(
  actor: Actor,
  query: bigint,
  block: number,
  asked: Asked,
  conduct: AskerConduct,
  startedAt: number,
): Promise<AskReport> {
  const { signal, gradwork } = actor;
  const { prompt, salt, path } = asked;
  const reader: AnswerReader = {
    ...actor,
    reader: await openReader(fromHex(asked.readerSecret)),
    contactOf: createContacts(gradwork, signal),
  };
  const view = await waitFor(actor, query, ({ nodes, phase }) => nodes.length > 0 || phase === "Ended");
  let fast: FastMessages | undefined;
  if (view.phase !== "Ended" && view.phase !== "Settling") {
    const message = { prompt, salt, replyKey: reader.reader.publicKey, path };
    const answers = await conduct.collect(reader, view, message);
    if (path === "fast" && answers !== undefined) {
      try {
        const messages = await conduct.gather(reader, view, answers);
        await conduct.settle(reader, view, messages);
        fast = messages;
      } catch (error) {
        signal.throwIfAborted();
        actor.observe({ kind: "retrying", action: "settle by the fast path", error: error as Error });
      }
    }
    if (path === "fast" && fast === undefined) {
      const end = new Date(Number(view.query.revealsEndAt) * 1_000).toISOString();
      actor.observe({
        kind: "waiting",
        why: `query ${query} goes on by the slow path, until ${end} at the latest`,
      });
    }
  }
  const ended = await waitFor(actor, query, ({ phase }) => phase === "Ended");
  const seconds = (performance.now() - startedAt) / 1_000;
  return report(reader, ended, { block, hash: hashOf(asked), fast, seconds });
}

/**
 * The model's parameters, once all is checked that can be known to fail before anything is spent or written, but for tokens
 * that are missing.
 * @throws {GradworkError} `UNKNOWN_MODEL`, `TOO_FEW_NODES`, `FEE_TOO_SMALL`, `FEE_TOO_LARGE`
 */
export async function requireAskable(
  gradwork: Gradwork,
  options: Pick<AskOptions, "model" | "responders" | "assessors" | "fee">,
): Promise<ModelParams> {
  const { model, responders, assessors, fee } = options;
  const params = await readModel(gradwork, model);
  for (const [role, wanted] of [
    ["Responder", responders],
    ["Assessor", assessors],
  ] as const) {
    const places = await gradwork.registry.placeCount(model, roleIndex(role));
    if (places < BigInt(wanted)) {
      throw new GradworkError(
        "TOO_FEW_NODES",
        `model ${model} has ${places} ${role.toLowerCase()}(s), ${wanted} are wanted`,
        { role, places: places.toString(), wanted },
      );
    }
  }
  const { answerMost, dutyMost } = splitFee(fee, params, options);
  if (answerMost < params.leastFee || dutyMost === 0n) {
    throw new GradworkError(
      "FEE_TOO_SMALL",
      `of ${formatEther(fee)} tokens each of ${responders} answer(s) could earn ${formatEther(answerMost)}: model ${model} wants at least ${formatEther(params.leastFee)}`,
      { fee: fee.toString(), answerMost: answerMost.toString(), least: params.leastFee.toString() },
    );
  }
  const mostDuty = params.nodeStake / STAKE_PER_DUTY;
  if (dutyMost > mostDuty) {
    throw new GradworkError(
      "FEE_TOO_LARGE",
      `of ${formatEther(fee)} tokens each of ${assessors} assessor(s) could earn ${formatEther(dutyMost)}: a sixteenth of model ${model}'s stake, ${formatEther(mostDuty)}, is the most`,
      { fee: fee.toString(), dutyMost: dutyMost.toString(), most: mostDuty.toString() },
    );
  }
  return params;
}

async function askOnChain(
  actor: Actor,
  options: AskOptions & { answerSeconds: bigint },
  asked: Asked,
): Promise<{ query: bigint; block: number }> {
  const { gradwork, signal } = actor;
  const { model, responders, assessors, fee, answerSeconds } = options;
  await allow(gradwork, fee, signal);
  const newest = await gradwork.provider.getBlock("latest");
  const answerBy = BigInt(newest!.timestamp) + answerSeconds;
  const args = [model, hashOf(asked), responders, assessors, fee, answerBy];
  const { blockNumber: block, hash } = await act(actor, 0n, gradwork.quality.ask, args);
  const topics = [null, model, actor.address];
  const events = await queryEvents(gradwork.quality, "Asked", topics, block, block, signal);
  const { query } = events.find(({ transactionHash }) => transactionHash === hash)!.args;
  return { query, block };
}

/** Waits until a query is as wanted, making the calls that bring it on. */
async function waitFor(
  actor: Actor,
  query: bigint,
  isAsWanted: (view: QueryView) => boolean,
): Promise<QueryView> {
  const { gradwork, signal } = actor;
  const { quality } = gradwork;
  for (;;) {
    const view = await persist(actor, "read the query", () => readQuery(gradwork, query));
    if (isAsWanted(view)) return view;
    await persist(actor, "bring the query on", async () => {
      if (view.phase === "Selecting") await select(actor, view);
      if (view.phase === "Expired") await actUnlessDone(actor, { query }, quality.expire, [query]);
      if (view.phase === "Settling") await actUnlessDone(actor, { query }, quality.settle, [query]);
    });
    await persist(actor, "follow the chain", () => nextBlock(gradwork, view.block, signal));
  }
}

async function endpointOf(reader: AnswerReader, node: string) {
  const contact = await reader.contactOf(node);
  if (contact !== undefined) return contact;
  throw new GradworkError("NODE_NOT_ANNOUNCED", `${node} has not announced where it serves`, { node });
}

/** The signed commitments of all responders; undefined where one is missing when answering ends. */
async function collectAnswers(
  reader: AnswerReader,
  view: QueryView,
  message: PromptMessage,
): Promise<SignedCommitment[] | undefined> {
  const { signal, observe } = reader;
  const replies = view.nodes.slice(0, Number(view.query.responders)).map(async ({ address }) => {
    try {
      return await sendPrompt(reader, view, address, message);
    } catch (error) {
      signal.throwIfAborted();
      observe({ kind: "retrying", action: `ask ${address}`, error: error as Error });
      return null;
    }
  });
  const answers = await Promise.all(replies);
  try {
    return await requireCommitments(reader, view, "Responder", answers);
  } catch (error) {
    observe({ kind: "retrying", action: "collect the answers", error: error as Error });
    return undefined;
  }
}

/** Sends the prompt to one responder, and gives its reply. */
export async function sendPrompt(
  reader: AnswerReader,
  view: QueryView,
  address: string,
  message: PromptMessage,
): Promise<Json> {
  const timeoutMs = Math.max(1_000, Number(view.query.answersEndAt - view.timestamp) * 1_000);
  const { endpoint, encryptionKey } = await endpointOf(reader, address);
  const purpose = sealPurpose(reader, "prompt", view.id, address);
  const sealed = toHex(await seal(encryptionKey, purpose, toUtf8Bytes(JSON.stringify(message))));
  return requestNode(endpoint, view.id, "prompt", { sealed }, { timeoutMs, signal: reader.signal });
}

/** All that the parties to a query signed to each other. */
export type FastMessages = {
  answers: SignedCommitment[];
  scores: SignedCommitment[];
  reveals: SignedReveal[];
  /** from the last score to here */
  consensusMs: number;
};

/** Collects scores and reveals of all assessors. */
async function gatherScores(
  reader: AnswerReader,
  view: QueryView,
  answers: SignedCommitment[],
): Promise<FastMessages> {
  const { signal } = reader;
  const assessors = view.nodes.slice(answers.length);
  const timeoutMs = Math.max(
    REPLY_TIMEOUT_MS,
    Number(view.query.revealsEndAt - view.query.answersEndAt) * 1_000,
  );
  const contacts = await Promise.all(assessors.map(({ address }) => endpointOf(reader, address)));
  const request = (i: number, name: string, body: Json) =>
    requestNode(contacts[i]!.endpoint, view.id, name, body, { timeoutMs, signal });

  const scores: SignedCommitment[] = [];
  let [missing, scoredAt] = [assessors.length, 0];
  let untold: Json[] = assessors.map(() => null);
  let isTelling = false;
  /** Tells all what came, in lots, until it is all: the last ones come with the request to reveal. */
  async function tellOthers(): Promise<void> {
    if (isTelling) return;
    isTelling = true;
    while (missing > 0 && untold.filter((each) => each !== null).length >= assessors.length * LOT_SHARE) {
      const body = { scores: untold };
      untold = assessors.map(() => null);
      await Promise.allSettled(assessors.map((_, i) => request(i, "committed", body)));
    }
    isTelling = false;
  }
  await Promise.all(
    assessors.map(async (_, i) => {
      const reply = await request(i, "scores", { answers });
      scoredAt = performance.now();
      untold[i] = scores[i] = await requireSigned(reader, view, answers.length + i, reply);
      missing--;
      void tellOthers();
    }),
  );
  const commitments = commitmentsHash([...answers, ...scores].map(({ commitment }) => commitment));
  const reveals = await Promise.all(
    scores.map(async ({ commitment }, i) => {
      const reply = await request(i, "reveal", { answers, scores });
      return requireReveal(reader, view.id, assessors[i]!.address, commitment, commitments, reply);
    }),
  );
  return { answers, scores, reveals, consensusMs: performance.now() - scoredAt };
}

async function settleFast(reader: AnswerReader, view: QueryView, messages: FastMessages): Promise<void> {
  await act(reader, { query: view.id }, reader.gradwork.quality.settleFast, fastArguments(view.id, messages));
}

/** What `settleFast` takes. */
export function fastArguments(
  query: bigint,
  { answers, reveals }: FastMessages,
): [query: bigint, answers: string[], scores: bigint[], salts: string[], signatures: string[]] {
  return [
    query,
    answers.map(({ commitment }) => commitment),
    reveals.map(({ scores }) => scores),
    reveals.map(({ salt }) => salt),
    [...answers, ...reveals].map(({ signature }) => signature),
  ];
}

type SignedReveal = { scores: bigint; salt: string; signature: string };

/**
 * What an assessor revealed, checked against its commitment and signed with all commitments.
 * @param commitments the hash of all
 * @throws {GradworkError} `REVEAL_INVALID`
 */
async function requireReveal(
  { gradwork }: AnswerReader,
  query: bigint,
  assessor: string,
  commitment: string,
  commitments: string,
  reply: Json,
): Promise<SignedReveal> {
  const domain = statementDomain(gradwork);
  const { scores: word, salt, signature } = (reply ?? {}) as { [key in keyof SignedReveal]?: unknown };
  const isWhole =
    typeof word === "string" && /^\d{1,78}$/.test(word) && isHash(salt) && typeof signature === "string";
  const reveal = isWhole ? { scores: BigInt(word), salt, signature } : undefined;
  const digest = statementDigest(domain, "ScoreReveal", { query, commitments });
  if (
    reveal === undefined ||
    scoreCommitment(domain, query, assessor, reveal.scores, reveal.salt) !== commitment ||
    !(await isSignedBy(gradwork.provider, assessor, digest, reveal.signature))
  ) {
    throw new GradworkError("REVEAL_INVALID", `${assessor} reveals other scores than it committed to`, {
      node: assessor,
    });
  }
  return reveal;
}

/**
 * What became of a query: its commitments and scores, and who was paid what.
 * @param block in which it was asked, by the hash of its prompt
 */
async function report(
  reader: AnswerReader,
  view: QueryView,
  {
    block,
    hash,
    fast,
    seconds,
  }: { block: number; hash: string; fast: FastMessages | undefined; seconds: number },
): Promise<AskReport> {
  const { gradwork, signal } = reader;
  const { quality, registry, provider } = gradwork;
  const { id: query, nodes } = view;
  const responders = Number(view.query.responders);
  const eventsOf = (contract: typeof quality | typeof registry, name: string, topics: unknown[]) =>
    queryEvents(contract, name, topics, block, view.block, signal);
  const [settled] = await eventsOf(quality, "Settled", [query]);
  const [released] = await eventsOf(quality, "Released", [query]);
  const ending = settled ?? released;
  if (ending === undefined) {
    throw new GradworkError("QUERY_OPEN", `query ${query} has not ended`, { query: query.toString() });
  }
  const receipt = await provider.getTransactionReceipt(ending.transactionHash);
  const common = {
    query,
    end: named(QUERY_ENDS, ending.args.end),
    path: settled?.args.isFast ? ("fast" as const) : ("slow" as const),
    refunded: ending.args.refunded as bigint,
    consensusMs: settled?.args.isFast ? fast?.consensusMs : undefined,
    gasUsed: receipt!.gasUsed,
    seconds,
  };
  if (settled === undefined) return { ...common, answers: [] };

  const [paying] = await eventsOf(registry, "NodesSettled", [null, query]);
  const { commitments, scores } = settled.args.isFast
    ? await fastStatements(reader, settled.transactionHash)
    : await slowStatements(reader, view);
  const answers = nodes.slice(0, responders).map(async ({ address }, j): Promise<AskedAnswer> => {
    const answer = await readIfCommitted(reader, view, j, hash, commitments[j]!);
    return {
      responder: address,
      text: answer?.text,
      scores: nodes.slice(responders).flatMap(({ address: assessor }, i) => {
        const word = scores[i];
        if (word === undefined) return [];
        const score = unpackScores(word, responders)[j]!;
        return [{ assessor, score: score === UNAVAILABLE ? undefined : score }];
      }),
      consensus: Number(settled.args.consensus[j]),
      spread: Number(settled.args.spread[j]),
      paid: paying!.args.paid[j],
    };
  });
  return { ...common, answers: await Promise.all(answers) };
}

async function readIfCommitted(
  reader: AnswerReader,
  view: QueryView,
  index: number,
  hash: string,
  commitment: string,
): Promise<ReadAnswer | undefined> {
  if (commitment === ZeroHash) return undefined;
  try {
    return await readAnswer(reader, view, index, hash, commitment, undefined, REPLY_TIMEOUT_MS);
  } catch (error) {
    reader.signal.throwIfAborted();
    reader.observe({ kind: "retrying", action: `read answer ${index}`, error: error as Error });
    return undefined;
  }
}

/** Commitments of the answers, and what each assessor revealed. */
type Statements = { commitments: string[]; scores: (bigint | undefined)[] };

async function fastStatements({ gradwork }: Actor, hash: string): Promise<Statements> {
  const transaction = await gradwork.provider.getTransaction(hash);
  const { args } = gradwork.quality.interface.parseTransaction({ data: transaction!.data })!;
  return { commitments: [...args.answers], scores: [...args.scores] };
}

async function slowStatements({ gradwork }: Actor, { id, query }: QueryView): Promise<Statements> {
  const { quality } = gradwork;
  const places = (count: bigint) => Array.from({ length: Number(count) }, (_, place) => place);
  const commitments = places(query.responders).map((place) => quality.commitmentOf(id, place));
  const scores = places(query.assessors).map(async (assessor) =>
    ((query.revealed >> BigInt(assessor)) & 1n) === 1n ? quality.scoresOf(id, assessor) : undefined,
  );
  return { commitments: await Promise.all(commitments), scores: await Promise.all(scores) };
}
