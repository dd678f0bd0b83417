import { type Bytecode, type Compiler, compileFiles, type Pipeline, type Project } from "./compiler.ts";
import { applyMutant } from "./mutants.ts";
import type { SourceMutant } from "./sources.ts";

/** How each source with contracts to deploy is compiled, and to what. */
export type Baseline = Map<string, { pipeline: Pipeline; bytecodes: Bytecode[] }>;

/**
 * Compiles a mutant of sources as they were compiled before.
 * @param part the sources, all of which use the mutant's
 * @returns the bytecodes that differ from those before; or that it does not compile
 */
export async function compileMutant(
  compiler: Compiler,
  project: Project,
  part: Baseline,
  mutant: SourceMutant,
): Promise<Bytecode[] | "invalid"> {
  const changed = { file: mutant.file, content: applyMutant(project.contents.get(mutant.file)!, mutant) };
  const entries = [...part];
  const after: Bytecode[] = [];
  for (const pipeline of new Set(entries.map(([, { pipeline }]) => pipeline))) {
    const files = entries.filter(([, other]) => other.pipeline === pipeline).map(([file]) => file);
    const compiled = await compileFiles(compiler, project, files, pipeline, changed);
    if (typeof compiled === "string") return "invalid";
    after.push(...compiled);
  }
  const before = entries.flatMap(([, { bytecodes }]) => bytecodes);
  return after.filter((bytecode) => !isAmong(before, bytecode));
}

function isAmong(
  list: readonly Bytecode[],
  { file, contract, bytecode, deployedBytecode }: Bytecode,
): boolean {
  return list.some(
    (other) =>
      other.file === file &&
      other.contract === contract &&
      other.bytecode === bytecode &&
      other.deployedBytecode === deployedBytecode,
  );
}
