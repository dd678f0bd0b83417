// A step of `npm test`, and `npm run test:deep`: random games of all parties against the contracts' invariants
// (test/invariants). Fails where one breaks, and where no game of a market met some action or outcome: what was never
// played was not tested.
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { toHex } from "../clients/model/bytes.ts";
import { GradworkError } from "../clients/model/errors.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MARKETS = ["TrainingMarket", "QualityMarket"];
const USAGE = `Usage: npm run test:deep -- [--seed HEX]

Plays random games against the contracts' invariants, from a seed that it prints: \`--seed\` plays the same ones again.
Ends with how often each action was called and succeeded, and how often each outcome was met, for each market.`;

/** Counts are in the order of the names before them. */
type Game = {
  fingerprint: string;
  actions: string[];
  calls: number[];
  successes: number[];
  outcomes: string[];
  reached: number[];
};

function readOptions(argv: string[]): { help: boolean; profile: "default" | "deep"; seed?: string } {
  const { values } = parseArgs({
    args: argv,
    options: {
      help: { type: "boolean", short: "h", default: false },
      deep: { type: "boolean", default: false },
      seed: { type: "string" },
    },
  });
  const { help, deep, seed } = values;
  if (seed !== undefined && !/^0x[0-9a-fA-F]{1,64}$/.test(seed)) {
    throw new GradworkError("USAGE", `Expected --seed to be 0x and 1 to 64 hex digits, got ${seed}`);
  }
  if (!deep) return { help, profile: "default", ...(seed !== undefined && { seed }) };
  return { help, profile: "deep", seed: seed ?? toHex(randomBytes(32)) };
}

/** To which a market's suite writes a line for each game. */
function reportPath(market: string): string {
  return resolve(ROOT, `cache/invariants.${market}.txt`);
}

/** Each game once: the runner plays the last one twice. */
function readGames(market: string): Game[] {
  const games = readFileSync(reportPath(market), "utf8").trim().split("\n").map(readGame);
  return [...new Map(games.map((game) => [game.fingerprint, game])).values()];
}

function readGame(line: string): Game {
  const [fingerprint, ...lists] = line.split("|");
  const [actions, calls, successes, outcomes, reached] = lists.map((list) => list.split(" "));
  return {
    fingerprint: fingerprint!,
    actions: actions!,
    calls: calls!.map(Number),
    successes: successes!.map(Number),
    outcomes: outcomes!,
    reached: reached!.map(Number),
  };
}

/** Prints what the games met, and gives the names of what none did. */
function report(games: readonly Game[]): string[] {
  const sum = (counts: "calls" | "successes" | "reached", i: number) =>
    games.reduce((total, game) => total + game[counts][i]!, 0);
  const { actions, outcomes } = games[0]!;
  const missing: string[] = [];
  console.log(`${"action".padEnd(22)}${"calls".padStart(10)}${"succeeded".padStart(12)}`);
  for (const [i, action] of actions.entries()) {
    const successes = sum("successes", i);
    console.log(action.padEnd(22) + String(sum("calls", i)).padStart(10) + String(successes).padStart(12));
    if (successes === 0) missing.push(action);
  }
  console.log(`\n${"outcome".padEnd(22)}${"met".padStart(10)}`);
  for (const [i, outcome] of outcomes.entries()) {
    const reached = sum("reached", i);
    console.log(outcome.padEnd(22) + String(reached).padStart(10));
    if (reached === 0) missing.push(outcome);
  }
  return missing;
}

async function main(argv: string[]): Promise<void> {
  const { help, profile: name, seed } = readOptions(argv);
  if (help) return console.log(USAGE);
  // Hardhat looks for its configuration from the working directory upwards.
  process.chdir(ROOT);
  const { config, tasks } = await import("hardhat");
  const profile = config.test.solidity.profiles[name]!;
  const { runs, depth } = profile.invariant!;
  if (seed !== undefined) profile.fuzz.seed = seed;
  // The suite takes the contracts from their artifacts.
  await tasks.getTask("build").run({ quiet: true });
  for (const market of MARKETS) rmSync(reportPath(market), { force: true });
  console.log(`seed ${profile.fuzz.seed}`);
  const { success } = await tasks.getTask(["test", "solidity"]).run({
    testFiles: MARKETS.map((market) => `test/contracts/${market}.t.sol`),
    testProfile: name,
    noCompile: true,
  });
  if (!success) {
    process.exitCode = 1;
    return;
  }
  for (const market of MARKETS) {
    const games = readGames(market);
    console.log(`\n${market}: ${games.length} games of ${depth} steps\n`);
    const missing = report(games);
    if (games.length !== runs) throw new GradworkError("GAMES_MISSING", `Expected ${runs} games`, { runs });
    if (missing.length > 0) {
      throw new GradworkError("NOT_MET", `No game met ${missing.join(", ")}`, { market, missing });
    }
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
