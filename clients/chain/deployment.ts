import { readFileSync, writeFileSync } from "node:fs";
import { getAddress, isAddress } from "ethers";
import { GradworkError } from "../model/errors.ts";
import {
  CONTRACT_NAMES,
  type ContractName,
  RANDOMNESS_CONTRACTS,
  type RandomnessSource,
} from "./artifacts.ts";

/**
 * Where the contracts of one deployment are.
 * @property block one before which none of them existed
 * @property randomness what `contracts.Randomness` is
 */
export type Deployment = {
  chainId: number;
  block: number;
  randomness: RandomnessSource;
  contracts: Record<ContractName, string>;
};

/**
 * Reads a deployment file.
 * @throws {GradworkError} `DEPLOYMENT_UNREADABLE`, `DEPLOYMENT_INVALID`
 */
export function readDeployment(file: string): Deployment {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new GradworkError(
      "DEPLOYMENT_UNREADABLE",
      `cannot read the deployment file ${file}: ${(error as Error).message}; \`gradwork deploy\` writes one`,
      { file },
    );
  }
  const invalid = (what: string): GradworkError =>
    new GradworkError("DEPLOYMENT_INVALID", `the deployment file ${file} ${what}`, { file });
  let value: Partial<Deployment>;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid("is not JSON");
  }
  const { chainId, block, randomness, contracts } = value ?? {};
  if (!Number.isSafeInteger(chainId)) throw invalid("has no whole number `chainId`");
  if (!Number.isSafeInteger(block)) throw invalid("has no whole number `block`");
  const sources = Object.keys(RANDOMNESS_CONTRACTS) as RandomnessSource[];
  const source = sources.find((name) => name === randomness);
  if (source === undefined) throw invalid(`has no \`randomness\` that is ${sources.join(" or ")}`);
  const addresses = {} as Record<ContractName, string>;
  for (const name of CONTRACT_NAMES) {
    const address = contracts?.[name];
    if (!isAddress(address)) throw invalid(`has no address of ${name} in \`contracts\``);
    addresses[name] = getAddress(address);
  }
  return {
    chainId: chainId as number,
    block: block as number,
    randomness: source,
    contracts: addresses,
  };
}

export function writeDeployment(file: string, deployment: Deployment): void {
  writeFileSync(file, `${JSON.stringify(deployment, null, 2)}\n`);
}
