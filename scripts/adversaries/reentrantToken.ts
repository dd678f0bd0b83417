import { readFileSync } from "node:fs";
import type { Artifact } from "@nomicfoundation/ignition-core";
import { Contract } from "ethers";
import type { Gradwork } from "../../clients/chain/connection.ts";
import type { ReentrantToken } from "../../types/test/ReentrantToken.ts";

/** contracts/test/ReentrantToken.sol: a test token, and what an upgrade to it adds. */
export function loadReentrantToken(): Artifact {
  const path = "../../artifacts/contracts/test/ReentrantToken.sol/ReentrantToken.json";
  return JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
}

/** The deployment's token, once it has that code. */
export function bindReentrantToken({ deployment, wallet }: Gradwork): ReentrantToken {
  const { abi } = loadReentrantToken();
  return new Contract(deployment.contracts.TestToken, abi, wallet) as unknown as ReentrantToken;
}
