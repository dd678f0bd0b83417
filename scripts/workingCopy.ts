import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What the contract tests need, their artifacts apart. */
const PARTS = [
  "clients",
  "contracts",
  "deploy",
  "docs",
  "hardhat.config.ts",
  "package.json",
  "snapshots",
  "test",
];

/**
 * Copies the project's code to a folder, where contracts can be compiled otherwise while the project's own artifacts
 * stay as they are. What an earlier run compiled there is kept.
 * @param root folder of the project
 * @param folder in the project, ignored by git
 * @param config text of Hardhat's configuration there, beside the project's own, which it may import
 */
export function copyProject(root: string, folder: string, config: string): void {
  mkdirSync(folder, { recursive: true });
  for (const part of PARTS) {
    rmSync(join(folder, part), { recursive: true, force: true });
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  writeFileSync(join(folder, COPY_CONFIG), config);
  const modules = join(folder, "node_modules");
  if (!existsSync(modules)) symlinkSync(join(root, "node_modules"), modules, "junction");
}

/** Where the configuration of a copy is, in its folder. */
export const COPY_CONFIG = "copy.config.ts";
