import type { Command } from "commander";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "../chainOptions.ts";
import { invalidOption, tokenAmount } from "../values.ts";

export type RawStakeWithdrawOptions = RawSenderOptions & { amount?: string; complete?: true };

/** @property amount token wei to request; without it, what was requested is completed */
export type StakeWithdrawOptions = SenderOptions & { amount?: bigint };

const HELP = `
A withdrawal takes two steps: a request, then, once the vault's delay is over, its completion.
Until then the stake can still be slashed. A new request restarts the delay of all of it.

Examples:
  gradwork stake withdraw --amount 250
  gradwork stake withdraw --complete
`;

export function defineStakeWithdraw(parent: Command): Command {
  const command = parent
    .command("withdraw")
    .description("request the withdrawal of free stake, or complete it")
    .option("--amount <tokens>", "amount to request, in tokens, as 100 or 0.5")
    .option("--complete", "move what was requested into the wallet");
  return addSenderOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareSender` does */
export function prepareStakeWithdraw(
  raw: RawStakeWithdrawOptions,
  env: NodeJS.ProcessEnv,
): StakeWithdrawOptions {
  const { amount, complete } = raw;
  if ((amount === undefined) === (complete === undefined)) {
    throw invalidOption("stake withdraw", { amount, complete }, "one of --amount and --complete");
  }
  return {
    ...(amount === undefined ? {} : { amount: tokenAmount("--amount", amount) }),
    ...prepareSender(raw, env),
  };
}
