// What the figures say: where an aggregate breaks, and whether honest assessors earn most up to there.
import { DEFAULT_MODEL_PARAMS } from "../../clients/roles/defaults.ts";
import type { AggregateName } from "./arena.ts";
import type { Cell, Results } from "./run.ts";
import { ATTACKS } from "./world.ts";

/** An aggregate with a larger mean error is broken: the least distance that makes a score an outlier, 0 to 1. */
export const BROKEN_ERROR = Number(DEFAULT_MODEL_PARAMS.toleranceScore) / 1_000_000;

/** The cells of an aggregate under one attack, by the number of attackers. */
export function cellsOf({ attacks }: Results, aggregate: AggregateName, strategy: string): readonly Cell[] {
  return attacks.filter((cell) => cell.aggregate === aggregate && cell.strategy === strategy);
}

/** What an attacker has of its attack, its accomplice's gain shared out, in shares of what a duty can earn. */
export function withAccomplice(results: Results, cell: Cell): number {
  const accomplice = ATTACKS.find(({ name }) => name === cell.strategy)?.accomplice;
  if (accomplice === undefined) return cell.dishonest;
  const unattacked = cellsOf(results, cell.aggregate, cell.strategy)[0]!;
  return cell.dishonest + (cell[accomplice] - unattacked[accomplice]) / cell.attackers;
}

/** The least number of attackers that breaks an aggregate by this attack, or by any; undefined where none did. */
export function breaksAt(results: Results, aggregate: AggregateName, strategy?: string): number | undefined {
  const strategies = strategy === undefined ? ATTACKS.map(({ name }) => name) : [strategy];
  const broken = strategies
    .flatMap((name) => cellsOf(results, aggregate, name))
    .filter(({ error }) => error > BROKEN_ERROR);
  return broken.length === 0 ? undefined : Math.min(...broken.map(({ attackers }) => attackers));
}

/** The cells in which an aggregate holds against attackers, and those of the lazy. */
export function heldCells(results: Results): readonly Cell[] {
  const held = results.attacks.filter(({ aggregate, strategy, attackers }) => {
    const broken = breaksAt(results, aggregate, strategy);
    return attackers > 0 && (broken === undefined || attackers < broken);
  });
  return [...held, ...results.laziness];
}

/** By how much an honest assessor earned more than one that is not, alone or with its accomplice. */
export function honestMargin(results: Results, cell: Cell): number {
  return cell.honest - Math.max(cell.dishonest, withAccomplice(results, cell));
}

/** The least number of attackers of whom an honest assessor did not earn more. */
export function paysAt(results: Results, aggregate: AggregateName, strategy: string): number | undefined {
  return cellsOf(results, aggregate, strategy).find((cell) => honestMargin(results, cell) <= 0)?.attackers;
}
