import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";

/**
 * Expects figures to be those of a committed file, snapshots/`name`.json; with UPDATE_SNAPSHOTS=1 in the environment
 * writes that file instead.
 */
export function expectSnapshot(name: string, figures: Record<string, number>): void {
  const file = new URL(`../../../snapshots/${name}.json`, import.meta.url);
  if (process.env.UPDATE_SNAPSHOTS === "1") writeFileSync(file, `${JSON.stringify(figures, null, 2)}\n`);
  const committed = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  expect(
    figures,
    `snapshots/${name}.json differs; where that is meant, run this test with UPDATE_SNAPSHOTS=1 and commit the file`,
  ).to.deep.equal(committed);
}
