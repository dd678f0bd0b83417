import { expect } from "chai";
import { id, type Wallet, ZeroHash } from "ethers";
import {
  answerCommitment,
  commitmentsHash,
  type StatementName,
} from "../../clients/chain/queryStatements.ts";
import { QUERY_PHASES } from "../../clients/chain/queryView.ts";
import { packScores } from "../../clients/model/scores.ts";
import type { ContractSigner } from "../../types/test/ContractSigner.ts";
import {
  ANSWER_SALT,
  ASSESSOR,
  answerCommitmentOf,
  ask,
  awaitSeed,
  commitAnswers,
  commitScores,
  domainOf,
  type FastMessages,
  fastMessages,
  gainsOf,
  MODEL_PARAMS,
  nodeParty,
  openService,
  phaseOf,
  playOut,
  type Query,
  RESPONDER,
  revealScores,
  SCORE_SALT,
  scoreCommitmentOf,
  select,
  settle,
  sign,
  verdictOn,
  wealthAround,
} from "./support/inference.ts";
import { expectSolvent, wealthOf } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import { BURN_ADDRESS, DEPOSIT, ethers, MINED, networkHelpers, passTo, tick } from "./support/scenario.ts";

const { nodeStake } = MODEL_PARAMS;
const SCORES = Array.from({ length: 5 }, (_, i) => [900_000 + i, 500_000 - i, 100_000]);

const indexOf = (phase: (typeof QUERY_PHASES)[number]) => QUERY_PHASES.indexOf(phase);

async function openSelected(): Promise<Query> {
  return select(await openService());
}

