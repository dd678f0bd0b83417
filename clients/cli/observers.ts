import { pino } from "pino";
import type { Observer, RoleEvent } from "../roles/observer.ts";
import { eventLine, plain } from "./eventLine.ts";
import type { Terminal } from "./terminal.ts";

/** What somebody does, and for what. */
export type Part =
  | { role: "miner" | "verifier" | "watch" | "keeper"; task: bigint }
  | { role: "responder" | "assessor"; model: bigint };

/** Who writes a log. */
type Identity = Part & { account: string };

const PROGRESS_MS = 5_000;
const SAME_FAULT_MS = 60_000;
const WARNINGS: ReadonlySet<RoleEvent["kind"]> = new Set(["difference", "retrying"]);

/** Tells of a fault that stays the same once a minute: roles try again every block. */
export function unrepeated(observe: Observer): Observer {
  let told = "";
  let toldAt = 0;
  return (event) => {
    if (event.kind === "retrying") {
      const fault = `${event.action} ${event.error.message}`;
      if (fault === told && Date.now() - toldAt < SAME_FAULT_MS) return;
      told = fault;
      toldAt = Date.now();
    }
    observe(event);
  };
}

/** Lines for a person, with the time of day; training moves a bar in a terminal. */
export function lineObserver(output: Terminal): Observer {
  return (event) => {
    const line = eventLine(event);
    if (line === undefined) return;
    const time = new Date().toTimeString().slice(0, 8);
    if (event.kind === "training") output.status(`${time} ${line}`, event.step / event.steps);
    else output.say(`${time} ${line}`);
  };
}

/** Lines of JSON for machines: the event's fields beside pino's; bigints as decimal strings. */
export function jsonObserver(stream: { write(text: string): unknown }, identity: Identity): Observer {
  const logger = pino(
    {
      base: plain(identity) as Record<string, unknown>,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    stream,
  );
  let progressAt = 0;
  return (event) => {
    if (event.kind === "fetched") return;
    if (event.kind === "training") {
      if (Date.now() - progressAt < PROGRESS_MS) return;
      progressAt = Date.now();
    }
    const level = WARNINGS.has(event.kind) ? "warn" : "info";
    logger[level](plain(event), eventLine(event));
  };
}
