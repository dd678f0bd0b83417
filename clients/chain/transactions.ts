import {
  type ContractTransactionResponse,
  isCallException,
  isError,
  type TransactionReceipt,
  type Wallet,
} from "ethers";
import { GradworkError } from "../model/errors.ts";
import { ARTIFACT_NAMES, contractInterface } from "./artifacts.ts";
import type { Chain } from "./connection.ts";
import { sleep } from "./sleep.ts";

/** Room for state that changes between the estimate and the block, as when others act first. */
const GAS_MARGIN_PERCENT = 30n;

const STUCK_AFTER_MS = 15 * 60_000;

/** A state-changing method of a typed contract. */
type Method<Args extends unknown[]> = {
  name: string;
  estimateGas(...args: Args): Promise<bigint>;
  (...args: [...Args, { gasLimit: bigint }]): Promise<ContractTransactionResponse>;
};

/**
 * Sends a transaction and waits until it is `chain.depth` blocks deep.
 * @throws {GradworkError} `REVERTED` with the contract's error, `UNFUNDED_ACCOUNT`, `TRANSACTION_STUCK`
 */
export async function send<Args extends unknown[]>(
  chain: Chain,
  method: unknown,
  args: Args,
  signal: AbortSignal,
): Promise<TransactionReceipt> {
  const call = method as Method<Args>;
  const hash = await inTurn(chain.wallet, async () => {
    signal.throwIfAborted();
    try {
      const estimate = await call.estimateGas(...args);
      const gasLimit = estimate + (estimate * GAS_MARGIN_PERCENT) / 100n;
      return (await call(...args, { gasLimit })).hash;
    } catch (error) {
      throw explain(error, call.name, chain.wallet.address);
    }
  });
  return waitForReceipt(chain, hash, call.name, signal);
}

/** What each wallet sends last. */
const sending = new WeakMap<Wallet, Promise<unknown>>();

/** One after the other: two that are sent at once would take the same nonce. */
async function inTurn<T>(wallet: Wallet, work: () => Promise<T>): Promise<T> {
  const before = sending.get(wallet) ?? Promise.resolve();
  const mine = before.then(work, work);
  sending.set(wallet, mine);
  return mine;
}

/** Waits until a transaction is `chain.depth` blocks deep. */
export async function waitForReceipt(
  chain: Chain,
  hash: string,
  action: string,
  signal: AbortSignal,
): Promise<TransactionReceipt> {
  const stuckAt = Date.now() + STUCK_AFTER_MS;
  while (Date.now() < stuckAt) {
    // Asked anew each time: a reorganization can move a transaction to another block.
    const receipt = await chain.provider.getTransactionReceipt(hash);
    if (receipt !== null && (await chain.provider.getBlockNumber()) >= receipt.blockNumber + chain.depth) {
      if (receipt.status === 1) return receipt;
      throw new GradworkError("REVERTED", `${action} was mined and reverted (transaction ${hash})`, {
        action,
        hash,
      });
    }
    await sleep(chain.pollMs, signal);
  }
  throw new GradworkError(
    "TRANSACTION_STUCK",
    `${action} is not in a block after ${STUCK_AFTER_MS / 60_000} minutes (transaction ${hash})`,
    { action, hash },
  );
}

/** Turns what a node or ethers says of a failed call into what went wrong. */
export function explain(error: unknown, action: string, account: string): unknown {
  if (isError(error, "INSUFFICIENT_FUNDS") || isOutOfFunds(error)) {
    return new GradworkError(
      "UNFUNDED_ACCOUNT",
      `${account} cannot pay for the gas of ${action}: send it some of the chain's currency`,
      { account, action },
    );
  }
  if (!isCallException(error) || !error.data) return error;
  for (const name of ARTIFACT_NAMES) {
    const parsed = contractInterface(name).parseError(error.data);
    if (parsed === null) continue;
    const args: Record<string, unknown> = {};
    parsed.fragment.inputs.forEach((input, i) => {
      args[input.name] = String(parsed.args[i]);
    });
    const shown = Object.entries(args).map(([key, value]) => `${key} ${value}`);
    return new GradworkError("REVERTED", `${action} reverted: ${parsed.name}(${shown.join(", ")})`, {
      action,
      error: parsed.name,
      args,
    });
  }
  return new GradworkError("REVERTED", `${action} reverted: ${error.reason ?? error.data}`, {
    action,
    error: error.reason ?? error.data,
  });
}

/** Nodes word it in their own ways, and a gas estimate has no error code for it. */
function isOutOfFunds(error: unknown): boolean {
  return error instanceof Error && /insufficient funds|doesn't have enough funds/i.test(error.message);
}

/** Whether an error is the revert of the given name. */
export function isRevert(error: unknown, name: string): boolean {
  return error instanceof GradworkError && error.code === "REVERTED" && error.data.error === name;
}
