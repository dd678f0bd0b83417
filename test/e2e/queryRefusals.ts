import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { hexlify, id, keccak256, parseEther, randomBytes, toUtf8Bytes, Wallet } from "ethers";
import { bindContracts, connectChain, type Gradwork, walletFromKey } from "../../clients/chain/connection.ts";
import {
  promptHash,
  type StatementName,
  scoreCommitment,
  statementDigest,
} from "../../clients/chain/queryStatements.ts";
import {
  createContacts,
  type NodeContact,
  readQuery,
  roleIndex,
  statementDomain,
} from "../../clients/chain/queryView.ts";
import { signDigest } from "../../clients/chain/signing.ts";
import { sleep } from "../../clients/chain/sleep.ts";
import { send, waitForReceipt } from "../../clients/chain/transactions.ts";
import { embeddedModelFolder } from "../../clients/inference/embedded.ts";
import type { Generator } from "../../clients/inference/generator.ts";
import { openLocalModel } from "../../clients/inference/localModel.ts";
import type { JsonFields } from "../../clients/messages/jsonFields.ts";
import { requestNode } from "../../clients/messages/nodeRequest.ts";
import { newReaderSecret, openReader, seal } from "../../clients/messages/sealedBox.ts";
import { toHex } from "../../clients/model/bytes.ts";
import { type Assessor, openAssessor } from "../../clients/quality/assessor.ts";
import { type AskOptions, ask, HONEST_ASKER } from "../../clients/roles/asker.ts";
import { runAssessor } from "../../clients/roles/assessor.ts";
import { DEFAULT_MODEL_PARAMS } from "../../clients/roles/defaults.ts";
import { allow, deposit, useFaucet } from "../../clients/roles/money.ts";
import type { Actor } from "../../clients/roles/party.ts";
import { type SignedCommitment, sealPurpose, select } from "../../clients/roles/queryNode.ts";
import { runResponder } from "../../clients/roles/responder.ts";
import { openState, type StateStore } from "../../clients/storage/stateStore.ts";
import { deployGradwork, walletProvider } from "../../deploy/deployGradwork.ts";
import { type LocalChain, startLocalChain } from "../../scripts/demo/localChain.ts";
import { expectCode } from "../contracts/support/expectCode.ts";

const [RESPONDERS, ASSESSORS] = [2, 3];
const { nodeStake: STAKE } = DEFAULT_MODEL_PARAMS;
/** Full trust and equal stakes, so that few draws find everybody. */
const MODEL = { ...DEFAULT_MODEL_PARAMS, stakeCap: STAKE, trustFloor: 1_000_000n, trustRate: 0n };
const FEE = parseEther("10");
const PROMPT = "Call me Ishmael. Some years ago, never mind how long precisely";
const SALT = id("salt");

