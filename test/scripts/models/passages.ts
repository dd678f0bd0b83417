import { expect } from "chai";
import { createRandom } from "../../../clients/training/random.ts";
import { areaUnderCurve } from "../../../scripts/models/auc.ts";
import { corpusDocuments } from "../../../scripts/models/corpora.ts";
import { heldOutCases, looped, PASSAGE_WORDS, shuffled } from "../../../scripts/models/passages.ts";
import { tfidf } from "../../../scripts/models/tfidf.ts";

const wordsOf = (text: string) => text.split(" ");

describe("held-out cases", () => {
  const cases = heldOutCases(createRandom(1));

  it("are passages of 64 words and what follows, as many from each corpus", () => {
    const ofMobyDick = cases.filter(({ corpus }) => corpus === "moby-dick");
    expect(ofMobyDick.length).to.be.above(200);
    expect(cases).to.have.length(2 * ofMobyDick.length);
    const texts = new Map(
      (["moby-dick", "state-of-the-union"] as const).flatMap((corpus) =>
        corpusDocuments(corpus, "heldOut").map(({ name, text }) => [
          `${corpus} ${name}`,
          text.match(/\S+/gu)!.join(" "),
        ]),
      ),
    );
    for (const { corpus, document, prompt, trueAnswer, badAnswers } of cases) {
      expect(texts.get(`${corpus} ${document}`)!.includes(`${prompt} ${trueAnswer}`)).to.equal(true);
      for (const text of [prompt, trueAnswer, ...Object.values(badAnswers)]) {
        expect(wordsOf(text)).to.have.length(PASSAGE_WORDS);
      }
    }
  });

  it("have as bad answers the true ones of other prompts, each once, so that an answer alone tells nothing", () => {
    const trueAnswers = cases.map(({ trueAnswer }) => trueAnswer).sort();
    for (const kind of ["other corpus", "same corpus"] as const) {
      expect(cases.map(({ badAnswers }) => badAnswers[kind]).sort()).to.deep.equal(trueAnswers);
    }
    const documentOf = new Map(cases.map((one) => [one.trueAnswer, one]));
    for (const { corpus, document, badAnswers } of cases) {
      const same = documentOf.get(badAnswers["same corpus"])!;
      expect(same.corpus).to.equal(corpus);
      expect(same.document).to.not.equal(document);
      expect(documentOf.get(badAnswers["other corpus"])!.corpus).to.not.equal(corpus);
    }
  });

  it("have the true answer's words in another order, and its first words in a loop", () => {
    for (const { trueAnswer, badAnswers } of cases) {
      expect(badAnswers.shuffled).to.not.equal(trueAnswer);
      expect(wordsOf(badAnswers.shuffled).sort()).to.deep.equal(wordsOf(trueAnswer).sort());
      const period = new Set(wordsOf(badAnswers.loop)).size;
      expect(period).to.be.within(1, 8);
      expect(trueAnswer.startsWith(wordsOf(badAnswers.loop).slice(0, period).join(" "))).to.equal(true);
    }
  });

  it("are the same for the same seed", () => {
    expect(JSON.stringify(heldOutCases(createRandom(1))) === JSON.stringify(cases)).to.equal(true);
    expect(shuffled(["a", "b", "c", "d", "e"], createRandom(3))).to.have.members(["a", "b", "c", "d", "e"]);
    expect(looped(["a", "b", "c", "d", "e"], 2)).to.deep.equal(["a", "b", "a", "b", "a"]);
  });
});

describe("area under the curve", () => {
  it("is the probability that a good score is above a bad one, equal ones counting half", () => {
    expect(areaUnderCurve([3, 4], [1, 2])).to.equal(1);
    expect(areaUnderCurve([1, 2], [3, 4])).to.equal(0);
    expect(areaUnderCurve([1, 1], [1, 1, 1])).to.equal(0.5);
    expect(areaUnderCurve([1, 3], [2, 2, 3])).to.equal((0 + 2 + 0.5) / 6);
  });
});

describe("TF-IDF", () => {
  const similarity = tfidf(["the whale swims", "the ship sails", "the sea"]);

  it("is 1 for the same words, 0 for none in common, and weighs rare words more", () => {
    expect(Math.abs(similarity("The whale", "whale, the!") - 1)).to.be.below(1e-12);
    expect(similarity("whale", "ship")).to.equal(0);
    expect(similarity("", "ship")).to.equal(0);
    expect(similarity("the whale", "whale sea")).to.be.above(similarity("the whale", "the sea"));
  });
});
