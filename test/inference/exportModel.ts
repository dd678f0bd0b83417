import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AutoModelForCausalLM, AutoTokenizer, env, pipeline, Tensor } from "@huggingface/transformers";
import { expect } from "chai";
import { exportModel, type TrainedModel } from "../../clients/inference/exportModel.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import { decodeSafetensors } from "../../clients/model/safetensors.ts";
import { llamaTensors } from "../../clients/training/llama.ts";
import { loadTokenizer } from "../../clients/training/tokenizer.ts";
import { trainingLogits } from "../training/trainingLogits.ts";
import { tinyModel } from "./tinyExport.ts";

const PROMPT = "the whale — 鯨, and then";
const ONE_THREAD = { session_options: { intraOpNumThreads: 1 } };

describe("export of a trained model", () => {
  const model = tinyModel();
  const remoteModels = env.allowRemoteModels;
  let home: string;
  let folder: string;

  before(async () => {
    env.allowRemoteModels = false;
    home = await mkdtemp(join(tmpdir(), "gradwork-export-"));
    folder = join(home, "some", "model");
    await exportModel(folder, model);
  });
  after(async () => {
    env.allowRemoteModels = remoteModels;
    await rm(home, { recursive: true });
  });

  const contents = async (name: string) => JSON.parse(await readFile(join(folder, name), "utf8"));

  it("is a folder in the Hugging Face layout, and nothing beside it", async () => {
    const files = (await readdir(folder, { recursive: true })).sort();
    expect(files).to.deep.equal([
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "onnx",
      join("onnx", "model.onnx"),
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    expect(await readdir(join(home, "some"))).to.deep.equal(["model"]);
    expect(await contents("config.json")).to.include({
      model_type: "llama",
      hidden_act: "silu",
      head_dim: 4,
    });
  });

  it("has the weights once more in safetensors, for PyTorch", async () => {
    const weights = decodeSafetensors(
      await readFile(join(folder, "model.safetensors")),
      llamaTensors(model.config),
    );
    expect(weights).to.deep.equal(model.parameters);
    const small = join(home, "small");
    await exportModel(small, { ...model, safetensors: false });
    expect(await readdir(small)).not.to.include("model.safetensors");
  });

  it("is read by transformers.js: tokens, and the training graph's logits one by one and in a padded batch", async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(folder);
    const tokens = loadTokenizer(model.tokenizer).encode(PROMPT);
    expect(tokenizer.encode(PROMPT)).to.deep.equal([...tokens]);
    expect(tokenizer.decode([...tokens])).to.equal(PROMPT);

    const loaded = await AutoModelForCausalLM.from_pretrained(folder, ONE_THREAD);
    const short = tokens.subarray(0, tokens.length - 3);
    const expected = await trainingLogits(model.config, model.parameters, tokens);
    const expectedShort = await trainingLogits(model.config, model.parameters, short);
    const integers = (values: number[], dims: number[]) =>
      new Tensor("int64", BigInt64Array.from(values, BigInt), dims);
    const alone = await loaded({
      input_ids: integers([...tokens], [1, tokens.length]),
      attention_mask: integers(new Array(tokens.length).fill(1), [1, tokens.length]),
    });
    expectClose(alone.logits.data, expected);
    const both = await loaded({
      input_ids: integers([...tokens, 0, 0, 0, ...short], [2, tokens.length]),
      attention_mask: integers(
        [...new Array(tokens.length).fill(1), 0, 0, 0, ...new Array(short.length).fill(1)],
        [2, tokens.length],
      ),
    });
    expectClose(both.logits.data.subarray(0, expected.length), expected);
    expectClose(both.logits.data.subarray(-expectedShort.length), expectedShort);
    await loaded.dispose();
  });

  it("generates in transformers.js what the training graph finds likeliest, token by token", async () => {
    const tokenizer = loadTokenizer(model.tokenizer);
    let tokens = tokenizer.encode(PROMPT);
    for (let count = 0; count < 8; count++) {
      const logits = await trainingLogits(model.config, model.parameters, tokens);
      const last = logits.subarray(-model.config.vocab_size);
      tokens = Uint32Array.of(...tokens, last.indexOf(Math.max(...last)));
    }
    const generate = await pipeline("text-generation", folder, ONE_THREAD);
    const [answer] = await generate(PROMPT, { max_new_tokens: 8, do_sample: false });
    expect(answer!.generated_text).to.equal(tokenizer.decode(tokens));
    await generate.dispose();
  });

  it("puts a chat template where transformers.js looks for it", async () => {
    const template = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}";
    const chatFolder = join(home, "chat");
    await exportModel(chatFolder, { ...model, chatTemplate: template, safetensors: false });
    const tokenizer = await AutoTokenizer.from_pretrained(chatFolder);
    const text = tokenizer.apply_chat_template([{ role: "user", content: "Call me" }], { tokenize: false });
    expect(text).to.equal("user: Call me\n");
  });

  it("gives the same bytes for the same model", async () => {
    const again = join(home, "again");
    await exportModel(again, model);
    for (const name of ["onnx/model.onnx", "config.json", "tokenizer_config.json"]) {
      expect((await readFile(join(again, name))).equals(await readFile(join(folder, name))), name).to.equal(
        true,
      );
    }
  });

  it("fills an empty folder, and leaves what is in any other as it is", async () => {
    const empty = join(home, "empty");
    await mkdir(empty);
    await exportModel(empty, model);
    expect(await readdir(empty)).to.include("config.json");

    const occupied = join(home, "occupied");
    await mkdir(occupied);
    await writeFile(join(occupied, "thesis.txt"), "years of work");
    const file = join(home, "file");
    await writeFile(file, "");
    for (const place of [occupied, file, folder])
      expect(await failure(place, model)).to.equal("FOLDER_OCCUPIED");
    expect(await readdir(occupied)).to.deep.equal(["thesis.txt"]);
    expect((await readdir(home)).filter((name) => name.includes("part"))).to.deep.equal([]);
  });

  it("writes nothing for a model that does not fit together", async () => {
    const wrong = join(home, "wrong");
    const nan = model.parameters.with(3, Number.NaN);
    expect(await failure(wrong, { ...model, parameters: nan })).to.equal("NON_FINITE_TENSOR");
    expect(await failure(wrong, { ...model, parameters: model.parameters.subarray(1) })).to.equal(
      "PARAMETERS_WRONG_LENGTH",
    );
    expect(await failure(wrong, { ...model, tokenizer: new Uint8Array() })).to.equal("INVALID_TOKENIZER");
    expect(await failure(wrong, { ...tinyModel({ vocab_size: 269 }) })).to.equal("VOCABULARY_MISMATCH");
    expect(await readdir(home)).not.to.include("wrong");
  });
});

async function failure(folder: string, model: TrainedModel): Promise<string> {
  try {
    await exportModel(folder, model);
  } catch (error) {
    if (error instanceof GradworkError) return error.code;
    throw error;
  }
  return "none";
}

function expectClose(logits: Float32Array, expected: Float32Array): void {
  expect(logits.length).to.equal(expected.length);
  expect(Math.max(...logits.map((logit, i) => Math.abs(logit - expected[i]!)))).to.be.below(1e-4);
}
