// Responders who do not answer what they were asked, or not in time, or not the same to all.
import { id } from "ethers";
import { GradworkError } from "../../clients/model/errors.ts";
import { UNAVAILABLE } from "../../clients/model/scores.ts";
import { act } from "../../clients/roles/party.ts";
import { HONEST_RESPONDER, type ResponderConduct } from "../../clients/roles/responder.ts";
import type { Adversary, Expected } from "./adversary.ts";
import { insist, sum, tryInVain } from "./cast.ts";
import { GARBAGE } from "./queryAssessors.ts";
import {
  askAll,
  askerOf,
  askInVain,
  askThrough,
  convictorOf,
  FAST,
  fastFailure,
  faultsOf,
  honest,
  judge,
  playFast,
  SLOW,
  settled,
  startNodes,
  textsOf,
  untilQuery,
} from "./queryCast.ts";
import type { QueryScene } from "./queryScene.ts";

const ASSESSORS = 3;

/** The same scores of all assessors. */
function unanimous(scores: readonly number[]): Record<string, readonly number[]> {
  return Object.fromEntries(Object.keys(honest("assessor", ASSESSORS)).map((name) => [name, scores]));
}

async function playGarbage(scene: QueryScene): Promise<Expected> {
  const { expected, verdict } = await playFast(
    scene,
    { sloven: GARBAGE, ...honest("responder", 1) },
    honest("assessor", ASSESSORS),
    unanimous,
  );
  const [garbage, answer] = verdict.answers;
  insist(garbage!.consensus === 0n && garbage!.paid === 0n, "garbage was paid");
  insist(answer!.paid > 0n, "an honest answer was not paid");
  return expected;
}

/** Answers honestly, then sends something else that it makes of the words. */
function rewrite(change: (words: string[]) => string[]): Partial<ResponderConduct> {
  return {
    async answer(...of) {
      const text = await HONEST_RESPONDER.answer(...of);
      return change(text.trim().split(/\s+/)).join(" ");
    },
  };
}

async function playTruncated(scene: QueryScene): Promise<Expected> {
  const { expected, verdict } = await playFast(
    scene,
    {
      "short responder": rewrite((words) => words.slice(0, 1)),
      "looping responder": rewrite((words) => Array.from({ length: 8 }, () => words.slice(0, 4)).flat()),
      "mute responder": rewrite(() => []),
    },
    honest("assessor", ASSESSORS),
    unanimous,
  );
  const [, looped, mute] = verdict.answers;
  insist(looped!.consensus === 0n && looped!.paid === 0n, "a loop was paid");
  insist(mute!.consensus === 0n && mute!.paid === 0n, "nothing at all was paid");
  return expected;
}

async function playCopied(scene: QueryScene): Promise<Expected> {
  let copied: string | undefined;
  const copy: Partial<ResponderConduct> = {
    async answer() {
      const [copier, rival] = scene.responders;
      const place = ({ nodes }: { nodes: { address: string }[] }) =>
        nodes.findIndex(({ address }) => address === rival!.address);
      const view = await untilQuery(
        scene,
        "the rival has committed its answer",
        (seen) => ((seen.query.answered >> BigInt(Math.max(place(seen), 0))) & 1n) === 1n,
      );
      const body = { reader: copier!.address };
      await askInVain(scene, rival!, view.id, "bundle", body, "COMMITMENTS_INCOMPLETE");
      copied = await rival!.gradwork.quality.commitmentOf(view.id, place(view));
      return "what the rival says";
    },
    commitment: () => copied!,
  };
  await startNodes(scene, { copier: copy, rival: {} }, honest("assessor", ASSESSORS));
  const report = await askThrough(scene, "slow", {});
  const [score] = await judge(scene, textsOf(scene, report, ["rival"]));
  for (const assessor of scene.assessors) {
    insist(faultsOf(assessor).includes("ANSWER_DIFFERS"), `${assessor.name} took the copy for an answer`);
  }
  const { changes, verdict } = settled(scene, { scores: unanimous([UNAVAILABLE, score!]) });
  insist(verdict.answers[0]!.paid === 0n && verdict.answers[1]!.paid > 0n, "the copy was paid");
  return { ends: [SLOW], changes };
}

async function playLate(scene: QueryScene): Promise<Expected> {
  const late: Partial<ResponderConduct> = {
    async answer(...of) {
      const isOver = ({ phase }: { phase: string }) => phase !== "Selecting" && phase !== "Answering";
      await untilQuery(scene, "answering has ended", isOver);
      return HONEST_RESPONDER.answer(...of);
    },
  };
  await startNodes(
    scene,
    { "late responder": late, ...honest("responder", 1) },
    honest("assessor", ASSESSORS),
  );
  const report = await askThrough(scene, "slow", { answered: 1 });
  const [score] = await judge(scene, textsOf(scene, report, ["responder 1"]));
  const [tardy] = scene.responders;
  insist(
    tardy!.events.some(({ kind }) => kind === "answered"),
    "it never answered",
  );
  const { commitAnswer } = tardy!.gradwork.quality;
  const place = report.answers.findIndex(({ responder }) => responder === tardy!.address);
  await tryInVain(scene, tardy!, "WrongPhase", commitAnswer, [report.query, place, id("late"), "0x"]);
  const { changes } = settled(scene, {
    scores: unanimous([UNAVAILABLE, score!]),
    unanswered: [tardy!.name],
  });
  return { ends: [SLOW], changes };
}

