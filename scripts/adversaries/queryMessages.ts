// Relayers with signatures that are not of who must sign, or not of what.
import { commitmentsHash, type StatementName, statementDigest } from "../../clients/chain/queryStatements.ts";
import { type QueryView, statementDomain } from "../../clients/chain/queryView.ts";
import { signDigest } from "../../clients/chain/signing.ts";
import { type FastMessages, fastArguments } from "../../clients/roles/asker.ts";
import type { SignedCommitment } from "../../clients/roles/queryNode.ts";
import type { Adversary, Expected } from "./adversary.ts";
import { insist, memberOf, requireRefusals, sum, tryInVain } from "./cast.ts";
import type { Member } from "./company.ts";
import {
  askAll,
  askerOf,
  askInVain,
  FAST,
  honest,
  judge,
  settled,
  startNodes,
  textsOf,
} from "./queryCast.ts";
import type { QueryScene } from "./queryScene.ts";

/**
 * A signature that stands for that of a node.
 * @param message what the node must have signed
 * @param earlier signatures of the scene's earlier query, by node and statement
 */
type Forge = (
  scene: QueryScene,
  node: Member,
  name: StatementName,
  message: Record<string, unknown>,
  earlier: ReadonlyMap<string, string>,
) => string;

const keyOf = ({ gradwork }: Member) => gradwork.wallet.privateKey;

/** By the relayer's own key. */
const byAnother: Forge = ({ asker }, _, name, message) =>
  signDigest(keyOf(asker), statementDigest(statementDomain(asker.gradwork), name, message));

/** By the node's own key, on a chain with another number. */
const onAnotherChain: Forge = (_, node, name, message) => {
  const domain = statementDomain(node.gradwork);
  return signDigest(keyOf(node), statementDigest({ ...domain, chainId: domain.chainId + 1 }, name, message));
};

/** By the node, of its statement for another query. */
const ofEarlier: Forge = (_, { name: node }, name, __, earlier) => earlier.get(`${node} ${name}`)!;

/** Two queries; nothing but what all signed settles the second. */
async function playForgery(scene: QueryScene, forge: Forge): Promise<Expected> {
  await startNodes(scene, honest("responder", 1), honest("assessor", 3));
  const honestly = askerOf(scene, "fast");
  const earlier = new Map<string, string>();
  const first = await askAll(scene, "fast", {
    async settle(reader, view, messages) {
      for (const { node, name, statement } of statementsOf(scene, view, messages)) {
        earlier.set(`${node.name} ${name}`, statement.signature);
      }
      await honestly.settle(reader, view, messages);
    },
  });
  const second = await askAll(scene, "fast", {
    async settle(reader, view, messages) {
      await tryForged(scene, view, messages, (node, name, message) =>
        forge(scene, node, name, message, earlier),
      );
      await honestly.settle(reader, view, messages);
    },
  });
  const parts: Record<string, bigint>[] = [];
  for (const report of [first, second]) {
    const all = await judge(scene, textsOf(scene, report));
    const scores = Object.fromEntries(scene.assessors.map(({ name }) => [name, all]));
    parts.push(settled(scene, { scores }).changes);
  }
  requireRefusals(scene.asker, ["InvalidSignature", "InvalidSignature", "InvalidSignature"]);
  return { ends: [FAST, FAST], changes: sum(...parts) };
}

/** What was signed for a query: by whom, and what. */
function statementsOf(scene: QueryScene, { id: query, nodes }: QueryView, messages: FastMessages) {
  const { answers, scores, reveals } = messages;
  const all = [...answers, ...scores].map(({ commitment }) => commitment);
  const place = (i: number) => memberOf(scene, nodes[i]!.address);
  const committed = (name: StatementName, list: SignedCommitment[], first: number) =>
    list.map((statement, i) => {
      const message: Record<string, unknown> = { query, commitment: statement.commitment };
      return { node: place(first + i), name, message, statement };
    });
  return [
    ...committed("AnswerCommitment", answers, 0),
    ...committed("ScoreCommitment", scores, answers.length),
    ...reveals.map((statement, i) => {
      const message: Record<string, unknown> = { query, commitments: commitmentsHash(all) };
      return { node: place(answers.length + i), name: "ScoreReveal" as StatementName, message, statement };
    }),
  ];
}

/** Shows nodes and contracts the same messages with signatures that are none: all refuse. */
async function tryForged(
  scene: QueryScene,
  view: QueryView,
  messages: FastMessages,
  sign: (node: Member, name: StatementName, message: Record<string, unknown>) => string,
): Promise<void> {
  const { asker, assessors } = scene;
  const { quality } = asker.gradwork;
  const signatures = statementsOf(scene, view, messages).map(({ node, name, message, statement }) => {
    const signature = sign(node, name, message);
    insist(signature !== statement.signature, `the forged ${name} is the signed one`);
    return signature;
  });
  let at = 0;
  const forged = <S extends { signature: string }>(list: readonly S[]): S[] =>
    list.map((statement) => ({ ...statement, signature: signatures[at++]! }));
  const answers = forged(messages.answers);
  const scores = forged(messages.scores);
  const reveals = forged(messages.reveals);

  const judged = assessors[0]!;
  await askInVain(scene, judged, view.id, "scores", { answers }, "SIGNATURE_INVALID");
  // Nobody shows its scores to who has no commitments of the others.
  const body = { answers: messages.answers, scores };
  await askInVain(scene, judged, view.id, "reveal", body, "SIGNATURE_INVALID");
  const [{ commitment, signature }] = answers as [SignedCommitment];
  await tryInVain(scene, asker, "InvalidSignature", quality.commitAnswer, [
    view.id,
    0,
    commitment,
    signature,
  ]);
  for (const spoiled of [
    { ...messages, answers },
    { ...messages, reveals },
  ]) {
    const args = fastArguments(view.id, spoiled);
    await tryInVain(scene, asker, "InvalidSignature", quality.settleFast, args);
  }
}

export const QUERY_MESSAGES: Adversary[] = [
  {
    name: "queries-forged-signature",
    title:
      "a relayer signs for others: nodes and contracts refuse, and only what all signed settles the query",
    playQueries: (scene) => playForgery(scene, byAnother),
  },
  {
    name: "queries-replayed-signature",
    title: "a relayer shows signatures of an earlier query: nodes and contracts refuse them",
    playQueries: (scene) => playForgery(scene, ofEarlier),
  },
  {
    name: "queries-other-chain",
    title:
      "a relayer shows signatures of the same statements for another chain: nodes and contracts refuse them",
    playQueries: (scene) => playForgery(scene, onAnotherChain),
  },
];
