import { Tokenizer } from "@huggingface/tokenizers";
import { expect } from "chai";
import { SPECIAL_TOKENS, trainWordPiece } from "../../clients/training/wordPiece.ts";

const TEXTS = ["The whale, the whales: whaling!", "Whaling is the whaler's life — the sea, the Sea."];
const SIZE = 56;

describe("WordPiece", () => {
  const bytes = trainWordPiece(TEXTS, SIZE);
  const json = JSON.parse(new TextDecoder().decode(bytes));
  const vocabulary: Record<string, number> = json.model.vocab;
  const tokenizer = new Tokenizer(json, {});
  const tokensOf = (text: string) => tokenizer.encode(text, { add_special_tokens: false }).tokens;

  it("has BERT's special tokens first, then characters, then what is frequent", () => {
    const ids = Object.values(vocabulary).sort((a, b) => a - b);
    expect(ids).to.deep.equal(Array.from({ length: SIZE }, (_, id) => id));
    expect(SPECIAL_TOKENS.map((token) => vocabulary[token])).to.deep.equal([0, 1, 2, 3, 4]);
    for (const character of "whalesing,:!—'") {
      expect(vocabulary).to.have.property(character);
      expect(vocabulary).to.have.property(`##${character}`);
    }
    for (const piece of ["the", "whale", "whaling", "##in"]) expect(vocabulary).to.have.property(piece);
  });

  it("splits words by the longest pieces, in lower case, and punctuation from words", () => {
    expect(tokensOf("THE whaling, thé sea")).to.deep.equal(["the", "whaling", ",", "the", "sea"]);
    expect(tokensOf("thesis").join("")).to.equal("the##s##i##s");
    expect(tokensOf("the 鯨")).to.deep.equal(["the", "[UNK]"]);
  });

  it("joins pairs as BERT does", () => {
    const { tokens, token_type_ids } = tokenizer.encode("the sea", {
      text_pair: "the",
      return_token_type_ids: true,
    });
    expect(tokens).to.deep.equal(["[CLS]", "the", "sea", "[SEP]", "the", "[SEP]"]);
    expect(token_type_ids).to.deep.equal([0, 0, 0, 0, 1, 1]);
  });

  it("is the same for the same texts, and needs enough of them", () => {
    expect(trainWordPiece(TEXTS, SIZE)).to.deep.equal(bytes);
    expect(() => trainWordPiece(["a b"], 100))
      .to.throw()
      .with.property("code", "VOCABULARY_OUT_OF_REACH");
  });
});
