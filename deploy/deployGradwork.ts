import { accessSync, constants, existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import {
  type ArtifactResolver,
  DeploymentResultType,
  deploy,
  type EIP1193Provider,
} from "@nomicfoundation/ignition-core";
import { getAddress, type TransactionRequest } from "ethers";
import {
  type ArtifactName,
  CONTRACT_NAMES,
  type ContractName,
  loadArtifact,
  RANDOMNESS_CONTRACTS,
  type RandomnessSource,
} from "../clients/chain/artifacts.ts";
import type { Chain } from "../clients/chain/connection.ts";
import { type Deployment, writeDeployment } from "../clients/chain/deployment.ts";
import { explain } from "../clients/chain/transactions.ts";
import { GradworkError } from "../clients/model/errors.ts";
import { gradworkModule } from "./gradwork.ts";

/** A little more than all transactions take. */
export const DEPLOYMENT_GAS = 25_000_000n;

const artifactResolver: ArtifactResolver = {
  loadArtifact: async (name) => loadArtifact(name as ArtifactName),
  // Only the verification of sources on explorers asks for it.
  getBuildInfo: async () => undefined,
};

/** What Ignition asks of a chain, its transactions signed by the chain's wallet. */
export function walletProvider({ provider, wallet }: Chain): EIP1193Provider {
  return {
    async request({ method, params }) {
      const list = (params ?? []) as unknown[];
      if (method === "eth_accounts") return [wallet.address];
      if (method !== "eth_sendTransaction") return provider.send(method, list);
      const { gas, ...transaction } = list[0] as TransactionRequest & { gas?: string };
      try {
        const sent = await wallet.sendTransaction(
          gas === undefined ? transaction : { ...transaction, gasLimit: gas },
        );
        return sent.hash;
      } catch (error) {
        throw explain(error, "deployment", wallet.address);
      }
    },
  };
}

/**
 * Refuses to begin what the account can't pay for to the end.
 * @throws {GradworkError} `UNFUNDED_ACCOUNT`
 */
async function requireGasMoney(provider: EIP1193Provider, sender: string): Promise<void> {
  const [balance, gasPrice] = await Promise.all([
    provider.request({ method: "eth_getBalance", params: [sender, "latest"] }),
    provider.request({ method: "eth_gasPrice", params: [] }),
  ]);
  const needed = DEPLOYMENT_GAS * BigInt(gasPrice);
  if (BigInt(balance) > 0n && BigInt(balance) >= needed) return;
  throw new GradworkError(
    "UNFUNDED_ACCOUNT",
    `${sender} holds ${BigInt(balance)} wei, the deployment takes about ${needed} for gas: send it some of the chain's currency`,
    { account: sender, balance: BigInt(balance).toString(), needed: needed.toString() },
  );
}

/**
 * Refuses to begin what drand's contract would end: it takes no chain on which it can't check a signature.
 * @throws {GradworkError} `RANDOMNESS_UNSUPPORTED`
 */
async function requireSignatureChecks(provider: EIP1193Provider, sender: string): Promise<void> {
  const { bytecode } = loadArtifact(RANDOMNESS_CONTRACTS.drand);
  try {
    await provider.request({ method: "eth_call", params: [{ from: sender, data: bytecode }, "latest"] });
  } catch (error) {
    throw new GradworkError(
      "RANDOMNESS_UNSUPPORTED",
      `the chain can't check drand's signatures, for which it needs EIP-2537; \`--randomness block-hash\` needs nothing: ${(error as Error).message}`,
    );
  }
}

export type DeploymentOptions = {
  /** where seeds come from; by default `block-hash` */
  randomness?: RandomnessSource;
  confirmations: number;
  pollMs: number;
};

/**
 * Deploys all contracts with Hardhat Ignition.
 * @param journal folder in which Ignition records its steps; a deployment that was cut short goes on from there
 * @throws {GradworkError} `UNFUNDED_ACCOUNT`, `RANDOMNESS_UNSUPPORTED`, `DEPLOYMENT_FAILED`, `DEPLOYMENT_NOT_RESUMABLE`
 */
export async function deployGradwork(
  provider: EIP1193Provider,
  { randomness = "block-hash", confirmations, pollMs, journal }: DeploymentOptions & { journal?: string },
): Promise<Deployment> {
  const [chainId, block, accounts] = (await Promise.all(
    ["eth_chainId", "eth_blockNumber", "eth_accounts"].map((method) =>
      provider.request({ method, params: [] }),
    ),
  )) as [string, string, string[]];
  const sender = accounts[0];
  if (sender === undefined) {
    throw new GradworkError("DEPLOYMENT_FAILED", "the network has no account to deploy from");
  }
  await requireGasMoney(provider, sender);
  if (randomness === "drand") await requireSignatureChecks(provider, sender);
  const ignitionModule = gradworkModule(randomness);
  const notResumable = (reason: unknown) =>
    new GradworkError(
      "DEPLOYMENT_NOT_RESUMABLE",
      `the deployment that was cut short can't go on: remove ${journal} to deploy anew`,
      { journal, reason },
    );
  const deployment = deploy({
    provider,
    artifactResolver,
    ignitionModule,
    deploymentParameters: {},
    accounts,
    ...(journal === undefined ? {} : { deploymentDir: journal }),
    config: {
      requiredConfirmations: Math.max(1, confirmations),
      blockPollingInterval: pollMs,
      retryInterval: pollMs,
    },
  });
  const result = await deployment.catch((error: Error) => {
    // Ignition's own word for a journal that it can't go on from; its remedies are commands that nobody has here.
    throw /^HHE104\d\d/.test(error.message) ? notResumable(error.message) : error;
  });
  // Cut short with another source of seeds, or by a failure.
  const { RECONCILIATION_ERROR, PREVIOUS_RUN_ERROR } = DeploymentResultType;
  if (result.type === RECONCILIATION_ERROR || result.type === PREVIOUS_RUN_ERROR) {
    throw notResumable(result.errors);
  }
  if (result.type !== "SUCCESSFUL_DEPLOYMENT") {
    const { type, ...rest } = result;
    throw new GradworkError(
      "DEPLOYMENT_FAILED",
      `the deployment ended with ${type}: ${JSON.stringify(rest)}`,
      rest,
    );
  }
  const contracts = {} as Record<ContractName, string>;
  for (const name of CONTRACT_NAMES) {
    const address = result.contracts[ignitionModule.results[name].id]?.address;
    if (address === undefined)
      throw new GradworkError("DEPLOYMENT_FAILED", `no address of ${name} came back`);
    contracts[name] = getAddress(address);
  }
  return { chainId: Number(BigInt(chainId)), block: Number(BigInt(block)), randomness, contracts };
}

/**
 * Deploys all contracts and writes their addresses to a file. Cut short, the same call goes on where it stopped.
 * @throws {GradworkError} `DEPLOYMENT_EXISTS`, `DEPLOYMENT_UNWRITABLE`, and as `deployGradwork` does
 */
export async function deployToFile(
  provider: EIP1193Provider,
  file: string,
  options: DeploymentOptions,
): Promise<Deployment> {
  requireNewFile(file);
  const journal = `${file}.journal`;
  const deployment = await deployGradwork(provider, { ...options, journal });
  writeDeployment(file, deployment);
  await rm(journal, { recursive: true, force: true });
  return deployment;
}

/** @throws {GradworkError} `DEPLOYMENT_EXISTS`, `DEPLOYMENT_UNWRITABLE` */
export function requireNewFile(file: string): void {
  if (existsSync(file)) {
    throw new GradworkError(
      "DEPLOYMENT_EXISTS",
      `${file} holds a deployment already, and is not overwritten: name another file with --deployment`,
      { file },
    );
  }
  try {
    accessSync(dirname(resolve(file)), constants.W_OK);
  } catch (error) {
    throw new GradworkError("DEPLOYMENT_UNWRITABLE", `cannot write ${file}: ${(error as Error).message}`, {
      file,
    });
  }
}