describe("QualityMarket, the fast path and equivocation", () => {
  let query: Query;

  beforeEach(async () => {
    query = await networkHelpers.loadFixture(openSelected);
  });

  /** Parties that are no nodes. */
  let others: Wallet[] = [];

  afterEach(async () => {
    await expectSolvent(query, others);
    others = [];
  });

  async function expectNo(send: () => Promise<unknown>, error: string, args: unknown[]): Promise<void> {
    await expectRefused(query, send, error, args, query.quality);
  }

  const sendFast = (messages: FastMessages) =>
    query.quality.connect(query.stranger).settleFast(query.query, ...messages, MINED);

  /** Messages whose parts a test changes. */
  async function messagesWith(change: (messages: FastMessages) => void): Promise<FastMessages> {
    const messages = await fastMessages(query, SCORES);
    change(messages);
    return messages;
  }

  describe("settleFast", () => {
    it("refuses any other number of messages than there are parties", async () => {
      const { quality } = query;
      const changes: [number, number, (messages: FastMessages) => void][] = [
        [2, 3, ([answers]) => answers.pop()],
        [4, 3, ([answers]) => answers.push(id("a"))],
        [4, 5, ([, scores]) => scores.pop()],
        [6, 5, ([, scores]) => scores.push(0n)],
        [4, 5, ([, , salts]) => salts.pop()],
        [7, 8, ([, , , signatures]) => signatures.pop()],
        [9, 8, ([, , , signatures]) => signatures.push("0x")],
      ];
      for (const [given, expected, change] of changes) {
        const messages = await messagesWith(change);
        await expectNo(() => sendFast(messages), "WrongMessageCount", [given, expected]);
      }
      expect(await quality.phase(query.query)).to.equal(indexOf("Answering"));
    });

    it("refuses each party's missing signature, and each that is not its own", async () => {
      const parties = [...query.drawnResponders, ...query.drawnAssessors];
      for (const [i, party] of parties.entries()) {
        for (const signature of ["0x", `0x${"11".repeat(65)}`]) {
          const messages = await messagesWith(([, , , signatures]) => {
            signatures[i] = signature;
          });
          await expectNo(() => sendFast(messages), "InvalidSignature", [party.address]);
        }
      }
    });

    it("refuses signatures, answers and scores in another order", async () => {
      const [first, , , fourth] = [...query.drawnResponders, ...query.drawnAssessors] as Wallet[];
      const swap = <T>(list: T[], i: number, j: number) => {
        [list[i], list[j]] = [list[j]!, list[i]!];
      };
      for (const [signer, change] of [
        [first!, (messages: FastMessages) => swap(messages[3], 0, 1)],
        [fourth!, (messages: FastMessages) => swap(messages[3], 3, 4)],
        [first!, (messages: FastMessages) => swap(messages[0], 0, 1)],
        [fourth!, (messages: FastMessages) => swap(messages[1], 0, 1)],
      ] as const) {
        const messages = await messagesWith(change);
        await expectNo(() => sendFast(messages), "InvalidSignature", [signer.address]);
      }
    });

    it("refuses other scores, salts and answers than those that were signed", async () => {
      const [assessor] = query.drawnAssessors as [Wallet];
      const [, responder] = query.drawnResponders as [Wallet, Wallet];
      for (const [signer, change] of [
        [
          assessor,
          (messages: FastMessages) => {
            messages[1][2] = packScores([1, 2, 3]);
          },
        ],
        [
          assessor,
          (messages: FastMessages) => {
            messages[2][4] = ANSWER_SALT;
          },
        ],
        [
          responder,
          (messages: FastMessages) => {
            messages[0][1] = id("another answer");
          },
        ],
      ] as const) {
        const messages = await messagesWith(change);
        await expectNo(() => sendFast(messages), "InvalidSignature", [signer.address]);
      }
    });

    it("refuses an answer that is none and scores out of range, even signed", async () => {
      const zero = await messagesWith(([answers]) => {
        answers[2] = ZeroHash;
      });
      await expectNo(() => sendFast(zero), "ZeroCommitment", []);
      for (const scores of [1_000_001n, 1n << 60n]) {
        const messages = await messagesWith(([, packed]) => {
          packed[3] = scores;
        });
        await expectNo(() => sendFast(messages), "InvalidScores", [scores]);
      }
    });

    it("refuses reveals of another query's commitments, though of the same nodes and scores", async () => {
      const messages = await fastMessages(query, SCORES);
      const next = await select(query);
      query = next;
      await expectNo(() => sendFast(messages), "InvalidSignature", [next.drawnResponders[0]!.address]);
      expect(await phaseOf(next)).to.equal("Answering");
    });

    it("is done once", async () => {
      const messages = await fastMessages(query, SCORES);
      await sendFast(messages);
      await expectNo(() => sendFast(messages), "WrongPhase", [indexOf("Ended"), indexOf("Answering")]);
      await expectNo(() => query.quality.settle(query.query, MINED), "WrongPhase", [
        indexOf("Ended"),
        indexOf("Settling"),
      ]);
    });

    it("settles from each phase until reveals end, on top of what is on chain already", async () => {
      const messages = await fastMessages(query, SCORES);
      const verdict = await verdictOn(query, { scores: SCORES });
      const steps: [name: string, step: () => Promise<void>][] = [
        ["Answering", () => commitAnswers(query, [1].values())],
        ["Committing", () => commitAnswers(query, [0, 2].values())],
        ["Committing", () => commitScores(query, [SCORES[0], undefined, SCORES[2]])],
        ["Revealing", () => commitScores(query, [undefined, SCORES[1], undefined, SCORES[3], SCORES[4]])],
        ["Revealing", () => revealScores(query, [SCORES[0]])],
      ];
      for (const [phase, step] of steps) {
        await step();
        expect(await phaseOf(query)).to.equal(phase);
        const snapshot = await networkHelpers.takeSnapshot();
        const before = await wealthAround(query);
        await sendFast(messages);
        const after = await wealthAround(query);
        expect(after.map((amount, i) => amount - before[i]!)).to.deep.equal(gainsOf(query, verdict));
        await snapshot.restore();
      }
      await revealScores(query, [undefined, ...SCORES.slice(1)]);
      await expectNo(() => sendFast(messages), "WrongPhase", [indexOf("Settling"), indexOf("Answering")]);
    });

    it("is refused before selection, and where no answer came in time", async () => {
      const messages = await fastMessages(query, SCORES);
      await passTo((await query.quality.query(query.query)).answersEndAt);
      await expectNo(() => sendFast(messages), "WrongPhase", [indexOf("Settling"), indexOf("Answering")]);
      const asked = await ask(query);
      query = { ...query, query: asked };
      await expectNo(() => sendFast(messages), "WrongPhase", [indexOf("Selecting"), indexOf("Answering")]);
    });

    it("refuses what differs from what is on chain already", async () => {
      const messages = await fastMessages(query, SCORES);
      await tick();
      const [responder] = query.drawnResponders as [Wallet];
      const [assessor] = query.drawnAssessors as [Wallet];
      const snapshot = await networkHelpers.takeSnapshot();
      await query.quality.connect(responder).commitAnswer(query.query, 0, id("other"), "0x");
      await expectNo(() => sendFast(messages), "CommitmentMismatch", [messages[0][0], id("other")]);
      await snapshot.restore();
      await commitAnswers(query);
      await tick();
      await query.quality.connect(assessor).commitScores(query.query, 0, id("other"), "0x");
      await expectNo(() => sendFast(messages), "CommitmentMismatch", [
        scoreCommitmentOf(query, 0, SCORES[0]!),
        id("other"),
      ]);
    });
  });

  /** Shows two commitments of a node, with what signs each. */
  const convict = (index: number | bigint, commitments: [string, string], signatures: [string, string]) =>
    query.quality.connect(query.rival).convict(query.query, index, commitments, signatures, MINED);

  const signed = (signer: Wallet, name: StatementName, commitment: string) =>
    sign(query, signer, name, { query: query.query, commitment });

  /** Two answers, or two score vectors, of one node: signed. */
  async function equivocation(
    index: number,
  ): Promise<[index: number, commitments: [string, string], signatures: [string, string]]> {
    const isResponder = index < 3;
    const node = isResponder ? query.drawnResponders[index]! : query.drawnAssessors[index - 3]!;
    const name = isResponder ? "AnswerCommitment" : "ScoreCommitment";
    const commitments: [string, string] = [id("one"), id("another")];
    return [
      index,
      commitments,
      [await signed(node, name, commitments[0]), await signed(node, name, commitments[1])],
    ];
  }

  /** What a node and the prover gain by a conviction, and what is burned. */
  async function expectSlashed(node: Wallet, send: () => Promise<unknown>): Promise<void> {
    const parties = [node, query.rival, BURN_ADDRESS];
    const wealth = () => Promise.all(parties.map((party) => wealthOf(query, party)));
    const before = await wealth();
    await send();
    const after = await wealth();
    expect(after.map((amount, i) => amount - before[i]!)).to.deep.equal([
      -nodeStake,
      nodeStake / 2n,
      nodeStake - nodeStake / 2n,
    ]);
  }

  describe("convict", () => {
    it("slashes a responder that signed two answers, half of it for the prover", async () => {
      const { quality, rival, drawnResponders } = query;
      const node = drawnResponders[1]!;
      const proof = await equivocation(1);
      await expectSlashed(node, async () => {
        await expect(convict(...proof))
          .to.emit(quality, "Convicted")
          .withArgs(query.query, node.address, rival.address);
      });
      expect(await query.registry.stakeOf(query.model, RESPONDER, node)).to.equal(0n);
      expect((await quality.query(query.query)).convicted).to.equal(2n);
    });

    it("slashes an assessor that committed on chain and signed other scores, in either order", async () => {
      await commitAnswers(query);
      await commitScores(query, [SCORES[0]]);
      const node = query.drawnAssessors[0]!;
      const onChain = scoreCommitmentOf(query, 0, SCORES[0]!);
      const other = scoreCommitmentOf(query, 0, [1, 2, 3]);
      const signature = await signed(node, "ScoreCommitment", other);
      const snapshot = await networkHelpers.takeSnapshot();
      await expectSlashed(node, () => convict(3, [onChain, other], ["0x", signature]));
      await snapshot.restore();
      await expectSlashed(node, () => convict(3, [other, onChain], [signature, "0x"]));
      expect((await query.quality.query(query.query)).convicted).to.equal(8n);
    });

    it("slashes stake that is on its way out", async () => {
      const node = query.drawnAssessors[2]!;
      await tick();
      await query.registry.connect(node).quit(query.model, ASSESSOR);
      const proof = await equivocation(5);
      await expectSlashed(node, () => convict(...proof));
      expect((await query.vault.accounts(node)).withdrawing).to.equal(0n);
      expect((await query.vault.accounts(node)).free).to.equal(DEPOSIT - nodeStake);
    });

    it("refuses one statement shown twice, however it is shown", async () => {
      const [node] = query.drawnResponders as [Wallet];
      await commitAnswers(query, [0].values());
      const commitment = answerCommitmentOf(query, 0);
      const signature = await signed(node, "AnswerCommitment", commitment);
      for (const signatures of [
        ["0x", "0x"],
        ["0x", signature],
        [signature, signature],
      ] as [string, string][]) {
        await expectNo(() => convict(0, [commitment, commitment], signatures), "SameStatement", [commitment]);
      }
    });

    it("never takes what is not on chain for a statement: zero convicts nobody", async () => {
      const [node] = query.drawnResponders as [Wallet];
      const commitment = answerCommitmentOf(query, 0);
      const signature = await signed(node, "AnswerCommitment", commitment);
      const zeroSignature = await signed(node, "AnswerCommitment", ZeroHash);
      const send = (commitments: [string, string], signatures: [string, string]) => () =>
        convict(0, commitments, signatures);
      // Nothing is on chain.
      await expectNo(send([ZeroHash, commitment], ["0x", signature]), "ZeroCommitment", []);
      await expectNo(send([commitment, ZeroHash], [signature, "0x"]), "ZeroCommitment", []);
      await expectNo(send([ZeroHash, ZeroHash], ["0x", "0x"]), "SameStatement", [ZeroHash]);
      await expectNo(send([id("other"), commitment], ["0x", signature]), "CommitmentMismatch", [
        id("other"),
        ZeroHash,
      ]);
      // Nobody can commit to zero: who signs it says nothing.
      await expectNo(send([ZeroHash, commitment], [zeroSignature, signature]), "ZeroCommitment", []);
      await expectNo(send([commitment, ZeroHash], [signature, zeroSignature]), "ZeroCommitment", []);
      await commitAnswers(query, [0].values());
      await expectNo(send([ZeroHash, commitment], ["0x", "0x"]), "ZeroCommitment", []);
      await expectNo(send([commitment, ZeroHash], ["0x", zeroSignature]), "ZeroCommitment", []);
      await expectNo(send([commitment, id("other")], ["0x", "0x"]), "CommitmentMismatch", [
        id("other"),
        commitment,
      ]);
    });

    it("refuses what the node did not sign of this query, in its part", async () => {
      const [node, other] = query.drawnResponders as [Wallet, Wallet];
      const [assessor] = query.drawnAssessors as [Wallet];
      const commitments: [string, string] = [id("one"), id("another")];
      const good = await signed(node, "AnswerCommitment", commitments[0]);
      for (const bad of [
        await signed(other, "AnswerCommitment", commitments[1]),
        await signed(node, "ScoreCommitment", commitments[1]),
        await sign(query, node, "AnswerCommitment", { query: query.query + 1n, commitment: commitments[1] }),
        good,
        "0x00",
      ]) {
        await expectNo(() => convict(0, commitments, [good, bad]), "InvalidSignature", [node.address]);
      }
      const answers: [string, string] = [
        await signed(assessor, "AnswerCommitment", commitments[0]),
        await signed(assessor, "AnswerCommitment", commitments[1]),
      ];
      await expectNo(() => convict(3, commitments, answers), "InvalidSignature", [assessor.address]);
    });

    it("refuses nodes that were not drawn, before there are any too", async () => {
      const proof = await equivocation(0);
      for (const index of [8n, 24n, 256n, 2n ** 256n - 1n]) {
        await expectNo(() => convict(index, proof[1], proof[2]), "NotSelected", [query.query, index]);
      }
      query = { ...query, query: await ask(query) };
      await expectNo(() => convict(0, proof[1], proof[2]), "NotSelected", [query.query, 0]);
    });

    it("is done once", async () => {
      const proof = await equivocation(4);
      await convict(...proof);
      await expectNo(() => convict(...proof), "AlreadyConvicted", [query.query, 4]);
    });

    it("has who is convicted before settlement count for nothing", async () => {
      await convict(...(await equivocation(1)));
      await convict(...(await equivocation(7)));
      const play = { scores: SCORES, convictedResponders: [1], convictedAssessors: [4] };
      await playOut(query, play);
      const verdict = await verdictOn(query, play);
      expect(verdict.answers[1]).to.deep.equal({ consensus: undefined, spread: 0n, paid: 0n, quality: 0n });
      expect(verdict.assessors[4]).to.deep.equal({ paid: 0n, lost: 0n, quality: 0n });
      const before = await wealthAround(query);
      await settle(query);
      const after = await wealthAround(query);
      expect(after.map((amount, i) => amount - before[i]!)).to.deep.equal(gainsOf(query, verdict));
    });

    it("counts the same by the fast path", async () => {
      await convict(...(await equivocation(1)));
      await convict(...(await equivocation(7)));
      const play = { scores: SCORES, convictedResponders: [1], convictedAssessors: [4] };
      const verdict = await verdictOn(query, play);
      const before = await wealthAround(query);
      await sendFast(await fastMessages(query, SCORES));
      const after = await wealthAround(query);
      expect(after.map((amount, i) => amount - before[i]!)).to.deep.equal(gainsOf(query, verdict));
    });

    it("leaves no consensus where all assessors are convicted, and pays the answers their price", async () => {
      for (let i = 3; i < 8; i++) await convict(...(await equivocation(i)));
      await playOut(query, { scores: SCORES });
      const play = { scores: SCORES, convictedAssessors: [0, 1, 2, 3, 4] };
      const verdict = await verdictOn(query, play);
      expect(verdict.isQuorate).to.equal(false);
      const before = await wealthAround(query);
      await settle(query);
      const after = await wealthAround(query);
      expect(after.map((amount, i) => amount - before[i]!)).to.deep.equal(gainsOf(query, verdict));
    });

    it("slashes after the end too, and changes nothing of what was settled", async () => {
      await sendFast(await fastMessages(query, SCORES));
      const node = query.drawnResponders[0]!;
      const signature = await signed(node, "AnswerCommitment", id("another"));
      const first = answerCommitmentOf(query, 0);
      const firstSignature = await signed(node, "AnswerCommitment", first);
      const earned = await query.registry.earnedOf(query.model, RESPONDER, node);
      await expectSlashed(node, () => convict(0, [first, id("another")], [firstSignature, signature]));
      expect(await query.registry.earnedOf(query.model, RESPONDER, node)).to.equal(earned);
      expect(await phaseOf(query)).to.equal("Ended");
    });

    it("slashes no more than is left", async () => {
      const node = query.drawnAssessors[0]!;
      await playOut(query, { scores: [undefined, ...SCORES.slice(1)] });
      await settle(query);
      const left = await query.registry.stakeOf(query.model, ASSESSOR, node);
      expect(left < nodeStake).to.equal(true);
      await convict(...(await equivocation(3)));
      expect(await query.registry.stakeOf(query.model, ASSESSOR, node)).to.equal(0n);
      expect(await query.vault.balanceOf(query.rival)).to.equal(left / 2n);
    });

    it("has who is convicted not drawn any more", async () => {
      await convict(...(await equivocation(0)));
      const asked = await ask(query);
      await awaitSeed();
      await tick();
      await expect(query.quality.select(asked)).to.emit(query.quality, "Released");
    });
  });

  describe("of a node that is a contract", () => {
    type Contract = Query & { contract: ContractSigner; key: Wallet };

    /** A query whose only responder is a contract. */
    async function openContract(): Promise<Contract> {
      const service = await openService({}, { responders: 0, assessors: 3 });
      const { token, vault, registry, model } = service;
      const key = await nodeParty(service, 50);
      const contract = await ethers.deployContract("ContractSigner", [key]);
      const act = async (target: { getAddress(): Promise<string> }, data: string) => {
        await tick();
        await contract.act(target, data);
      };
      await act(token, token.interface.encodeFunctionData("faucet", [await token.FAUCET_CAP()]));
      await act(token, token.interface.encodeFunctionData("approve", [await vault.getAddress(), DEPOSIT]));
      await act(vault, vault.interface.encodeFunctionData("deposit", [DEPOSIT]));
      await act(registry, registry.interface.encodeFunctionData("join", [model, RESPONDER, nodeStake, 1n]));
      const selected = await select(service, { responders: 1n, assessors: 3n });
      return { ...selected, contract, key };
    }

    let contractQuery: Contract;

    beforeEach(async () => {
      contractQuery = await networkHelpers.loadFixture(openContract);
      query = contractQuery;
      others = [contractQuery.key];
    });

    const [SIGNING, REFUSING, WASTING] = [0n, 1n, 2n];

    async function behave(manner: bigint): Promise<void> {
      await tick();
      await contractQuery.contract.behave(manner);
    }

    async function contractCommitment(text = "answer"): Promise<string> {
      const address = await contractQuery.contract.getAddress();
      return answerCommitment(domainOf(query), query.query, address, id(text), ANSWER_SALT);
    }

    async function contractMessages(): Promise<FastMessages> {
      const answer = await contractCommitment();
      const scores = [[900_000], [910_000], [905_000]];
      const commitments = commitmentsHash([
        answer,
        ...scores.map((list, index) => scoreCommitmentOf(query, index, list)),
      ]);
      const signatures = [await signed(contractQuery.key, "AnswerCommitment", answer)];
      for (const assessor of query.drawnAssessors) {
        signatures.push(await sign(query, assessor, "ScoreReveal", { query: query.query, commitments }));
      }
      return [[answer], scores.map(packScores), scores.map(() => SCORE_SALT), signatures];
    }

    it("takes what its owner signs for it, on both paths", async () => {
      const { contract, key, quality, registry, model } = contractQuery;
      expect((await quality.selected(query.query))[0]!.node).to.equal(await contract.getAddress());
      const snapshot = await networkHelpers.takeSnapshot();
      await sendFast(await contractMessages());
      expect(await phaseOf(query)).to.equal("Ended");
      const earned = await registry.earnedOf(model, RESPONDER, contract);
      expect(earned > 0n).to.equal(true);
      await snapshot.restore();

      const commitment = await contractCommitment();
      const signature = await signed(key, "AnswerCommitment", commitment);
      await tick();
      await quality.commitAnswer(query.query, 0, commitment, signature);
      const scores = [[900_000], [910_000], [905_000]];
      await commitScores(query, scores);
      await revealScores(query, scores);
      await settle(query);
      expect(await registry.earnedOf(model, RESPONDER, contract)).to.equal(earned);
      await registry.collect(model, RESPONDER, contract);
    });

    it("commits by itself without a signature", async () => {
      const { contract, quality } = contractQuery;
      const commitment = await contractCommitment();
      const data = quality.interface.encodeFunctionData("commitAnswer", [query.query, 0n, commitment, "0x"]);
      await tick();
      await contract.act(quality, data);
      expect(await quality.commitmentOf(query.query, 0)).to.equal(commitment);
    });

    it("refuses what others sign for it", async () => {
      const { contract, quality, stranger } = contractQuery;
      const address = await contract.getAddress();
      const commitment = await contractCommitment();
      const foreign = await signed(query.drawnAssessors[0]!, "AnswerCommitment", commitment);
      for (const signature of [foreign, "0x", "0x11"]) {
        await expectNo(
          () => quality.connect(stranger).commitAnswer(query.query, 0, commitment, signature, MINED),
          "InvalidSignature",
          [address],
        );
      }
    });

    it("stalls only the fast path where it takes back its word or wastes all gas", async () => {
      const { contract, quality } = contractQuery;
      const address = await contract.getAddress();
      const messages = await contractMessages();
      await behave(REFUSING);
      await expectNo(() => sendFast(messages), "InvalidSignature", [address]);
      await behave(WASTING);
      const wasteful = () => quality.settleFast(query.query, ...messages, { gasLimit: 3_000_000n });
      await expectNo(wasteful, "InvalidSignature", [address]);
      await passTo((await quality.query(query.query)).answersEndAt);
      await expect(settle(query)).to.emit(quality, "Released");
    });

    it("is convicted by two statements that it signed, for as long as it stands by them", async () => {
      const { contract, key, registry, model } = contractQuery;
      const commitments: [string, string] = [await contractCommitment(), await contractCommitment("other")];
      const signatures: [string, string] = [
        await signed(key, "AnswerCommitment", commitments[0]),
        await signed(key, "AnswerCommitment", commitments[1]),
      ];
      await behave(REFUSING);
      await expectNo(() => convict(0, commitments, signatures), "InvalidSignature", [
        await contract.getAddress(),
      ]);
      await behave(SIGNING);
      await convict(0, commitments, signatures);
      expect(await registry.stakeOf(model, RESPONDER, contract)).to.equal(0n);
    });
  });
});
