import { join } from "node:path";
import { id, parseEther } from "ethers";
import { connectChain, type Gradwork, walletFromKey } from "../../clients/chain/connection.ts";
import { type Deployment, writeDeployment } from "../../clients/chain/deployment.ts";
import { type NodeRole, type QueryView, roleIndex } from "../../clients/chain/queryView.ts";
import { sleep } from "../../clients/chain/sleep.ts";
import { send } from "../../clients/chain/transactions.ts";
import { openLocalModel } from "../../clients/inference/localModel.ts";
import { queueGenerator } from "../../clients/inference/queue.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import { MAX_SCORE, UNAVAILABLE } from "../../clients/model/scores.ts";
import { openAssessor } from "../../clients/quality/assessor.ts";
import { type AskReport, ask } from "../../clients/roles/asker.ts";
import { type AssessorConduct, HONEST_ASSESSOR, runAssessor } from "../../clients/roles/assessor.ts";
import { DEFAULT_MODEL_PARAMS } from "../../clients/roles/defaults.ts";
import { deposit, useFaucet, wealthOf } from "../../clients/roles/money.ts";
import type { RoleEvent } from "../../clients/roles/observer.ts";
import type { Actor } from "../../clients/roles/party.ts";
import { HONEST_RESPONDER, type QueryPath, runResponder } from "../../clients/roles/responder.ts";
import { openState } from "../../clients/storage/stateStore.ts";
import { deployGradwork, walletProvider } from "../../deploy/deployGradwork.ts";
import { connectMember, fundCast, type Member, makeCast, requireFunds, sweepCast } from "./cast.ts";
import type { Display } from "./display.ts";

const DEPTH = 1;

/** Answers of so many tokens, to prompts that leave room for them in a small model. */
const MAX_TOKENS = 48;

const PROMPTS = [
  "Call me Ishmael. Some years ago I thought I would sail about a little and see",
  "Fellow citizens, the condition of the Union and the foreign affairs of the country",
] as const;

const [STAKE, FEE] = [DEFAULT_MODEL_PARAMS.stakeCap, parseEther("10")];
const PARAMS = { ...DEFAULT_MODEL_PARAMS, answerSeconds: 300n, commitSeconds: 120n, revealSeconds: 120n };

/** The first responder's answer. */
const GARBAGE = Array.from({ length: 24 }, () => "the whale").join(" ");

/** In the order in which everybody joins. */
const CAST: readonly [name: string, role: Member["role"]][] = [
  ["asker, fast", "asker"],
  ["asker, slow", "asker"],
  ["responder 1, garbage", "responder"],
  ["responder 2", "responder"],
  ["responder 3", "responder"],
  ["assessor 1", "assessor"],
  ["assessor 2", "assessor"],
  ["assessor 3", "assessor"],
  ["assessor 4, lazy", "assessor"],
  ["assessor 5, boosting responder 1", "assessor"],
];

const PATHS: readonly QueryPath[] = ["fast", "slow"];

/**
 * @property deployment where the contracts are; without it they are deployed
 * @property modelFolder what responders serve
 * @property judgeFolder the assessors' cross-encoder
 */
export type QueryScene = {
  rpc: string;
  funderKey: string;
  directory: string;
  deployment?: Deployment;
  modelFolder: string;
  judgeFolder: string;
  sweep: boolean;
};

/** Amounts in token wei as decimals, scores in millionths. */
export type QueryReport = {
  path: QueryPath;
  prompt: string;
  answers: {
    responder: string;
    text: string | undefined;
    scores: { assessor: string; score: number | undefined }[];
    consensus: number;
    spread: number;
    paid: string;
  }[];
  /** null on the slow path */
  consensusMs: number | null;
  settleGas: number;
  assessMs: number;
};

export type QueriesReport = {
  queries: QueryReport[];
  accounts: Record<string, { role: string; before: string; after: string }>;
};

