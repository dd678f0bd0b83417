import type { Command } from "commander";
import { parseBaseUrl } from "../../http/endpoint.ts";
import { embeddedModelFolder } from "../../inference/embedded.ts";
import { PRECISIONS, type Precision } from "../../inference/pretrained.ts";
import { addNodeOptions, type NodeRunOptions, prepareNode, type RawNodeOptions } from "../nodeOptions.ts";
import { invalidOption, oneOf, tokenAmount, wholeNumber } from "../values.ts";
import { requireWeights, WEIGHTS_OPTION } from "../weights.ts";

const MAX_TOKENS = 2 ** 20;
const MAX_PLACES = 1_024;
const APIS = ["chat", "completions"] as const;

export type RawResponderRunOptions = RawNodeOptions & {
  weights?: string;
  dtype: string;
  server?: string;
  serverModel?: string;
  serverApi: string;
  serverKeyEnv?: string;
  price?: string;
  maxTokens: string;
  concurrency: string;
  waiting: string;
};

/** A model in this process, or one behind a server. */
export type Engine =
  | { kind: "local"; weights: string; dtype: Precision }
  | { kind: "server"; baseUrl: string; model: string; api: (typeof APIS)[number]; keyVariable?: string };

export type ResponderRunOptions = NodeRunOptions & {
  engine: Engine;
  price?: bigint;
  maxTokens: number;
  queue: { concurrency: number; waiting: number };
};

const HELP = `
Answers come from a Llama-class model in the Hugging Face ONNX layout, or from an OpenAI-compatible
server (vLLM, llama.cpp, Ollama) at --server. The account needs free stake to join with, and the chain's currency for gas where an asker takes the slow path.
Ctrl-C stops it with exit code 0; started again on the same --state it goes on.

Examples:
  gradwork responder run --model 0 --state responder
  gradwork responder run --model 0 --state responder --server http://127.0.0.1:11434/v1 --server-model llama3.2:1b
`;

export function defineResponderRun(parent: Command): Command {
  const command = parent
    .command("run")
    .description("answer the prompts that the account is drawn for")
    .option(...WEIGHTS_OPTION)
    .option("--dtype <name>", `precision of the weights: ${PRECISIONS.join(", ")}`, "fp32")
    .option("--server <url>", "OpenAI-compatible server, as a rule with /v1 at the end")
    .option("--server-model <name>", "name by which the server knows the model")
    .option("--server-api <name>", "chat or completions", "chat")
    .option("--server-key-env <name>", "environment variable that holds the server's key")
    .option("--price <tokens>", "of an answer where it can't be judged (default: nothing)")
    .option("--max-tokens <n>", "longest answer; it and the prompt have to fit in the model", "96")
    .option("--concurrency <n>", "prompts that are answered at once", "1")
    .option("--waiting <n>", "prompts that wait beside those", "16");
  return addNodeOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareNode` does */
export function prepareResponderRun(
  raw: RawResponderRunOptions,
  env: NodeJS.ProcessEnv,
): ResponderRunOptions {
  const { price } = raw;
  return {
    engine: prepareEngine(raw),
    ...(price === undefined ? {} : { price: tokenAmount("--price", price) }),
    maxTokens: wholeNumber("--max-tokens", raw.maxTokens, 1, MAX_TOKENS),
    queue: {
      concurrency: wholeNumber("--concurrency", raw.concurrency, 1, MAX_PLACES),
      waiting: wholeNumber("--waiting", raw.waiting, 0, MAX_PLACES),
    },
    ...prepareNode(raw, env),
  };
}

function prepareEngine(raw: RawResponderRunOptions): Engine {
  const { server, serverModel, serverKeyEnv } = raw;
  if (server === undefined) {
    const weights = requireWeights(raw.weights ?? embeddedModelFolder("llama"));
    return { kind: "local", weights, dtype: oneOf("--dtype", raw.dtype, PRECISIONS) };
  }
  if (raw.weights !== undefined) throw invalidOption("--server", server, "no --weights beside it");
  if (parseBaseUrl(server) === undefined) {
    throw invalidOption("--server", server, "an http or https URL without credentials, query or fragment");
  }
  if (serverModel === undefined)
    throw invalidOption("--server-model", serverModel, "the model's name with --server");
  return {
    kind: "server",
    baseUrl: server,
    model: serverModel,
    api: oneOf("--server-api", raw.serverApi, APIS),
    ...(serverKeyEnv === undefined ? {} : { keyVariable: serverKeyEnv }),
  };
}
