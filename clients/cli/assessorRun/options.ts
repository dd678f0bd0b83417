import type { Command } from "commander";
import { embeddedModelFolder } from "../../inference/embedded.ts";
import { addNodeOptions, type NodeRunOptions, prepareNode, type RawNodeOptions } from "../nodeOptions.ts";
import { requireWeights, WEIGHTS_OPTION } from "../weights.ts";

export type RawAssessorRunOptions = RawNodeOptions & { weights: string };

export type AssessorRunOptions = NodeRunOptions & { weights: string };

const HELP = `
Scores come from a BERT-class cross-encoder with one label in the Hugging Face ONNX layout, on the
CPU: the one that the model's record names. Online, cross-encoder/ms-marco-MiniLM-L-6-v2 is a good
one. The account needs free stake to join with. Once
joined, silence in a query that it is drawn for costs twice what the duty can earn: keep it running,
or \`gradwork node leave\`. Ctrl-C stops it with exit code 0; on the same --state it goes on.

Examples:
  gradwork assessor run --model 0 --state assessor
  gradwork assessor run --model 0 --state assessor --weights cross-encoder/ms-marco-MiniLM-L-6-v2 --port 8650 --public-url https://judge.example.org
`;

export function defineAssessorRun(parent: Command): Command {
  const command = parent
    .command("run")
    .description("score the answers that the account is drawn for")
    .option(...WEIGHTS_OPTION, embeddedModelFolder("cross-encoder"));
  return addNodeOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareNode` does */
export function prepareAssessorRun(raw: RawAssessorRunOptions, env: NodeJS.ProcessEnv): AssessorRunOptions {
  return { weights: requireWeights(raw.weights), ...prepareNode(raw, env) };
}
