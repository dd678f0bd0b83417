import { Contract, FetchRequest, JsonRpcProvider, Wallet } from "ethers";
import type { Committee } from "../../types/Committee.ts";
import type { Disputes } from "../../types/Disputes.ts";
import type { IDrandRandomness } from "../../types/interfaces/IDrandRandomness.ts";
import type { IRandomness } from "../../types/interfaces/IRandomness.ts";
import type { NodeRegistry } from "../../types/NodeRegistry.ts";
import type { QualityMarket } from "../../types/QualityMarket.ts";
import type { StakeVault } from "../../types/StakeVault.ts";
import type { TestToken } from "../../types/TestToken.ts";
import type { TrainingMarket } from "../../types/TrainingMarket.ts";
import { GradworkError } from "../model/errors.ts";
import {
  type ArtifactName,
  type ContractName,
  contractInterface,
  RANDOMNESS_CONTRACTS,
} from "./artifacts.ts";
import type { Deployment } from "./deployment.ts";

const REQUEST_TIMEOUT_MS = 30_000;
const BLOCKS_TO_TIME = 16;

/** At least twice, so that a client sees a block within half the time to the next. */
export const POLLS_A_BLOCK = 4;
const [LEAST_POLL_MS, MOST_POLL_MS] = [50, 2_000];

/**
 * A chain reached over JSON-RPC as one account.
 * @property depth blocks on top of a fact before a client acts on it
 * @property blockMs time between blocks
 * @property pollMs half of it, or less
 */
export type Chain = {
  provider: JsonRpcProvider;
  wallet: Wallet;
  chainId: bigint;
  depth: number;
  blockMs: number;
  pollMs: number;
};

/**
 * A chain with the contracts of one deployment, typed by their ABIs.
 * @property drand the randomness where it is drand's, whose seeds have to be submitted
 */
export type Gradwork = Chain & {
  deployment: Deployment;
  token: TestToken;
  vault: StakeVault;
  randomness: IRandomness;
  drand?: IDrandRandomness;
  market: TrainingMarket;
  committee: Committee;
  disputes: Disputes;
  quality: QualityMarket;
  registry: NodeRegistry;
};

/** An endpoint as it may be shown: paths and queries of hosted nodes hold API keys. */
function shownUrl(rpc: string): string {
  try {
    return new URL(rpc).origin;
  } catch {
    return "the given URL";
  }
}

/** @throws {GradworkError} `INVALID_KEY`; the message does not hold the key */
export function walletFromKey(privateKey: string, source: string): Wallet {
  const key = privateKey.startsWith("0x") ? privateKey : `0x${privateKey}`;
  try {
    return new Wallet(key);
  } catch {
    throw new GradworkError("INVALID_KEY", `${source} does not hold a private key: 32 bytes in hexadecimal`, {
      source,
    });
  }
}

/**
 * Opens a JSON-RPC endpoint.
 * @throws {GradworkError} `RPC_INVALID`, `RPC_UNREACHABLE`
 */
export async function connectChain(rpc: string, wallet: Wallet, depth: number): Promise<Chain> {
  if (!/^https?:\/\//.test(rpc) || !URL.canParse(rpc)) {
    throw new GradworkError("RPC_INVALID", "the RPC URL must start with http:// or https://");
  }
  const request = new FetchRequest(rpc);
  request.timeout = REQUEST_TIMEOUT_MS;
  let chainId: bigint;
  try {
    chainId = await askChainId(rpc);
  } catch (error) {
    throw new GradworkError(
      "RPC_UNREACHABLE",
      `no Ethereum node answers at ${shownUrl(rpc)}: ${(error as Error).message}`,
      { rpc: shownUrl(rpc) },
    );
  }
  const provider = new JsonRpcProvider(request, chainId, { staticNetwork: true, cacheTimeout: -1 });
  const blockMs = await measureBlockTime(provider);
  const pollMs = Math.min(MOST_POLL_MS, Math.max(LEAST_POLL_MS, Math.floor(blockMs / POLLS_A_BLOCK)));
  provider.pollingInterval = pollMs;
  return { provider, wallet: wallet.connect(provider), chainId, depth, blockMs, pollMs };
}

/** Asked without ethers' provider, which retries an unreachable node for ever. */
async function askChainId(rpc: string): Promise<bigint> {
  const response = await fetch(rpc, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] }),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const { result } = (await response.json()) as { result?: unknown };
  if (typeof result !== "string") throw new Error("eth_chainId gave no result");
  return BigInt(result);
}

async function measureBlockTime(provider: JsonRpcProvider): Promise<number> {
  const last = await provider.getBlock("latest");
  const first = last && (await provider.getBlock(Math.max(0, last.number - BLOCKS_TO_TIME)));
  const blocks = last && first ? last.number - first.number : 0;
  // A chain without history may make a block a second.
  return last && first && blocks > 1 ? ((last.timestamp - first.timestamp) * 1000) / blocks : 1_000;
}

/**
 * Binds the contracts of a deployment.
 * @throws {GradworkError} `WRONG_CHAIN`, `NO_CONTRACT`
 */
export async function bindContracts(chain: Chain, deployment: Deployment): Promise<Gradwork> {
  if (chain.chainId !== BigInt(deployment.chainId)) {
    throw new GradworkError(
      "WRONG_CHAIN",
      `the deployment is on chain ${deployment.chainId}, the RPC serves chain ${chain.chainId}`,
      { expected: deployment.chainId, given: chain.chainId.toString() },
    );
  }
  const { contracts, randomness } = deployment;
  const bindAs = <T>(artifact: ArtifactName, address: string): T =>
    new Contract(address, contractInterface(artifact), chain.wallet) as unknown as T;
  const bind = <T>(name: ContractName & ArtifactName): T => bindAs(name, contracts[name]);
  const code = await chain.provider.getCode(contracts.TrainingMarket);
  if (code === "0x") {
    throw new GradworkError(
      "NO_CONTRACT",
      `there is no contract at ${contracts.TrainingMarket} on chain ${chain.chainId}: another chain with the same id, or one that was reset`,
      { address: contracts.TrainingMarket },
    );
  }
  return {
    ...chain,
    deployment,
    token: bind<TestToken>("TestToken"),
    vault: bind<StakeVault>("StakeVault"),
    randomness: bindAs<IRandomness>(RANDOMNESS_CONTRACTS[randomness], contracts.Randomness),
    ...(randomness === "drand"
      ? { drand: bindAs<IDrandRandomness>(RANDOMNESS_CONTRACTS.drand, contracts.Randomness) }
      : {}),
    market: bind<TrainingMarket>("TrainingMarket"),
    committee: bind<Committee>("Committee"),
    disputes: bind<Disputes>("Disputes"),
    quality: bind<QualityMarket>("QualityMarket"),
    registry: bind<NodeRegistry>("NodeRegistry"),
  };
}
