import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Wallet } from "ethers";
import { bindContracts, type Chain, connectChain, type Gradwork } from "../../clients/chain/connection.ts";
import type { Deployment } from "../../clients/chain/deployment.ts";
import { waitForReceipt } from "../../clients/chain/transactions.ts";
import { GradworkError } from "../../clients/model/errors.ts";

export type Role = "owner" | "miner" | "verifier";

/** Somebody in the demo, with a key and a folder of its own. */
export type Member = { name: string; role: Role; wallet: Wallet; directory: string };

/** What each may spend on gas, in gas: several times what a run takes. */
const GAS_ALLOWANCE = 40_000_000n;
const TRANSFER_GAS = 21_000n;

/** Makes keys for everybody and writes them down, readable by their owner only, before anything is sent to them. */
export function makeCast(directory: string, verifiers: number): Member[] {
  const roles: [string, Role][] = [
    ["owner", "owner"],
    ["miner", "miner"],
    ...Array.from({ length: verifiers }, (_, i): [string, Role] => [`verifier ${i + 1}`, "verifier"]),
  ];
  const cast = roles.map(([name, role]) => ({
    name,
    role,
    wallet: new Wallet(Wallet.createRandom().privateKey),
    directory: join(directory, name.replace(" ", "-")),
  }));
  const keys = Object.fromEntries(cast.map(({ name, wallet }) => [name, wallet.privateKey]));
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, "keys.json"), `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
  return cast;
}

/** What `funder` must have for everybody's gas, in wei. */
async function allowance({ provider }: Chain): Promise<bigint> {
  const { maxFeePerGas, gasPrice } = await provider.getFeeData();
  return GAS_ALLOWANCE * (maxFeePerGas ?? gasPrice ?? 0n);
}

/** @throws {GradworkError} `UNFUNDED_ACCOUNT` where the funder can't pay for the whole run, before it has paid anything */
export async function requireFunds(funder: Chain, members: number): Promise<void> {
  const needed = (await allowance(funder)) * BigInt(members + 1);
  const balance = await funder.provider.getBalance(funder.wallet.address);
  if (balance >= needed) return;
  throw new GradworkError(
    "UNFUNDED_ACCOUNT",
    `${funder.wallet.address} holds ${balance} wei of the chain's currency, the run may need ${needed}, of which the rest comes back: send it some`,
    { account: funder.wallet.address, balance: balance.toString(), needed: needed.toString() },
  );
}

/** Sends everybody currency for gas, in consecutive transactions. */
export async function fundCast(funder: Chain, cast: readonly Member[], signal: AbortSignal): Promise<void> {
  const value = await allowance(funder);
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
