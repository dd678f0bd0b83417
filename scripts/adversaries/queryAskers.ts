// Askers and relayers who don't do their part, or do it with nodes of their own.
import { id } from "ethers";
import { scoreCommitment } from "../../clients/chain/queryStatements.ts";
import { statementDomain } from "../../clients/chain/queryView.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import { MAX_SCORE, packScores, UNAVAILABLE } from "../../clients/model/scores.ts";
import { type FastMessages, fastArguments, sendPrompt } from "../../clients/roles/asker.ts";
import type { AssessorConduct } from "../../clients/roles/assessor.ts";
import { act } from "../../clients/roles/party.ts";
import { actUnlessDone } from "../../clients/roles/turns.ts";
import type { Adversary, Expected } from "./adversary.ts";
import { insist, sum, tryInVain } from "./cast.ts";
import { distort, GARBAGE } from "./queryAssessors.ts";
import {
  askAll,
  askThrough,
  convictorOf,
  enlist,
  FAST,
  fastFailure,
  honest,
  judge,
  passTo,
  playSlow,
  released,
  SLOW,
  settled,
  startNodes,
  textsOf,
  trustOf,
  untilPhase,
} from "./queryCast.ts";
import { FEE, PRICE, type QueryScene } from "./queryScene.ts";

async function playUnsent(scene: QueryScene): Promise<Expected> {
  await startNodes(scene, honest("responder", 2), honest("assessor", 3));
  const report = await askThrough(scene, "slow", { answered: 0 }, { collect: async () => undefined });
  insist(report.answers.length === 0, "somebody answered");
  return { ends: ["Unanswered"], changes: released(scene) };
}

async function playLatePrompt(scene: QueryScene): Promise<Expected> {
  await startNodes(scene, honest("responder", 2), honest("assessor", 3));
  const [early, late] = scene.responders;
  let refusal: unknown;
  const report = await askThrough(
    scene,
    "slow",
    { answered: 1 },
    {
      async collect(reader, view, message) {
        await sendPrompt(reader, view, early!.address, message);
        await untilPhase(scene, "Committing");
        refusal = await sendPrompt(reader, view, late!.address, message).catch((error: unknown) => error);
        return undefined;
      },
    },
  );
  const isRefused = refusal instanceof GradworkError && refusal.data.reason === "QUERY_OVER";
  insist(isRefused, `the late prompt was met with ${refusal}`);
  const [score] = await judge(scene, textsOf(scene, report, [early!.name]));
  const scores = Object.fromEntries(scene.assessors.map(({ name }) => [name, [score!, UNAVAILABLE]]));
  return { ends: [SLOW], changes: settled(scene, { scores, unanswered: [late!.name] }).changes };
}

async function playSilentAssessors(scene: QueryScene): Promise<Expected> {
  const silent: Partial<AssessorConduct> = { commit: async () => {} };
  const { expected, verdict } = await playSlow(
    scene,
    "slow",
    { friend: GARBAGE },
    { "accomplice 1": silent, "accomplice 2": silent, ...honest("assessor", 1) },
    { committed: 1 },
    (scores) => ({ scores: { "assessor 1": scores } }),
  );
  insist(verdict.answers[0]!.paid === PRICE, "the garbage was not paid its price");
  const lost = verdict.assessors.reduce((total, assessor) => total + assessor.lost, 0n);
  insist(lost > PRICE, "it cost less than it brought");
  return expected;
}

/** Rises by so much with a query that burned its share, beside three other nodes. */
const RISE = 1_000n;