describe("queries refuse", function () {
  this.timeout(60_000);

  const ending = new AbortController();
  const { signal } = ending;
  const work: Promise<void>[] = [];
  let chain: LocalChain;
  let directory: string;
  let state: StateStore;
  let generator: Generator;
  let assessor: Assessor;
  let asker: Actor;
  let stranger: Actor;
  let wallets: Wallet[];
  let contactOf: (node: string) => Promise<NodeContact | undefined>;
  /** Of this test's, that is answered but not scored. */
  let query: bigint;
  /** Its responder, the one that was not drawn, and an assessor. */
  let [drawn, other, judge] = ["", "", ""];
  let replyKey: string;

  const actorOf = (gradwork: Gradwork): Actor => {
    return { gradwork, address: gradwork.wallet.address, drandUrls: [], observe: () => {}, signal };
  };
  const nodeOptions = (name: string) => {
    return { model: 0n, directory: join(directory, name), host: "127.0.0.1", port: 0 };
  };

  before(async () => {
    chain = await startLocalChain({ blockMs: 300 });
    directory = mkdtempSync(join(tmpdir(), "gradwork-refusals-"));
    state = openState(join(directory, "asker", "state.sqlite"));
    generator = await openLocalModel({ model: embeddedModelFolder("llama"), threads: 1 });
    assessor = await openAssessor({ model: embeddedModelFolder("cross-encoder"), threads: 1 });
    const funder = await connectChain(chain.rpc, walletFromKey(chain.funderKey, "the funder"), 0);
    const deployment = await deployGradwork(walletProvider(funder), { confirmations: 1, pollMs: 50 });
    wallets = Array.from({ length: 2 + RESPONDERS + ASSESSORS }, (_, i) => new Wallet(id(`account ${i}`)));
    const nonce = await funder.wallet.getNonce();
    const sent = wallets.map(({ address: to }, i) =>
      funder.wallet.sendTransaction({ to, value: parseEther("1"), nonce: nonce + i }),
    );
    for (const { hash } of await Promise.all(sent)) await waitForReceipt(funder, hash, "funding", signal);
    const all = await Promise.all(
      wallets.map(async (wallet) => bindContracts(await connectChain(chain.rpc, wallet, 0), deployment)),
    );
    await Promise.all(all.slice(1).map((gradwork) => useFaucet(gradwork, 2n * STAKE, signal)));
    await Promise.all(all.slice(2).map((gradwork) => deposit(gradwork, STAKE, signal)));
    [stranger, asker] = [actorOf(all[0]!), actorOf(all[1]!)];
    const { gradwork } = asker;
    contactOf = createContacts(gradwork, signal);
    await send(gradwork, gradwork.registry.registerModel, [MODEL, id("record"), ""], signal);
    for (const [i, each] of all.slice(2).entries()) {
      const options = nodeOptions(`node-${i}`);
      const running =
        i < RESPONDERS
          ? runResponder(actorOf(each), { ...options, generator, maxTokens: 12 })
          : runAssessor(actorOf(each), { ...options, assessor });
      work.push(running.catch((error) => void (signal.aborted || console.error(error))));
    }
    const joined = (role: "Responder" | "Assessor") => gradwork.registry.placeCount(0n, roleIndex(role));
    while ((await joined("Responder")) < RESPONDERS || (await joined("Assessor")) < ASSESSORS) {
      await sleep(100, signal);
    }

    await allow(gradwork, FEE, signal);
    query = await gradwork.quality.queryCount();
    const answerBy = BigInt((await gradwork.provider.getBlock("latest"))!.timestamp) + 500n;
    const hash = promptHash(keccak256(toUtf8Bytes(PROMPT)), SALT);
    await send(gradwork, gradwork.quality.ask, [0n, hash, 1n, ASSESSORS, FEE, answerBy], signal);
    let view = await readQuery(gradwork, query);
    for (; view.phase === "Selecting"; view = await readQuery(gradwork, query)) {
      await select(asker, view);
      await sleep(100, signal);
    }
    drawn = view.nodes[0]!.address;
    judge = view.nodes[1]!.address;
    other = wallets.slice(2, 2 + RESPONDERS).find(({ address }) => address !== drawn)!.address;
    replyKey = (await openReader(newReaderSecret())).publicKey;
  });

  after(async () => {
    ending.abort(new Error("the test is over"));
    await Promise.allSettled(work);
    await generator?.close();
    await assessor?.close();
    state?.close();
    await chain?.close();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  /** Asks a node, and gives why it refuses. */
  async function refusal(node: string, name: string, body: JsonFields): Promise<unknown> {
    const { endpoint } = (await contactOf(node))!;
    const request = requestNode(endpoint, query, name, body, { timeoutMs: 10_000, signal });
    return (await expectCode(request, "NODE_REFUSED")).data.reason;
  }

  async function sealed(node: string, message: unknown, about = query): Promise<JsonFields> {
    const { encryptionKey } = (await contactOf(node))!;
    const bytes = typeof message === "string" ? toUtf8Bytes(message) : toUtf8Bytes(JSON.stringify(message));
    return { sealed: toHex(await seal(encryptionKey, sealPurpose(asker, "prompt", about, node), bytes)) };
  }

  /** A commitment signed by a node's key. */
  function signed(node: string, name: StatementName, commitment: string, about = query): SignedCommitment {
    const digest = statementDigest(statementDomain(asker.gradwork), name, { query: about, commitment });
    const { privateKey } = wallets.find(({ address }) => address === node)!;
    return { commitment, signature: signDigest(privateKey, digest) };
  }

  describe("who asks", () => {
    const refused = async (changes: Partial<AskOptions>, code: string, who = asker) => {
      const before = await who.gradwork.quality.queryCount();
      const counts = { responders: 1, assessors: ASSESSORS };
      const asking = { model: 0n, prompt: PROMPT, ...counts, fee: FEE, path: "fast" as const, state };
      const error = await expectCode(ask(who, { ...asking, ...changes }, HONEST_ASKER), code);
      expect(await who.gradwork.quality.queryCount()).to.equal(before);
      return error;
    };

    it("of a model that does not exist", () => refused({ model: 7n }, "UNKNOWN_MODEL"));
    it("more nodes than there are", () => refused({ responders: 3 }, "TOO_FEW_NODES"));
    it("without the tokens", () => refused({}, "INSUFFICIENT_TOKENS", stranger));

    it("for a fee of which an answer or a duty could earn too little, or a duty too much", async () => {
      const { message } = await refused({ fee: MODEL.leastFee }, "FEE_TOO_SMALL");
      expect(message).to.include("0.065").and.include("0.1");
      await refused({ fee: parseEther("100") }, "FEE_TOO_LARGE");
    });

    it("for answers at once", async () => {
      const { message } = await refused({ answerSeconds: 0n }, "REVERTED");
      expect(message).to.include("DeadlineOutOfRange");
    });
  });

  describe("who would serve", () => {
    it("without stake, before a folder is made", async () => {
      const options = { ...nodeOptions("poor"), generator, maxTokens: 12 };
      await expectCode(runResponder(stranger, options), "STAKE_TOO_SMALL");
      await expectCode(runResponder(stranger, { ...options, model: 7n }), "UNKNOWN_MODEL");
    });
  });

  describe("a prompt", () => {
    const message = () => ({ prompt: PROMPT, salt: SALT, replyKey, path: "fast" });

    it("that is not there, or not sealed for this query and reader", async () => {
      expect(await refusal(drawn, "prompt", {})).to.equal("PROMPT_MISSING");
      expect(await refusal(drawn, "prompt", { sealed: hexlify(randomBytes(200)) })).to.equal("SEAL_BROKEN");
      expect(await refusal(drawn, "prompt", await sealed(drawn, message(), query + 1n))).to.equal(
        "SEAL_BROKEN",
      );
      expect(await refusal(drawn, "prompt", await sealed(judge, message()))).to.equal("SEAL_BROKEN");
    });

    it("that is no JSON, or not whole", async () => {
      for (const part of ["{", null, [], { ...message(), salt: 1 }, { ...message(), path: "middle" }]) {
        expect(await refusal(drawn, "prompt", await sealed(drawn, part))).to.equal("PROMPT_MISSING");
      }
    });

    it("other than was asked, or with another salt", async () => {
      for (const changed of [{ prompt: "Call me Ahab." }, { salt: id("other") }]) {
        const body = await sealed(drawn, { ...message(), ...changed });
        expect(await refusal(drawn, "prompt", body)).to.equal("PROMPT_DIFFERS");
      }
    });

    it("to who was not drawn", async () => {
      expect(await refusal(other, "prompt", await sealed(other, message()))).to.equal("QUERY_NOT_OURS");
    });
  });

  describe("an answer", () => {
    let answers: SignedCommitment[];

    it("that is not there yet", async () => {
      expect(await refusal(drawn, "bundle", { reader: judge })).to.equal("NO_ANSWER");
    });

    it("to who does not show everybody's signed commitment", async () => {
      const { endpoint } = (await contactOf(drawn))!;
      const body = await sealed(drawn, { prompt: PROMPT, salt: SALT, replyKey, path: "fast" });
      const reply = await requestNode(endpoint, query, "prompt", body, { timeoutMs: 30_000, signal });
      answers = [reply as SignedCommitment];
      const { commitment } = answers[0]!;
      expect(await refusal(drawn, "bundle", { reader: judge })).to.equal("COMMITMENTS_INCOMPLETE");
      for (const forged of [
        { commitment: id("other"), signature: answers[0]!.signature },
        signed(other, "AnswerCommitment", commitment),
        signed(drawn, "AnswerCommitment", commitment, query + 1n),
        signed(drawn, "ScoreCommitment", commitment),
        { commitment: 7, signature: null },
      ]) {
        const reason = await refusal(drawn, "bundle", { reader: judge, answers: [forged] });
        expect(reason).to.equal("SIGNATURE_INVALID");
      }
    });

    it("to strangers", async () => {
      for (const reader of [stranger.address, other, 7]) {
        expect(await refusal(drawn, "bundle", { reader, answers })).to.equal("READER_UNKNOWN");
      }
    });

    it("of scores, to who does not show what they are of", async () => {
      expect(await refusal(judge, "scores", {})).to.equal("COMMITMENTS_INCOMPLETE");
      const forged = [signed(other, "AnswerCommitment", answers[0]!.commitment)];
      expect(await refusal(judge, "scores", { answers: forged })).to.equal("SIGNATURE_INVALID");
    });

    it("of scores, before all assessors are committed, and to its own commitment", async () => {
      const { nodes } = await readQuery(asker.gradwork, query);
      const assessors = nodes.slice(1).map(({ address }) => address);
      const scores = assessors.map((address) => {
        const domain = statementDomain(asker.gradwork);
        return signed(address, "ScoreCommitment", scoreCommitment(domain, query, address, 0n, SALT));
      });
      const reveal = (given: JsonFields) => refusal(judge, "reveal", { answers, ...given });
      expect(await reveal({ scores: scores.slice(1) })).to.equal("COMMITMENTS_INCOMPLETE");
      expect(await reveal({ scores: scores.toReversed() })).to.equal("SIGNATURE_INVALID");
      expect(await reveal({ scores })).to.equal("COMMITMENT_DIFFERS");
    });
  });

  it("a request that is no JSON object", async () => {
    const { endpoint } = (await contactOf(drawn))!;
    for (const body of ["", "null", "[]", '"prompt"', "{", "\xff"]) {
      const response = await fetch(`${endpoint}/queries/${query}/prompt`, { method: "POST", body });
      expect(response.status).to.equal(400);
      expect(await response.json()).to.include({ code: "REQUEST_NOT_JSON" });
    }
  });
});
