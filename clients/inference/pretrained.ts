// Models in the Hugging Face layout, from a folder or from the hub.
import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import type { PreTrainedModel, PreTrainedTokenizer } from "@huggingface/transformers";
import { GradworkError } from "../model/errors.ts";
import { integer, list, text, withFields } from "../model/schema.ts";
import { exists, isMissing, openIfThere } from "../storage/files.ts";

export type Transformers = typeof import("@huggingface/transformers");

/** Precision of the weights, by the name that transformers.js gives it, and what it adds to the name of their file. */
const WEIGHT_FILES = {
  fp32: "model.onnx",
  fp16: "model_fp16.onnx",
  q8: "model_quantized.onnx",
  int8: "model_int8.onnx",
  uint8: "model_uint8.onnx",
  q4: "model_q4.onnx",
  q4f16: "model_q4f16.onnx",
  bnb4: "model_bnb4.onnx",
} as const;

export type Precision = keyof typeof WEIGHT_FILES;
export const PRECISIONS = Object.keys(WEIGHT_FILES) as readonly Precision[];

export type ModelSource = {
  /** Folder in the Hugging Face layout, or a name on the hub ("owner/name"). */
  readonly model: string;
  /** "fp32" unless another is given. */
  readonly dtype?: Precision;
  /** Threads that share one operator; by default one for each core. */
  readonly threads?: number;
  /** Where models from the hub are kept; without it only folders are opened. */
  readonly hub?: {
    readonly cacheFolder: string;
    /** Whether what is not there is fetched; without it nothing goes over the network. */
    readonly download: boolean;
  };
};

/** A kind of model: its architecture in `config.json`, and the class of transformers.js that loads it. */
export type ModelKind = {
  readonly architecture: string;
  readonly loader: "AutoModelForCausalLM" | "AutoModelForSequenceClassification";
};

export type PretrainedModel = {
  readonly transformers: Transformers;
  readonly tokenizer: PreTrainedTokenizer;
  readonly model: PreTrainedModel;
  /** Longest input in tokens, with what is generated. */
  readonly maxPositions: number;
};

const HUB_NAME = /^[A-Za-z0-9_][\w.-]*(\/[A-Za-z0-9_][\w.-]*)?$/;

const configSchema = withFields({ architectures: list(text, 1), max_position_embeddings: integer(1) });

/**
 * Opens a model: its configuration first, so that one of another architecture is refused before anything is loaded.
 * @throws {GradworkError} `MODEL_NOT_FOUND`; `MODEL_FILE_MISSING` with the file; `MODEL_ARCHITECTURE`;
 * `MODEL_CONFIG_INVALID`; `MODEL_DTYPE_UNKNOWN`; `MODEL_NOT_CACHED` for a hub's model that may not be fetched;
 * `HUB_UNREACHABLE`; `MODEL_UNREADABLE` where transformers.js cannot load it; `ENGINE_NOT_INSTALLED`
 */
export async function openPretrained(source: ModelSource, kind: ModelKind): Promise<PretrainedModel> {
  const { model, dtype = "fp32", threads = availableParallelism(), hub } = source;
  if (!Object.hasOwn(WEIGHT_FILES, dtype)) {
    throw new GradworkError(
      "MODEL_DTYPE_UNKNOWN",
      `Expected a dtype of ${PRECISIONS.join(", ")}, got ${dtype}`,
      {
        dtype,
      },
    );
  }
  const place = await locate(source, dtype);
  const local = place.fetch ? undefined : await checkFolder(place.folder, dtype, kind);
  const transformers = await loadTransformers();
  // An absolute path is never taken for a name on the hub.
  const from = place.fetch ? model : place.folder;
  const options = place.fetch ? { cache_dir: hub!.cacheFolder } : { local_files_only: true };
  try {
    const config: unknown = local ?? (await transformers.AutoConfig.from_pretrained(from, options));
    requireConfig(config, model, kind);
    return {
      transformers,
      tokenizer: await transformers.AutoTokenizer.from_pretrained(from, options),
      model: await transformers[kind.loader].from_pretrained(from, {
        ...options,
        dtype,
        session_options: { intraOpNumThreads: threads },
      }),
      maxPositions: config.max_position_embeddings,
    };
  } catch (error) {
    throw error instanceof GradworkError ? error : loadError(error as Error, model);
  }
}

