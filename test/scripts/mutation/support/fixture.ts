import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  type Compiler,
  type Project,
  readProject,
  startCompiler,
} from "../../../../scripts/mutation/compiler.ts";

const HEADER = "// SPDX-License-Identifier: MIT\npragma solidity 0.8.37;\n";

export type Fixture = { compiler: Compiler; project: Project; close(): Promise<void> };

/**
 * Analyses a project of its own.
 * @param sources by path, without licence and pragma
 */
export async function openFixture(sources: Record<string, string>): Promise<Fixture> {
  const root = mkdtempSync(join(tmpdir(), "gradwork-mutation-"));
  for (const [file, text] of Object.entries(sources)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), HEADER + text);
  }
  const compiler = startCompiler();
  try {
    const project = await readProject(compiler, root);
    return { compiler, project, close: () => compiler.close() };
  } catch (error) {
    await compiler.close();
    throw error;
  } finally {
    rmSync(root, { recursive: true });
  }
}
