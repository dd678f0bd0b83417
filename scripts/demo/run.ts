import { join } from "node:path";
import { connectChain, walletFromKey } from "../../clients/chain/connection.ts";
import { type Deployment, writeDeployment } from "../../clients/chain/deployment.ts";
import { leafCount, QUANT_LEAF_BYTES } from "../../clients/model/geometry.ts";
import { prepareTask, registerTask, type TaskOptions } from "../../clients/roles/createTask.ts";
import { exportHead } from "../../clients/roles/exportHead.ts";
import { runMiner, type TrainingOptions } from "../../clients/roles/miner.ts";
import { deposit, fundTask, useFaucet, wealthOf } from "../../clients/roles/money.ts";
import { closeParty, openParty, type Party } from "../../clients/roles/party.ts";
import { runVerifier } from "../../clients/roles/verifier.ts";
import { openBlobStore } from "../../clients/storage/blobStore.ts";
import { deployGradwork, walletProvider } from "../../deploy/deployGradwork.ts";
import { connectMember, fundCast, makeCast, requireFunds, sweepCast } from "./cast.ts";
import type { Display } from "./display.ts";
import { openLedger, type RoundReport } from "./ledger.ts";

/**
 * @property directory everybody's folders; made by the run
 * @property sweep whether to send what is left of the chain's currency back to the funder
 */
export type Scene = {
  rpc: string;
  funderKey: string;
  directory: string;
  verifiers: number;
  rounds: number;
  task: Omit<TaskOptions, "location">;
  training: TrainingOptions;
  /** folder to make for the model that the rounds produced */
  exportTo?: string;
  sweep: boolean;
};

export type SceneReport = {
  deployment: Deployment;
  chainId: number;
  contracts: Deployment["contracts"];
  task: { parameters: number; leaves: number; manifestHash: string };
  rounds: RoundReport[];
  head: { fullRoot: string; quantRoot: string };
  accounts: Record<string, { role: string; before: string; after: string }>;
  bytesServed: number;
};

const DEPTH = 1;

/** So that several verifiers do not fight for the cores. */
const VERIFIER_THREADS = 1;

/** Deploys the contracts, registers a task, and lets one miner and some verifiers work through rounds of it. */
export async function runScene(scene: Scene, display: Display, signal: AbortSignal): Promise<SceneReport> {
  const { rpc, directory, task, rounds } = scene;
  const { params } = task;
  const funder = await connectChain(rpc, walletFromKey(scene.funderKey, "the funding account"), DEPTH);
  await requireFunds(funder, scene.verifiers + 2, rounds);
  const verifierNames = Array.from({ length: scene.verifiers }, (_, i) => `verifier ${i + 1}`);
  const cast = makeCast<"owner" | "miner" | "verifier">(directory, [
    ["owner", "owner"],
    ["miner", "miner"],
    ...verifierNames.map((name) => [name, "verifier"] as const),
  ]);
  const ending = new AbortController();
  const scope = AbortSignal.any([signal, ending.signal]);
  const parties: Party[] = [];
  const roles: Promise<void>[] = [];
  try {
    display.say(`chain ${funder.chainId}: deploying the contracts`);
    await fundCast(funder, cast, rounds, scope);
    const deployment = await deployGradwork(walletProvider(funder), {
      confirmations: DEPTH,
      pollMs: funder.pollMs,
    });
    writeDeployment(join(directory, "deployment.json"), deployment);

    display.say("making the task: tokenizer, dataset, graphs, initial model");
    const [ownerMember] = cast;
    const ownerStore = await openBlobStore(join(ownerMember!.directory, "blobs"));
    const prepared = await prepareTask(ownerStore, task);
    const { genesis, manifestHash, manifest } = prepared;
    const ledger = openLedger(QUANT_LEAF_BYTES * leafCount(genesis.parameterCount));

    const funding = BigInt(rounds) * (params.minerReward + params.verifierReward);
    // A confirmed proposal's bond stays locked until the next head: the next proposal needs another.
    const stakes = {
      owner: 0n,
      miner: 2n * params.minerBond,
      verifier: 2n * params.verifierStake,
    };
    const budgets = { ...stakes, owner: funding, miner: stakes.miner + BigInt(rounds) * params.proposalFee };
    const before = await Promise.all(
      cast.map(async (member) => {
        const gradwork = await connectMember(rpc, member, deployment, DEPTH);
        await useFaucet(gradwork, budgets[member.role], scope);
        const wealth = await wealthOf(gradwork, gradwork.wallet.address);
        if (stakes[member.role] > 0n) await deposit(gradwork, stakes[member.role], scope);
        const observe: Party["observe"] = (event) => {
          ledger.note(event);
          display.show(member, event);
        };
        const options = { directory: member.directory, host: "127.0.0.1", port: 0, observe, signal: scope };
        parties[cast.indexOf(member)] = await openParty(gradwork, options);
        return wealth;
      }),
    );
    const [owner, miner, ...verifiers] = parties as [Party, Party, ...Party[]];
    const { taskId } = await registerTask(
      owner.gradwork,
      prepared,
      { params, location: owner.endpoint },
      scope,
    );
    await fundTask(owner.gradwork, taskId, funding, scope);
    display.say(
      `task ${taskId}: ${genesis.parameterCount.toLocaleString("en")} parameters in ${leafCount(genesis.parameterCount)} leaves, ` +
        `${manifest.dataset.sequences} sequences of ${manifest.dataset.sequenceLength} tokens`,
    );

    roles.push(
      runMiner(miner, { taskId, training: scene.training, rounds }),
      ...verifiers.map((verifier) =>
        runVerifier(verifier, { taskId, stake: stakes.verifier, threads: VERIFIER_THREADS }),
      ),
    );
    const work = Promise.all(roles);
    const reports: RoundReport[] = [];
    for (let round = 1n; round <= BigInt(rounds); round++) {
      // Roles only end before by an error.
      await Promise.race([ledger.finality(round, roles.length), work.then(() => undefined)]);
      const report = await ledger.report(owner.gradwork, taskId, round, scope);
      display.table(report);
      reports.push(report);
    }

    if (scene.exportTo !== undefined) await exportHead(owner, taskId, scene.exportTo);
    const { head } = await owner.gradwork.market.task(taskId);
    const after = await Promise.all(parties.map(({ gradwork, address }) => wealthOf(gradwork, address)));
    const accounts = Object.fromEntries(
      cast.map(({ role, wallet }, i) => [
        wallet.address,
        { role, before: before[i]!.toString(), after: after[i]!.toString() },
      ]),
    );
    return {
      deployment,
      chainId: deployment.chainId,
      contracts: deployment.contracts,
      task: {
        parameters: genesis.parameterCount,
        leaves: leafCount(genesis.parameterCount),
        manifestHash,
      },
      rounds: reports,
      head: { fullRoot: head.fullRoot, quantRoot: head.quantRoot },
      accounts,
      bytesServed: parties.reduce((sum, { server }) => sum + server.bytesServed, 0),
    };
  } finally {
    ending.abort(new Error("the run is over"));
    await Promise.allSettled(roles);
    await Promise.all(parties.map((party) => closeParty(party)));
    if (scene.sweep) {
      // Also after Ctrl-C: what is left is somebody's money.
      const swept = await sweepCast(funder, cast, AbortSignal.timeout(120_000));
      display.say(`sent ${swept} wei of the chain's currency back to ${funder.wallet.address}`);
    }
  }
}
