// node bench/consensus.ts: the fast path's consensus, from when the last assessor has its scores to the message that
// settles, of 16 assessors over HTTP on this machine, in a process for each core, and the asker in one of its own. Everybody
// checks everybody's signatures inside the time.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { id, parseEther, Wallet } from "ethers";
import { network } from "hardhat";
import { bindContracts, connectChain, type Gradwork } from "../clients/chain/connection.ts";
import type { Deployment } from "../clients/chain/deployment.ts";
import { roleIndex } from "../clients/chain/queryView.ts";
import { sleep } from "../clients/chain/sleep.ts";
import { send } from "../clients/chain/transactions.ts";
import { embeddedModelFolder } from "../clients/inference/embedded.ts";
import { openLocalModel } from "../clients/inference/localModel.ts";
import { queueGenerator } from "../clients/inference/queue.ts";
import { openAssessor } from "../clients/quality/assessor.ts";
import { ask, HONEST_ASKER } from "../clients/roles/asker.ts";
import { HONEST_ASSESSOR, runAssessor } from "../clients/roles/assessor.ts";
import { DEFAULT_MODEL_PARAMS } from "../clients/roles/defaults.ts";
import { deposit, useFaucet } from "../clients/roles/money.ts";
import type { Actor } from "../clients/roles/party.ts";
import { runResponder } from "../clients/roles/responder.ts";
import { openState } from "../clients/storage/stateStore.ts";
import { deployGradwork, walletProvider } from "../deploy/deployGradwork.ts";
import { FUNDER_KEY } from "../scripts/demo/localChain.ts";

const [RESPONDERS, ASSESSORS] = [3, 16];
/** Nodes run for long: their code is compiled by its use. */
const [WARM_UP_RUNS, RUNS] = [20, 100];
/** With more of them than cores, it would be the scheduler's time that is measured. */
const PROCESSES = Math.min(availableParallelism(), ASSESSORS);
const LIMIT_MILLISECONDS = 50;
const FEE = parseEther("30");
const STAKE = DEFAULT_MODEL_PARAMS.nodeStake;
/** Full trust and no cap, so that few draws find everybody. */
const MODEL = { ...DEFAULT_MODEL_PARAMS, stakeCap: STAKE, trustFloor: 1_000_000n, trustRate: 0n };
const POLL_MILLISECONDS = 1_000;
/** Of the chain while a query waits for its selection, and before a measurement, when it makes none, and all see its last. */
const [BLOCK_MILLISECONDS, REST_MILLISECONDS] = [100, POLL_MILLISECONDS + 200];
const PROMPT = "Call me Ishmael. Some years ago, never mind how long precisely";
const MAX_TOKENS = 12;

/** What a process plays. */
type Part = {
  name: "asker" | "assessor";
  /** of the accounts that play it */
  numbers: number[];
  rpc: string;
  deployment: Deployment;
  /** has a folder for each node */
  home: string;
};

/** What each node is run with. */
function nodeOf(home: string, number: number) {
  return { model: 0n, directory: join(home, String(number)), host: "127.0.0.1", port: 0 };
}

/** Milliseconds, the same in all processes. */
const now = () => performance.timeOrigin + performance.now();

/** What an assessor tells. */
type Scored = { scoredAt: number; query: number };

const ending = new AbortController();
const { signal } = ending;

async function actorOf(rpc: string, deployment: Deployment, number: number): Promise<Actor> {
  const chain = await connectChain(rpc, new Wallet(id(`party ${number}`)), 0);
  const gradwork = await bindContracts({ ...chain, pollMs: POLL_MILLISECONDS }, deployment);
  return { gradwork, address: gradwork.wallet.address, drandUrls: [], observe: () => {}, signal };
}

/* PROCESSES */

/** Tells when it has scores. */
async function playAssessor({ rpc, deployment, home }: Part, number: number): Promise<void> {
  const assessor = await openAssessor({ model: embeddedModelFolder("cross-encoder"), threads: 1 });
  const actor = await actorOf(rpc, deployment, number);
  const conduct = {
    ...HONEST_ASSESSOR,
    score: async (...args: Parameters<typeof HONEST_ASSESSOR.score>) => {
      const scores = await HONEST_ASSESSOR.score(...args);
      process.send!({ scoredAt: now(), query: Number(args[1].id) });
      return scores;
    },
  };
  await runAssessor(actor, { ...nodeOf(home, number), assessor }, conduct);
}