/** Registers a model, lets nodes serve and judge it, and asks each prompt once by each path. */
export async function runQueries(
  scene: QueryScene,
  display: Display,
  signal: AbortSignal,
): Promise<QueriesReport> {
  const { rpc, directory } = scene;
  const funder = await connectChain(rpc, walletFromKey(scene.funderKey, "the funding account"), DEPTH);
  await requireFunds(funder, CAST.length, PROMPTS.length);
  const cast = makeCast(join(directory, "queries"), CAST);
  const ending = new AbortController();
  const scope = AbortSignal.any([signal, ending.signal]);
  const work: Promise<void>[] = [];
  const closers: (() => Promise<void>)[] = [];
  try {
    await fundCast(funder, cast, PROMPTS.length, scope);
    const deployment = scene.deployment ?? (await deploy(scene, display));
    const assessMs = new Map<bigint, number>();
    const actors = await Promise.all(
      cast.map(async (member) => {
        const gradwork = await connectMember(rpc, member, deployment, DEPTH);
        const observe = (event: RoleEvent) => {
          if (event.kind === "assessed") {
            assessMs.set(event.query, Math.max(assessMs.get(event.query) ?? 0, event.seconds * 1_000));
          }
          display.show(member, event);
        };
        return { gradwork, address: gradwork.wallet.address, drandUrls: [], observe, signal: scope };
      }),
    );
    const before = await Promise.all(
      actors.map(async ({ gradwork, address }, i) => {
        const isAsker = cast[i]!.role === "asker";
        await useFaucet(gradwork, isAsker ? BigInt(PROMPTS.length) * FEE : STAKE, scope);
        const wealth = await wealthOf(gradwork, address);
        if (!isAsker) await deposit(gradwork, STAKE, scope);
        return wealth;
      }),
    );
    display.say("registering the model; three responders and five assessors join");
    const { gradwork } = actors[0]!;
    const model = await gradwork.registry.modelCount();
    await send(gradwork, gradwork.registry.registerModel, [PARAMS, id("demo"), ""], scope);

    const generator = queueGenerator(await openLocalModel({ model: scene.modelFolder }), QUEUE);
    closers.push(() => generator.close());
    const assessor = await openAssessor({ model: scene.judgeFolder });
    closers.push(() => assessor.close());
    const friend = actors[CAST.findIndex(([, role]) => role === "responder")]!.address;
    for (const [i, actor] of actors.entries()) {
      const [name, role] = CAST[i]!;
      const options = { model, stake: STAKE, directory: cast[i]!.directory, host: "127.0.0.1", port: 0 };
      if (role === "responder") {
        const conduct = name.includes("garbage")
          ? { ...HONEST_RESPONDER, answer: async () => GARBAGE }
          : HONEST_RESPONDER;
        work.push(runResponder(actor, { ...options, generator, maxTokens: MAX_TOKENS }, conduct));
      } else if (role === "assessor") {
        work.push(runAssessor(actor, { ...options, assessor }, conductOf(name, friend)));
      }
    }
    const failure = Promise.all(work).then(() => undefined);
    await Promise.race([failure, everybodyJoined(gradwork, model, scope)]);

    const queries: QueryReport[] = [];
    for (const prompt of PROMPTS) {
      const both = PATHS.map((path, i) => askOne(actors[i]!, cast[i]!, { model, prompt, path }));
      const reports = (await Promise.race([failure, Promise.all(both)])) as AskReport[];
      for (const [i, report] of reports.entries()) {
        queries.push(reportOf(PATHS[i]!, prompt, report, assessMs.get(report.query) ?? 0));
        show(display, prompt, report, new Map(actors.map(({ address }, k) => [address, CAST[k]![0]])));
      }
      requireSame(queries.slice(-PATHS.length));
      display.say("both paths: the same answers, consensus and pay");
    }
    await everythingCollected(actors.slice(PATHS.length), model, scope);
    const after = await Promise.all(actors.map(({ gradwork: chain, address }) => wealthOf(chain, address)));
    const accounts = Object.fromEntries(
      actors.map(({ address }, i) => [
        address,
        { role: CAST[i]![0], before: before[i]!.toString(), after: after[i]!.toString() },
      ]),
    );
    return { queries, accounts };
  } finally {
    ending.abort(new Error("the run is over"));
    await Promise.allSettled(work);
    for (const close of closers) await close();
    if (scene.sweep) await sweepCast(funder, cast, AbortSignal.timeout(120_000));
  }
}

const QUEUE = { concurrency: 1, waiting: 16 };

async function deploy({ rpc, funderKey, directory }: QueryScene, display: Display): Promise<Deployment> {
  const funder = await connectChain(rpc, walletFromKey(funderKey, "the funding account"), DEPTH);
  display.say(`chain ${funder.chainId}: deploying the contracts`);
  const options = { confirmations: DEPTH, pollMs: funder.pollMs };
  const deployment = await deployGradwork(walletProvider(funder), options);
  writeDeployment(join(directory, "deployment.json"), deployment);
  return deployment;
}

