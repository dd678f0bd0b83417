import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "@huggingface/transformers";
import { expect } from "chai";
import { exportModel, type TrainedModel } from "../../clients/inference/exportModel.ts";
import type { Generator } from "../../clients/inference/generator.ts";
import { type LocalModelOptions, openLocalModel } from "../../clients/inference/localModel.ts";
import type { Precision } from "../../clients/inference/pretrained.ts";
import { loadTokenizer } from "../../clients/training/tokenizer.ts";
import { thrownBy } from "../model/thrown.ts";
import { trainingLogits } from "../training/trainingLogits.ts";
import { failureOf } from "./failure.ts";
import { tinyModel } from "./tinyExport.ts";

const GREEDY = { temperature: 0, topP: 1 };
const encode = (text: string) => new TextEncoder().encode(text);
const PROMPT = encode("the whale — 鯨, and");

describe("local model", () => {
  const trained = tinyModel();
  const { signal } = new AbortController();
  const opened: Generator[] = [];
  let home: string;
  let folder: string;
  let count = 0;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), "gradwork-local-"));
    folder = join(home, "model");
    await exportModel(folder, trained);
  });
  afterEach(async () => {
    for (const generator of opened.splice(0)) await generator.close();
  });
  after(() => rm(home, { recursive: true }));

  async function open(options: Partial<LocalModelOptions> = {}): Promise<Generator> {
    const generator = await openLocalModel({ model: folder, threads: 1, ...options });
    opened.push(generator);
    return generator;
  }

  /** Another folder with this in it, where `contents` names files and what is in them; null is none. */
  async function otherFolder(
    contents: Record<string, string | null>,
    model: TrainedModel = trained,
  ): Promise<string> {
    const path = join(home, `other${count++}`);
    await exportModel(path, { ...model, safetensors: false });
    for (const [name, content] of Object.entries(contents)) {
      await (content === null ? rm(join(path, name)) : writeFile(join(path, name), content));
    }
    return path;
  }

  /** What the training graph finds likeliest after a prompt, token by token. */
  async function likeliest(prompt: Uint8Array, tokenCount: number): Promise<Uint32Array> {
    const start = loadTokenizer(trained.tokenizer).encode(new TextDecoder().decode(prompt));
    let tokens = start;
    while (tokens.length < start.length + tokenCount) {
      const logits = await trainingLogits(trained.config, trained.parameters, tokens);
      const last = logits.subarray(-trained.config.vocab_size);
      tokens = Uint32Array.of(...tokens, last.indexOf(Math.max(...last)));
    }
    return tokens.subarray(start.length);
  }

  it("continues a prompt as the training graph does, up to the token limit", async () => {
    const generator = await open({ sampling: GREEDY });
    for (const prompt of [PROMPT, encode("the"), encode("sea")]) {
      const answer = await generator.generate(prompt, { maxTokens: 9, seed: 1, signal });
      const text = loadTokenizer(trained.tokenizer).decode(await likeliest(prompt, 9));
      expect(answer).to.deep.equal({ text, truncated: true });
    }
  });

  it("ends where the model ends its answer, without the token that says so", async () => {
    const tokens = await likeliest(encode("the"), 9);
    const end = tokens[6]!;
    const model = await otherFolder({ "generation_config.json": JSON.stringify({ eos_token_id: [end] }) });
    const generator = await open({ model, sampling: GREEDY });
    const answer = await generator.generate(encode("the"), { maxTokens: 9, seed: 1, signal });
    const text = loadTokenizer(trained.tokenizer).decode(tokens.subarray(0, tokens.indexOf(end)));
    expect(answer).to.deep.equal({ text, truncated: false });
    expect(text).not.to.equal("");
  });

  it("gives equal answers to equal seeds, also side by side, and others to others", async () => {
    const generator = await open();
    const ask = (seed: number) => generator.generate(PROMPT, { maxTokens: 20, seed, signal });
    const first = await ask(1);
    const [again, other] = await Promise.all([ask(1), ask(2)]);
    expect(again).to.deep.equal(first);
    expect(other.text).not.to.equal(first.text);
    const reopened = await open();
    expect(await reopened.generate(PROMPT, { maxTokens: 20, seed: 1, signal })).to.deep.equal(first);
  });

  it("tells the answer in pieces as it comes", async () => {
    const generator = await open();
    for (const seed of [1, 2, 3]) {
      const pieces: string[] = [];
      const onText = (piece: string) => pieces.push(piece);
      const { text } = await generator.generate(PROMPT, { maxTokens: 30, seed, signal, onText });
      expect(pieces.length).to.be.above(5);
      expect(pieces.join("")).to.equal(text);
      expect(pieces).not.to.include("");
    }
  });

  it("puts the prompt to a model with a chat template as a user's message", async () => {
    const chatTemplate =
      "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}" +
      "{% if add_generation_prompt %}<assistant>{% endif %}";
    const chat = await open({
      model: await otherFolder({}, { ...trained, chatTemplate }),
      sampling: GREEDY,
    });
    const plain = await open({ sampling: GREEDY });
    const options = { maxTokens: 9, seed: 1, signal };
    expect(await chat.generate(encode("sea"), options)).to.deep.equal(
      await plain.generate(encode("<user>sea<assistant>"), options),
    );
  });

  it("stops when it is aborted", async () => {
    const generator = await open();
    const reason = new Error("no longer wanted");
    const options = { maxTokens: 40, seed: 1 };
    const rejection = async (call: Promise<unknown>) => call.then(() => undefined).catch((error) => error);
    expect(
      await rejection(generator.generate(PROMPT, { ...options, signal: AbortSignal.abort(reason) })),
    ).to.equal(reason);
    const stop = new AbortController();
    let pieces = 0;
    const onText = () => {
      if (++pieces === 3) stop.abort(reason);
    };
    expect(await rejection(generator.generate(PROMPT, { ...options, signal: stop.signal, onText }))).to.equal(
      reason,
    );
    expect(pieces).to.equal(3);
  });

  it("refuses prompts before any work: empty, not UTF-8, too long in bytes or with their answer in tokens", async () => {
    const generator = await open({ maxPromptBytes: 100 });
    const limit = trained.config.max_position_embeddings;
    const refusals: [Uint8Array, number, string, object?][] = [
      [new Uint8Array(), 1, "PROMPT_EMPTY"],
      [Uint8Array.of(0x61, 0xff), 1, "PROMPT_NOT_UTF8"],
      [Uint8Array.of(0xed, 0xa0, 0x80), 1, "PROMPT_NOT_UTF8"],
      [new Uint8Array(101).fill(0x61), 1, "PROMPT_TOO_LONG", { unit: "bytes", limit: 100, received: 101 }],
      [
        encode("0".repeat(limit)),
        1,
        "PROMPT_TOO_LONG",
        { unit: "tokens", limit: limit - 1, received: limit },
      ],
      [encode("0"), limit, "PROMPT_TOO_LONG", { unit: "tokens", limit: 0, received: 1 }],
      [encode("0"), 0, "INVALID_TOKEN_LIMIT"],
      [encode("0"), 1.5, "INVALID_TOKEN_LIMIT"],
    ];
    for (const [prompt, maxTokens, code, data] of refusals) {
      const thrown = thrownBy(() => generator.check(prompt, maxTokens));
      expect(thrown.code).to.equal(code);
      if (data !== undefined) expect(thrown.data).to.deep.equal(data);
      expect((await failureOf(generator.generate(prompt, { maxTokens, seed: 1, signal }))).code).to.equal(
        code,
      );
    }
    generator.check(encode("0".repeat(limit - 1)), 1);
  });

  it("refuses a folder that lacks a file, and says which", async () => {
    for (const file of ["config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model.onnx"]) {
      const { code, data } = await failureOf(open({ model: await otherFolder({ [file]: null }) }));
      expect([code, data.file]).to.deep.equal(["MODEL_FILE_MISSING", file]);
    }
    const { code, data } = await failureOf(open({ dtype: "fp16" }));
    expect([code, data.file]).to.deep.equal(["MODEL_FILE_MISSING", "onnx/model_fp16.onnx"]);
  });

  it("refuses a model of another architecture before it looks at anything else", async () => {
    const config = JSON.stringify({
      architectures: ["BertForSequenceClassification"],
      max_position_embeddings: 512,
    });
    const model = await otherFolder({ "config.json": config, "onnx/model.onnx": null });
    const { code, data } = await failureOf(open({ model }));
    expect(code).to.equal("MODEL_ARCHITECTURE");
    expect(data).to.include({ expected: "LlamaForCausalLM" });
  });

  it("refuses what is no model", async () => {
    const wrong: [Promise<string>, string][] = [
      [otherFolder({ "config.json": "{" }), "MODEL_CONFIG_INVALID"],
      [otherFolder({ "config.json": "[]" }), "MODEL_CONFIG_INVALID"],
      [otherFolder({ "config.json": '{"architectures": ["LlamaForCausalLM"]}' }), "MODEL_CONFIG_INVALID"],
      [otherFolder({ "tokenizer.json": "{}" }), "MODEL_UNREADABLE"],
      [otherFolder({ "onnx/model.onnx": "not a model" }), "MODEL_UNREADABLE"],
      [Promise.resolve(join(home, "nowhere")), "MODEL_NOT_FOUND"],
      [Promise.resolve(join(folder, "config.json")), "MODEL_NOT_FOUND"],
      [Promise.resolve(""), "MODEL_NOT_FOUND"],
    ];
    for (const [model, code] of wrong)
      expect((await failureOf(open({ model: await model }))).code).to.equal(code);
    expect((await failureOf(open({ dtype: "fp64" as Precision }))).code).to.equal("MODEL_DTYPE_UNKNOWN");
  });

  describe("from the hub", () => {
    const { remoteHost, cacheDir } = env;
    let hub: Server;
    let asked: string[];
    let cacheFolder: string;

    before(async () => {
      // Serves the folder as owner/model, and a configuration of another architecture as owner/other.
      hub = createServer(async ({ url = "" }, response) => {
        const [, owner, name, , , ...path] = url.split("/");
        asked.push(`${owner}/${name}/${path.join("/")}`);
        try {
          if (owner !== "owner") throw new Error("unknown");
          if (name === "other" && path[0] === "config.json") {
            response.end('{"architectures": ["GPT2LMHeadModel"], "max_position_embeddings": 9}');
          } else if (name === "model") {
            response.end(await readFile(join(folder, ...path)));
          } else throw new Error("unknown");
        } catch {
          response.writeHead(404).end();
        }
      });
      await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
      cacheFolder = join(home, "cache");
      env.cacheDir = join(home, "default cache");
    });
    beforeEach(() => {
      env.remoteHost = `http://127.0.0.1:${(hub.address() as AddressInfo).port}/`;
      asked = [];
    });
    after(async () => {
      Object.assign(env, { remoteHost, cacheDir });
      hub.closeAllConnections();
      await new Promise((resolve) => hub.close(resolve));
    });

    const fetching = () => ({ hub: { cacheFolder, download: true } });
    const offline = () => ({ hub: { cacheFolder, download: false } });

    it("fetches a model once, and opens it from the cache from then on, also offline", async () => {
      const options = { maxTokens: 9, seed: 1, signal };
      const missing = await failureOf(open({ model: "owner/model", ...offline() }));
      expect(missing.code).to.equal("MODEL_NOT_CACHED");
      expect(asked).to.deep.equal([]);

      const fetched = await open({ model: "owner/model", ...fetching() });
      const answer = await fetched.generate(PROMPT, options);
      expect(asked).to.include("owner/model/onnx/model.onnx");
      asked = [];
      for (const access of [fetching(), offline()]) {
        const cached = await open({ model: "owner/model", ...access });
        expect(await cached.generate(PROMPT, options)).to.deep.equal(answer);
      }
      expect(asked).to.deep.equal([]);
    });

    it("refuses a model of another architecture by its configuration alone", async () => {
      const { code } = await failureOf(open({ model: "owner/other", ...fetching() }));
      expect(code).to.equal("MODEL_ARCHITECTURE");
      expect(asked).to.deep.equal(["owner/other/config.json"]);
    });

    it("says that a name is unknown, or that the hub cannot be reached", async () => {
      expect((await failureOf(open({ model: "nobody/nothing", ...fetching() }))).code).to.equal(
        "MODEL_NOT_FOUND",
      );
      expect((await failureOf(open({ model: "owner/model" }))).code).to.equal("MODEL_NOT_FOUND");
      env.remoteHost = "http://127.0.0.1:1/";
      expect((await failureOf(open({ model: "owner/elsewhere", ...fetching() }))).code).to.equal(
        "HUB_UNREACHABLE",
      );
    });

    it("takes no path for a name", async () => {
      await mkdir(join(cacheFolder, "owner"), { recursive: true });
      for (const model of [
        "../model",
        "owner/../model",
        "owner/model/..",
        "/owner/model",
        "a/b/c",
        "owner\\model",
      ]) {
        expect((await failureOf(open({ model, ...fetching() }))).code, model).to.equal("MODEL_NOT_FOUND");
      }
      expect(asked).to.deep.equal([]);
    });
  });
});
