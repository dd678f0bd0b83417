import type { Command } from "commander";
import { embeddedModelFolder } from "../../inference/embedded.ts";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "../chainOptions.ts";
import { invalidOption } from "../values.ts";

export type RawModelRegisterOptions = RawSenderOptions & {
  name: string;
  judge: string;
  params?: string;
  location: string;
  record?: string;
};

export type ModelRegisterOptions = SenderOptions & {
  name: string;
  judge: string;
  paramsFile?: string;
  location: string;
  recordFile?: string;
};

const MAX_TEXT_BYTES = 256;

const HELP = `
Registers what is served and how it is judged, by the hash of a record: JSON with the name and the
hashes of the cross-encoder in --judge and its tokenizer. --record writes it to a file, to be served
at --location. --params FILE overrides the model's parameters (docs/queries.md): amounts in
wei of the token, times in seconds, shares and scores in millionths, as whole numbers or, above 2^53,
as decimal strings:
  {"leastFee": "1000000000000000000", "answerSeconds": 300, "toleranceScore": 50000}

Examples:
  gradwork model register --name llama
  gradwork model register --name llama --judge minilm --params params.json --location https://example.org/record.json
`;

export function defineModelRegister(parent: Command): Command {
  const command = parent
    .command("register")
    .description("register what responders serve and how assessors judge it")
    .requiredOption("--name <text>", "of what is served, as its makers call it")
    .option(
      "--judge <dir>",
      "folder of the cross-encoder that judges answers",
      embeddedModelFolder("cross-encoder"),
    )
    .option("--params <file>", "JSON with the model's parameters")
    .option("--location <url>", "where the record will be served", "")
    .option("--record <file>", "file to write the record to");
  return addSenderOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareSender` does */
export function prepareModelRegister(
  raw: RawModelRegisterOptions,
  env: NodeJS.ProcessEnv,
): ModelRegisterOptions {
  const { name, judge, params, location, record } = raw;
  if (name === "") throw invalidOption("--name", name, "a name");
  if (judge === "") throw invalidOption("--judge", judge, "a folder");
  if (Buffer.byteLength(location) > MAX_TEXT_BYTES) {
    throw invalidOption("--location", location, `at most ${MAX_TEXT_BYTES} bytes`);
  }
  return {
    name,
    judge,
    location,
    ...(params === undefined ? {} : { paramsFile: params }),
    ...(record === undefined ? {} : { recordFile: record }),
    ...prepareSender(raw, env),
  };
}
