import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { parseEther, Wallet } from "ethers";
import { network } from "hardhat";
import { bindContracts, connectChain, type Gradwork } from "../../clients/chain/connection.ts";
import { QUICKNET_CHAIN_HASH } from "../../clients/chain/drand.ts";
import { queryEvents } from "../../clients/chain/events.ts";
import { named, OUTCOMES } from "../../clients/chain/phase.ts";
import { sleep } from "../../clients/chain/sleep.ts";
import { waitForReceipt } from "../../clients/chain/transactions.ts";
import { prepareTask, registerTask } from "../../clients/roles/createTask.ts";
import { runKeeper } from "../../clients/roles/keeper.ts";
import { runMiner } from "../../clients/roles/miner.ts";
import { deposit, fundTask, useFaucet } from "../../clients/roles/money.ts";
import type { RoleEvent } from "../../clients/roles/observer.ts";
import { closeParty, openParty, type Party } from "../../clients/roles/party.ts";
import { runVerifier } from "../../clients/roles/verifier.ts";
import { deployGradwork, walletProvider } from "../../deploy/deployGradwork.ts";
import { SMALL_TASK, SMALL_TRAINING } from "../../scripts/adversaries/task.ts";
import { FUNDER_KEY } from "../../scripts/demo/localChain.ts";
import { type Beacon, publishedAt, quicknet, startBeacon } from "../contracts/support/drand.ts";

const BLOCK_MS = 500;
const { rounds: published } = quicknet;
const [FIRST, SECOND, OTHER] = [published[3]!, published[4]!, published[2]!];
/** The clock jumps over what is left of it. */
const OPENING_SECONDS = 600;
const SETUP_SECONDS = 2 * OPENING_SECONDS;
/** Of the contract: a ticket is for the first round more than a minute ahead. */
const MARGIN_SECONDS = 60;

