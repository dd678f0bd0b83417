import { formatCoins, formatRows } from "../../clients/cli/formats.ts";
import { unrepeated } from "../../clients/cli/observers.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import type { Observer } from "../../clients/roles/observer.ts";
import { type Adversary, type Expected, type Played, playAdversary } from "../adversaries/adversary.ts";
import type { Show } from "../adversaries/company.ts";
import { openStage } from "../adversaries/stage.ts";
import { SMALL_TASK } from "../adversaries/task.ts";
import type { Display } from "./display.ts";

/**
 * Plays an adversary to a person, and shows what everybody must end with beside what they do.
 * @throws {GradworkError} `NOT_AS_EXPECTED` where that differs
 */
export async function showAdversary(
  adversary: Adversary,
  display: Pick<Display, "say" | "show">,
  signal: AbortSignal,
): Promise<void> {
  display.say(`${adversary.name}: ${adversary.title}`);
  const stage = await openStage(SMALL_TASK, showOn(display), signal);
  try {
    const played = await playAdversary(stage, adversary);
    for (const line of comparison(played)) display.say(line);
    const wrong = differences(played);
    if (wrong.length === 0) return;
    throw new GradworkError("NOT_AS_EXPECTED", `${adversary.name} ended otherwise: ${wrong.join(", ")}`, {
      adversary: adversary.name,
      wrong,
    });
  } finally {
    await stage.close();
  }
}

function showOn({ say, show }: Pick<Display, "say" | "show">): Show {
  const observers = new Map<string, Observer>();
  return {
    say,
    show(name, event) {
      const observe = observers.get(name) ?? unrepeated((told) => show({ name }, told));
      observers.set(name, observe);
      observe(event);
    },
  };
}

/** What ended otherwise than it must: names of who has something else, the head, and queries. */
function differences({ expected, actual }: Played): string[] {
  const money = namesIn(expected, actual).filter(
    (name) => changeOf(expected, name) !== changeOf(actual, name),
  );
  const [left, right] = [outcomesOf(expected), outcomesOf(actual)];
  const names = [...new Set([...left.keys(), ...right.keys()])];
  return [...money, ...names.filter((name) => left.get(name) !== right.get(name))];
}

/** What a task or queries ended with, by name. */
function outcomesOf({ head, ends = [] }: Expected): Map<string, string> {
  const queries = ends.map((end, i) => [`query ${i + 1}`, end] as const);
  return new Map(head === undefined ? queries : [["head", head], ...queries]);
}

function comparison({ expected, actual }: Played): string[] {
  const changes = namesIn(expected, actual).map((name) => {
    const [left, right] = [changeOf(expected, name), changeOf(actual, name)];
    return [name, signed(left), `${signed(right)}${left === right ? "" : "  differs"}`] as const;
  });
  const table = [["change in tokens", "expected", "actual"] as const, ...changes];
  const width = Math.max(...table.map(([, left]) => left.length));
  const rows = table.map(([name, left, right]) => [name, `${left.padEnd(width)}  ${right}`] as const);
  const outcomes = [expected, actual].flatMap((side, i) =>
    [...outcomesOf(side)].map(
      ([name, outcome]) => [`${name}, ${["expected", "actual"][i]}`, outcome] as const,
    ),
  );
  return ["", ...formatRows([...rows, ...outcomes]), ""];
}

function namesIn(...sides: Expected[]): string[] {
  return [...new Set(sides.flatMap(({ changes }) => Object.keys(changes)))];
}

function changeOf({ changes }: Expected, name: string): bigint {
  return changes[name] ?? 0n;
}

function signed(wei: bigint): string {
  return `${wei > 0n ? "+" : ""}${formatCoins(wei)}`;
}
