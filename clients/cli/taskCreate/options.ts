import type { Command } from "commander";
import { parseEndpoint } from "../../http/endpoint.ts";
import { DEFAULT_DATA } from "../../roles/defaults.ts";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "../chainOptions.ts";
import { DEFAULT_MINER_PORT } from "../partyOptions.ts";
import { invalidOption, oneOf, positiveNumber, wholeNumber } from "../values.ts";

const PRECISIONS = ["mxfp4", "float32"] as const;
const MIN_SEQUENCE_TOKENS = 32;
const MAX_SEQUENCE_TOKENS = 2 ** 20;
const MAX_EVALUATION_SEQUENCES = 2 ** 20;
const MAX_SEED = 2 ** 31;

export type RawTaskCreateOptions = RawSenderOptions & {
  blobs: string;
  text?: string;
  model?: string;
  params?: string;
  sequenceLength: string;
  evaluationSequences: string;
  evaluationShare: string;
  precision: string;
  seed: string;
  endpoint: string;
};

/** @property textFile, modelFile, paramsFile where given, what is read in place of the defaults */
export type TaskCreateOptions = SenderOptions & {
  blobs: string;
  textFile?: string;
  modelFile?: string;
  paramsFile?: string;
  sequenceLength: number;
  evaluation: { sequences: number; precision: (typeof PRECISIONS)[number] };
  evaluationShare: number;
  seed: number;
  location: string;
};

const HELP = `
--model FILE overrides fields of the default Llama configuration, in Hugging Face's terms:
  {"num_hidden_layers": 8, "hidden_size": 256}
--params FILE overrides task parameters: amounts in wei of the token, times in seconds, losses in
micro-nats, as whole numbers or, above 2^53, as decimal strings:
  {"minerReward": "100000000000000000000", "commitSeconds": 600, "minImprovementMicroNats": 5000}
The blobs must be served at --endpoint until others have them: \`gradwork miner run\` and
\`gradwork verifier run\` serve those in their --blobs folder.

Examples:
  gradwork task create --blobs blobs
  gradwork task create --blobs blobs --text corpus.txt --params params.json --endpoint https://blobs.example.org
`;

export function defineTaskCreate(parent: Command): Command {
  const command = parent
    .command("create")
    .description("make a task's tokenizer, dataset, graphs and initial model, and register it")
    .requiredOption("--blobs <dir>", "folder to put the task's blobs in")
    .option("--text <file>", "text to train on, in UTF-8 (default: Moby Dick)")
    .option("--model <file>", "JSON with fields of the model's configuration")
    .option("--params <file>", "JSON with the task's parameters")
    .option("--sequence-length <tokens>", "tokens in a sequence", String(DEFAULT_DATA.sequenceLength))
    .option(
      "--evaluation-sequences <n>",
      "sequences that a round's losses are measured on",
      String(DEFAULT_DATA.evaluation.sequences),
    )
    .option(
      "--evaluation-share <x>",
      "share of the text, from its end, that is kept for them",
      String(DEFAULT_DATA.evaluationShare),
    )
    .option(
      "--precision <name>",
      "of the model that is measured: mxfp4 or float32",
      DEFAULT_DATA.evaluation.precision,
    )
    .option("--seed <n>", "of the initial model", "1")
    .option("--endpoint <url>", "where the blobs will be served", `http://127.0.0.1:${DEFAULT_MINER_PORT}`);
  return addSenderOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, `BAD_ENDPOINT`, and as `prepareSender` does */
export function prepareTaskCreate(raw: RawTaskCreateOptions, env: NodeJS.ProcessEnv): TaskCreateOptions {
  const { blobs, text, model, params } = raw;
  if (blobs === "") throw invalidOption("--blobs", blobs, "a folder");
  return {
    blobs,
    ...(text === undefined ? {} : { textFile: text }),
    ...(model === undefined ? {} : { modelFile: model }),
    ...(params === undefined ? {} : { paramsFile: params }),
    sequenceLength: wholeNumber(
      "--sequence-length",
      raw.sequenceLength,
      MIN_SEQUENCE_TOKENS,
      MAX_SEQUENCE_TOKENS,
    ),
    evaluation: {
      sequences: wholeNumber("--evaluation-sequences", raw.evaluationSequences, 1, MAX_EVALUATION_SEQUENCES),
      precision: oneOf("--precision", raw.precision, PRECISIONS),
    },
    evaluationShare: positiveNumber("--evaluation-share", raw.evaluationShare, 1),
    seed: wholeNumber("--seed", raw.seed, 0, MAX_SEED),
    location: parseEndpoint(raw.endpoint),
    ...prepareSender(raw, env),
  };
}
