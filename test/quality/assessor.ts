import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AutoModelForSequenceClassification, AutoTokenizer } from "@huggingface/transformers";
import { expect } from "chai";
import { GradworkError } from "../../clients/model/errors.ts";
import { type Assessor, DEFAULT_HUB_MODEL, openAssessor } from "../../clients/quality/assessor.ts";
import { exportCrossEncoder } from "../../clients/quality/exportCrossEncoder.ts";
import { scoreOfLogit } from "../../clients/quality/score.ts";
import { createRandom } from "../../clients/training/random.ts";
import { trainTokenizer } from "../../clients/training/tokenizer.ts";
import { tinyBert, tinyCrossEncoder } from "./tinyCrossEncoder.ts";

const PROMPT = "The captain and the sea";
const ANSWERS = [
  "the ship again",
  "then the whale, and the sea then",
  "a ship; the whale and the captain again, then the sea and the ship, again the whale and then a captain.",
  "whale",
];
const { signal } = new AbortController();
const bytes = (text: string) => new TextEncoder().encode(text);

async function errorOf(promise: Promise<unknown>): Promise<GradworkError> {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).to.be.instanceOf(GradworkError);
  return error;
}

describe("assessor", () => {
  let home: string;
  let folder: string;
  let assessor: Assessor;
  let copies = 0;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), "gradwork-quality-"));
    folder = join(home, "model");
    await exportCrossEncoder(folder, tinyCrossEncoder());
    assessor = await openAssessor({ model: folder });
  });
  after(async () => {
    await assessor.close();
    await rm(home, { recursive: true });
  });

  const assess = (prompt: string, ...answers: string[]) =>
    assessor.assess(bytes(prompt), answers.map(bytes), signal);

  /** The folder again, with one file written anew, or removed. */
  async function changedFolder(file: string, contents?: Uint8Array | string): Promise<string> {
    const changed = join(home, `changed-${copies++}`);
    await cp(folder, changed, { recursive: true });
    if (contents === undefined) await rm(join(changed, file));
    else await writeFile(join(changed, file), contents);
    return changed;
  }

  it("gives the logits that transformers.js gives to the same pairs, and their scores", async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(folder, { local_files_only: true });
    const model = await AutoModelForSequenceClassification.from_pretrained(folder, {
      local_files_only: true,
      dtype: "fp32",
    });
    const { logits } = await model(
      tokenizer(
        ANSWERS.map(() => PROMPT),
        { text_pair: ANSWERS, padding: true },
      ),
    );
    await model.dispose();
    const assessments = await assess(PROMPT, ...ANSWERS);
    expect(assessments).to.have.length(ANSWERS.length);
    for (const [i, { score, logit, reason }] of assessments.entries()) {
      expect(Math.abs(logit! - logits.data[i])).to.be.below(1e-5);
      expect(score).to.equal(scoreOfLogit(logit!));
      expect(reason).to.equal(undefined);
    }
    expect(new Set(assessments.map(({ score }) => score)).size).to.equal(ANSWERS.length);
  });

  it("gives an answer the same score, bit for bit, whatever other answers there are", async () => {
    const together = await assess(PROMPT, ...ANSWERS);
    const reversed = await assess(PROMPT, ...ANSWERS.toReversed());
    expect(reversed.toReversed()).to.deep.equal(together);
    for (const [i, answer] of ANSWERS.entries()) {
      expect(await assess(PROMPT, answer)).to.deep.equal([together[i]]);
    }
    const again = await openAssessor({ model: folder });
    expect(await again.assess(bytes(PROMPT), ANSWERS.map(bytes), signal)).to.deep.equal(together);
    await again.close();
  });

  it("tells which text is the prompt", async () => {
    const [[forth], [back]] = [await assess(PROMPT, ANSWERS[0]!), await assess(ANSWERS[0]!, PROMPT)];
    expect(forth!.logit).to.not.equal(back!.logit);
  });

  it("reads the first of a long answer and the last of a long prompt", async () => {
    // 48 places: 3 special tokens, at most 22 of the prompt.
    const words = "the whale and the sea, then a ship; again the captain and a whale".split(" ");
    const random = createRandom(3);
    const long = Array.from({ length: 60 }, () => words[Math.floor(random() * words.length)]).join(" ");
    const tail =
      "then the captain and the ship and the whale again and the sea then a whale the ship and a sea again";
    const [cut] = await assess(`ship ship ${tail} ${tail}`, ANSWERS[0]!);
    expect(await assess(`sea sea sea sea sea ${tail} ${tail}`, ANSWERS[0]!)).to.deep.equal([cut]);
    expect(await assess(`ship ship ${tail} ${tail} whale`, ANSWERS[0]!)).to.not.deep.equal([cut]);
    const [whole] = await assess(PROMPT, `${long} whale whale`);
    expect(whole!.logit).to.be.a("number");
    expect(await assess(PROMPT, `${long} sea ship`)).to.deep.equal([whole]);
  });

  it("gives 0 to degenerate answers, and asks no model", async () => {
    const loop = Array.from({ length: 30 }, () => "the whale and").join(" ");
    expect(await assess(PROMPT, "", " \n", loop, PROMPT.toUpperCase())).to.deep.equal([
      { score: 0, reason: "empty" },
      { score: 0, reason: "empty" },
      { score: 0, reason: "loop" },
      { score: 0, reason: "echo" },
    ]);
  });

  it("gives 0 to an answer that is not UTF-8, and scores the others", async () => {
    const answers = [Uint8Array.of(0xff, 0x41), bytes(ANSWERS[0]!)];
    const [broken, other] = await assessor.assess(bytes(PROMPT), answers, signal);
    expect(broken).to.deep.equal({ score: 0, reason: "not UTF-8" });
    expect([other]).to.deep.equal(await assess(PROMPT, ANSWERS[0]!));
  });

  it("takes an answer of megabytes", async () => {
    const [assessment] = await assess(PROMPT, `${ANSWERS[1]} ${"x".repeat(4_000_000)}`);
    expect(assessment!.score).to.be.within(0, 1_000_000);
  });

  it("refuses a prompt that is empty, too long or not UTF-8", async () => {
    const refused = (prompt: Uint8Array) => errorOf(assessor.assess(prompt, [bytes("whale")], signal));
    expect(await refused(new Uint8Array())).to.have.property("code", "PROMPT_EMPTY");
    expect(await refused(Uint8Array.of(0xc0))).to.have.property("code", "PROMPT_NOT_UTF8");
    expect(await refused(new Uint8Array(70_000).fill(65))).to.have.property("code", "PROMPT_TOO_LONG");
  });

  it("stops at its signal", async () => {
    const reason = new Error("enough");
    const stopped = assessor.assess(bytes(PROMPT), [bytes("whale")], AbortSignal.abort(reason));
    expect(
      await stopped.then(
        () => undefined,
        (error) => error,
      ),
    ).to.equal(reason);
  });

  it("refuses a folder that is not there, and a name on the hub where nothing is fetched", async () => {
    expect(await errorOf(openAssessor({ model: join(home, "nowhere") }))).to.have.property(
      "code",
      "MODEL_NOT_FOUND",
    );
    const hub = { cacheFolder: join(home, "cache"), download: false };
    const error = await errorOf(openAssessor({ model: DEFAULT_HUB_MODEL, hub }));
    expect(error).to.have.property("code", "MODEL_NOT_CACHED");
  });

  for (const file of ["config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model.onnx"]) {
    it(`refuses a folder without ${file}, and says so`, async () => {
      const error = await errorOf(openAssessor({ model: await changedFolder(file) }));
      expect(error.code).to.equal("MODEL_FILE_MISSING");
      expect(error.data).to.have.property("file", file);
    });
  }

  it("refuses a model of another architecture, with another tokenizer, or with several labels", async () => {
    const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    const other = JSON.stringify({ ...config, architectures: ["BertForMaskedLM"] });
    expect(
      await errorOf(openAssessor({ model: await changedFolder("config.json", other) })),
    ).to.have.property("code", "MODEL_ARCHITECTURE");

    const classless = JSON.stringify({ tokenizer_class: "PreTrainedTokenizerFast" });
    const byteLevel = trainTokenizer("the whale, the sea and the whale", 260);
    for (const [file, contents] of [
      ["tokenizer_config.json", classless],
      ["tokenizer.json", byteLevel],
    ] as const) {
      const error = await errorOf(openAssessor({ model: await changedFolder(file, contents) }));
      expect(error, file).to.have.property("code", "MODEL_UNSUPPORTED");
    }

    expect(tinyBert.max_position_embeddings).to.be.above(4);
    const narrow = JSON.stringify({ ...config, max_position_embeddings: 4 });
    expect(
      await errorOf(openAssessor({ model: await changedFolder("config.json", narrow) })),
    ).to.have.property("code", "MODEL_UNSUPPORTED");
  });

  it("refuses files that are none", async () => {
    for (const [file, code] of [
      ["config.json", "MODEL_CONFIG_INVALID"],
      ["tokenizer.json", "MODEL_UNREADABLE"],
      ["tokenizer_config.json", "MODEL_UNREADABLE"],
      ["onnx/model.onnx", "MODEL_UNREADABLE"],
    ] as const) {
      const error = await errorOf(
        openAssessor({ model: await changedFolder(file, Uint8Array.of(0xff, 0xfe)) }),
      );
      expect(error, file).to.have.property("code", code);
    }
  });
});
