import type { Command } from "commander";
import {
  addDrandOption,
  addRoleOptions,
  prepareDrand,
  prepareRole,
  type RawDrandOptions,
  type RawRoleOptions,
  type RoleOptions,
} from "../roleOptions.ts";

export type RawKeeperRunOptions = RawRoleOptions & RawDrandOptions;

export type KeeperRunOptions = RoleOptions & { drandUrls: string[] };

const HELP = `
It brings and records seeds, closes overdue demands, finalizes rounds and closes the task, each some
blocks after those whose money it is about: it pays for gas only where they are gone. It earns half
of the penalty of each drawn verifier that did not commit. It takes no stake and keeps no files.
Ctrl-C stops it with exit code 0.

Examples:
  gradwork keeper run --task 0
  gradwork keeper run --task 0 --json-logs --drand-url https://api.drand.sh https://drand.cloudflare.com
`;

export function defineKeeperRun(parent: Command): Command {
  const command = parent
    .command("run")
    .description("make the calls that anyone may make, so that rounds end");
  return addRoleOptions(addDrandOption(command)).addHelpText("after", HELP);
}

/** @throws {GradworkError} as `prepareDrand` and `prepareRole` do */
export function prepareKeeperRun(raw: RawKeeperRunOptions, env: NodeJS.ProcessEnv): KeeperRunOptions {
  return { ...prepareDrand(raw), ...prepareRole(raw, env) };
}
