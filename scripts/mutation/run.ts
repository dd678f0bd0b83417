import { join } from "node:path";
import { contractTests } from "../testFiles.ts";
import { type Baseline, compileMutant } from "./compiledMutant.ts";
import { type Compiler, compileFirst, importsOf, PRODUCTION, type Project } from "./compiler.ts";
import type { SourceMutant } from "./sources.ts";
import { makeCopy, placeBytecodes, runTests } from "./tester.ts";
import { learnTestOrder, type TestOrder } from "./testOrder.ts";
import { readTestText } from "./testText.ts";

/** Tests whose name ends so measure the code, which mutants are compiled to differently. */
const MEASURING = "\\bgas\\b.*(at most|less than|suffices)|(at most|less than|suffices).*\\bgas\\b";

export type Outcome = {
  mutant: SourceMutant;
  result: "killed" | "survived" | "equivalent" | "invalid";
  /** The test that failed. */
  by: string;
  compileMs: number;
  testMs: number;
};

/** A compiler and a copy of the project of its own. */
type Workplace = { compiler: Compiler; folder: string };

export type Plant = {
  project: Project;
  workplaces: Workplace[];
  baseline: Baseline;
  /** As the contracts are deployed, as far as it was needed yet. */
  optimized: Baseline;
  order: TestOrder;
  /** What each test file says, with all it imports. */
  texts: Map<string, string>;
  /** How long all tests take without a mutation. */
  baselineMs: number;
};

/**
 * Compiles the contracts as mutants will be, and runs all tests once.
 * @throws {Error} where a test fails
 */
export async function prepare(
  root: string,
  project: Project,
  compilers: readonly Compiler[],
  signal: AbortSignal,
): Promise<Plant> {
  const workplaces = compilers.map((compiler, index) => ({
    compiler,
    folder: join(root, "cache/mutation", String(index)),
  }));
  for (const { folder } of workplaces) makeCopy(root, folder);

  const sources = [...project.trees.keys()].filter((file) => file.startsWith("contracts/"));
  const baseline: Baseline = new Map();
  await share(workplaces, takeFrom(sources), async ({ compiler }, file) => {
    const compiled = await compileFirst(compiler, project, file);
    if (compiled.bytecodes.length > 0) baseline.set(file, compiled);
  });
  const bytecodes = [...baseline.values()].flatMap((compiled) => compiled.bytecodes);
  for (const { folder } of workplaces) placeBytecodes(folder, bytecodes);

  const millisecondsOf = new Map<string, number>();
  const start = performance.now();
  const texts = new Map(contractTests().map((file) => [file, readTestText(root, file)]));
  await share(workplaces, takeFrom([...texts.keys()]), async ({ folder }, file) => {
    const run = await runTests(folder, [file], MEASURING, 600_000, signal);
    if (run.result === "failed") throw new Error(`without a mutation ${file} fails: ${run.test}`);
    if (run.result === "timed out") throw new Error(`without a mutation ${file} takes too long`);
    millisecondsOf.set(file, run.millisecondsOf.get(file) ?? 0);
  });
  const baselineMs = (performance.now() - start) * workplaces.length;
  const order = learnTestOrder(millisecondsOf);
  return { project, workplaces, baseline, optimized: new Map(), order, texts, baselineMs };
}

function takeFrom<T>(list: readonly T[]): () => T | undefined {
  const queue = list.values();
  return () => queue.next().value;
}

/** Has each workplace take a thing to do whenever it is free, until there is none for it. */
async function share<T>(
  workplaces: readonly Workplace[],
  take: () => T | undefined,
  work: (workplace: Workplace, item: T) => Promise<void>,
): Promise<void> {
  await Promise.all(
    workplaces.map(async (workplace) => {
      for (let item = take(); item !== undefined; item = take()) await work(workplace, item);
    }),
  );
}

/**
 * Tries mutants in their order, and reports each outcome as it comes.
 * @param mutants those of money paths first
 * @param othersDue how many of the others are to be counted
 */
export async function tryMutants(
  plant: Plant,
  mutants: readonly SourceMutant[],
  othersDue: number,
  report: (outcome: Outcome) => void,
  signal: AbortSignal,
): Promise<void> {
  let [next, others] = [0, 0];
  const take = () => {
    const mutant = mutants[next];
    if (mutant === undefined || (!mutant.isMoneyCondition && others === othersDue)) return undefined;
    next++;
    if (!mutant.isMoneyCondition) others++;
    return mutant;
  };
  await share(plant.workplaces, take, async (workplace, mutant) => {
    const outcome = await tryMutant(plant, workplace, mutant, signal);
    // Makes room for another.
    if (!isCounted(outcome) && !mutant.isMoneyCondition) others--;
    report(outcome);
  });
}

/** Whether it says something about the tests. */
export function isCounted({ result }: Outcome): boolean {
  return result === "killed" || result === "survived";
}

/** Contracts that call libraries for tests compile soon: what their tests find need not be looked for in others. */
const isHarness = (file: string) => file.startsWith("contracts/test/");

async function tryMutant(
  plant: Plant,
  { compiler, folder }: Workplace,
  mutant: SourceMutant,
  signal: AbortSignal,
): Promise<Outcome> {
  const { project, baseline, order, texts } = plant;
  const affected = [...baseline].filter(([file]) => importsOf(project, file).has(mutant.file));
  const outcome: Outcome = { mutant, result: "equivalent", by: "", compileMs: 0, testMs: 0 };
  for (const isTurn of [isHarness, (file: string) => !isHarness(file)]) {
    const part: Baseline = new Map(affected.filter(([file]) => isTurn(file)));
    const start = performance.now();
    const compiled = await compileMutant(compiler, project, part, mutant);
    const compiledAt = performance.now();
    outcome.compileMs += compiledAt - start;
    if (compiled === "invalid") return { ...outcome, result: compiled };
    if (compiled.length === 0) continue;

    outcome.result = "survived";
    const isUsed = (file: string) =>
      compiled.some(({ contract }) => texts.get(file)!.includes(`"${contract}"`));
    const limitMs = 60_000 + Math.ceil(2 * plant.baselineMs);
    const files = order.of(mutant).filter(isUsed);
    // Given no file, mocha runs all there are.
    if (files.length === 0) continue;
    placeBytecodes(folder, compiled);
    const run = await runTests(folder, files, MEASURING, limitMs, signal);
    placeBytecodes(
      folder,
      [...part.values()].flatMap(({ bytecodes }) => bytecodes),
    );
    outcome.testMs += performance.now() - compiledAt;
    if (run.result === "timed out") return { ...outcome, result: "killed", by: "time limit" };
    if (run.result === "failed") {
      if (run.file !== undefined) order.learn(mutant, run.file);
      return { ...outcome, result: "killed", by: run.test };
    }
  }
  if (outcome.result === "survived" && (await isOptimizedAway(plant, compiler, mutant))) {
    outcome.result = "equivalent";
  }
  return outcome;
}

/** Whether a mutant is the same contract once the optimizer went over it. */
async function isOptimizedAway(
  { project, baseline, optimized }: Plant,
  compiler: Compiler,
  mutant: SourceMutant,
): Promise<boolean> {
  const affected = [...baseline.keys()].filter((file) => importsOf(project, file).has(mutant.file));
  for (const file of affected) {
    if (!optimized.has(file)) optimized.set(file, await compileFirst(compiler, project, file, [PRODUCTION]));
  }
  const part: Baseline = new Map(affected.map((file) => [file, optimized.get(file)!]));
  return (await compileMutant(compiler, project, part, mutant)).length === 0;
}
