import { expect } from "chai";
import { id, parseEther, Wallet } from "ethers";
import { network } from "hardhat";
import { bindContracts, connectChain, type Gradwork } from "../../clients/chain/connection.ts";
import { readQuery, roleIndex } from "../../clients/chain/queryView.ts";
import { send } from "../../clients/chain/transactions.ts";
import { DEFAULT_MODEL_PARAMS } from "../../clients/roles/defaults.ts";
import { deposit, useFaucet } from "../../clients/roles/money.ts";
import type { RoleEvent } from "../../clients/roles/observer.ts";
import { select } from "../../clients/roles/queryNode.ts";
import { deployGradwork, walletProvider } from "../../deploy/deployGradwork.ts";
import { FUNDER_KEY } from "../../scripts/demo/localChain.ts";
import { type Beacon, publishedAt, quicknet, startBeacon } from "../contracts/support/drand.ts";

const DRAWN = quicknet.rounds[4]!;
const SETUP_SECONDS = 1_200;
/** Of the contract: a ticket is for the first round more than a minute ahead. */
const MARGIN_SECONDS = 60;
const FEE = parseEther("10");

describe("a query with its seed from drand", function () {
  this.timeout(60_000);

  const { signal } = new AbortController();
  let node: Awaited<ReturnType<typeof network.createServer>>;
  let beacon: Beacon;
  let asker: Gradwork;
  const events: RoleEvent[] = [];

  const mineAt = (time: number) => asker.provider.send("evm_mine", [time]);
  const takeTurn = async () => {
    const observe = (event: RoleEvent) => void events.push(event);
    const actor = {
      gradwork: asker,
      address: asker.wallet.address,
      drandUrls: [beacon.url],
      observe,
      signal,
    };
    await select(actor, await readQuery(asker, 0n));
  };

  before(async () => {
    const initialDate = new Date((publishedAt(DRAWN.round) - SETUP_SECONDS) * 1_000).toISOString();
    node = await network.createServer({ network: "default", override: { initialDate } }, "127.0.0.1", 0);
    const { address, port } = await node.listen();
    const rpc = `http://${address}:${port}`;
    const funder = await connectChain(rpc, new Wallet(FUNDER_KEY), 0);
    const deployment = await deployGradwork(walletProvider(funder), {
      confirmations: 1,
      pollMs: funder.pollMs,
      randomness: "drand",
    });
    asker = await bindContracts(funder, deployment);
    beacon = await startBeacon((round) => (round === DRAWN.round ? DRAWN.signature : undefined));
    await useFaucet(asker, parseEther("1000"), signal);
    await send(asker, asker.registry.registerModel, [DEFAULT_MODEL_PARAMS, id("record"), ""], signal);
    const { nodeStake } = DEFAULT_MODEL_PARAMS;
    for (let i = 0; i < 4; i++) {
      const wallet = new Wallet(id(`node ${i}`));
      await funder.provider.send("hardhat_setBalance", [wallet.address, "0xde0b6b3a7640000"]);
      const joining = await bindContracts(await connectChain(rpc, wallet, 0), deployment);
      await useFaucet(joining, nodeStake, signal);
      await deposit(joining, nodeStake, signal);
      const role = roleIndex(i === 0 ? "Responder" : "Assessor");
      await send(joining, joining.registry.join, [0n, role, nodeStake, 0n], signal);
      joining.provider.destroy();
    }
    await send(asker, asker.token.approve, [deployment.contracts.StakeVault, FEE], signal);
    const askedAt = publishedAt(DRAWN.round) - MARGIN_SECONDS - 1;
    await asker.provider.send("evm_setNextBlockTimestamp", [askedAt]);
    const answerBy = BigInt(askedAt) + DEFAULT_MODEL_PARAMS.answerSeconds;
    await send(asker, asker.quality.ask, [0n, id("prompt"), 1n, 3n, FEE, answerBy], signal);
  });

  after(async () => {
    beacon?.server.close();
    asker?.provider.destroy();
    await node?.close();
  });

  it("asks for no signature before drand publishes it", async () => {
    expect((await asker.quality.query(0n)).seedTicket).to.equal(BigInt(DRAWN.round));
    await mineAt(publishedAt(DRAWN.round) - 1);
    await takeTurn();
    expect(beacon.asked).to.deep.equal([]);
    expect((await readQuery(asker, 0n)).phase).to.equal("Selecting");
  });

  it("has who selects bring the signature, then record the draw by it", async () => {
    await mineAt(publishedAt(DRAWN.round));
    await takeTurn();
    expect(beacon.asked).to.have.length(1);
    await takeTurn();
    const { phase, nodes } = await readQuery(asker, 0n);
    expect(phase).to.equal("Answering");
    expect(nodes).to.have.length(4);
    const sent = events.flatMap((event) => (event.kind === "sent" ? [event.action] : []));
    expect(sent).to.deep.equal(["submit", "select"]);
  });
});
