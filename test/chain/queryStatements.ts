import { expect } from "chai";
import { hexlify, id, randomBytes, TypedDataEncoder } from "ethers";
import {
  STATEMENT_TYPES,
  type StatementName,
  statementDigest,
  typedDataDomain,
} from "../../clients/chain/queryStatements.ts";

const MARKETS = ["0x00000000000000000000000000000000000000a1", "0x00000000000000000000000000000000000000b2"];

describe("the digest of a statement", () => {
  for (const name of Object.keys(STATEMENT_TYPES) as StatementName[]) {
    it(`of ${name} is what ethers makes of the same EIP-712 message`, () => {
      const [, { name: field }] = STATEMENT_TYPES[name];
      for (const chainId of [1, 31_337, 2 ** 40]) {
        for (const market of MARKETS) {
          const domain = { chainId, market };
          for (const query of [0n, 1n, 2n ** 64n, 2n ** 256n - 1n]) {
            const message = { query, [field]: hexlify(randomBytes(32)) };
            const types = { [name]: [...STATEMENT_TYPES[name]] };
            const expected = TypedDataEncoder.hash(typedDataDomain(domain), types, message);
            expect(statementDigest(domain, name, message)).to.equal(expected);
          }
        }
      }
    });
  }

  it("differs between chains, markets, queries and statements", () => {
    const message = { query: 7n, commitment: id("a") };
    const [market, other] = MARKETS as [string, string];
    const digests = [
      statementDigest({ chainId: 1, market }, "AnswerCommitment", message),
      statementDigest({ chainId: 2, market }, "AnswerCommitment", message),
      statementDigest({ chainId: 1, market: other }, "AnswerCommitment", message),
      statementDigest({ chainId: 1, market }, "ScoreCommitment", message),
      statementDigest({ chainId: 1, market }, "AnswerCommitment", { ...message, query: 8n }),
      statementDigest({ chainId: 1, market }, "AnswerCommitment", { ...message, commitment: id("b") }),
    ];
    expect(new Set(digests).size).to.equal(digests.length);
  });
});
