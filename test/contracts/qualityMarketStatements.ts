import { expect } from "chai";
import { id, keccak256, toUtf8Bytes, type Wallet, ZeroHash } from "ethers";
import {
  STATEMENT_TYPES,
  type StatementDomain,
  type StatementName,
  statementDigest,
  typedDataDomain,
} from "../../clients/chain/queryStatements.ts";
import { QUERY_PHASES } from "../../clients/chain/queryView.ts";
import { packScores, UNAVAILABLE } from "../../clients/model/scores.ts";
import {
  ANSWER_SALT,
  answerCommitmentOf,
  commitAnswers,
  commitScores,
  domainOf,
  MODEL_PARAMS,
  openService,
  phaseOf,
  playOut,
  type Query,
  revealScores,
  SCORE_SALT,
  scoreCommitmentOf,
  select,
  settle,
  sign,
} from "./support/inference.ts";
import { malleated } from "./support/malleated.ts";
import { expectSolvent } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import { at, MINED, networkHelpers, now, passTo, tick } from "./support/scenario.ts";

const SCORES = Array.from({ length: 5 }, (_, i) => [900_000 + i, 500_000 - i, 100_000]);

const indexOf = (phase: (typeof QUERY_PHASES)[number]) => QUERY_PHASES.indexOf(phase);

async function openSelected(): Promise<Query> {
  return select(await openService());
}

async function openCommitting(): Promise<Query> {
  const query = await networkHelpers.loadFixture(openSelected);
  await commitAnswers(query);
  return query;
}

async function openRevealing(): Promise<Query> {
  const query = await networkHelpers.loadFixture(openCommitting);
  await commitScores(query, SCORES);
  return query;
}

