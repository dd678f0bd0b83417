import type { Command } from "commander";
import { parseEther } from "ethers";
import {
  addSenderOptions,
  prepareSender,
  type RawSenderOptions,
  type SenderOptions,
} from "../chainOptions.ts";
import { formatTokens } from "../formats.ts";
import { tokenAmount } from "../values.ts";

export type RawStakeDepositOptions = RawSenderOptions & { amount: string; faucet?: true };

/** What `--faucet` leaves in the wallet, in wei: a miner pays a fee with each proposal. */
export const FEE_RESERVE = parseEther("100");

/** @property amount token wei */
export type StakeDepositOptions = SenderOptions & { amount: bigint; faucet: boolean };

const HELP = `
A miner's stake backs the bond of each proposal, a verifier's is what it enrols with.

Examples:
  gradwork stake deposit --amount 1000
  gradwork stake deposit --amount 1000 --faucet
`;

export function defineStakeDeposit(parent: Command): Command {
  const command = parent
    .command("deposit")
    .description("move tokens from the wallet into the stake vault")
    .requiredOption("--amount <tokens>", "amount in tokens, as 100 or 0.5")
    .option(
      "--faucet",
      `on a test network: mint what the wallet lacks for it, and for ${formatTokens(FEE_RESERVE)} of fees`,
    );
  return addSenderOptions(command).addHelpText("after", HELP);
}

/** @throws {GradworkError} `INVALID_OPTION`, and as `prepareSender` does */
export function prepareStakeDeposit(
  raw: RawStakeDepositOptions,
  env: NodeJS.ProcessEnv,
): StakeDepositOptions {
  return {
    amount: tokenAmount("--amount", raw.amount),
    faucet: raw.faucet ?? false,
    ...prepareSender(raw, env),
  };
}
