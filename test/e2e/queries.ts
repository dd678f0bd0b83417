import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { id, parseEther, Wallet } from "ethers";
import { bindContracts, connectChain, type Gradwork, walletFromKey } from "../../clients/chain/connection.ts";
import { roleIndex } from "../../clients/chain/queryView.ts";
import { waitForReceipt } from "../../clients/chain/transactions.ts";
import { embeddedModelFolder } from "../../clients/inference/embedded.ts";
import type { Generator } from "../../clients/inference/generator.ts";
import { openLocalModel } from "../../clients/inference/localModel.ts";
import { queueGenerator } from "../../clients/inference/queue.ts";
import { type Assessor, openAssessor } from "../../clients/quality/assessor.ts";
import {
  type AskedAnswer,
  type AskOptions,
  type AskReport,
  ask,
  HONEST_ASKER,
  resumeAsked,
} from "../../clients/roles/asker.ts";
import { runAssessor } from "../../clients/roles/assessor.ts";
import { deposit, useFaucet, wealthOf } from "../../clients/roles/money.ts";
import type { RoleEvent } from "../../clients/roles/observer.ts";
import type { Actor } from "../../clients/roles/party.ts";
import { type QueryPath, runResponder } from "../../clients/roles/responder.ts";
import { openState, type StateStore } from "../../clients/storage/stateStore.ts";
import { deployGradwork, walletProvider } from "../../deploy/deployGradwork.ts";
import { type LocalChain, startLocalChain } from "../../scripts/demo/localChain.ts";
import { expectCode } from "../contracts/support/expectCode.ts";

const BLOCK_MS = 500;
const RESPONDERS = 2;
const ASSESSORS = 3;
const STAKE = parseEther("100");
const FEE = parseEther("10");
const PROMPT =
  "Call me Ishmael. Some years ago, never mind how long precisely, I thought I would sail about a little";

const MODEL = {
  nodeStake: STAKE,
  stakeCap: STAKE,
  answerSeconds: 120n,
  commitSeconds: 60n,
  revealSeconds: 60n,
  aggregate: 0n,
  trimShare: 0n,
  burnShare: 100_000n,
  assessorShare: 300_000n,
  qualityFactor: 1_000_000n,
  costFactor: 0n,
  toleranceScore: 100_000n,
  quorumShare: 666_667n,
  trustFloor: 1_000_000n,
  trustRate: 0n,
  leastFee: parseEther("1"),
  trustPrice: 1_000_000_000n,
  deviationMultiple: 3n,
};

