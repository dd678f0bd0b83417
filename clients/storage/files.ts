import { type FileHandle, open } from "node:fs/promises";
import { GradworkError } from "../model/errors.ts";

/** A file to read, for the caller to close; undefined where there is none. */
export async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export async function exists(path: string): Promise<boolean> {
  const file = await openIfThere(path);
  await file?.close();
  return file !== undefined;
}

/** Whether an error of the file system says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/**
 * Some bytes of a file.
 * @throws {GradworkError} `FILE_TOO_SHORT`
 */
export async function readBytes(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(bytes, at, length - at, offset + at);
    if (bytesRead === 0) {
      throw new GradworkError("FILE_TOO_SHORT", `Expected ${length} bytes at ${offset}, got ${at}`, {
        offset,
        length,
      });
    }
    at += bytesRead;
  }
  return bytes;
}

/** Makes renames in a folder durable; Windows can't open one and needs no such call. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
