// The figures as a page and two charts.
import { formatEther } from "ethers";
import {
  AGGREGATE_NAMES,
  type AggregateName,
  ASSESSORS,
  FEE,
  modelParams,
  PRICE,
  RESPONDERS,
  STAKE,
} from "./arena.ts";
import { drawChart } from "./chart.ts";
import {
  BROKEN_ERROR,
  breaksAt,
  cellsOf,
  heldCells,
  honestMargin,
  paysAt,
  withAccomplice,
} from "./findings.ts";
import { ATTACKERS, type Cell, type Results } from "./run.ts";
import { ATTACKS, LAZINESSES } from "./world.ts";

const SHARES = ATTACKERS.map(shareOf);
const STRATEGIES = ATTACKS.map(({ name }) => name);

/** The page `results.md`, in Markdown. */
export function writePage(results: Results): string {
  const { seed, queries, attacks, laziness } = results;
  const total = queries * (attacks.length + laziness.length);
  return `# Results

Written by \`npm run sim -- --seed ${seed} --queries ${queries}\`: ${queries} queries in each of ${attacks.length} cells of attacks and ${laziness.length} of
laziness, ${total.toLocaleString("en")} in all, settled by the contracts on a chain of their own. [README.md](README.md) says what the figures are.

## Findings

${findings(results).join("\n")}

The share of malicious assessors at which the mean error is above ${BROKEN_ERROR}, and, after the comma, at which an attacker with its
accomplice earns at least what an honest assessor does:

${table(
  ["", ...STRATEGIES],
  AGGREGATE_NAMES.map((aggregate) => [
    aggregate,
    ...STRATEGIES.map((strategy) =>
      [breaksAt(results, aggregate, strategy), paysAt(results, aggregate, strategy)]
        .map((attackers) => (attackers === undefined ? "–" : shareOf(attackers)))
        .join(", "),
    ),
  ]),
)}

## Error

Distance of the consensus from the true quality, of 1, over the answers that the attack is after.

![Error by share of malicious assessors](error.svg)

${attackTable(results, ATTACKERS, ({ error }) => error.toFixed(3))}

## Pay

What one assessor has of a query, in per cent of what its duty can earn, stake lost taken off: honest / malicious /
malicious with its share of what the accomplice gains.

![Pay by share of malicious assessors](pay.svg)

${attackTable(results, ATTACKERS, (cell) =>
  cell.attackers === 0
    ? percent(cell.honest)
    : [cell.honest, cell.dishonest, withAccomplice(results, cell)].map(percent).join(" / "),
)}

Stake lost alone: honest / malicious.

${attackTable(results, ATTACKERS, (cell) =>
  cell.attackers === 0
    ? percent(cell.honestLost)
    : [cell.honestLost, cell.dishonestLost].map(percent).join(" / "),
)}

## Trust

With \`median with trust\`, after the last query: honest / malicious.

${table(
  ["", ...SHARES.slice(1)],
  STRATEGIES.map((strategy) => [
    strategy,
    ...cellsOf(results, "median with trust", strategy)
      .slice(1)
      .map(({ honestTrust, dishonestTrust }) => `${honestTrust.toFixed(2)} / ${dishonestTrust.toFixed(2)}`),
  ]),
)}

## Laziness

One of ${ASSESSORS} assessors is lazy. Pay as above: honest / lazy.

${table(
  ["", ...LAZINESSES.map(({ name }) => name)],
  AGGREGATE_NAMES.map((aggregate) => [
    aggregate,
    ...laziness
      .filter((cell) => cell.aggregate === aggregate)
      .map(({ honest, dishonest }) => `${percent(honest)} / ${percent(dishonest)}`),
  ]),
)}

## Parameters

A query costs ${formatEther(FEE)} tokens and is answered by ${RESPONDERS} responders, each for a price of ${formatEther(PRICE)}, and scored by ${ASSESSORS} assessors; each node's
stake is ${formatEther(STAKE)}. Models have these parameters, shares and scores in millionths, amounts in wei:

${parameterTable()}
`;
}