describe("queries between real nodes", function () {
  this.timeout(180_000);

  const ending = new AbortController();
  const { signal } = ending;
  const work: Promise<void>[] = [];
  let chain: LocalChain;
  let directory: string;
  let generator: Generator;
  let assessor: Assessor;
  let parties: Gradwork[];
  let asker: Actor;
  const reports: Partial<Record<QueryPath, AskReport>> = {};
  let state: StateStore;

  function asking(path: QueryPath): AskOptions {
    const counts = { responders: RESPONDERS, assessors: ASSESSORS };
    return { model: 0n, prompt: PROMPT, ...counts, fee: FEE, path, state };
  }

  function actor(gradwork: Gradwork): Actor {
    const observe = (event: RoleEvent) => {
      if (process.env.VERBOSE !== undefined) console.log(gradwork.wallet.address.slice(0, 8), event);
    };
    return { gradwork, address: gradwork.wallet.address, drandUrls: [], observe, signal };
  }

  before(async () => {
    chain = await startLocalChain({ blockMs: BLOCK_MS });
    directory = mkdtempSync(join(tmpdir(), "gradwork-queries-"));
    generator = queueGenerator(await openLocalModel({ model: embeddedModelFolder("llama") }), {
      concurrency: 1,
      waiting: 8,
    });
    assessor = await openAssessor({ model: embeddedModelFolder("cross-encoder") });

    const funder = await connectChain(chain.rpc, walletFromKey(chain.funderKey, "the funder"), 0);
    const deployment = await deployGradwork(walletProvider(funder), { confirmations: 1, pollMs: 50 });
    parties = [];
    for (let i = 0; i < 1 + RESPONDERS + ASSESSORS; i++) {
      const wallet = new Wallet(id(`party ${i}`));
      const sent = await funder.wallet.sendTransaction({ to: wallet.address, value: parseEther("10") });
      await waitForReceipt(funder, sent.hash, "funding", signal);
      parties.push(await bindContracts(await connectChain(chain.rpc, wallet, 0), deployment));
    }
    await Promise.all(parties.map((gradwork) => useFaucet(gradwork, 2n * STAKE, signal)));
    await Promise.all(parties.slice(1).map((gradwork) => deposit(gradwork, STAKE, signal)));
    asker = actor(parties[0]!);
    const { registry } = asker.gradwork;
    const registering = await registry.registerModel(MODEL, id("record"), "");
    await waitForReceipt(asker.gradwork, registering.hash, "registering", signal);

    for (const [i, gradwork] of parties.slice(1).entries()) {
      const options = { model: 0n, directory: join(directory, `node-${i}`), host: "127.0.0.1", port: 0 };
      const running =
        i < RESPONDERS
          ? runResponder(actor(gradwork), { ...options, generator, maxTokens: 32 })
          : runAssessor(actor(gradwork), { ...options, assessor });
      work.push(running.catch((error) => void (signal.aborted || console.error(error))));
    }
    const joined = async (role: "Responder" | "Assessor", count: number) => {
      while ((await registry.placeCount(0n, roleIndex(role))) < BigInt(count)) {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    await joined("Responder", RESPONDERS);
    await joined("Assessor", ASSESSORS);

    state = openState(join(directory, "asker", "state.sqlite"));
    for (const path of ["fast", "slow"] as const) reports[path] = await ask(asker, asking(path));
  });

  after(async () => {
    ending.abort(new Error("the test is over"));
    await Promise.allSettled(work);
    await generator?.close();
    await assessor?.close();
    await chain?.close();
    state?.close();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  for (const path of ["fast", "slow"] as const) {
    it(`are settled by the ${path} path, their answers read and scored by all`, () => {
      const { end, path: taken, answers } = reports[path]!;
      expect([end, taken]).to.deep.equal(["Settled", path]);
      expect(answers).to.have.length(RESPONDERS);
      for (const { text, scores, consensus } of answers) {
        expect(text?.length).to.be.greaterThan(10);
        const values = scores.map(({ score }) => score);
        // The same model on the same machine: all agree.
        expect(values).to.deep.equal(Array.from({ length: ASSESSORS }, () => consensus));
      }
    });
  }

  it("have the same answers, consensus and pay on both paths", () => {
    const essence = ({ answers }: AskReport) =>
      answers
        .map(({ responder, text, consensus, spread, paid }) => ({ responder, text, consensus, spread, paid }))
        .sort((a, b) => a.responder.localeCompare(b.responder));
    expect(essence(reports.fast!)).to.deep.equal(essence(reports.slow!));
  });

  it("can be read again once they have ended", async () => {
    for (const path of ["fast", "slow"] as const) {
      const { answers, end, path: taken } = await resumeAsked(asker, reports[path]!.query, state);
      expect([end, taken]).to.deep.equal(["Settled", path]);
      expect(answers).to.deep.equal(reports[path]!.answers);
    }
  });

  it("leave with the asker what the answers and scores did not earn", async () => {
    const spent = 2n * STAKE - (await wealthOf(asker.gradwork, asker.address));
    const refunded = reports.fast!.refunded + reports.slow!.refunded;
    expect(spent).to.equal(2n * FEE - refunded);
    expect(refunded > 0n).to.equal(true);
  });

  it("go on after the asker was stopped, by the path that was taken", async () => {
    const query = await asker.gradwork.quality.queryCount();
    const stopping = new AbortController();
    const collect = async () => {
      stopping.abort(new Error("stopped"));
      throw stopping.signal.reason;
    };
    const stopped = { ...asker, signal: stopping.signal };
    const failure = await ask(stopped, asking("fast"), { ...HONEST_ASKER, collect }).catch((error) => error);
    expect(failure).to.equal(stopping.signal.reason);
    const { end, path, answers } = await resumeAsked(asker, query, state);
    expect([end, path]).to.deep.equal(["Settled", "fast"]);
    const texts = (report: { answers: AskedAnswer[] }) => report.answers.map(({ text }) => text).sort();
    expect(texts({ answers })).to.deep.equal(texts(reports.fast!));
  });

  it("are unknown to another state", async () => {
    const other = openState(join(directory, "other", "state.sqlite"));
    try {
      await expectCode(resumeAsked(asker, 0n, other), "NOT_ASKED_HERE");
    } finally {
      other.close();
    }
  });
});
