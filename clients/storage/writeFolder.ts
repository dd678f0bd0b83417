import { randomUUID } from "node:crypto";
import { lstat, mkdir, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { GradworkError } from "../model/errors.ts";
import { isMissing, syncDirectory } from "./files.ts";

/**
 * Writes a folder that is there whole or not at all, also after a crash.
 * @param path where nothing is, or an empty folder; the folders above it are made
 * @param files contents by path inside the folder, with `/` between names
 * @throws {GradworkError} `FOLDER_OCCUPIED` where something else is there, which stays as it is
 */
export async function writeFolder(path: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const target = resolve(path);
  await requireFree(target);
  const draft = `${target}.part-${randomUUID()}`;
  await mkdir(draft, { recursive: true });
  try {
    for (const [name, bytes] of files) {
      await mkdir(dirname(join(draft, name)), { recursive: true });
      const file = await open(join(draft, name), "wx");
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
    }
    // Windows renames onto no folder, not even an empty one; one that has been filled meanwhile stays.
    await rmdir(target).catch(() => {});
    await requireFree(target);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  await syncDirectory(dirname(target));
}

/** @throws {GradworkError} `FOLDER_OCCUPIED` unless nothing, or an empty folder, is at the path */
export async function requireFree(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isDirectory() && (await readdir(path)).length === 0) return;
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  throw new GradworkError(
    "FOLDER_OCCUPIED",
    `Expected nothing or an empty folder at ${path}; remove what is there, or choose another place`,
    { path },
  );
}
