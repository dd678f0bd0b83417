import { hexlify, keccak256, randomBytes, toUtf8Bytes, ZeroHash } from "ethers";
import { queryEvents } from "../chain/events.ts";
import { named } from "../chain/phase.ts";
import { commitmentsHash, promptHash, scoreCommitment, statementDigest } from "../chain/queryStatements.ts";
import {
  createContacts,
  QUERY_ENDS,
  type QueryEnd,
  type QueryView,
  readModel,
  readQuery,
  roleIndex,
  statementDomain,
} from "../chain/queryView.ts";
import { isSignedBy } from "../chain/signing.ts";
import { requestNode } from "../messages/nodeRequest.ts";
import { newReaderSecret, openReader, seal } from "../messages/sealedBox.ts";
import { toHex } from "../model/bytes.ts";
import { GradworkError } from "../model/errors.ts";
import { UNAVAILABLE, unpackScores } from "../model/scores.ts";
import type { Json, StateStore } from "../storage/stateStore.ts";
import { type AnswerReader, type ReadAnswer, readAnswer } from "./answers.ts";
import { allow, requireTokens } from "./money.ts";
import { type Actor, act } from "./party.ts";
import { nextBlock, requireCommitments, type SignedCommitment, sealPurpose, select } from "./queryNode.ts";
import type { PromptMessage, QueryPath } from "./responder.ts";
import { actUnlessDone, persist } from "./turns.ts";

/** Of a node, for what it has at hand. */
const REPLY_TIMEOUT_MS = 20_000;

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
  /** from asking to the end */
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
 * @throws {GradworkError} `UNKNOWN_MODEL`, `TOO_FEW_NODES`, `FEE_TOO_SMALL`, `INSUFFICIENT_TOKENS`, before anything is spent
 */
export async function ask(
  actor: Actor,
  options: AskOptions,
  conduct: AskerConduct = HONEST_ASKER,
): Promise<AskReport> {
  const startedAt = performance.now();
  const { signal, gradwork } = actor;
  await requireAskable(actor, options);
  const secret = newReaderSecret();
  const reader: AnswerReader = {
    ...actor,
    reader: await openReader(secret),
    contactOf: createContacts(gradwork, signal),
  };
  const salt = hexlify(randomBytes(32));
  const query = await askOnChain(actor, options, salt, secret);
  const selectedView = await waitFor(actor, query, (view) => view.nodes.length > 0 || view.phase === "Ended");

  let fast: FastMessages | undefined;
  if (selectedView.phase !== "Ended") {
    const message = { prompt: options.prompt, salt, replyKey: reader.reader.publicKey, path: options.path };
    const answers = await conduct.collect(reader, selectedView, message);
    if (options.path === "fast" && answers !== undefined) {
      try {
        const messages = await conduct.gather(reader, selectedView, answers);
        await conduct.settle(reader, selectedView, messages);
        fast = messages;
      } catch (error) {
        signal.throwIfAborted();
        actor.observe({ kind: "retrying", action: "settle by the fast path", error: error as Error });
      }
    }
  }
  if (options.path === "fast" && fast === undefined && selectedView.phase !== "Ended") {
    const end = new Date(Number(selectedView.query.revealsEndAt) * 1_000).toISOString();
    actor.observe({
      kind: "waiting",
      why: `query ${query} goes on by the slow path, until ${end} at the latest`,
    });
  }
  const ended = await waitFor(actor, query, (view) => view.phase === "Ended");
  return report(reader, ended, fast, (performance.now() - startedAt) / 1_000);
}

async function requireAskable(actor: Actor, options: AskOptions): Promise<void> {
  const { gradwork } = actor;
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
  const paying = 1_000_000n - params.burnShare - params.assessorShare;
  const answerMost = (fee * paying) / 1_000_000n / BigInt(responders);
  if (answerMost < params.leastFee) {
    const least = paying === 0n ? 0n : (params.leastFee * BigInt(responders) * 1_000_000n) / paying + 1n;
    throw new GradworkError(
      "FEE_TOO_SMALL",
      `the fee must be at least ${least} wei for ${responders} answer(s)`,
      {
        fee: fee.toString(),
        least: least.toString(),
      },
    );
  }
  await requireTokens(gradwork, fee);
}

