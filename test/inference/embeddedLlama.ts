import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { embeddedModelFolder } from "../../clients/inference/embedded.ts";
import type { Generator } from "../../clients/inference/generator.ts";
import { openLocalModel } from "../../clients/inference/localModel.ts";
import { CORPORA, corpusDocuments } from "../../scripts/models/corpora.ts";

const FOLDER = embeddedModelFolder("llama");
const PROMPT_WORDS = 64;
const MAX_BYTES = 6_000_000;

describe("embedded Llama", () => {
  const { signal } = new AbortController();
  const words = (text: string) => text.split(/[^A-Za-z]+/).filter((word) => word !== "");
  let generator: Generator;

  before(async () => {
    generator = await openLocalModel({ model: FOLDER, threads: 1 });
  });
  after(() => generator.close());

  it("is small, with its weights in one file", async () => {
    const files = await readdir(FOLDER, { recursive: true });
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(FOLDER, file))).size));
    expect(sizes.reduce((sum, size) => sum + size, 0)).to.be.below(MAX_BYTES);
    expect(sizes.filter((size) => size > 1_000_000).length).to.equal(1);
  });

  it("continues held-out passages of 64 words with words that its corpora have", async () => {
    const known = new Set(
      CORPORA.flatMap((corpus) =>
        corpusDocuments(corpus, "train").flatMap(({ text }) => words(text.toLowerCase())),
      ),
    );
    for (const corpus of CORPORA) {
      const answers: string[] = [];
      for (const [seed, { text }] of corpusDocuments(corpus, "heldOut").slice(0, 3).entries()) {
        const prompt = text.split(/\s+/).slice(0, PROMPT_WORDS).join(" ");
        const answer = await generator.generate(new TextEncoder().encode(prompt), {
          maxTokens: 96,
          seed,
          signal,
        });
        expect(answer.truncated).to.equal(true);
        answers.push(answer.text);
      }
      // The first of an answer may be the rest of a word, the last is cut off.
      const said = answers.flatMap((answer) => words(answer).slice(1, -1));
      expect(said.length).to.be.above(100);
      const share = said.filter((word) => known.has(word.toLowerCase())).length / said.length;
      expect(share, corpus).to.be.above(0.8);
      expect(new Set(said).size / said.length, corpus).to.be.above(0.3);
    }
  });

  it("gives the same answer to the same seed", async () => {
    const ask = (seed: number) =>
      generator.generate(new TextEncoder().encode("The whale"), { maxTokens: 30, seed, signal });
    const first = await ask(7);
    expect(await ask(7)).to.deep.equal(first);
    expect((await ask(8)).text).not.to.equal(first.text);
  });
});