async function playTrustFarm(scene: QueryScene): Promise<Expected> {
  const praise = distort(scene, () => MAX_SCORE);
  await startNodes(
    scene,
    { "own responder": GARBAGE },
    {
      "own assessor 1": praise,
      "own assessor 2": praise,
      "own assessor 3": praise,
    },
  );
  const { params, responders, assessors } = scene;
  const own = [...responders, ...assessors];
  const parts: Record<string, bigint>[] = [];
  for (let query = 1n; query <= 2n; query++) {
    await askAll(scene, "fast");
    const scores = Object.fromEntries(assessors.map(({ name }) => [name, [MAX_SCORE]]));
    parts.push(settled(scene, { scores }).changes);
    for (const node of own) {
      const trust = await trustOf(scene, node);
      const bought = params.trustFloor + query * RISE;
      insist(trust === bought, `${node.name} is trusted ${trust}, not ${bought}`);
    }
  }
  const changes = sum(...parts);
  const lost = [scene.asker, ...own].reduce((total, { name }) => total - (changes[name] ?? 0n), 0n);
  insist(lost === (2n * FEE * params.burnShare) / 1_000_000n, `it cost ${lost}`);
  return { ends: [FAST, FAST], changes };
}

async function playStall(scene: QueryScene): Promise<Expected> {
  const other = { scores: packScores([MAX_SCORE]), salt: id("another salt") };
  const turncoat: Partial<AssessorConduct> = {
    async commit(node, view, assessor) {
      const domain = statementDomain(node.gradwork);
      const commitment = scoreCommitment(domain, view.id, node.address, other.scores, other.salt);
      const { commitScores } = node.gradwork.quality;
      await actUnlessDone(node, { query: view.id }, commitScores, [view.id, assessor, commitment, "0x"]);
    },
    async reveal(node, view, assessor) {
      const { revealScores } = node.gradwork.quality;
      const args = [view.id, assessor, other.scores, other.salt] as const;
      await actUnlessDone(node, { query: view.id }, revealScores, [...args]);
    },
    hold: async () => {},
  };
  const lurker: Partial<AssessorConduct> = {
    commit: async () => {},
    hold: async () => {},
    reveal: async () => {},
  };
  await startNodes(scene, honest("responder", 1), { turncoat, lurker, ...honest("assessor", 2) });
  let signed: FastMessages | undefined;
  const turnout = { held: 1, revealed: 3 };
  const report = await askThrough(scene, "fast", turnout, {
    async settle(_, __, messages) {
      signed = messages;
      throw new Error("it keeps what all revealed");
    },
  });
  const [turned, lurking] = scene.assessors;
  const { quality } = scene.asker.gradwork;
  const nodes = await quality.selected(report.query);
  const place = nodes.findIndex(({ node }) => node === lurking!.address);
  const onChain = await quality.commitmentOf(report.query, place);
  insist(onChain === signed!.scores[place - 1]!.commitment, "the lurker got away with what it signed");
  const scores = await judge(scene, textsOf(scene, report));
  const { changes, verdict } = settled(scene, {
    scores: { lurker: undefined, "assessor 1": scores, "assessor 2": scores },
    convicted: { turncoat: await convictorOf(scene, turned!) },
  });
  insist(verdict.answers[0]!.consensus === BigInt(scores[0]!), "the turncoat moved the consensus");
  return { ends: [SLOW], changes };
}

async function playUnselected(scene: QueryScene): Promise<Expected> {
  const { asker, model, params } = scene;
  await enlist(scene, "Responder", "responder");
  for (const name of ["assessor 1", "assessor 2", "assessor 3"]) await enlist(scene, "Assessor", name);
  const { quality, provider } = asker.gradwork;
  const newest = await provider.getBlock("latest");
  const answerBy = BigInt(newest!.timestamp) + params.answerSeconds;
  await act(asker, 0n, quality.ask, [model, id("prompt"), 1, 3, FEE, answerBy]);
  const { id: query } = await untilPhase(scene, "Selecting");
  await tryInVain(scene, asker, "WrongPhase", quality.expire, [query]);
  await passTo(scene, answerBy);
  await tryInVain(scene, asker, "WrongPhase", quality.select, [query]);
  await act(asker, { query }, quality.expire, [query]);
  return { ends: ["Unselected"], changes: released(scene) };
}