describe("QualityMarket, statements and phases", () => {
  let query: Query;

  async function expectNo(send: () => Promise<unknown>, error: string, args: unknown[]): Promise<void> {
    await expectRefused(query, send, error, args, query.quality);
  }

  afterEach(async () => {
    await expectSolvent(query);
  });

  /** Posts an answer's commitment. */
  const answer = (index: number | bigint, from: Wallet, commitment: string, signature = "0x") =>
    query.quality.connect(from).commitAnswer(query.query, index, commitment, signature, MINED);

  /** Posts a commitment to scores. */
  const score = (index: number | bigint, from: Wallet, commitment: string, signature = "0x") =>
    query.quality.connect(from).commitScores(query.query, index, commitment, signature, MINED);

  const reveal = (index: number | bigint, scores: bigint, salt = SCORE_SALT) =>
    query.quality.connect(query.stranger).revealScores(query.query, index, scores, salt, MINED);

  const signed = (signer: Wallet, name: StatementName, commitment: string) =>
    sign(query, signer, name, { query: query.query, commitment });

  /** A signature over a statement in another domain than the market's. */
  async function signedElsewhere(
    signer: Wallet,
    name: StatementName,
    commitment: string,
    domain: Partial<StatementDomain>,
  ): Promise<string> {
    const elsewhere = typedDataDomain({ ...domainOf(query), ...domain });
    const types = { [name]: [...STATEMENT_TYPES[name]] };
    return signer.signTypedData(elsewhere, types, { query: query.query, commitment });
  }

  /** What must be refused in place of `signer`'s signature of a commitment. */
  async function wrongSignatures(
    signer: Wallet,
    other: Wallet,
    name: "AnswerCommitment" | "ScoreCommitment",
    commitment: string,
  ): Promise<[what: string, signature: string][]> {
    const good = await signed(signer, name, commitment);
    const swapped = name === "AnswerCommitment" ? "ScoreCommitment" : "AnswerCommitment";
    return [
      ["of another node", await signed(other, name, commitment)],
      ["of another commitment", await signed(signer, name, id("other"))],
      ["of another statement", await signed(signer, swapped, commitment)],
      ["of another query", await sign(query, signer, name, { query: query.query + 1n, commitment })],
      ["on another chain", await signedElsewhere(signer, name, commitment, { chainId: 1 })],
      [
        "for another market",
        await signedElsewhere(signer, name, commitment, { market: await query.registry.getAddress() }),
      ],
      ["cut short", good.slice(0, -2)],
      ["of one byte", "0x00"],
      ["of zeros", `0x${"00".repeat(65)}`],
      ["with the other s", malleated(good)],
    ];
  }

  it("hashes its statements' types as the clients do", async () => {
    query = await networkHelpers.loadFixture(openSelected);
    for (const [name, hash] of [
      ["AnswerCommitment", "0x0960262dc27cfd08b99795ef4b9f035a023016026f23816d506f491963c77c24"],
      ["ScoreCommitment", "0xd7d9dc1d2012b649de12f9b5ff98e7b49411c560534b8fc42892323674d10047"],
      ["ScoreReveal", "0x661c4705d968a56e101161e9fb894149b65f9d7521f057269cc06625533eecd2"],
    ] as const) {
      const fields = STATEMENT_TYPES[name].map((field) => `${field.type} ${field.name}`);
      expect(keccak256(toUtf8Bytes(`${name}(${fields.join(",")})`))).to.equal(hash);
      // Constants stand in the code as they are.
      const code = await query.quality.getDeployedCode();
      expect(code).to.include(hash.slice(2));
    }
  });

  it("has the domain that the clients sign in", async () => {
    query = await networkHelpers.loadFixture(openSelected);
    const { name, version, chainId, verifyingContract } = await query.quality.eip712Domain();
    expect({ name, version, chainId: Number(chainId), verifyingContract }).to.deep.equal(
      typedDataDomain(domainOf(query)),
    );
    expect(statementDigest(domainOf(query), "ScoreReveal", { query: 0n, commitments: ZeroHash })).to.match(
      /^0x[0-9a-f]{64}$/,
    );
  });

  it("makes commitments as the clients do, of this chain, market, query and node alone", async () => {
    query = await networkHelpers.loadFixture(openSelected);
    const { quality, drawnResponders, drawnAssessors } = query;
    const responder = drawnResponders[1]!.address;
    expect(await quality.answerCommitment(query.query, responder, id("answer 1"), ANSWER_SALT)).to.equal(
      answerCommitmentOf(query, 1),
    );
    const scores = [1_000_000, 0, UNAVAILABLE];
    const assessor = drawnAssessors[2]!.address;
    expect(await quality.scoreCommitment(query.query, assessor, packScores(scores), SCORE_SALT)).to.equal(
      scoreCommitmentOf(query, 2, scores),
    );
    const others = [
      await quality.scoreCommitment(query.query + 1n, assessor, packScores(scores), SCORE_SALT),
      await quality.scoreCommitment(query.query, responder, packScores(scores), SCORE_SALT),
      await quality.scoreCommitment(query.query, assessor, packScores([1, 2, 3]), SCORE_SALT),
      await quality.scoreCommitment(query.query, assessor, packScores(scores), ANSWER_SALT),
    ];
    expect(new Set([...others, scoreCommitmentOf(query, 2, scores)]).size).to.equal(5);
  });

  describe("commitAnswer", () => {
    beforeEach(async () => {
      query = await networkHelpers.loadFixture(openSelected);
    });

    it("records what a responder commits to, once", async () => {
      const { quality, drawnResponders } = query;
      const [responder] = drawnResponders;
      const commitment = answerCommitmentOf(query, 0);
      await expect(answer(0, responder!, commitment))
        .to.emit(quality, "AnswerCommitted")
        .withArgs(query.query, 0n, commitment);
      expect(await quality.commitmentOf(query.query, 0)).to.equal(commitment);
      expect((await quality.query(query.query)).answered).to.equal(1n);
      for (const again of [commitment, id("other")]) {
        await expectNo(() => answer(0, responder!, again), "AlreadyCommitted", [query.query, 0]);
      }
    });

    it("takes what a responder signed from anyone", async () => {
      const { quality, drawnResponders, drawnAssessors } = query;
      const commitment = answerCommitmentOf(query, 2);
      const signature = await signed(drawnResponders[2]!, "AnswerCommitment", commitment);
      await answer(2, drawnAssessors[0]!, commitment, signature);
      expect(await quality.commitmentOf(query.query, 2)).to.equal(commitment);
      expect((await quality.query(query.query)).answered).to.equal(4n);
    });

    it("refuses other signatures than the responder's of this statement, even from the responder", async () => {
      const [responder, other] = query.drawnResponders as [Wallet, Wallet];
      const commitment = answerCommitmentOf(query, 0);
      const wrong = await wrongSignatures(responder, other, "AnswerCommitment", commitment);
      for (const [, signature] of wrong) {
        await expectNo(() => answer(0, other, commitment, signature), "InvalidSignature", [
          responder.address,
        ]);
      }
      await expectNo(() => answer(0, other, commitment), "InvalidSignature", [responder.address]);
      await expectNo(() => answer(0, responder, commitment, wrong[0]![1]), "InvalidSignature", [
        responder.address,
      ]);
    });

    it("refuses an index that no responder has, and a commitment of zero", async () => {
      const [responder] = query.drawnResponders as [Wallet];
      for (const index of [3n, 8n, 256n, 2n ** 256n - 1n]) {
        await expectNo(() => answer(index, responder, id("a")), "NotSelected", [query.query, index]);
      }
      await expectNo(() => answer(0, responder, ZeroHash), "ZeroCommitment", []);
    });

    it("brings the later windows forward with the last answer", async () => {
      const { quality } = query;
      await commitAnswers(query, [0, 2].values());
      const before = await quality.query(query.query);
      expect(await phaseOf(query)).to.equal("Answering");
      expect(before.commitsEndAt - before.answersEndAt).to.equal(MODEL_PARAMS.commitSeconds);
      await commitAnswers(query, [1].values());
      const { answersEndAt, commitsEndAt, revealsEndAt } = await quality.query(query.query);
      const time = await now();
      expect([answersEndAt, commitsEndAt, revealsEndAt]).to.deep.equal([
        time,
        time + MODEL_PARAMS.commitSeconds,
        time + MODEL_PARAMS.commitSeconds + MODEL_PARAMS.revealSeconds,
      ]);
      expect(await phaseOf(query)).to.equal("Committing");
    });

    it("is done until answers are due, to the second", async () => {
      const { quality, drawnResponders } = query;
      const { answersEndAt } = await quality.query(query.query);
      await at(answersEndAt - 1n);
      await answer(0, drawnResponders[0]!, answerCommitmentOf(query, 0));
      await at(answersEndAt);
      await expectNo(() => answer(1, drawnResponders[1]!, answerCommitmentOf(query, 1)), "WrongPhase", [
        indexOf("Committing"),
        indexOf("Answering"),
      ]);
    });
  });

  describe("commitScores", () => {
    beforeEach(async () => {
      query = await networkHelpers.loadFixture(openCommitting);
    });

    it("records what an assessor commits to, once", async () => {
      const { quality, drawnAssessors } = query;
      const commitment = scoreCommitmentOf(query, 4, SCORES[4]!);
      await expect(score(4, drawnAssessors[4]!, commitment))
        .to.emit(quality, "ScoresCommitted")
        .withArgs(query.query, 4n, commitment);
      expect(await quality.commitmentOf(query.query, 3 + 4)).to.equal(commitment);
      expect((await quality.query(query.query)).committed).to.equal(16n);
      await expectNo(() => score(4, drawnAssessors[4]!, id("other")), "AlreadyCommitted", [query.query, 7]);
    });

    it("takes what an assessor signed from anyone, and no other signature", async () => {
      const { quality, drawnAssessors } = query;
      const [assessor, other] = drawnAssessors as [Wallet, Wallet];
      const commitment = scoreCommitmentOf(query, 0, SCORES[0]!);
      for (const [, signature] of await wrongSignatures(assessor, other, "ScoreCommitment", commitment)) {
        await expectNo(() => score(0, other, commitment, signature), "InvalidSignature", [assessor.address]);
      }
      await expectNo(() => score(0, other, commitment), "InvalidSignature", [assessor.address]);
      await score(0, other, commitment, await signed(assessor, "ScoreCommitment", commitment));
      expect(await quality.commitmentOf(query.query, 3)).to.equal(commitment);
    });

    it("refuses an index that no assessor has, and a commitment of zero", async () => {
      const [assessor] = query.drawnAssessors as [Wallet];
      for (const index of [5n, 16n, 2n ** 256n - 1n]) {
        await expectNo(() => score(index, assessor, id("a")), "NotSelected", [query.query, index]);
      }
      await expectNo(() => score(0, assessor, ZeroHash), "ZeroCommitment", []);
    });

    it("brings the reveals forward with the last commitment", async () => {
      const { quality } = query;
      const before = await quality.query(query.query);
      await commitScores(query, [...SCORES.slice(0, 4), undefined]);
      expect(await phaseOf(query)).to.equal("Committing");
      await commitScores(query, [undefined, undefined, undefined, undefined, SCORES[4]]);
      const { answersEndAt, commitsEndAt, revealsEndAt } = await quality.query(query.query);
      const time = await now();
      expect([answersEndAt, commitsEndAt, revealsEndAt]).to.deep.equal([
        before.answersEndAt,
        time,
        time + MODEL_PARAMS.revealSeconds,
      ]);
      expect(await phaseOf(query)).to.equal("Revealing");
    });

    it("is done until the window ends, to the second", async () => {
      const { quality, drawnAssessors } = query;
      const { commitsEndAt } = await quality.query(query.query);
      await at(commitsEndAt - 1n);
      await score(0, drawnAssessors[0]!, id("a"));
      await at(commitsEndAt);
      await expectNo(() => score(1, drawnAssessors[1]!, id("a")), "WrongPhase", [
        indexOf("Revealing"),
        indexOf("Committing"),
      ]);
    });
  });

  describe("revealScores", () => {
    beforeEach(async () => {
      query = await networkHelpers.loadFixture(openRevealing);
    });

    it("opens a commitment, by anyone who knows what is in it, once", async () => {
      const { quality } = query;
      const packed = packScores(SCORES[1]!);
      await expect(reveal(1, packed)).to.emit(quality, "ScoresRevealed").withArgs(query.query, 1n, packed);
      expect(await quality.scoresOf(query.query, 1)).to.equal(packed);
      expect((await quality.query(query.query)).revealed).to.equal(2n);
      await expectNo(() => reveal(1, packed), "AlreadyRevealed", [query.query, 1]);
    });

    it("refuses other scores, another salt, and what another committed to", async () => {
      const expected = scoreCommitmentOf(query, 1, SCORES[1]!);
      const { quality, drawnAssessors } = query;
      for (const [scores, salt] of [
        [packScores([1, 2, 3]), SCORE_SALT],
        [packScores(SCORES[1]!), ANSWER_SALT],
        [packScores(SCORES[0]!), SCORE_SALT],
      ] as const) {
        const given = await quality.scoreCommitment(query.query, drawnAssessors[1]!, scores, salt);
        await expectNo(() => reveal(1, scores, salt), "CommitmentMismatch", [given, expected]);
      }
    });

    it("refuses an index that no assessor has", async () => {
      for (const index of [5n, 2n ** 256n - 1n]) {
        await expectNo(() => reveal(index, packScores(SCORES[0]!)), "NotSelected", [query.query, index]);
      }
    });

    it("ends the reveals with the last", async () => {
      await revealScores(query, [...SCORES.slice(0, 4), undefined]);
      expect(await phaseOf(query)).to.equal("Revealing");
      await revealScores(query, [undefined, undefined, undefined, undefined, SCORES[4]]);
      expect((await query.quality.query(query.query)).revealsEndAt).to.equal(await now());
      expect(await phaseOf(query)).to.equal("Settling");
    });

    it("is done until the window ends, to the second", async () => {
      const { revealsEndAt } = await query.quality.query(query.query);
      await at(revealsEndAt - 1n);
      await reveal(0, packScores(SCORES[0]!));
      await at(revealsEndAt);
      await expectNo(() => reveal(1, packScores(SCORES[1]!)), "WrongPhase", [
        indexOf("Settling"),
        indexOf("Revealing"),
      ]);
    });
  });

  describe("scores that are none", () => {
    const bad: [what: string, scores: bigint][] = [
      ["above the best", 1_000_001n],
      ["below the mark of an answer that never came", BigInt(UNAVAILABLE) - 1n],
      ["above the best of the last answer", 1_000_001n << 40n],
      ["behind the last answer", 1n << 60n],
      ["far behind", 1n << 255n],
    ];

    for (const [what, scores] of bad) {
      it(`can be committed to but not revealed: ${what}`, async () => {
        query = await networkHelpers.loadFixture(openCommitting);
        const { quality, drawnAssessors } = query;
        const sealed = await quality.scoreCommitment(query.query, drawnAssessors[0]!, scores, SCORE_SALT);
        await tick();
        await score(0, drawnAssessors[0]!, sealed);
        await commitScores(query, [undefined, ...SCORES.slice(1)]);
        await expectNo(() => reveal(0, scores), "InvalidScores", [scores]);
      });
    }

    it("can't be revealed by who committed to nothing", async () => {
      query = await networkHelpers.loadFixture(openCommitting);
      await commitScores(query, [undefined, ...SCORES.slice(1)]);
      await passTo((await query.quality.query(query.query)).commitsEndAt);
      await expectNo(() => reveal(0, 0n), "NothingCommitted", [query.query, 0]);
    });
  });

  describe("phases", () => {
    type Phase = (typeof QUERY_PHASES)[number];
    /** Calls that each belong to one phase, all of them right in every other way. */
    const calls: [name: string, phase: Phase, call: () => Promise<unknown>][] = [
      ["select", "Selecting", () => query.quality.select(query.query, MINED)],
      ["commitAnswer", "Answering", () => answer(0, query.drawnResponders[0]!, id("a"))],
      ["commitScores", "Committing", () => score(0, query.drawnAssessors[0]!, id("a"))],
      ["revealScores", "Revealing", () => reveal(0, packScores(SCORES[0]!))],
      ["settle", "Settling", () => query.quality.settle(query.query, MINED)],
      ["expire", "Expired", () => query.quality.expire(query.query, MINED)],
    ];
    const reach: Partial<Record<Phase, () => Promise<void>>> = {
      None: async () => {
        query = { ...query, query: 99n };
      },
      Answering: async () => {},
      Committing: () => commitAnswers(query),
      Revealing: async () => {
        await commitAnswers(query);
        await commitScores(query, SCORES);
      },
      Settling: () => playOut(query, { scores: SCORES }),
      Ended: async () => {
        await playOut(query, { scores: SCORES });
        await settle(query);
      },
    };
    for (const [phase, go] of Object.entries(reach) as [Phase, () => Promise<void>][]) {
      it(`in ${phase}, refuse what belongs to others`, async () => {
        query = await networkHelpers.loadFixture(openSelected);
        await go();
        expect(await phaseOf(query)).to.equal(phase);
        for (const [, expected, call] of calls) {
          if (expected === phase) continue;
          await expectNo(call, "WrongPhase", [indexOf(phase), indexOf(expected)]);
        }
      });
    }

    it("pass by the clock where answers and scores are missing", async () => {
      query = await networkHelpers.loadFixture(openSelected);
      await commitAnswers(query, [1].values());
      const { answersEndAt, commitsEndAt, revealsEndAt } = await query.quality.query(query.query);
      for (const [time, before, after] of [
        [answersEndAt, "Answering", "Committing"],
        [commitsEndAt, "Committing", "Revealing"],
        [revealsEndAt, "Revealing", "Settling"],
      ] as const) {
        await passTo(time - 1n);
        expect(await phaseOf(query)).to.equal(before);
        await passTo(time);
        expect(await phaseOf(query)).to.equal(after);
      }
    });

    it("end with the answers where none was committed", async () => {
      query = await networkHelpers.loadFixture(openSelected);
      const { answersEndAt } = await query.quality.query(query.query);
      await passTo(answersEndAt - 1n);
      expect(await phaseOf(query)).to.equal("Answering");
      await passTo(answersEndAt);
      expect(await phaseOf(query)).to.equal("Settling");
    });
  });
});
