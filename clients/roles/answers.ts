// How answers come to those who may read them: the asker, and the assessors that were drawn.
import { keccak256, toUtf8Bytes } from "ethers";
import { answerCommitment, promptHash } from "../chain/queryStatements.ts";
import { type NodeContact, type QueryView, statementDomain } from "../chain/queryView.ts";
import { parseFields } from "../messages/jsonFields.ts";
import { requestNode } from "../messages/nodeRequest.ts";
import type { Reader } from "../messages/sealedBox.ts";
import { fromHex } from "../model/bytes.ts";
import { GradworkError } from "../model/errors.ts";
import type { Actor } from "./party.ts";
import { type SignedCommitment, sealPurpose } from "./queryNode.ts";

/** Who reads: its account, its key, and how it finds the responders. */
export type AnswerReader = Actor & {
  reader: Reader;
  contactOf: (node: string) => Promise<NodeContact | undefined>;
};

export type ReadAnswer = { readonly prompt: string; readonly text: string };

/**
 * A responder's answer and the prompt that it answers, both as they were committed to.
 * @param asked the prompt's hash on chain
 * @param commitment the responder's
 * @param answers all signed commitments, where they are not on chain
 * @throws {GradworkError} `NODE_NOT_ANNOUNCED`, `ANSWER_DIFFERS`, `PROMPT_DIFFERS`; as `requestNode` and `Reader.open` do
 */
export async function readAnswer(
  actor: AnswerReader,
  view: QueryView,
  index: number,
  asked: string,
  commitment: string,
  answers: readonly SignedCommitment[] | undefined,
  timeoutMs: number,
): Promise<ReadAnswer> {
  const responder = view.nodes[index]!.address;
  const contact = await actor.contactOf(responder);
  if (contact === undefined) {
    throw new GradworkError("NODE_NOT_ANNOUNCED", `${responder} has not announced where it serves`, {
      responder,
    });
  }
  const body = { reader: actor.address, ...(answers === undefined ? {} : { answers }) };
  const { signal } = actor;
  const reply = await requestNode(contact.endpoint, view.id, "bundle", body, { timeoutMs, signal });
  const { sealed } = (reply ?? {}) as { sealed?: unknown };
  const purpose = sealPurpose(actor, "answer", view.id, actor.address);
  const opened = await actor.reader.open(fromHex(typeof sealed === "string" ? sealed : "0x"), purpose);
  const { prompt, promptSalt, answer, answerSalt } = parseFields(opened) ?? {};
  const isWhole =
    typeof prompt === "string" &&
    typeof promptSalt === "string" &&
    typeof answer === "string" &&
    typeof answerSalt === "string";
  if (!isWhole) {
    throw new GradworkError("ANSWER_DIFFERS", `${responder} sends no whole answer`, { responder });
  }
  if (promptHash(keccak256(toUtf8Bytes(prompt)), promptSalt) !== asked) {
    throw new GradworkError("PROMPT_DIFFERS", `${responder} answers another prompt than was asked`, {
      responder,
    });
  }
  const answerHash = keccak256(toUtf8Bytes(answer));
  const domain = statementDomain(actor.gradwork);
  if (answerCommitment(domain, view.id, responder, answerHash, answerSalt) !== commitment) {
    throw new GradworkError("ANSWER_DIFFERS", `${responder} sends another answer than it committed to`, {
      responder,
    });
  }
  return { prompt: prompt, text: answer };
}