/** Mean error by share of malicious assessors: a panel for each attack. */
export function drawErrors(results: Results): string {
  const most = Math.ceil(5 * Math.max(...results.attacks.map(({ error }) => error))) / 5;
  return drawChart({
    title: "Mean error of the consensus",
    xLabel: "malicious assessors",
    xTicks: SHARES,
    yTicks: Array.from({ length: Math.round(5 * most) + 1 }, (_, i) => i / 5),
    formatY: (value) => value.toFixed(1),
    limit: BROKEN_ERROR,
    columns: STRATEGIES.length,
    panels: STRATEGIES.map((strategy) => ({
      title: strategy,
      lines: AGGREGATE_NAMES.map((aggregate) => ({
        label: aggregate,
        values: cellsOf(results, aggregate, strategy).map(({ error }) => error),
      })),
    })),
  });
}

/** Pay by share of malicious assessors: a row of panels for each aggregate, a column for each attack. */
export function drawPay(results: Results): string {
  const panels = AGGREGATE_NAMES.flatMap((aggregate) =>
    STRATEGIES.map((strategy) => {
      const cells = cellsOf(results, aggregate, strategy);
      const lines = [
        { label: "honest", values: cells.map(({ honest }) => honest) },
        { label: "malicious", values: cells.map(({ dishonest }) => dishonest) },
        { label: "malicious with accomplice", values: cells.map((cell) => withAccomplice(results, cell)) },
      ];
      return { title: `${aggregate}, ${strategy}`, lines };
    }),
  );
  const values = panels.flatMap(({ lines }) => lines.flatMap((line) => line.values)).filter(Number.isFinite);
  const [least, most] = [Math.floor(Math.min(0, ...values)), Math.ceil(Math.max(1, ...values))];
  return drawChart({
    title: "Pay of one assessor, stake lost taken off, in per cent of what its duty can earn",
    xLabel: "malicious assessors",
    xTicks: SHARES,
    yTicks: Array.from({ length: most - least + 1 }, (_, i) => least + i),
    formatY: percent,
    limit: 0,
    columns: STRATEGIES.length,
    panels,
  });
}

function findings(results: Results): string[] {
  const breaks = AGGREGATE_NAMES.map((aggregate) => {
    const attackers = breaksAt(results, aggregate);
    return attackers === undefined
      ? `- **${aggregate}** holds against every attack up to ${SHARES.at(-1)} malicious assessors.`
      : `- **${aggregate}** breaks at ${shareOf(attackers)} malicious assessors, by ${breakers(results, aggregate, attackers).join(", ")}.`;
  });
  const held = heldCells(results);
  const least = held.reduce((a, b) => (honestMargin(results, a) <= honestMargin(results, b) ? a : b));
  const margin = honestMargin(results, least);
  const where = `${least.aggregate}, ${least.strategy}, ${shareOf(least.attackers)}`;
  const outdone = held.filter((cell) => honestMargin(results, cell) <= 0);
  return [
    ...breaks,
    outdone.length === 0
      ? `- Below the shares at which an aggregate breaks, an honest assessor earns more than any malicious one, alone and with its
  accomplice, and more than any lazy one: in all ${held.length} cells, by ${percent(margin)} of a duty's pay or more (${where}).`
      : `- **Honest assessors did not earn most in ${outdone.length} of ${held.length} cells in which the aggregate held.**`,
  ];
}

function breakers(results: Results, aggregate: AggregateName, attackers: number): string[] {
  return STRATEGIES.filter((strategy) => breaksAt(results, aggregate, strategy) === attackers);
}

function attackTable(results: Results, attackers: readonly number[], show: (cell: Cell) => string): string {
  const rows = AGGREGATE_NAMES.flatMap((aggregate) =>
    STRATEGIES.map((strategy) => [
      `${aggregate}, ${strategy}`,
      ...cellsOf(results, aggregate, strategy).map(show),
    ]),
  );
  return table(["", ...attackers.map(shareOf)], rows);
}

function parameterTable(): string {
  const params = AGGREGATE_NAMES.map(modelParams);
  const names = Object.keys(params[0]!) as (keyof ReturnType<typeof modelParams>)[];
  const rows = names.map((name) => [`\`${name}\``, ...params.map((one) => one[name].toLocaleString("en"))]);
  return table(["", ...AGGREGATE_NAMES], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map((_, i) => (i === 0 ? "---" : "---:")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function shareOf(attackers: number): string {
  return `${(100 * attackers) / ASSESSORS} %`;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
