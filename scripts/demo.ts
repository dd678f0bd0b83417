import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { formatEther } from "ethers";
import { embeddedModelFolder } from "../clients/inference/embedded.ts";
import { GradworkError } from "../clients/model/errors.ts";
import { ADVERSARIES } from "./adversaries/all.ts";
import { showAdversary } from "./demo/adversary.ts";
import { type Display, FOLLOWED_ALONE, openDisplay } from "./demo/display.ts";
import { startLocalChain } from "./demo/localChain.ts";
import { type DemoOptions, readOptions } from "./demo/options.ts";
import { type QueriesReport, runQueries } from "./demo/queries.ts";
import { runScene, type SceneReport } from "./demo/run.ts";
import { DEMO_TASK, demoTraining } from "./demo/task.ts";
import { runScript } from "./runScript.ts";

const VERIFIERS = 3;
const BLOCK_MS = 500;

async function main(argv: string[], signal: AbortSignal): Promise<void> {
  const options = readOptions(argv, process.env);
  if (options.listAdversaries) {
    for (const { name } of ADVERSARIES) process.stdout.write(`${name}\n`);
    return;
  }
  if (options.adversary !== undefined) {
    await showAdversary(options.adversary, openDisplay(process.stdout, FOLLOWED_ALONE), signal);
    return;
  }
  const display = openDisplay(process.stdout);
  const startedAt = performance.now();
  const chain = options.remote === undefined ? await startLocalChain({ blockMs: BLOCK_MS }) : undefined;
  const directory = directoryOf(options);
  let succeeded = false;
  try {
    const place = {
      rpc: chain?.rpc ?? options.remote!.rpc,
      funderKey: chain?.funderKey ?? options.remote!.privateKey,
      directory,
      sweep: chain === undefined,
    };
    const { only } = options;
    const trained = join(directory, "model");
    let pogo: SceneReport | undefined;
    if (only !== "poq") {
      const scene = {
        ...place,
        verifiers: VERIFIERS,
        rounds: options.rounds,
        task: { ...DEMO_TASK, seed: options.seed },
        training: demoTraining(options.rounds, options.seed),
        ...(only === "pogo" ? {} : { exportTo: trained }),
      };
      pogo = await runScene(scene, display, signal);
      summarize(display, pogo);
    }
    let poq: QueriesReport | undefined;
    if (only !== "pogo") {
      const scene = {
        ...place,
        ...(pogo === undefined ? {} : { deployment: pogo.deployment }),
        modelFolder: pogo === undefined ? embeddedModelFolder("llama") : trained,
        judgeFolder: embeddedModelFolder("cross-encoder"),
      };
      poq = await runQueries(scene, display, signal);
      showMoney(display, poq.accounts);
    }
    display.say(`took ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
    if (options.json !== undefined) writeFileSync(options.json, `${reportJson(pogo, poq)}\n`);
    succeeded = true;
    const unconfirmed = (pogo?.rounds ?? []).filter(({ confirmed }) => !confirmed).map(({ round }) => round);
    if (unconfirmed.length > 0) {
      throw new GradworkError("NOT_CONFIRMED", `not confirmed: round ${unconfirmed.join(", ")}`, {
        unconfirmed,
      });
    }
  } finally {
    await chain?.close();
    // On another chain a failed run leaves keys that may own something.
    if (options.keep === undefined && (chain !== undefined || succeeded))
      rmSync(directory, { recursive: true, force: true });
    else if (existsSync(directory)) display.say(`everybody's keys, state and blobs are in ${directory}`);
  }
}

function directoryOf({ keep, remote }: DemoOptions): string {
  if (keep !== undefined) return keep;
  if (remote === undefined) return mkdtempSync(join(tmpdir(), "gradwork-demo-"));
  return resolve(".gradwork", `demo-${Date.now()}`);
}

function reportJson(pogo: SceneReport | undefined, poq: QueriesReport | undefined): string {
  if (pogo === undefined) return JSON.stringify({ poq }, null, 2);
  const { bytesServed: _, deployment: __, ...training } = pogo;
  return JSON.stringify({ ...training, ...(poq === undefined ? {} : { poq }) }, null, 2);
}

function summarize(display: Display, report: SceneReport): void {
  const { rounds, accounts, bytesServed } = report;
  const first = rounds[0]!;
  const last = rounds.at(-1)!;
  display.say(
    `loss of the 4-bit model: ${first.lossBefore.toFixed(3)} → ${last.lossAfter.toFixed(3)} nats ` +
      `(down by ${(first.lossBefore - last.lossAfter).toFixed(3)}) in ${rounds.length} rounds`,
  );
  const share =
    rounds.reduce((sum, { verifyFlops }) => sum + verifyFlops, 0) /
    rounds.reduce((sum, { trainFlops }) => sum + trainFlops, 0);
  display.say(
    `verifying cost one verifier ${(100 * share).toFixed(2)}% of the training's floating-point work`,
  );
  display.say(`bytes moved between the parties: ${bytesServed.toLocaleString("en")}`);
  showMoney(display, accounts);
}

function showMoney(display: Display, accounts: SceneReport["accounts"]): void {
  display.say("money, in tokens (wallet + vault + claimable)");
  const width = Math.max(...Object.values(accounts).map(({ role }) => role.length));
  for (const [address, { role, before, after }] of Object.entries(accounts)) {
    const change = BigInt(after) - BigInt(before);
    display.say(
      `  ${role.padEnd(width)} ${address} ${formatEther(before).padStart(10)} → ${formatEther(after).padStart(10)}  ${change < 0n ? "" : "+"}${formatEther(change)}`,
    );
  }
}

await runScript(main);
