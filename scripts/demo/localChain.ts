import { network } from "hardhat";

/** Hardhat's first account: its key is public, its balance worth nothing. */
export const FUNDER_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

export type LocalChain = { rpc: string; funderKey: string; close(): Promise<void> };

/** Starts a chain in this process that makes a block every `blockMs` and is reached over JSON-RPC. */
export async function startLocalChain({ blockMs }: { blockMs: number }): Promise<LocalChain> {
  const server = await network.createServer(
    {
      network: "default",
      // Several blocks can fall into one second.
      override: { mining: { auto: false, interval: blockMs }, allowBlocksWithSameTimestamp: true },
    },
    "127.0.0.1",
    0,
  );
  const { address, port } = await server.listen();
  return { rpc: `http://${address}:${port}`, funderKey: FUNDER_KEY, close: () => server.close() };
}
