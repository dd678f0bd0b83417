import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { embeddedModelFolder } from "../../clients/inference/embedded.ts";
import { type Assessor, openAssessor } from "../../clients/quality/assessor.ts";
import { createRandom } from "../../clients/training/random.ts";
import { areaUnderCurve } from "../../scripts/models/auc.ts";
import { BAD_ANSWERS, type BadAnswer, heldOutCases } from "../../scripts/models/passages.ts";

/** Every so many of the held-out cases. */
const PERIOD = 7;
/** Below those that `npm run models:eval` must reach, as there are fewer cases. */
const LEAST_AREAS: Readonly<Record<BadAnswer, number>> = {
  "other corpus": 0.9,
  "same corpus": 0.7,
  shuffled: 0.9,
  loop: 0.98,
};
const MAX_FOLDER_BYTES = 5.7e6;
const bytes = (text: string) => new TextEncoder().encode(text);
const { signal } = new AbortController();

describe("embedded cross-encoder", () => {
  const folder = embeddedModelFolder("cross-encoder");
  let assessor: Assessor;

  before(async () => {
    assessor = await openAssessor({ model: folder });
  });
  after(() => assessor.close());

  it("is a small folder in the Hugging Face layout", async () => {
    const files = (await readdir(folder, { recursive: true })).sort();
    expect(files).to.deep.equal([
      "config.json",
      "onnx",
      join("onnx", "model.onnx"),
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size));
    expect(sizes.reduce((sum, size) => sum + size, 0)).to.be.below(MAX_FOLDER_BYTES);
  });

  it("tells true answers from bad ones, in documents that it has not seen", async () => {
    const cases = heldOutCases(createRandom(7)).filter((_, i) => i % PERIOD === 0);
    const scores: number[][] = [];
    for (const { prompt, trueAnswer, badAnswers } of cases) {
      const answers = [trueAnswer, ...BAD_ANSWERS.map((kind) => badAnswers[kind])];
      const assessments = await assessor.assess(bytes(prompt), answers.map(bytes), signal);
      scores.push(assessments.map(({ score }) => score));
    }
    const column = (at: number) => scores.map((row) => row[at]!);
    for (const [i, kind] of BAD_ANSWERS.entries()) {
      expect(areaUnderCurve(column(0), column(i + 1)), kind).to.be.above(LEAST_AREAS[kind]);
    }
  });

  it("says of the prompt again, of a loop and of nothing that they are worth nothing", async () => {
    const [one] = heldOutCases(createRandom(1));
    const answers = [one!.prompt, "the whale and ".repeat(20), ""].map(bytes);
    const assessments = await assessor.assess(bytes(one!.prompt), answers, signal);
    expect(assessments.map(({ score }) => score)).to.deep.equal([0, 0, 0]);
  });
});
