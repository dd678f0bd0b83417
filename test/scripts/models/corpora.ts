import { expect } from "chai";
import { CORPORA, corpusDocuments } from "../../../scripts/models/corpora.ts";

const wordCount = (text: string) => text.split(/\s+/u).length;

describe("corpora of the embedded models", () => {
  for (const [corpus, documents, words] of [
    ["moby-dick", 138, 212_000],
    ["state-of-the-union", 233, 1_785_000],
  ] as const) {
    it(`${corpus}: whole documents are either for training or held out, about a tenth of the words`, () => {
      const train = corpusDocuments(corpus, "train");
      const heldOut = corpusDocuments(corpus, "heldOut");
      expect(train.length + heldOut.length).to.equal(documents);
      const names = [...train, ...heldOut].map(({ name }) => name);
      expect(new Set(names).size).to.equal(documents);
      const texts = [...train, ...heldOut].map(({ text }) => text);
      expect(new Set(texts).size).to.equal(documents);
      const heldOutWords = heldOut.reduce((sum, { text }) => sum + wordCount(text), 0);
      const allWords = texts.reduce((sum, text) => sum + wordCount(text), 0);
      expect(Math.abs(allWords - words)).to.be.below(0.01 * words);
      expect(heldOutWords / allWords).to.be.within(0.07, 0.13);
    });
  }

  it("are the same at each call", () => {
    for (const corpus of CORPORA) {
      for (const split of ["train", "heldOut"] as const) {
        const [once, again] = [corpusDocuments(corpus, split), corpusDocuments(corpus, split)].map(
          (documents) => JSON.stringify(documents),
        );
        expect(once === again).to.equal(true);
      }
    }
  });
});
