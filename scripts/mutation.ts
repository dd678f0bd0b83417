// npm run test:mutation: changes the contracts in one place at a time, and sees whether their tests fail.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { oneOf, wholeNumber } from "../clients/cli/values.ts";
import { readProject, startCompiler } from "./mutation/compiler.ts";
import { parseHarmless } from "./mutation/harmless.ts";
import { formatMutant, formatProgress, summarize } from "./mutation/report.ts";
import { type Outcome, prepare, tryMutants } from "./mutation/run.ts";
import { orderMutants, othersDue } from "./mutation/sample.ts";
import { findAllMutants, type SourceMutant } from "./mutation/sources.ts";
import { runScript } from "./runScript.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const HARMLESS = new URL("mutation/harmless.json", import.meta.url);

/** Each compiles and tests by turns, so that both of two cores are busy. */
const WORKERS = 2;

/** Left to `--only` and `--all`, so that a run ends within an hour. */
const OF_QUERIES = /\/(QualityMarket|NodeRegistry|Appraisal|Consensus|Scores|Standing)\.sol$/;

type Options = { all?: true; list?: true; seed: string; only?: string };

const command = new Command("npm run test:mutation --")
  .description(
    "Changes the contracts in one place at a time and runs their tests, which should fail. Tries every condition on a money path and a sample of the rest.",
  )
  .option("--all", "try every mutant")
  .option("--list", "print what would be tried, and stop")
  .option("--seed <n>", "of the sample", "1")
  .option("--only <file>", "of this source, as contracts/StakeVault.sol");

async function main(argv: string[], signal: AbortSignal): Promise<void> {
  const { all, list, only, ...rest } = command.parse(argv, { from: "user" }).opts<Options>();
  const seed = wholeNumber("--seed", rest.seed, 0, 2 ** 31);
  const compilers = Array.from({ length: WORKERS }, startCompiler);
  try {
    const project = await readProject(compilers[0]!, ROOT);
    const mutants = findAllMutants(project);
    const harmless = parseHarmless(readFileSync(HARMLESS, "utf8"), mutants);
    if (only !== undefined) oneOf("--only", only, [...new Set(mutants.map(({ file }) => file))]);
    const chosen = mutants.filter(({ file }) => {
      if (only !== undefined) return file === only;
      return all || !OF_QUERIES.test(file);
    });
    const ofMoney = (mutant: SourceMutant) => mutant.isMoneyCondition;
    const money = chosen.filter(ofMoney).length;
    const most = chosen.length - money;
    const others = all ? most : Math.min(most, othersDue(money));
    const ordered = orderMutants(chosen, ofMoney, seed);
    const scope = `${money + others} of ${chosen.length} mutants, seed ${seed}: ${money} conditions on money paths, ${others} others`;
    if (list) {
      for (const mutant of ordered.slice(0, money + others)) console.log(formatMutant(mutant));
      return console.log(scope);
    }

    console.log(`${scope}; compiling and testing what is not changed…`);
    const plant = await prepare(ROOT, project, compilers, signal);
    console.log(`all tests pass, in ${(plant.baselineMs / 1000).toFixed(0)} s one after the other`);
    const outcomes: Outcome[] = [];
    const start = performance.now();
    const report = (outcome: Outcome) => {
      outcomes.push(outcome);
      console.log(formatProgress(outcomes, money + others, performance.now() - start));
    };
    await tryMutants(plant, ordered, others, report, signal);
    const { text, isGood } = summarize(outcomes, harmless);
    console.log(`\n${text}`);
    process.exitCode = isGood ? 0 : 1;
  } finally {
    for (const compiler of compilers) await compiler.close();
  }
}

await runScript(main);