/** Loaded when needed: it is an optional dependency, and where it could not be installed all else works. */
async function loadTransformers(): Promise<Transformers> {
  try {
    return await import("@huggingface/transformers");
  } catch (error) {
    throw new GradworkError(
      "ENGINE_NOT_INSTALLED",
      `transformers.js does not load (${(error as Error).message}); install gradwork again with npm's --ignore-scripts`,
    );
  }
}

type Place = { readonly folder: string; readonly fetch: boolean };

/** The model's folder, or that in the hub's cache where it is or will be. */
async function locate({ model, hub }: ModelSource, dtype: Precision): Promise<Place> {
  if (await isFolder(model)) return { folder: resolve(model), fetch: false };
  if (hub === undefined || !HUB_NAME.test(model) || model.includes("..")) {
    throw new GradworkError(
      "MODEL_NOT_FOUND",
      `Expected a folder${hub === undefined ? "" : ", or a name on the hub as owner/name"}, got ${JSON.stringify(model)}`,
      { model },
    );
  }
  const folder = resolve(hub.cacheFolder, model);
  if ((await isFolder(folder)) && (await missingFile(folder, dtype)) === undefined)
    return { folder, fetch: false };
  if (hub.download) return { folder, fetch: true };
  throw new GradworkError(
    "MODEL_NOT_CACHED",
    `Expected the model ${model} with its ${dtype} weights in ${hub.cacheFolder}, where it is not, and fetching is ` +
      "off; let it be fetched, or name a folder",
    { model, dtype },
  );
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === "ENOTDIR") return false;
    throw error;
  }
}

async function missingFile(folder: string, dtype: Precision): Promise<string | undefined> {
  const weights = `onnx/${WEIGHT_FILES[dtype]}`;
  for (const file of ["config.json", "tokenizer.json", "tokenizer_config.json", weights]) {
    if (!(await exists(join(folder, file)))) return file;
  }
  return undefined;
}

/** The configuration of a folder that has all files, and is of the kind. */
async function checkFolder(folder: string, dtype: Precision, kind: ModelKind): Promise<Config> {
  const file = await openIfThere(join(folder, "config.json"));
  if (file === undefined) throw fileMissing(folder, "config.json");
  let config: unknown;
  try {
    config = JSON.parse(await file.readFile("utf8"));
  } catch (error) {
    throw invalidConfig(folder, `JSON (${(error as Error).message})`);
  } finally {
    await file.close();
  }
  requireConfig(config, folder, kind);
  const missing = await missingFile(folder, dtype);
  if (missing !== undefined) throw fileMissing(folder, missing);
  return config;
}

function fileMissing(folder: string, file: string): GradworkError {
  return new GradworkError(
    "MODEL_FILE_MISSING",
    `Expected the file ${file} in ${folder}; a model in the Hugging Face layout with ONNX weights has it`,
    { folder, file },
  );
}

type Config = { readonly architectures: readonly string[]; readonly max_position_embeddings: number };

function requireConfig(
  config: unknown,
  model: string,
  { architecture }: ModelKind,
): asserts config is Config {
  const problem = configSchema(config, "");
  if (problem !== undefined)
    throw invalidConfig(model, `${problem.expected} at ${problem.path || "the top"}`);
  const { architectures } = config as Config;
  if (architectures.includes(architecture)) return;
  throw new GradworkError(
    "MODEL_ARCHITECTURE",
    `Expected a model of architecture ${architecture}, ${model} is ${architectures.join(", ")}`,
    { model, expected: architecture, received: architectures },
  );
}

function invalidConfig(model: string, expected: string): GradworkError {
  return new GradworkError("MODEL_CONFIG_INVALID", `Expected ${expected} in config.json of ${model}`, {
    model,
    expected,
  });
}

function loadError(error: Error, model: string): GradworkError {
  if (error.name === "ModelFileNotFoundError") {
    return new GradworkError(
      "MODEL_NOT_FOUND",
      `Expected the model ${model} on the hub with public ONNX weights: ${error.message}`,
      { model },
    );
  }
  // What fetch throws when no connection comes about.
  if (error instanceof TypeError && error.message === "fetch failed") {
    const reason = error.cause instanceof Error ? error.cause.message : error.message;
    return new GradworkError(
      "HUB_UNREACHABLE",
      `Expected to fetch the model ${model} from the hub (${reason}); fetch it elsewhere and name its folder`,
      { model, reason },
    );
  }
  return new GradworkError(
    "MODEL_UNREADABLE",
    `Expected a model that loads, ${model} does not: ${error.message}`,
    {
      model,
      reason: error.message,
    },
  );
}
