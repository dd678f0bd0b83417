import { accessSync, constants, existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { EIP1193Provider } from "@nomicfoundation/ignition-core";
import { deployGradwork, walletProvider } from "../../../deploy/deployGradwork.ts";
import { connectChain } from "../../chain/connection.ts";
import { writeDeployment } from "../../chain/deployment.ts";
import { GradworkError } from "../../model/errors.ts";
import { requireCurrency } from "../chain.ts";
import { formatRows } from "../formats.ts";
import type { Session } from "../session.ts";
import { during, type Terminal } from "../terminal.ts";
import type { DeployOptions } from "./options.ts";

/** @throws {GradworkError} `DEPLOYMENT_EXISTS`, `DEPLOYMENT_UNWRITABLE`, and as `deployGradwork` does */
export async function handleDeploy(options: DeployOptions, session: Session): Promise<void> {
  const { rpc, wallet, depth, deploymentFile, journal } = options;
  const { output, progress, signal } = session;
  requireNewFile(deploymentFile);
  const chain = await connectChain(rpc, wallet, depth);
  await requireCurrency(chain);
  const provider = watched(walletProvider(chain), progress, signal);
  const deployment = await during(progress, `deploying to chain ${chain.chainId}`, () =>
    deployGradwork(provider, { journal, confirmations: depth, pollMs: chain.pollMs }),
  );
  writeDeployment(deploymentFile, deployment);
  await rm(journal, { recursive: true, force: true });
  output.say(`deployed to chain ${chain.chainId}, addresses in ${deploymentFile}`);
  for (const line of formatRows(Object.entries(deployment.contracts))) output.say(line);
}

function requireNewFile(file: string): void {
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

/** Says what is sent, and refuses more once the signal aborts: Ignition takes no signal. */
function watched(provider: EIP1193Provider, progress: Terminal, signal: AbortSignal): EIP1193Provider {
  return {
    async request(call) {
      signal.throwIfAborted();
      const result = await provider.request(call);
      if (call.method === "eth_sendTransaction") progress.say(`  transaction ${result}`);
      return result;
    },
  };
}
