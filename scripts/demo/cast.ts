import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Wallet } from "ethers";
import { bindContracts, type Chain, connectChain, type Gradwork } from "../../clients/chain/connection.ts";
import type { Deployment } from "../../clients/chain/deployment.ts";
import { waitForReceipt } from "../../clients/chain/transactions.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import { DEPLOYMENT_GAS } from "../../deploy/deployGradwork.ts";

export type Role = "owner" | "miner" | "verifier" | "asker" | "responder" | "assessor";

/** Somebody in the demo, with a key and a folder of its own. */
export type Member<R extends Role = Role> = { name: string; role: R; wallet: Wallet; directory: string };

/** What each may spend, in gas: a little more than a miner takes, for whom a round is dearest. */
const SETUP_GAS = 2_000_000n;
const ROUND_GAS = 2_000_000n;
const TRANSFER_GAS = 21_000n;

/**
 * Makes keys for everybody and writes them down, readable by their owner only, before anything is sent to them.
 * @param directory of everybody's folders
 */
export function makeCast<R extends Role>(
  directory: string,
  roles: readonly (readonly [name: string, role: R])[],
): Member<R>[] {
  const cast = roles.map(([name, role]) => ({
    name,
    role,
    wallet: new Wallet(Wallet.createRandom().privateKey),
    directory: join(directory, name.replaceAll(/\W+/g, "-")),
  }));
  const keys = Object.fromEntries(cast.map(({ name, wallet }) => [name, wallet.privateKey]));
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, "keys.json"), `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
  return cast;
}

/** What one member may need for gas, in wei, at the present price. */
async function allowance({ provider }: Chain, rounds: number): Promise<bigint> {
  const { maxFeePerGas, gasPrice } = await provider.getFeeData();
  return (SETUP_GAS + BigInt(rounds) * ROUND_GAS) * (maxFeePerGas ?? gasPrice ?? 0n);
}

/** @throws {GradworkError} `UNFUNDED_ACCOUNT` where the funder can't pay for the whole run, before it has paid anything */
export async function requireFunds(funder: Chain, members: number, rounds: number): Promise<void> {
  const { maxFeePerGas, gasPrice } = await funder.provider.getFeeData();
  const deployment = DEPLOYMENT_GAS * (maxFeePerGas ?? gasPrice ?? 0n);
  const needed = (await allowance(funder, rounds)) * BigInt(members) + deployment;
  const balance = await funder.provider.getBalance(funder.wallet.address);
  if (balance >= needed) return;
  throw new GradworkError(
    "UNFUNDED_ACCOUNT",
    `${funder.wallet.address} holds ${balance} wei of the chain's currency, the run may need ${needed}, of which the rest comes back: send it some`,
    { account: funder.wallet.address, balance: balance.toString(), needed: needed.toString() },
  );
}

/** Sends everybody currency for gas, in consecutive transactions. */
export async function fundCast(
  funder: Chain,
  cast: readonly Member[],
  rounds: number,
  signal: AbortSignal,
): Promise<void> {
  const value = await allowance(funder, rounds);
  let nonce = await funder.wallet.getNonce("pending");
  const sent = [];
  for (const { wallet } of cast) {
    signal.throwIfAborted();
    sent.push(await funder.wallet.sendTransaction({ to: wallet.address, value, nonce: nonce++ }));
  }
  for (const { hash } of sent) await waitForReceipt(funder, hash, "funding", signal);
}

/** Sends back what everybody has left; returns the wei that came. */
export async function sweepCast(
  funder: Chain,
  cast: readonly Member[],
  signal: AbortSignal,
): Promise<bigint> {
  const fees = await funder.provider.getFeeData();
  const price = fees.maxFeePerGas ?? fees.gasPrice ?? 0n;
  let swept = 0n;
  const sent = [];
  for (const { wallet } of cast) {
    signal.throwIfAborted();
    const value = (await funder.provider.getBalance(wallet.address)) - TRANSFER_GAS * price;
    if (value <= 0n) continue;
    const pricing =
      fees.maxFeePerGas === null ? { gasPrice: price } : { maxFeePerGas: price, maxPriorityFeePerGas: price };
    const transaction = { to: funder.wallet.address, value, gasLimit: TRANSFER_GAS, ...pricing };
    sent.push(await wallet.connect(funder.provider).sendTransaction(transaction));
    swept += value;
  }
  for (const { hash } of sent) await waitForReceipt(funder, hash, "sweep", signal);
  return swept;
}

/** A member's own connection to the chain. */
export async function connectMember(
  rpc: string,
  { wallet }: Member,
  deployment: Deployment,
  depth: number,
): Promise<Gradwork> {
  return bindContracts(await connectChain(rpc, wallet, depth), deployment);
}