/** When the messages that settle were there, by query. */
async function playAsker({ rpc, deployment, home }: Part, number: number): Promise<number[]> {
  const actor = await actorOf(rpc, deployment, number);
  const setBlockTime = (milliseconds: number) =>
    actor.gradwork.provider.send("evm_setIntervalMining", [milliseconds]);
  const state = openState(join(home, "asker.sqlite"));
  const times: number[] = [];
  const conduct = {
    ...HONEST_ASKER,
    gather: async (...args: Parameters<typeof HONEST_ASKER.gather>) => {
      await setBlockTime(0);
      await sleep(REST_MILLISECONDS, signal);
      const messages = await HONEST_ASKER.gather(...args);
      times.push(now());
      return messages;
    },
  };
  const counts = { responders: RESPONDERS, assessors: ASSESSORS };
  for (let run = 0; run < WARM_UP_RUNS + RUNS; run++) {
    await setBlockTime(BLOCK_MILLISECONDS);
    const options = {
      model: 0n,
      prompt: `${PROMPT} ${run}`,
      ...counts,
      fee: FEE,
      path: "fast" as const,
      state,
    };
    const { path } = await ask(actor, options, conduct);
    if (path !== "fast") throw new Error(`query ${run} was settled by the slow path`);
  }
  return times;
}

/* THE MACHINE */

function start(part: Part): ChildProcess {
  const child = fork(fileURLToPath(import.meta.url));
  child.send(part, (error) => error && child.kill());
  child.on("exit", (code) => ending.abort(new Error(`${part.name} ${part.numbers} ended with ${code}`)));
  return child;
}

async function prepare(rpc: string, deployment: Deployment, funder: Gradwork): Promise<void> {
  for (let i = 0; i <= RESPONDERS + ASSESSORS; i++) {
    const { gradwork, address } = await actorOf(rpc, deployment, i);
    await funder.provider.send("hardhat_setBalance", [address, "0x56bc75e2d63100000"]);
    const isAsker = i === RESPONDERS + ASSESSORS;
    await useFaucet(gradwork, isAsker ? BigInt(WARM_UP_RUNS + RUNS) * FEE : STAKE, signal);
    if (!isAsker) await deposit(gradwork, STAKE, signal);
    gradwork.provider.destroy();
  }
  await send(funder, funder.registry.registerModel, [MODEL, id("bench"), ""], signal);
}

async function main(): Promise<void> {
  const override = { mining: { auto: true, interval: 0 }, allowBlocksWithSameTimestamp: true };
  const server = await network.createServer({ network: "default", override }, "127.0.0.1", 0);
  const { address, port } = await server.listen();
  const rpc = `http://${address}:${port}`;
  const home = mkdtempSync(join(tmpdir(), "gradwork-bench-"));
  const children: ChildProcess[] = [];
  const responders: Promise<void>[] = [];
  const lastScoredAt: number[] = [];
  const local = await openLocalModel({ model: embeddedModelFolder("llama") });
  const generator = queueGenerator(local, { concurrency: 1, waiting: RESPONDERS });
  try {
    const chain = await connectChain(rpc, new Wallet(FUNDER_KEY), 0);
    const deployment = await deployGradwork(walletProvider(chain), { confirmations: 0, pollMs: 50 });
    const funder = await bindContracts(chain, deployment);
    await prepare(rpc, deployment, funder);
    for (let number = 0; number < RESPONDERS; number++) {
      const options = { ...nodeOf(home, number), generator, maxTokens: MAX_TOKENS };
      responders.push(runResponder(await actorOf(rpc, deployment, number), options).catch(() => {}));
    }
    const assessors = Array.from({ length: ASSESSORS }, (_, i) => RESPONDERS + i);
    for (let core = 0; core < PROCESSES; core++) {
      const numbers = assessors.filter((number) => number % PROCESSES === core);
      const child = start({ name: "assessor", numbers, rpc, deployment, home });
      child.on("message", ({ scoredAt, query }: Scored) => {
        lastScoredAt[query] = Math.max(lastScoredAt[query] ?? 0, scoredAt);
      });
      children.push(child);
    }
    const joined = () => funder.registry.placeCount(0n, roleIndex("Assessor"));
    while ((await joined()) < BigInt(ASSESSORS)) await sleep(POLL_MILLISECONDS, signal);
    const asker = start({ name: "asker", numbers: [RESPONDERS + ASSESSORS], rpc, deployment, home });
    children.push(asker);
    const [settleableAt] = (await once(asker, "message", { signal })) as [number[]];
    report(settleableAt.map((at, query) => at - lastScoredAt[query]!).slice(WARM_UP_RUNS));
  } finally {
    for (const child of children) child.kill();
    ending.abort();
    await Promise.all(responders);
    await generator.close();
    await server.close();
    rmSync(home, { recursive: true });
  }
}

function report(milliseconds: number[]): void {
  milliseconds.sort((a, b) => a - b);
  const [p50, p99] = [milliseconds[RUNS >> 1]!, milliseconds[Math.ceil(0.99 * RUNS) - 1]!];
  console.log(
    `${ASSESSORS} assessors in ${PROCESSES} processes, ${RUNS} queries: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ` +
      `${(p99 / LIMIT_MILLISECONDS).toFixed(2)} of ${LIMIT_MILLISECONDS} ms at p99`,
  );
}

if (process.send === undefined) await main();
else {
  const [part] = (await once(process, "message")) as [Part];
  if (part.name === "assessor") await Promise.all(part.numbers.map((number) => playAssessor(part, number)));
  else process.send(await playAsker(part, part.numbers[0]!));
}