async function playUnfilled(scene: QueryScene): Promise<Expected> {
  await startNodes(scene, honest("responder", 1), honest("assessor", 3), FEE);
  await askAll(scene, "fast");
  return { ends: ["Unfilled"], changes: released(scene) };
}

async function playDropped(scene: QueryScene): Promise<Expected> {
  return playRelayer(scene, async (query, messages) => {
    const { asker } = scene;
    const { settleFast } = asker.gradwork.quality;
    const without = { ...messages, reveals: messages.reveals.slice(0, -1) };
    const doubled = { ...messages, reveals: [...without.reveals, messages.reveals[0]!] };
    await tryInVain(scene, asker, "WrongMessageCount", settleFast, fastArguments(query, without));
    await tryInVain(scene, asker, "InvalidSignature", settleFast, fastArguments(query, doubled));
    throw new Error("it does not send what all signed");
  });
}

async function playExpired(scene: QueryScene): Promise<Expected> {
  let kept: Parameters<typeof fastArguments> | undefined;
  const expected = await playRelayer(scene, async (query, messages) => {
    kept = [query, messages];
    throw new Error("it waits");
  });
  const { asker } = scene;
  await tryInVain(scene, asker, "WrongPhase", asker.gradwork.quality.settleFast, fastArguments(...kept!));
  return expected;
}

/** All do their part, but the relayer does not send it: the slow path pays the same. */
async function playRelayer(
  scene: QueryScene,
  relay: (query: bigint, messages: FastMessages) => Promise<void>,
): Promise<Expected> {
  await startNodes(scene, honest("responder", 1), honest("assessor", 3));
  const report = await askThrough(
    scene,
    "fast",
    {},
    {
      settle: (_, { id: query }, messages) => relay(query, messages),
    },
  );
  insist(fastFailure(scene) !== undefined, "it was settled by the fast path");
  const all = await judge(scene, textsOf(scene, report));
  const scores = Object.fromEntries(scene.assessors.map(({ name }) => [name, all]));
  return { ends: [SLOW], changes: settled(scene, { scores }).changes };
}

export const QUERY_ASKERS: Adversary[] = [
  {
    name: "queries-prompt-unsent",
    title:
      "an asker never sends the prompt: nobody answers, nobody is penalized, and it gets back all but what burned",
    playQueries: playUnsent,
  },
  {
    name: "queries-late-prompt",
    title:
      "an asker sends a responder the prompt when answering has ended: refused, and only the other is paid",
    playQueries: playLatePrompt,
  },
  {
    name: "queries-silent-assessors",
    title:
      "an asker's own assessors, two of three, go silent: garbage is paid its price, for penalties that are higher",
    playQueries: playSilentAssessors,
  },
  {
    name: "queries-trust-farm",
    title: "an asker has its own nodes praise each other: trust rises by no more than what was burned buys",
    // Of a query's fee a tenth burns, for four nodes.
    options: {
      params: {
        trustFloor: 500_000n,
        trustRate: 100_000n,
        trustPrice: (FEE * 100_003n) / 1_000_000n / 4n / RISE,
      },
    },
    playQueries: playTrustFarm,
  },
  {
    name: "queries-stalling-collector",
    title:
      "a collector keeps what all revealed, and its own assessors commit otherwise or not at all: one is convicted, the other held to what it signed",
    playQueries: playStall,
  },
  {
    name: "queries-dropped-assessor",
    title: "a relayer leaves an assessor out: refused, and the slow path pays all as the fast one would have",
    playQueries: playDropped,
  },
  {
    name: "queries-expired-messages",
    title: "a relayer sends what all signed when the query is over: refused, and the slow path paid all",
    playQueries: playExpired,
  },
  {
    name: "queries-unselected",
    title: "nobody records whom a query's seed drew: it expires, and the asker gets back all but what burned",
    playQueries: playUnselected,
  },
  {
    name: "queries-unfilled",
    title:
      "the only responder asks for more than an answer can earn: nobody is drawn, and the asker gets back the rest",
    playQueries: playUnfilled,
  },
];
