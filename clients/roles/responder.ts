import { concat, hexlify, keccak256, randomBytes, toUtf8Bytes } from "ethers";
import { answerCommitment, promptHash } from "../chain/queryStatements.ts";
import { type QueryView, readAsked, readQuery, statementDomain } from "../chain/queryView.ts";
import type { Generator } from "../inference/generator.ts";
import { type JsonFields, parseFields } from "../messages/jsonFields.ts";
import { seal } from "../messages/sealedBox.ts";
import { fromHex, toHex } from "../model/bytes.ts";
import { GradworkError } from "../model/errors.ts";
import type { Json } from "../storage/stateStore.ts";
import type { Actor } from "./party.ts";
import {
  drawnFor,
  dutyKey,
  type NodeWork,
  type QueryNode,
  type QueryNodeOptions,
  requireCommitments,
  runQueryNode,
  sealPurpose,
  signStatement,
} from "./queryNode.ts";
import { actUnlessDone } from "./turns.ts";

/** Share of the time to answer that is left when an answer that was not settled goes on chain. */
const FALLBACK_SHARE = 4n;

const MAX_SEED = 2n ** 31n;

/** Which path an asker takes; on the slow one answers go on chain at once. */
export type QueryPath = "fast" | "slow";

/** What an asker sends a responder, sealed. */
export type PromptMessage = {
  prompt: string;
  /** of the prompt's hash on chain */
  salt: string;
  /** X25519: what the answer for the asker is sealed to */
  replyKey: string;
  path: QueryPath;
};

/** What a responder sends a reader of its answer, sealed. */
export type AnswerBundle = { prompt: string; promptSalt: string; answer: string; answerSalt: string };

/** What a responder commits to. */
export type AnswerStatement = { answer: string; salt: string };

export type ResponderOptions = QueryNodeOptions & {
  generator: Generator;
  /** most tokens of an answer */
  maxTokens: number;
};

/** A responder at work, and what it does; another may be put in the place of any step. */
export type ResponderConduct = {
  /** The answer to a prompt, of the responder with an address. */
  answer: (
    options: ResponderOptions,
    prompt: string,
    address: string,
    signal: AbortSignal,
  ) => Promise<string>;
  /** What it commits to, signed and on chain. */
  commitment: (node: QueryNode, query: bigint, statement: AnswerStatement) => string;
  /** What a reader gets. */
  bundle: (node: QueryNode, query: bigint, reader: string) => AnswerBundle;
};

export const HONEST_RESPONDER: ResponderConduct = { answer, commitment, bundle };

/** Answers the prompts that it is drawn for (PoQ, arXiv 2405.17934: an F-node), until the signal aborts. */
export async function runResponder(
  actor: Actor,
  options: ResponderOptions,
  conduct: ResponderConduct = HONEST_RESPONDER,
): Promise<void> {
  await runQueryNode(actor, "Responder", options, (node) => respond(node, options, conduct));
}

