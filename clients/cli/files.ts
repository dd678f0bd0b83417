// Files that the command line reads.
import { readFileSync } from "node:fs";
import { GradworkError } from "../model/errors.ts";

/** @throws {GradworkError} `FILE_UNREADABLE` unless it can be read and is UTF-8 */
export function readText(file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    throw new GradworkError("FILE_UNREADABLE", `cannot read ${file}: ${(error as Error).message}`, { file });
  }
}

/** @throws {GradworkError} `FILE_UNREADABLE`, `FILE_NOT_JSON` */
export function readJson(file: string): unknown {
  const text = readText(file);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GradworkError("FILE_NOT_JSON", `${file} is not JSON: ${(error as Error).message}`, { file });
  }
}