/** @param friend whose answers one of them boosts */
function conductOf(name: string, friend: string): AssessorConduct {
  if (name.includes("lazy")) {
    return {
      ...HONEST_ASSESSOR,
      score: async (_, __, answers) =>
        answers.map((answer) => (answer === undefined ? UNAVAILABLE : MAX_SCORE / 2)),
    };
  }
  if (!name.includes("boosting")) return HONEST_ASSESSOR;
  return {
    ...HONEST_ASSESSOR,
    async score(options, view: QueryView, answers, signal) {
      const scores = await HONEST_ASSESSOR.score(options, view, answers, signal);
      return scores.map((score, i) => (view.nodes[i]!.address === friend ? MAX_SCORE : score));
    },
  };
}

async function everybodyJoined(
  { registry, pollMs }: Gradwork,
  model: bigint,
  signal: AbortSignal,
): Promise<void> {
  const wanted = (role: string) => BigInt(CAST.filter(([, one]) => one === role).length);
  const isThere = async (role: NodeRole) =>
    (await registry.placeCount(model, roleIndex(role))) === wanted(role.toLowerCase());
  while (!((await isThere("Responder")) && (await isThere("Assessor")))) await sleep(pollMs, signal);
}

/** Nodes have what they earned sent to their wallets when a query has ended. */
async function everythingCollected(
  nodes: readonly Actor[],
  model: bigint,
  signal: AbortSignal,
): Promise<void> {
  for (const { gradwork, address } of nodes) {
    for (const role of ["Responder", "Assessor"] as const) {
      while ((await gradwork.registry.earnedOf(model, roleIndex(role), address)) > 0n) {
        await sleep(gradwork.pollMs, signal);
      }
    }
  }
}

async function askOne(
  actor: Actor,
  { directory }: Member,
  { model, prompt, path }: { model: bigint; prompt: string; path: QueryPath },
): Promise<AskReport> {
  const counts = { responders: 3, assessors: 5 };
  const state = openState(join(directory, "state.sqlite"));
  try {
    return await ask(actor, { model, prompt, ...counts, fee: FEE, path, state });
  } finally {
    state.close();
  }
}

function reportOf(path: QueryPath, prompt: string, report: AskReport, assessMs: number): QueryReport {
  if (report.path !== path || report.end !== "Settled") {
    throw new GradworkError(
      "NOT_SETTLED",
      `query ${report.query} ended ${report.end} by the ${report.path} path`,
      {
        query: report.query.toString(),
      },
    );
  }
  return {
    path,
    prompt,
    answers: report.answers
      .map(({ paid, ...answer }) => ({ ...answer, paid: paid.toString() }))
      .sort((a, b) => a.responder.localeCompare(b.responder)),
    consensusMs: report.consensusMs ?? null,
    settleGas: Number(report.gasUsed),
    assessMs,
  };
}

/** @throws {GradworkError} `PATHS_DIFFER` */
function requireSame([fast, slow]: readonly QueryReport[]): void {
  const essence = (report: QueryReport | undefined) =>
    JSON.stringify(
      report?.answers.map(({ responder, text, consensus, spread, paid }) => [
        responder,
        text,
        consensus,
        spread,
        paid,
      ]),
    );
  if (essence(fast) === essence(slow)) return;
  throw new GradworkError("PATHS_DIFFER", "the two paths gave different answers, consensus or pay", {
    fast,
    slow,
  });
}

function show(display: Display, prompt: string, report: AskReport, names: ReadonlyMap<string, string>): void {
  const share = (score: number | undefined) =>
    score === undefined ? "  none" : (score / MAX_SCORE).toFixed(3);
  const { query, path, answers, consensusMs, gasUsed, seconds } = report;
  display.say("");
  display.say(`Query ${query}, ${path} path: ${prompt} …`);
  for (const { responder, text, scores, consensus, spread, paid } of answers) {
    display.say(`  ${names.get(responder)}: ${(text ?? "(not read)").replaceAll(/\s+/g, " ").trim()}`);
    const all = scores.map(({ assessor, score }) => `${names.get(assessor)!.slice(9, 10)}: ${share(score)}`);
    display.say(
      `    scores ${all.sort().join(", ")}; consensus ${share(consensus)} ± ${share(spread)}, paid ${tokens(paid)}`,
    );
  }
  const quick =
    consensusMs === undefined ? "" : `; consensus ${consensusMs.toFixed(0)} ms after the last score`;
  display.say(
    `  from ask to settled: ${seconds.toFixed(1)} s, ${gasUsed.toLocaleString("en")} gas to settle${quick}`,
  );
}

function tokens(wei: bigint): string {
  return (Number(wei) / 1e18).toFixed(3);
}