async function askOnChain(
  actor: Actor,
  options: AskOptions,
  salt: string,
  secret: Uint8Array,
): Promise<bigint> {
  const { gradwork, signal } = actor;
  const { model, prompt, responders, assessors, fee, state } = options;
  const hash = promptHash(keccak256(toUtf8Bytes(prompt)), salt);
  // Whatever happens from here on, what was asked can be shown, and its answers opened.
  state.putValue(`asked-${hash}`, { prompt, salt, readerSecret: toHex(secret) });
  await allow(gradwork, fee, signal);
  const { answerSeconds } = await readModel(gradwork, model);
  const newest = await gradwork.provider.getBlock("latest");
  const answerBy = BigInt(newest!.timestamp) + (options.answerSeconds ?? answerSeconds);
  const receipt = await act(actor, 0n, gradwork.quality.ask, [
    model,
    hash,
    responders,
    assessors,
    fee,
    answerBy,
  ]);
  const asked = await queryEvents(
    gradwork.quality,
    "Asked",
    [null, model, actor.address],
    receipt.blockNumber,
    receipt.blockNumber,
    signal,
  );
  return asked.find(({ transactionHash }) => transactionHash === receipt.hash)!.args.query;
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
    return await requireCommitments(reader, view, "AnswerCommitment", answers);
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
  const fromAll = (name: string, body: Json) =>
    Promise.all(
      assessors.map(async ({ address }) => {
        const { endpoint } = await endpointOf(reader, address);
        return requestNode(endpoint, view.id, name, body, { timeoutMs, signal });
      }),
    );
  const committed = await fromAll("scores", { answers });
  const scoredAt = performance.now();
  const scores = await requireCommitments(reader, view, "ScoreCommitment", committed);
  const given = await fromAll("reveal", { answers, scores });
  const reveals = await requireReveals(reader, view, answers, scores, given);
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
 * What all assessors revealed, each checked against its commitment and signed with all commitments.
 * @throws {GradworkError} `REVEAL_INVALID`
 */
async function requireReveals(
  reader: AnswerReader,
  view: QueryView,
  answers: readonly SignedCommitment[],
  scores: readonly SignedCommitment[],
  given: readonly Json[],
): Promise<SignedReveal[]> {
  const domain = statementDomain(reader.gradwork);
  const commitments = commitmentsHash([...answers, ...scores].map(({ commitment }) => commitment));
  const digest = statementDigest(domain, "ScoreReveal", { query: view.id, commitments });
  const reveals = given.map(async (reply, i) => {
    const { address } = view.nodes[answers.length + i]!;
    const { scores: word, salt, signature } = (reply ?? {}) as { [key in keyof SignedReveal]?: unknown };
    const isWhole =
      typeof word === "string" && /^\d{1,78}$/.test(word) && isHash(salt) && typeof signature === "string";
    const reveal = isWhole ? { scores: BigInt(word), salt, signature } : undefined;
    if (
      reveal === undefined ||
      scoreCommitment(domain, view.id, address, reveal.scores, reveal.salt) !== scores[i]!.commitment ||
      !(await isSignedBy(reader.gradwork.provider, address, digest, reveal.signature))
    ) {
      throw new GradworkError("REVEAL_INVALID", `${address} reveals other scores than it committed to`, {
        node: address,
      });
    }
    return reveal;
  });
  return Promise.all(reveals);
}

function isHash(value: unknown): value is string {
  return typeof value === "string" && /^0x[0-9a-f]{64}$/.test(value);
}

/** What became of a query: its commitments and scores, and who was paid what. */
async function report(
  reader: AnswerReader,
  view: QueryView,
  fast: FastMessages | undefined,
  seconds: number,
): Promise<AskReport> {
  const { gradwork, signal } = reader;
  const { quality, registry, provider } = gradwork;
  const { id: query, nodes } = view;
  const responders = Number(view.query.responders);
  const eventsOf = (contract: typeof quality | typeof registry, name: string, topics: unknown[]) =>
    queryEvents(contract, name, topics, gradwork.deployment.block, view.block, signal);
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
    const answer = await readIfCommitted(reader, view, j, commitments[j]!);
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
  commitment: string,
): Promise<ReadAnswer | undefined> {
  if (commitment === ZeroHash) return undefined;
  try {
    return await readAnswer(reader, view, index, commitment, undefined, REPLY_TIMEOUT_MS);
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
