import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ANVIL = fileURLToPath(new URL("../../../node_modules/@foundry-rs/anvil/bin.mjs", import.meta.url));

export type Anvil = { url: string; stop(): Promise<void> };

/**
 * Starts an anvil node on a free port, which mines when told to. It ends with this process, if it was not stopped.
 * @param firstBlock number of the genesis block
 */
export async function startAnvil(firstBlock: number): Promise<Anvil> {
  // A process group of its own: the launcher starts the node as its child, and both have to end.
  const options = ["--port", "0", "--hardfork", "osaka", "--no-mining", "--number", `${firstBlock}`];
  const child = spawn(process.execPath, [ANVIL, ...options], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kill = () => {
    try {
      process.kill(-child.pid!, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };
  process.once("exit", kill);
  const exited = once(child, "exit");
  const lines = createInterface(child.stdout);
  const listening = (async () => {
    for await (const line of lines) {
      const address = /Listening on (\S+)/.exec(line)?.[1];
      if (address !== undefined) return address;
    }
    throw new Error("anvil ended before it listened");
  })();
  try {
    const address = await listening;
    child.stdout.resume();
    return {
      url: `http://${address}`,
      async stop() {
        // The launcher passes it on and waits for the node.
        child.kill("SIGTERM");
        await exited;
        process.off("exit", kill);
      },
    };
  } catch (error) {
    kill();
    throw error;
  }
}
