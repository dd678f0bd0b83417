import { AGGREGATE_NAMES, type AggregateName, type Arena } from "./arena.ts";
import { type CellFigures, runCell } from "./cell.ts";
import { ATTACKS, LAZINESSES } from "./world.ts";

/** Numbers of those who attack together, out of ten. */
export const ATTACKERS = [0, 1, 2, 3, 4, 5] as const;

export type Cell = CellFigures & {
  readonly aggregate: AggregateName;
  readonly strategy: string;
  /** how many follow it */
  readonly attackers: number;
};

/** @property attacks by aggregate, strategy and number; `laziness` one assessor each */
export type Results = {
  readonly seed: number;
  readonly queries: number;
  readonly attacks: readonly Cell[];
  readonly laziness: readonly Cell[];
};

/** Settles `queries` queries in each cell. */
export async function runSimulation(
  arena: Arena,
  { seed, queries }: Pick<Results, "seed" | "queries">,
  onCell: (cell: Cell) => void,
  signal: AbortSignal,
): Promise<Results> {
  const attacks: Cell[] = [];
  const laziness: Cell[] = [];
  for (const aggregate of AGGREGATE_NAMES) {
    for (const [strategies, counts, cells] of [
      [ATTACKS, ATTACKERS, attacks],
      [LAZINESSES, [1], laziness],
    ] as const) {
      for (const strategy of strategies) {
        for (const attackers of counts) {
          const figures = await runCell(arena, { aggregate, strategy, attackers, queries, seed }, signal);
          const cell: Cell = { aggregate, strategy: strategy.name, attackers, ...figures };
          cells.push(cell);
          onCell(cell);
        }
      }
    }
  }
  return { seed, queries, attacks, laziness };
}
