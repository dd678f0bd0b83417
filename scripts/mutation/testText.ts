import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A test file's text and that of all it imports of the project; what it deploys is named there. */
export function readTestText(root: string, file: string): string {
  const texts = new Map<string, string>();
  const pending = [join(root, file)];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    // Types alone are not there before the contracts are compiled, and deploy nothing.
    if (texts.has(path) || !existsSync(path)) continue;
    const text = readFileSync(path, "utf8");
    texts.set(path, text);
    for (const [, imported] of text.matchAll(/ from "(\.{1,2}\/[^"]+\.ts)"/g)) {
      pending.push(join(dirname(path), imported!));
    }
  }
  return [...texts.values()].join("\n");
}
