import { expect } from "chai";
import { keccak256 } from "ethers";
import { decodeManifest, encodeManifest, type Manifest, manifestHash } from "../../clients/model/manifest.ts";
import { thrownBy } from "./thrown.ts";

const HASH = `0x${"a1".repeat(32)}`;

const MANIFEST: Manifest = {
  schema: "gradwork/manifest/1",
  model: {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: 1024,
    hidden_size: 128,
    intermediate_size: 344,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 32,
    max_position_embeddings: 256,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
  },
  tensors: [
    { name: "model.embed_tokens.weight", shape: [1024, 128] },
    { name: "model.norm.weight", shape: [128] },
  ],
  graphs: { loss: HASH, gradient: HASH },
  tokenizer: HASH,
  dataset: {
    root: HASH,
    sequences: 1000,
    sequenceLength: 129,
    train: { first: 0, count: 900 },
    evaluation: { first: 900, count: 100 },
  },
  evaluation: { sequences: 32, precision: "mxfp4" },
};

type Json = { [name: string]: Json } & Json[];

/** A copy of the manifest in which the value at a path is replaced, or removed by undefined. */
function changed(path: (string | number)[], value: unknown): Manifest {
  const copy = structuredClone(MANIFEST);
  const parent = path.slice(0, -1).reduce((node, key) => node[key as number]!, copy as unknown as Json);
  const key = path.at(-1) as string;
  if (value === undefined) delete parent[key];
  else parent[key] = value as Json;
  return copy;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

describe("manifest", () => {
  it("is written in RFC 8785 form and read back", () => {
    const bytes = encodeManifest(MANIFEST);
    const json = new TextDecoder().decode(bytes);
    expect(json).to.match(/^\{"dataset":\{"evaluation":\{"count":100,"first":900\},"root":"0xa1/);
    expect(json).to.contain('"rms_norm_eps":0.00001,"rope_theta":10000,');
    expect(decodeManifest(bytes)).to.deep.equal(MANIFEST);
  });

  it("has the keccak-256 of its bytes as hash", () => {
    const bytes = encodeManifest(MANIFEST);
    expect(manifestHash(bytes)).to.equal(keccak256(bytes));
  });

  it("is written to the same bytes whatever the order of its fields", () => {
    const reversed = Object.fromEntries(Object.entries(MANIFEST).toReversed()) as unknown as Manifest;
    expect(encodeManifest(reversed)).to.deep.equal(encodeManifest(MANIFEST));
  });

  it("refuses bytes in any other form", () => {
    const json = new TextDecoder().decode(encodeManifest(MANIFEST));
    for (const other of [
      `${json}\n`,
      JSON.stringify(MANIFEST),
      json.replace("0.00001", "1e-5"),
      json.replace("10000,", "10000.0,"),
      json.replace('"first":0', '"first":-0'),
      json.replace('"model_type":', '"model_type":"llama","model_type":'),
      json.replace("llama", "\\u006clama"),
    ]) {
      expect(other).to.not.equal(json);
      expect(thrownBy(() => decodeManifest(bytesOf(other))).code).to.equal("MANIFEST_NOT_CANONICAL");
    }
  });

  it("refuses bytes that are not JSON in UTF-8", () => {
    const bytes = encodeManifest(MANIFEST);
    for (const other of [
      new Uint8Array(0),
      bytes.subarray(1),
      Buffer.concat([Buffer.of(0xef, 0xbb, 0xbf), bytes]),
      Buffer.concat([bytes.subarray(0, 10), Buffer.of(0xff), bytes.subarray(10)]),
    ]) {
      expect(thrownBy(() => decodeManifest(other)).code).to.equal("MANIFEST_NOT_JSON");
    }
  });

  it("refuses another schema version before it looks at the fields", () => {
    const call = () => decodeManifest(bytesOf('{"schema":"gradwork/manifest/2"}'));
    expect(thrownBy(call)).to.deep.equal({
      code: "MANIFEST_SCHEMA_UNSUPPORTED",
      data: { expected: "gradwork/manifest/1", received: "gradwork/manifest/2" },
    });
  });

  it("refuses what is not an object", () => {
    for (const json of ["null", "[]", "1", '"manifest"']) {
      expect(thrownBy(() => decodeManifest(bytesOf(json))).code).to.equal("MANIFEST_INVALID_FIELD");
    }
  });

  for (const [path, value] of [
    [["schema"], undefined],
    [["schema"], 1],
    [["note"], ""],
    [["model"], []],
    [["model", "architectures"], ["BertModel"]],
    [["model", "architectures"], []],
    [["model", "model_type"], "bert"],
    [["model", "vocab_size"], 1],
    [["model", "hidden_size"], 1.5],
    [["model", "num_hidden_layers"], undefined],
    [["model", "num_key_value_heads"], 3],
    [["model", "head_dim"], 33],
    [["model", "max_position_embeddings"], "256"],
    [["model", "rms_norm_eps"], 0],
    [["model", "rope_theta"], null],
    [["model", "tie_word_embeddings"], "true"],
    [["model", "dropout"], 0],
    [["tensors"], []],
    [["tensors", 0, "name"], 7],
    [["tensors", 0, "name"], "\ud800"],
    [
      ["tensors", 0, "shape"],
      [128, 0],
    ],
    [["tensors", 1, "shape"], "128"],
    [["tensors", 1, "dtype"], "F32"],
    [["tensors", 1, "name"], "model.embed_tokens.weight"],
    [["tensors", 1, "name"], "lm_head.weight"],
    [["graphs", "loss"], HASH.slice(2)],
    [["graphs", "gradient"], HASH.toUpperCase()],
    [["tokenizer"], `${HASH}00`],
    [["tokenizer"], `${HASH}\n`],
    [["dataset", "root"], ""],
    [["dataset", "sequences"], 2 ** 53],
    [["dataset", "sequenceLength"], 31],
    [["dataset", "train"], { first: 0, count: 901 }],
    [["dataset", "train", "count"], 0],
    [["dataset", "evaluation"], { first: 900, count: 99 }],
    [["dataset", "evaluation", "first"], -1],
    [["evaluation", "sequences"], 0],
    [["evaluation", "precision"], "int8"],
  ] as [(string | number)[], unknown][]) {
    it(`refuses ${path.join(".")} = ${JSON.stringify(value)}, read or written`, () => {
      const manifest = changed(path, value);
      const dotted = path.join(".").replace(/\.(\d+)/g, "[$1]");
      for (const call of [
        () => encodeManifest(manifest),
        () => decodeManifest(bytesOf(JSON.stringify(manifest))),
      ]) {
        const { code, data } = thrownBy(call);
        expect(code).to.equal("MANIFEST_INVALID_FIELD");
        expect(String(data.path).startsWith(dotted)).to.equal(true, `${data.path} is not ${dotted}`);
      }
    });
  }
});
