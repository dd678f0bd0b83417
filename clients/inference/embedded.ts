import { fileURLToPath } from "node:url";

/** Folder of an embedded model; the published package holds the same files in the same place. */
export function embeddedModelFolder(name: "llama" | "cross-encoder"): string {
  return fileURLToPath(new URL(`../../models/${name}`, import.meta.url));
}
