// Values as a person reads them.
import { formatEther } from "ethers";

/** Symbol of contracts/TestToken.sol. */
export const TOKEN_SYMBOL = "tGRAD";

const NATS_DIGITS = 4;
const UNITS: readonly (readonly [seconds: bigint, name: string])[] = [
  [86_400n, "d"],
  [3_600n, "h"],
  [60n, "min"],
  [1n, "s"],
];

/** `12.5 tGRAD`, exact. */
export function formatTokens(wei: bigint): string {
  return `${formatCoins(wei)} ${TOKEN_SYMBOL}`;
}

/** Wei of a token, or of the chain's currency, in whole units: `12.5`, exact. */
export function formatCoins(wei: bigint): string {
  return formatEther(wei).replace(/\.0$/, "");
}

/** `4.9012 nats` */
export function formatNats(nats: number): string {
  return `${nats.toFixed(NATS_DIGITS)} nats`;
}

/** `1 h 30 min` */
export function formatDuration(seconds: bigint): string {
  let rest = seconds;
  const parts = UNITS.flatMap(([unit, name]) => {
    const count = rest / unit;
    rest %= unit;
    return count === 0n ? [] : [`${count} ${name}`];
  });
  return parts.length === 0 ? "0 s" : parts.join(" ");
}

/** UTC, to the second. */
export function formatTime(seconds: bigint): string {
  return new Date(Number(seconds) * 1000).toISOString().replace("T", " ").replace(".000Z", " UTC");
}

/** Rows of a name and a value, the values in one column. */
export function formatRows(rows: readonly (readonly [name: string, value: string])[], indent = 2): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${" ".repeat(indent)}${name.padEnd(width)}  ${value}`);
}
