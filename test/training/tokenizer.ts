import { expect } from "chai";
import { mobyDickText } from "../../clients/training/dataset.ts";
import { loadTokenizer, trainTokenizer } from "../../clients/training/tokenizer.ts";

describe("tokenizer", () => {
  it("learns 1,024 tokens from Moby Dick that give its text back", () => {
    const text = mobyDickText();
    const { vocabularySize, encode, decode } = loadTokenizer(trainTokenizer(text, 1024));
    expect(vocabularySize).to.equal(1024);
    const tokens = encode(text);
    expect(tokens.length).to.be.below(text.length / 2.5);
    expect(tokens.reduce((largest, token) => Math.max(largest, token))).to.be.below(1024);
    expect(decode(tokens)).to.equal(text);
  });

  it("gives any text back, also what it never saw", () => {
    const { encode, decode } = loadTokenizer(trainTokenizer("the whale, the white whale", 260));
    for (const text of [
      "",
      " ",
      "  two  spaces\t\tand\r\n\n lines ",
      "the whale’s naïve — it's 3½ ☃",
      "👩‍👩‍👧‍👦 \u{1f600}\u{10ffff}",
      "日本語 مرحبا e\u0301",
      "\u0000\u007f\u00ad\u2028\u00a0\ufeff\ufffd",
      "__proto__ constructor <|endoftext|>",
    ]) {
      expect(decode(encode(text))).to.equal(text);
    }
  });

  it("merges the most frequent pair first, and of equally frequent ones the smallest", () => {
    const json = JSON.parse(new TextDecoder().decode(trainTokenizer("abab abab cdcd", 259)));
    // ab occurs 4 times; then (ab, ab) and (c, d) twice each, of which c, d are the smaller tokens.
    expect(json.model.merges).to.deep.equal([
      ["a", "b"],
      ["c", "d"],
      ["ab", "ab"],
    ]);
    expect(json.model.vocab).to.include({ a: 97, Ġ: 32, ab: 256, cd: 257, abab: 258 });
  });

  it("merges a run of equal bytes from the left", () => {
    const { encode } = loadTokenizer(trainTokenizer("aaaaa", 257));
    expect([...encode("aaaaa")]).to.deep.equal([256, 256, 97]);
  });

  it("writes the same bytes for the same text", () => {
    const text = mobyDickText().slice(0, 50_000);
    expect(trainTokenizer(text, 400)).to.deep.equal(trainTokenizer(text, 400));
  });

  it("refuses a text with too few pairs, and bytes that are no tokenizer", () => {
    expect(() => trainTokenizer("abc", 1024))
      .to.throw()
      .with.property("code", "VOCABULARY_OUT_OF_REACH");
    for (const bytes of ["", "{}", "null", '{"model":{"type":"Other"}}']) {
      expect(() => loadTokenizer(new TextEncoder().encode(bytes)))
        .to.throw()
        .with.property("code", "INVALID_TOKENIZER");
    }
  });
});
