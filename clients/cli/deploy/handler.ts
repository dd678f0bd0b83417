import type { EIP1193Provider } from "@nomicfoundation/ignition-core";
import { deployToFile, requireNewFile, walletProvider } from "../../../deploy/deployGradwork.ts";
import { connectChain } from "../../chain/connection.ts";
import { requireCurrency } from "../chain.ts";
import { formatRows } from "../formats.ts";
import type { Session } from "../session.ts";
import { during, type Terminal } from "../terminal.ts";
import type { DeployOptions } from "./options.ts";

/** @throws {GradworkError} as `deployToFile` does */
export async function handleDeploy(options: DeployOptions, session: Session): Promise<void> {
  const { rpc, wallet, depth, deploymentFile, randomness } = options;
  const { output, progress, signal } = session;
  requireNewFile(deploymentFile);
  const chain = await connectChain(rpc, wallet, depth);
  await requireCurrency(chain);
  const provider = watched(walletProvider(chain), progress, signal);
  const deployment = await during(progress, `deploying to chain ${chain.chainId}`, () =>
    deployToFile(provider, deploymentFile, { randomness, confirmations: depth, pollMs: chain.pollMs }),
  );
  output.say(`deployed to chain ${chain.chainId}, seeds from ${randomness}, addresses in ${deploymentFile}`);
  for (const line of formatRows(Object.entries(deployment.contracts))) output.say(line);
}

/**
 * Says what is sent, and refuses more once the signal aborts: Ignition takes no signal. A transaction goes through even
 * then, so that the journal never lacks one that may have been sent.
 */
function watched(provider: EIP1193Provider, progress: Terminal, signal: AbortSignal): EIP1193Provider {
  return {
    async request(call) {
      if (call.method !== "eth_sendTransaction") signal.throwIfAborted();
      const result = await provider.request(call);
      if (call.method === "eth_sendTransaction") progress.say(`  transaction ${result}`);
      return result;
    },
  };
}
