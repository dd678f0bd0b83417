import { readFileSync } from "node:fs";
import type { Artifact } from "@nomicfoundation/ignition-core";
import { Interface } from "ethers";

/** The contracts of one deployment: by Solidity name, but for the source of seeds, of which there are several. */
export const CONTRACT_NAMES = [
  "TestToken",
  "StakeVault",
  "Randomness",
  "LeafChecker",
  "TaskRules",
  "TrainingMarket",
  "Committee",
  "Disputes",
  "QualityMarket",
  "NodeRegistry",
] as const;

export type ContractName = (typeof CONTRACT_NAMES)[number];

/** Where seeds can come from (docs/randomness.md), and the Solidity names. */
export const RANDOMNESS_CONTRACTS = {
  "block-hash": "BlockHashRandomness",
  drand: "DrandRandomness",
} as const;

export type RandomnessSource = keyof typeof RANDOMNESS_CONTRACTS;

const FOLDERS = {
  TestToken: "TestToken.sol",
  StakeVault: "StakeVault.sol",
  BlockHashRandomness: "randomness/BlockHashRandomness.sol",
  DrandRandomness: "randomness/DrandRandomness.sol",
  LeafChecker: "LeafChecker.sol",
  TaskRules: "TaskRules.sol",
  TrainingMarket: "TrainingMarket.sol",
  Committee: "Committee.sol",
  Disputes: "Disputes.sol",
  QualityMarket: "QualityMarket.sol",
  NodeRegistry: "NodeRegistry.sol",
} as const;

/** Contracts that can be deployed, by Solidity name. */
export type ArtifactName = keyof typeof FOLDERS;

export const ARTIFACT_NAMES = Object.keys(FOLDERS) as ArtifactName[];

/** What the compiler made of a contract; the published package holds the same files in the same place. */
export function loadArtifact(name: ArtifactName): Artifact {
  const url = new URL(`../../artifacts/contracts/${FOLDERS[name]}/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8"));
}

const interfaces = new Map<ArtifactName, Interface>();

/** The contract's ABI, parsed once. */
export function contractInterface(name: ArtifactName): Interface {
  let parsed = interfaces.get(name);
  if (parsed === undefined) {
    parsed = new Interface(loadArtifact(name).abi);
    interfaces.set(name, parsed);
  }
  return parsed;
}
