// The options of the commands that move tokens.
import type { Command } from "commander";

export type RawAmountOptions = { amount: string; faucet?: true };

export function addAmountOptions(command: Command): Command {
  return command
    .requiredOption("--amount <tokens>", "amount in tokens, as 100 or 0.5")
    .option("--faucet", "mint what the wallet lacks, on a test network");
}
