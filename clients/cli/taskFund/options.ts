import type { Command } from "commander";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "../chainOptions.ts";
import { taskNumber, tokenAmount } from "../values.ts";

export type RawTaskFundOptions = RawSenderOptions & { amount: string; faucet?: true };

/** @property amount token wei */
export type TaskFundOptions = SenderOptions & { taskId: bigint; amount: bigint; faucet: boolean };

const HELP = `
Examples:
  gradwork task fund 0 --amount 1300
  gradwork task fund 0 --amount 1300 --faucet
`;

export function defineTaskFund(parent: Command): Command {
  const command = parent
    .command("fund")
    .description("add tokens to a task's escrow, from which its rounds pay")
    .argument("<task>", "number of the task")
    .requiredOption("--amount <tokens>", "amount in tokens, as 100 or 0.5")
    .option("--faucet", "on a test network: mint what the wallet lacks");
  return addSenderOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareSender` does */
export function prepareTaskFund(
  task: string,
  raw: RawTaskFundOptions,
  env: NodeJS.ProcessEnv,
): TaskFundOptions {
  return {
    taskId: taskNumber("TASK", task),
    amount: tokenAmount("--amount", raw.amount),
    faucet: raw.faucet ?? false,
    ...prepareSender(raw, env),
  };
}
