import { once } from "node:events";
import { globSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { type AstNode, nodesAt } from "./ast.ts";

/** solc in a thread. One input at a time. */
export type Compiler = { compile(input: SolcInput): Promise<SolcOutput>; close(): Promise<void> };

type SolcInput = {
  sources: Record<string, { content: string }>;
  settings: {
    viaIR?: boolean;
    optimizer?: { enabled: boolean; runs?: number };
    outputSelection: Record<string, Record<string, string[]>>;
  };
};

type Code = { object: string; linkReferences: object; immutableReferences?: object };

type SolcOutput = {
  errors?: { severity: string; formattedMessage: string }[];
  sources?: Record<string, { ast: AstNode }>;
  contracts?: Record<string, Record<string, { evm: { bytecode: Code; deployedBytecode: Code } }>>;
};

/** The sources of a project and what its packages give to them, by path. */
export type Project = {
  contents: Map<string, Buffer>;
  trees: Map<string, AstNode>;
};

/** What is deployed of a contract, as in Hardhat's artifacts. */
export type Bytecode = {
  file: string;
  contract: string;
  bytecode: string;
  linkReferences: object;
  deployedBytecode: string;
  deployedLinkReferences: object;
  immutableReferences: object;
};

export type Pipeline = { viaIR: boolean; optimizer: { enabled: boolean; runs?: number } };

/** As the contracts are deployed. */
export const PRODUCTION: Pipeline = { viaIR: true, optimizer: { enabled: true, runs: 200 } };

/** Cheapest first: without the optimizer, and without the IR where that compiles. */
const PIPELINES: readonly Pipeline[] = [
  { viaIR: false, optimizer: { enabled: false } },
  { viaIR: true, optimizer: { enabled: false } },
  PRODUCTION,
];

export function startCompiler(): Compiler {
  const thread = new Worker(new URL("./solcThread.ts", import.meta.url));
  return {
    async compile({ sources, settings }) {
      thread.postMessage(
        JSON.stringify({
          language: "Solidity",
          sources,
          settings: {
            evmVersion: "cancun",
            // Neither metadata nor what only debuggers read: it takes time, and makes equal code different.
            metadata: { appendCBOR: false, bytecodeHash: "none" },
            debug: { debugInfo: [] },
            ...settings,
          },
        }),
      );
      const [output] = (await once(thread, "message")) as [string];
      return JSON.parse(output);
    },
    async close() {
      await thread.terminate();
    },
  };
}

/** Reads and analyses all sources in contracts/. */
export async function readProject(compiler: Compiler, root: string): Promise<Project> {
  const own = globSync("contracts/**/*.sol", { cwd: root })
    .map((file) => file.replaceAll("\\", "/"))
    .sort();
  const contents = new Map(own.map((file) => [file, readFileSync(join(root, file))]));
  const { errors, sources } = await compiler.compile({
    sources: contentsOf(contents, own),
    settings: { outputSelection: { "*": { "": ["ast"] } } },
  });
  const error = errors?.find(({ severity }) => severity === "error");
  if (sources === undefined || error !== undefined) throw new Error(error?.formattedMessage);
  const require = createRequire(join(root, "package.json"));
  for (const file of Object.keys(sources)) {
    if (!contents.has(file)) contents.set(file, readFileSync(require.resolve(file)));
  }
  return { contents, trees: new Map(Object.entries(sources).map(([file, { ast }]) => [file, ast])) };
}

/** A source and all that it imports. */
export function importsOf({ trees }: Project, file: string): Set<string> {
  const found = new Set<string>();
  const pending = [file];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    const nodes = nodesAt(trees.get(next)!, "nodes");
    pending.push(
      ...nodes
        .filter(({ nodeType }) => nodeType === "ImportDirective")
        .map((node) => String(node.absolutePath)),
    );
  }
  return found;
}

function contentsOf(
  contents: ReadonlyMap<string, Buffer>,
  files: Iterable<string>,
  changed?: { file: string; content: string },
): Record<string, { content: string }> {
  return Object.fromEntries(
    [...files].map((file) => [
      file,
      { content: file === changed?.file ? changed.content : contents.get(file)!.toString("utf8") },
    ]),
  );
}

/**
 * Compiles all contracts of some sources.
 * @param changed a source that stands in for the project's own
 * @returns those that can be deployed; or the first error's message
 */
export async function compileFiles(
  compiler: Compiler,
  project: Project,
  files: readonly string[],
  pipeline: Pipeline,
  changed?: { file: string; content: string },
): Promise<Bytecode[] | string> {
  const needed = new Set(files.flatMap((file) => [...importsOf(project, file)]));
  const wanted = ["evm.bytecode.object", "evm.bytecode.linkReferences"];
  const deployed = ["object", "linkReferences", "immutableReferences"].map(
    (field) => `evm.deployedBytecode.${field}`,
  );
  const { errors, contracts } = await compiler.compile({
    sources: contentsOf(project.contents, needed, changed),
    settings: {
      ...pipeline,
      outputSelection: Object.fromEntries(files.map((file) => [file, { "*": [...wanted, ...deployed] }])),
    },
  });
  const error = errors?.find(({ severity }) => severity === "error");
  if (error !== undefined) return error.formattedMessage;
  return Object.entries(contracts ?? {}).flatMap(([file, byName]) =>
    Object.entries(byName)
      .filter(([, { evm }]) => evm.bytecode.object !== "")
      .map(([contract, { evm }]) => ({
        file,
        contract,
        bytecode: `0x${evm.bytecode.object}`,
        linkReferences: evm.bytecode.linkReferences,
        deployedBytecode: `0x${evm.deployedBytecode.object}`,
        deployedLinkReferences: evm.deployedBytecode.linkReferences,
        immutableReferences: evm.deployedBytecode.immutableReferences ?? {},
      })),
  );
}

/**
 * Compiles a source's contracts the first way that compiles them.
 * @throws {Error} where none does
 */
export async function compileFirst(
  compiler: Compiler,
  project: Project,
  file: string,
  pipelines = PIPELINES,
): Promise<{ pipeline: Pipeline; bytecodes: Bytecode[] }> {
  let message = "";
  for (const pipeline of pipelines) {
    const bytecodes = await compileFiles(compiler, project, [file], pipeline);
    if (typeof bytecodes !== "string") return { pipeline, bytecodes };
    message = bytecodes;
  }
  throw new Error(`${file} does not compile: ${message}`);
}
