// npm run sim: settles thousands of queries by the contracts, with assessors who are not all honest, and writes what comes
// of it to docs/simulation. Fails where an honest assessor does not earn most although the aggregate holds.
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { wholeNumber } from "../clients/cli/values.ts";
import { GradworkError } from "../clients/model/errors.ts";
import { runScript } from "./runScript.ts";
import type { Cell } from "./simulation/run.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const USAGE = `Usage: npm run sim -- [--queries N] [--seed N] [--to FOLDER]

Settles N queries (200) in each cell of aggregate, attack and share of malicious assessors, from a seed (1), and writes
results.md, error.svg and pay.svg to a folder (docs/simulation).`;

function readOptions(argv: string[]) {
  const { values } = parseArgs({
    args: argv,
    options: {
      help: { type: "boolean", short: "h", default: false },
      queries: { type: "string", default: "200" },
      seed: { type: "string", default: "1" },
      to: { type: "string", default: join(ROOT, "docs", "simulation") },
    },
  });
  return {
    help: values.help,
    queries: wholeNumber("--queries", values.queries, 1, 100_000),
    seed: wholeNumber("--seed", values.seed, 0, 2 ** 32 - 1),
    folder: resolve(values.to),
  };
}

async function main(argv: string[], signal: AbortSignal): Promise<void> {
  const { help, queries, seed, folder } = readOptions(argv);
  if (help) return console.log(USAGE);
  // Hardhat looks for its configuration from the working directory upwards.
  process.chdir(ROOT);
  const { network } = await import("hardhat");
  const { openArena } = await import("./simulation/arena.ts");
  const { heldCells, honestMargin } = await import("./simulation/findings.ts");
  const { drawErrors, drawPay, writePage } = await import("./simulation/report.ts");
  const { runSimulation } = await import("./simulation/run.ts");
  mkdirSync(folder, { recursive: true });
  const { provider } = await network.create({ override: { initialDate: "2030-01-01T00:00:00Z" } });
  const arena = await openArena(provider);
  let startedAt = performance.now();
  const report = ({ aggregate, strategy, attackers, honest, dishonest }: Cell) => {
    const milliseconds = (performance.now() - startedAt) / queries;
    startedAt = performance.now();
    const pay =
      attackers === 0 ? honest.toFixed(2) : `${honest.toFixed(2)}, not honest ${dishonest.toFixed(2)}`;
    console.log(
      `${aggregate}, ${strategy}, ${attackers} assessors: pay ${pay} (${milliseconds.toFixed(0)} ms a query)`,
    );
  };
  const results = await runSimulation(arena, { seed, queries }, report, signal);
  for (const [name, text] of [
    ["results.md", writePage(results)],
    ["error.svg", drawErrors(results)],
    ["pay.svg", drawPay(results)],
  ] as const) {
    writeFileSync(join(folder, name), text);
  }
  console.log(`wrote ${folder}`);
  const outdone = heldCells(results).filter((cell) => honestMargin(results, cell) <= 0);
  if (outdone.length === 0) return;
  const names = outdone.map(
    ({ aggregate, strategy, attackers }) => `${aggregate}, ${strategy}, ${attackers}`,
  );
  throw new GradworkError(
    "HONESTY_DOES_NOT_PAY",
    `honest assessors do not earn most in ${names.join("; ")}`,
    {
      outdone,
    },
  );
}

await runScript(main);