describe("a task with seeds from drand", function () {
  this.timeout(240_000);

  const leaving = new AbortController();
  const { signal } = leaving;
  const roles: Promise<void>[] = [];
  const parties: Party[] = [];
  const said: Record<string, RoleEvent[]> = {};
  let node: Awaited<ReturnType<typeof network.createServer>>;
  let rpc: string;
  let directory: string;
  let funder: Gradwork;
  let taskId: bigint;
  let honest: Beacon;
  let lying: Beacon;
  let askedBeforePublication: string[];

  /** Mines a block at a time of its own, in seconds. */
  const mineAt = async (time: number) => {
    await funder.provider.send("evm_setNextBlockTimestamp", [time]);
    await funder.provider.send("evm_mine", []);
  };

  /** Lets a role go on beside the test; that it ends by the test's end is no failure of it. */
  const start = (role: Promise<void>): Promise<void> => {
    role.catch(() => undefined);
    roles.push(role);
    return role;
  };

  const until = async (isSo: () => Promise<boolean>) => {
    while (!(await isSo())) await sleep(BLOCK_MS / 5, signal);
  };

  const roundOf = (number: bigint) => funder.market.round(taskId, number);

  /** Once the round is opened, moves the clock so that its seed is that of a drand round, and on to that one's publication. */
  const drawFrom = async (number: bigint, drandRound: number) => {
    await until(async () => (await roundOf(number)).opened === 1n);
    await funder.provider.send("evm_setIntervalMining", [0]);
    await until(async () => {
      await mineAt(publishedAt(drandRound) - MARGIN_SECONDS - 2);
      return (await roundOf(number)).seedTicket !== 0n;
    });
    for (let i = 0; i < 5; i++) {
      await mineAt(publishedAt(drandRound) - 1);
      await sleep(BLOCK_MS, signal);
    }
    askedBeforePublication = [...honest.asked];
    await mineAt(publishedAt(drandRound));
    await funder.provider.send("evm_setIntervalMining", [BLOCK_MS]);
  };

  const enter = async (name: string, stake: bigint, drandUrls: string[]): Promise<Party> => {
    const wallet = new Wallet(Wallet.createRandom().privateKey);
    const { hash } = await funder.wallet.sendTransaction({ to: wallet.address, value: parseEther("1") });
    await waitForReceipt(funder, hash, "funding", signal);
    const gradwork = await bindContracts(await connectChain(rpc, wallet, 1), funder.deployment);
    await useFaucet(gradwork, parseEther("5000"), signal);
    if (stake > 0n) await deposit(gradwork, stake, signal);
    const events: RoleEvent[] = [];
    said[name] = events;
    const party = await openParty(gradwork, {
      directory: join(directory, name),
      host: "127.0.0.1",
      port: 0,
      drandUrls,
      observe: (event) => events.push(event),
      signal,
    });
    parties.push(party);
    return party;
  };

  let miner: Party;
  let keeper: Party;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "gradwork-drand-"));
    node = await network.createServer(
      {
        network: "default",
        override: {
          initialDate: new Date((publishedAt(FIRST.round) - SETUP_SECONDS) * 1_000).toISOString(),
          mining: { auto: false, interval: BLOCK_MS },
          allowBlocksWithSameTimestamp: true,
        },
      },
      "127.0.0.1",
      0,
    );
    const { address, port } = await node.listen();
    rpc = `http://${address}:${port}`;
    const connection = await connectChain(rpc, new Wallet(FUNDER_KEY), 0);
    const options = { confirmations: 1, pollMs: connection.pollMs, randomness: "drand" as const };
    const deployment = await deployGradwork(walletProvider(connection), options);
    funder = await bindContracts(connection, deployment);

    honest = await startBeacon((round) => published.find((one) => one.round === round)?.signature);
    lying = await startBeacon(() => OTHER.signature);
    const { minerBond, verifierStake } = SMALL_TASK.params;
    miner = await enter("miner", 2n * minerBond, [lying.url, honest.url]);
    const verifier = await enter("verifier", verifierStake, [lying.url]);
    keeper = await enter("keeper", 0n, [honest.url]);

    const params = { ...SMALL_TASK.params, openingSeconds: BigInt(OPENING_SECONDS) };
    const { gradwork, endpoint } = miner;
    const prepared = await prepareTask(miner.store, SMALL_TASK);
    ({ taskId } = await registerTask(gradwork, prepared, { params, location: endpoint }, signal));
    await fundTask(gradwork, taskId, 2n * (params.minerReward + params.verifierReward), signal);
    const mining = start(runMiner(miner, { taskId, training: SMALL_TRAINING, rounds: 1, threads: 1 }));
    start(runVerifier(verifier, { taskId, threads: 1 }));
    await drawFrom(1n, FIRST.round);
    await mining;
  });

  after(async () => {
    leaving.abort(new Error("the test is over"));
    await Promise.allSettled(roles);
    await Promise.all(parties.map(closeParty));
    for (const beacon of [honest, lying]) beacon?.server.close();
    funder?.provider.destroy();
    await node?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Who brought a drand round's signature. */
  const sendersOf = async (drandRound: number): Promise<string[]> => {
    const newest = await funder.provider.getBlockNumber();
    const topics = [drandRound];
    const submitted = await queryEvents(funder.drand!, "SeedSubmitted", topics, 0, newest, signal);
    return Promise.all(submitted.map(async (event) => (await event.getTransactionReceipt()).from));
  };

  it("draws a round from what drand publishes later", async () => {
    const { seedTicket, seed } = await roundOf(1n);
    expect(seedTicket).to.equal(BigInt(FIRST.round));
    expect(seed).to.equal(`0x${FIRST.randomness}`);
  });

  it("has its miner bring the signature, once it is published, from the first endpoint that has it", async () => {
    expect(askedBeforePublication).to.deep.equal([]);
    expect(await sendersOf(FIRST.round)).to.deep.equal([miner.address]);
    const path = `/${QUICKNET_CHAIN_HASH}/public/${FIRST.round}`;
    expect(lying.asked).to.include(path);
    expect(honest.asked).to.deep.equal([path]);
  });

  it("is trained on as any other", async () => {
    const { outcome } = await funder.market.proposal(taskId, 1n, 0n);
    expect(named(OUTCOMES, outcome)).to.equal("Confirmed");
  });

  describe("whose miner has no endpoint that answers truly", () => {
    before(async () => {
      await mineAt(publishedAt(SECOND.round) - SETUP_SECONDS);
      start(runKeeper(keeper, { taskId }));
      const misled = { ...miner, drandUrls: [lying.url] };
      start(runMiner(misled, { taskId, training: SMALL_TRAINING, rounds: 1, threads: 1 }));
      await drawFrom(2n, SECOND.round);
      await until(async () => BigInt((await roundOf(2n)).seed) !== 0n);
    });

    it("gets its seed from a keeper", async () => {
      expect((await roundOf(2n)).seed).to.equal(`0x${SECOND.randomness}`);
      expect(await sendersOf(SECOND.round)).to.deep.equal([keeper.address]);
    });

    it("hears from its miner and verifier why they could not", () => {
      for (const name of ["miner", "verifier"]) {
        const faults = said[name]!.flatMap((event) =>
          event.kind === "retrying" && event.action === "submit the seed" ? [event.error.message] : [],
        );
        expect(faults.join(), name).to.include("InvalidSignature").and.to.include(String(SECOND.round));
      }
    });
  });
});