function respond(node: QueryNode, options: ResponderOptions, conduct: ResponderConduct): NodeWork {
  const { state, gradwork, observe } = node;
  const underWay = new Map<bigint, Promise<AnswerStatement>>();

  async function answerOnce(query: bigint, message: PromptMessage): Promise<AnswerStatement> {
    const startedAt = performance.now();
    const text = await conduct.answer(options, message.prompt, node.address, node.signal);
    const statement = { answer: text, salt: hexlify(randomBytes(32)) };
    state.transaction(() => {
      state.putValue(promptKey(query), message);
      state.recordDuty(dutyKey(node, query), statement);
    });
    const seconds = (performance.now() - startedAt) / 1_000;
    observe({ kind: "answered", query, bytes: Buffer.byteLength(text), seconds });
    return statement;
  }

  async function takePrompt(query: bigint, body: JsonFields, signal: AbortSignal): Promise<Json> {
    const { view, index } = await drawnFor(node, query, signal);
    let statement = recorded(node, query);
    if (statement === undefined) {
      if (view.phase !== "Answering") {
        throw new GradworkError("QUERY_OVER", `query ${query} takes no more answers`, { phase: view.phase });
      }
      const message = await openPrompt(node, query, body);
      // Asked again while it is at work, it works once.
      const work = underWay.get(query) ?? answerOnce(query, message);
      underWay.set(query, work);
      statement = await work.finally(() => underWay.delete(query));
    }
    const commitment = conduct.commitment(node, query, statement);
    const isSlow = (state.getValue(promptKey(query)) as PromptMessage).path === "slow";
    if (isSlow) await commitOnChain(view, index, commitment);
    return { commitment, signature: signStatement(node, "AnswerCommitment", { query, commitment }) };
  }

  /** Nobody reads an answer before all are committed. */
  async function giveBundle(
    query: bigint,
    { reader, answers }: JsonFields,
    signal: AbortSignal,
  ): Promise<Json> {
    const view = await readQuery(gradwork, query);
    if (recorded(node, query) === undefined) {
      throw new GradworkError("NO_ANSWER", `there is no answer to query ${query} here`, {});
    }
    if (view.phase === "Answering") {
      const drawn = await drawnFor(node, query, signal);
      await requireCommitments(node, drawn.view, "Responder", answers);
    }
    const readers = view.nodes.slice(Number(view.query.responders)).map(({ address }) => address);
    if (typeof reader !== "string" || ![view.query.asker, ...readers].includes(reader)) {
      throw new GradworkError(
        "READER_UNKNOWN",
        `${reader} is neither query ${query}'s asker nor an assessor of it`,
      );
    }
    const key = readers.includes(reader)
      ? (await node.contactOf(reader))?.encryptionKey
      : (state.getValue(promptKey(query)) as PromptMessage).replyKey;
    if (key === undefined) throw new GradworkError("READER_UNKNOWN", `${reader} has announced no key`);
    const text = JSON.stringify(conduct.bundle(node, query, reader));
    return { sealed: toHex(await seal(key, sealPurpose(node, "answer", query, reader), toUtf8Bytes(text))) };
  }

  async function commitOnChain(view: QueryView, index: number, commitment: string): Promise<void> {
    if (view.phase !== "Answering" || ((view.query.answered >> BigInt(index)) & 1n) === 1n) return;
    await actUnlessDone(node, { query: view.id }, gradwork.quality.commitAnswer, [
      view.id,
      index,
      commitment,
      "0x",
    ]);
    state.markDuty(dutyKey(node, view.id), "committed");
  }

  return {
    handlers: { prompt: takePrompt, bundle: giveBundle },
    async turn(view, index) {
      const statement = recorded(node, view.id);
      if (statement === undefined || view.phase !== "Answering") return;
      const { askedAt, answersEndAt } = view.query;
      const { path } = state.getValue(promptKey(view.id)) as PromptMessage;
      const isLate = view.timestamp >= answersEndAt - (answersEndAt - askedAt) / FALLBACK_SHARE;
      if (path === "slow" || isLate) {
        await commitOnChain(view, index, conduct.commitment(node, view.id, statement));
      }
    },
  };
}

function promptKey(query: bigint): string {
  return `prompt-${query}`;
}

function recorded(node: QueryNode, query: bigint): AnswerStatement | undefined {
  return node.state.findDuty(dutyKey(node, query))?.statement as AnswerStatement | undefined;
}

/** @throws {GradworkError} `PROMPT_MISSING`, `SEAL_BROKEN`, `PROMPT_DIFFERS` from what was asked on chain */
async function openPrompt(node: QueryNode, query: bigint, { sealed }: JsonFields): Promise<PromptMessage> {
  if (typeof sealed !== "string")
    throw new GradworkError("PROMPT_MISSING", "the request holds no sealed prompt");
  const purpose = sealPurpose(node, "prompt", query, node.address);
  const opened = await node.reader.open(fromHex(sealed), purpose);
  const message = parseFields(opened) ?? {};
  const { prompt, salt, replyKey, path } = message;
  const areTexts = typeof prompt === "string" && typeof salt === "string" && typeof replyKey === "string";
  if (!areTexts || (path !== "fast" && path !== "slow")) {
    throw new GradworkError("PROMPT_MISSING", "the sealed message holds no prompt, salt, reply key and path");
  }
  const given = promptHash(keccak256(toUtf8Bytes(prompt)), salt);
  const { promptHash: asked } = await readAsked(node.gradwork, query, node.signal);
  if (given !== asked) {
    throw new GradworkError("PROMPT_DIFFERS", `the prompt is not the one that query ${query} asks`, {
      given,
      asked,
    });
  }
  return { prompt, salt, replyKey, path };
}

/* HONEST CONDUCT */

/** One responder's answers to equal prompts are equal, whoever asks. */
async function answer(
  { generator, maxTokens }: ResponderOptions,
  prompt: string,
  address: string,
  signal: AbortSignal,
): Promise<string> {
  const bytes = toUtf8Bytes(prompt);
  generator.check(bytes, maxTokens);
  const seed = Number(BigInt(keccak256(concat([address, bytes]))) % MAX_SEED);
  const { text } = await generator.generate(bytes, { maxTokens, seed, signal });
  return text;
}

function commitment(node: QueryNode, query: bigint, statement: AnswerStatement): string {
  const answerHash = keccak256(toUtf8Bytes(statement.answer));
  return answerCommitment(statementDomain(node.gradwork), query, node.address, answerHash, statement.salt);
}

function bundle(node: QueryNode, query: bigint): AnswerBundle {
  const { prompt, salt: promptSalt } = node.state.getValue(promptKey(query)) as PromptMessage;
  const { answer: text, salt: answerSalt } = recorded(node, query)!;
  return { prompt, promptSalt, answer: text, answerSalt };
}
