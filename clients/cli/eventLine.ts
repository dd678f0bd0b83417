import type { RoleEvent } from "../roles/observer.ts";
import { errorLine } from "./errorLine.ts";
import { formatNats, formatTokens } from "./formats.ts";

/** A role's event in one line; undefined for what is too small to be told. */
export function eventLine(event: RoleEvent): string | undefined {
  let prefix = "";
  if ("round" in event && event.round !== undefined && event.round > 0n) prefix = `round ${event.round}: `;
  if ("query" in event && event.query !== undefined) prefix = `query ${event.query}: `;
  const text = describe(event);
  return text === undefined ? undefined : prefix + text;
}

function describe(event: RoleEvent): string | undefined {
  switch (event.kind) {
    case "serving":
      return `serving at ${event.endpoint}`;
    case "synced":
      return `the head is ${event.fullRoot}`;
    case "training":
      return `training, step ${event.step} of ${event.steps}, loss ${formatNats(event.lossNats)}`;
    case "trained": {
      const { steps, seconds, lossNats } = event;
      return `trained ${steps} steps in ${seconds.toFixed(1)} s, loss ${formatNats(lossNats)}`;
    }
    case "sent":
      return `${event.action} is on chain, ${event.gasUsed} gas, ${event.hash}`;
    case "fetched":
      return undefined;
    case "difference":
      return `proposal ${event.proposal} is wrong, ${event.reason}: ${JSON.stringify(plain(event.detail))}`;
    case "measured": {
      const { proposal, lossBeforeNats, lossAfterNats, seconds } = event;
      return `measured proposal ${proposal}: ${formatNats(lossBeforeNats)} → ${formatNats(lossAfterNats)} in ${seconds.toFixed(1)} s`;
    }
    case "attested":
      return `attested ${event.verdicts.join(", ")}`;
    case "finalized":
      return `ended ${event.outcomes.join(", ")}`;
    case "answered":
      return `answered with ${event.bytes} bytes in ${event.seconds.toFixed(1)} s`;
    case "assessed": {
      const { scores, seconds } = event;
      const shown = scores.map((score) =>
        score === undefined ? "none came" : (score / 1_000_000).toFixed(3),
      );
      return `scored ${shown.join(", ")} in ${seconds.toFixed(1)} s`;
    }
    case "claimed":
      return `claimed ${formatTokens(event.amount)}`;
    case "waiting":
      return `waiting: ${event.why}`;
    case "retrying":
      return `trying again (${event.action}): ${errorLine(event.error)}`;
  }
}

/** The same with what JSON can't say made text: bigints as decimals, errors as their line. */
export function plain(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Error) return errorLine(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}
