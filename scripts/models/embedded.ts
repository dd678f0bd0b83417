import { GradworkError } from "../../clients/model/errors.ts";
import { crossEncoder } from "./crossEncoder.ts";
import { llama } from "./llama.ts";

/** A model of `models/`: made from seeds, and measured on held-out documents. */
export type EmbeddedModel = {
  /** Of its folder in `models/`. */
  readonly name: "llama" | "cross-encoder";
  /** Makes the folder in the Hugging Face layout; what is there is overwritten. Lines of progress go to `log`. */
  readonly build: (folder: string, log: (line: string) => void, signal: AbortSignal) => Promise<void>;
  /** Measures the model in the folder, and prints a table. */
  readonly evaluate: (folder: string, signal: AbortSignal) => Promise<void>;
};

export const EMBEDDED_MODELS: readonly EmbeddedModel[] = [llama, crossEncoder];

/**
 * The models that a script works on.
 * @param args names, or none for all
 * @throws {GradworkError} `USAGE` at a name that is no model's
 */
export function chosenModels(args: readonly string[]): EmbeddedModel[] {
  const names = EMBEDDED_MODELS.map(({ name }) => name);
  for (const arg of args) {
    if (names.some((name) => name === arg)) continue;
    throw new GradworkError("USAGE", `Expected names among ${names.join(", ")}, or none for all, got ${arg}`);
  }
  return EMBEDDED_MODELS.filter(({ name }) => args.length === 0 || args.includes(name));
}