async function playMissing(scene: QueryScene): Promise<Expected> {
  const silent: Partial<ResponderConduct> = {
    async answer() {
      throw new GradworkError("SILENT", "it says nothing");
    },
  };
  await startNodes(
    scene,
    { "silent responder": silent, ...honest("responder", 1) },
    honest("assessor", ASSESSORS),
  );
  const report = await askThrough(scene, "fast", { answered: 1 });
  insist(faultsOf(scene.asker).includes("SILENT"), `the asker met ${faultsOf(scene.asker)}`);
  const [score] = await judge(scene, textsOf(scene, report, ["responder 1"]));
  const { changes } = settled(scene, {
    scores: unanimous([UNAVAILABLE, score!]),
    unanswered: ["silent responder"],
  });
  return { ends: [SLOW], changes };
}

async function playTwoFaced(scene: QueryScene): Promise<Expected> {
  let cheated: string[] = [];
  const twoFaced: Partial<ResponderConduct> = {
    bundle(node, query, reader) {
      const shown = HONEST_RESPONDER.bundle(node, query, reader);
      return cheated.includes(reader) ? { ...shown, answer: `${shown.answer}, and more` } : shown;
    },
  };
  await startNodes(
    scene,
    { "two-faced responder": twoFaced, ...honest("responder", 1) },
    honest("assessor", ASSESSORS),
  );
  const parts: Record<string, bigint>[] = [];
  for (const count of [1, 2]) {
    const victims = scene.assessors.slice(0, count);
    cheated = victims.map(({ address }) => address);
    const [answer, other] = await judge(scene, textsOf(scene, await askAll(scene, "fast")));
    const scores = scene.assessors.map((assessor) => {
      const isCheated = victims.includes(assessor);
      return [assessor.name, [isCheated ? UNAVAILABLE : answer!, other!]] as const;
    });
    const { changes, verdict } = settled(scene, { scores: Object.fromEntries(scores) });
    insist(verdict.answers[0]!.paid > 0n === (count === 1), `${count} of ${ASSESSORS} were cheated`);
    insist(verdict.assessors[0]!.lost === 0n, "who was cheated is penalized");
    for (const { name, events } of victims) {
      const isSeen = events.some((event) => event.kind === "assessed" && event.scores.includes(undefined));
      insist(isSeen, `${name} did not see it`);
    }
    parts.push(changes);
  }
  return { ends: [FAST, FAST], changes: sum(...parts) };
}

async function playEquivocation(scene: QueryScene): Promise<Expected> {
  const names = { equivocator: {}, ...honest("responder", 1) };
  await startNodes(scene, names, honest("assessor", ASSESSORS));
  const [equivocator] = scene.responders;
  const asker = askerOf(scene, "fast");
  const report = await askThrough(
    scene,
    "fast",
    {},
    {
      async gather(reader, view, answers) {
        const messages = await asker.gather(reader, view, answers);
        const place = view.nodes.findIndex(({ address }) => address === equivocator!.address);
        const { commitAnswer } = equivocator!.gradwork.quality;
        const args = [view.id, place, id("something else"), "0x"] as const;
        await act(equivocator!, { query: view.id }, commitAnswer, [...args]);
        return messages;
      },
    },
  );
  insist(fastFailure(scene) === "CommitmentMismatch", `the fast path failed with ${fastFailure(scene)}`);
  const [score] = await judge(scene, textsOf(scene, report, ["responder 1"]));
  const { changes, verdict } = settled(scene, {
    // What it signed first was read and scored, and does not count.
    scores: unanimous([0, score!]),
    convicted: { equivocator: await convictorOf(scene, equivocator!) },
  });
  insist(verdict.answers[0]!.paid === 0n && verdict.answers[1]!.paid > 0n, "who equivocates is paid");
  return { ends: [SLOW], changes };
}

export const QUERY_RESPONDERS: Adversary[] = [
  {
    name: "queries-garbage-answer",
    title:
      "a responder answers with the same words over and over: assessors score it 0, and it earns nothing",
    playQueries: playGarbage,
  },
  {
    name: "queries-truncated-answer",
    title:
      "responders send one word, their own words in a loop, and nothing: the word earns what it is worth, loop and nothing 0",
    playQueries: playTruncated,
  },
  {
    name: "queries-copied-answer",
    title:
      "a responder commits to what a rival committed to: it is refused the answer, can't show it, and earns nothing",
    playQueries: playCopied,
  },
  {
    name: "queries-late-answer",
    title:
      "a responder answers when the time is over: it can't commit any more and earns nothing, the other is paid",
    playQueries: playLate,
  },
  {
    name: "queries-missing-answer",
    title: "a responder does not answer: the slow path pays the other, and refunds the rest",
    playQueries: playMissing,
  },
  {
    name: "queries-two-faced-answer",
    title:
      "a responder shows some assessors another answer than it committed to: they say that it never came, and two of three have it unpaid",
    playQueries: playTwoFaced,
  },
  {
    name: "queries-equivocating-responder",
    title:
      "a responder signs one answer and commits another on chain: assessors show both, it loses a node's stake and its pay",
    playQueries: playEquivocation,
  },
];
