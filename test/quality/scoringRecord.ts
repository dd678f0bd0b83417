import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { keccak256Bytes } from "../../clients/model/keccak.ts";
import { exportCrossEncoder } from "../../clients/quality/exportCrossEncoder.ts";
import { scoringRecord, scoringRecordHash } from "../../clients/quality/scoringRecord.ts";
import { tinyCrossEncoder } from "./tinyCrossEncoder.ts";

describe("scoring record", () => {
  let home: string;
  let folder: string;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "gradwork-record-"));
    folder = join(home, "model");
    await exportCrossEncoder(folder, tinyCrossEncoder());
  });
  afterEach(() => rm(home, { recursive: true }));

  const codeOf = () =>
    scoringRecord(folder).then(
      () => undefined,
      (error) => error.code,
    );

  it("pins the model's files and every rule that a score follows from", async () => {
    const record = await scoringRecord(folder);
    for (const [file, hash] of Object.entries(record.files)) {
      expect(hash, file).to.equal(keccak256Bytes(await readFile(join(folder, file))));
    }
    expect(Object.keys(record.files)).to.have.length(4);
    expect({ ...record, files: undefined }).to.deep.equal({
      files: undefined,
      architecture: "BertForSequenceClassification",
      precision: "float32",
      maxTokens: 48,
      maxPromptTokens: 22,
      degenerate: { gramTokens: 4, minDistinctShare: 0.6, maxEchoShare: 0.5, score: 0 },
      scoreMap: "sigmoid",
      unit: "millionths",
      rounding: "half up",
    });
  });

  it("has a hash that changes with any file, and with nothing else", async () => {
    const before = scoringRecordHash(await scoringRecord(folder));
    expect(before).to.match(/^0x[0-9a-f]{64}$/);
    expect(scoringRecordHash(await scoringRecord(folder))).to.equal(before);
    const file = join(folder, "tokenizer_config.json");
    await writeFile(file, `${await readFile(file, "utf8")} `);
    expect(scoringRecordHash(await scoringRecord(folder))).to.not.equal(before);
  });

  it("needs every file, and a configuration that says how much the model reads", async () => {
    await writeFile(join(folder, "config.json"), "{}");
    expect(await codeOf()).to.equal("MODEL_CONFIG_INVALID");
    await rm(join(folder, "config.json"));
    expect(await codeOf()).to.equal("MODEL_FILE_MISSING");
  });
});
