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

/**
 * Expects a table of a document to be what a test computed; with UPDATE_SNAPSHOTS=1 in the environment writes it there.
 * @param file from the repository's root
 * @param header as the document has it: the table is the one whose first cell is the header's
 */
export function expectTable(file: string, header: string[], rows: string[][]): void {
  const url = new URL(`../../../${file}`, import.meta.url);
  const lines = readFileSync(url, "utf8").split("\n");
  const first = lines.findIndex((line) => line.startsWith(`| ${header[0]} `));
  expect(first, `${file} has a table that begins with "${header[0]}"`).not.to.equal(-1);
  const length = lines.slice(first).findIndex((line) => !line.startsWith("|"));
  const table = formatTable([header, ...rows]);
  const committed = lines.splice(first, length, ...table);
  if (process.env.UPDATE_SNAPSHOTS === "1") {
    writeFileSync(url, lines.join("\n"));
    return;
  }
  expect(
    committed,
    `the table of ${file} differs; where that is meant, run this test with UPDATE_SNAPSHOTS=1 and commit the file`,
  ).to.deep.equal(table);
}

/** Markdown with columns of one width, the first row as the header. */
function formatTable(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (cells: string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  const rule = line(widths.map((width) => "-".repeat(width)));
  const [header, ...body] = rows.map(line);
  return [header!, rule, ...body];
}
