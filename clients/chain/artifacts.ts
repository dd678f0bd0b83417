import { readFileSync } from "node:fs";
import type { Artifact } from "@nomicfoundation/ignition-core";
import { Interface } from "ethers";

/** The contracts of one deployment, by Solidity name. */
export const CONTRACT_NAMES = [
  "TestToken",
  "StakeVault",
  "BlockHashRandomness",
  "LeafChecker",
  "TaskRules",
  "TrainingMarket",
  "Committee",
  "Disputes",
] as const;

export type ContractName = (typeof CONTRACT_NAMES)[number];

const FOLDERS: Record<ContractName, string> = {
  TestToken: "TestToken.sol",
  StakeVault: "StakeVault.sol",
  BlockHashRandomness: "randomness/BlockHashRandomness.sol",
  LeafChecker: "LeafChecker.sol",
  TaskRules: "TaskRules.sol",
  TrainingMarket: "TrainingMarket.sol",
  Committee: "Committee.sol",
  Disputes: "Disputes.sol",
};

/** What the compiler made of a contract; the published package holds the same files in the same place. */
export function loadArtifact(name: ContractName): Artifact {
  const url = new URL(`../../artifacts/contracts/${FOLDERS[name]}/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8"));
}

const interfaces = new Map<ContractName, Interface>();

/** The contract's ABI, parsed once. */
export function contractInterface(name: ContractName): Interface {
  let parsed = interfaces.get(name);
  if (parsed === undefined) {
    parsed = new Interface(loadArtifact(name).abi);
    interfaces.set(name, parsed);
  }
  return parsed;
}
