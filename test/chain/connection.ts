import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { parseEther, Wallet } from "ethers";
import { bindContracts, connectChain, type Gradwork, walletFromKey } from "../../clients/chain/connection.ts";
import type { Deployment } from "../../clients/chain/deployment.ts";
import { readTerms } from "../../clients/chain/taskView.ts";
import { send } from "../../clients/chain/transactions.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import { deployGradwork, walletProvider } from "../../deploy/deployGradwork.ts";
import { type LocalChain, startLocalChain } from "../../scripts/demo/localChain.ts";

const never = new AbortController().signal;

async function failure(promise: Promise<unknown>): Promise<GradworkError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof GradworkError) return error;
    throw error;
  }
  throw new Error("expected a failure, there was none");
}

describe("connection to a chain", function () {
  this.timeout(60_000);

  let chain: LocalChain;
  let deployment: Deployment;
  let gradwork: Gradwork;

  before(async () => {
    chain = await startLocalChain({ blockMs: 200 });
    const funder = await connectChain(chain.rpc, walletFromKey(chain.funderKey, "the funder"), 0);
    deployment = await deployGradwork(walletProvider(funder), { confirmations: 1, pollMs: funder.pollMs });
    gradwork = await bindContracts(funder, deployment);
  });

  after(() => chain?.close());

  it("refuses a URL that is not http or https", async () => {
    const error = await failure(connectChain("ws://127.0.0.1:1", gradwork.wallet, 0));
    expect(error.code).to.equal("RPC_INVALID");
  });

  it("says that nobody answers, without the path of the URL, which may hold an API key", async () => {
    const error = await failure(connectChain("http://127.0.0.1:9/v3/secret", gradwork.wallet, 0));
    expect(error.code).to.equal("RPC_UNREACHABLE");
    expect(error.message).to.contain("http://127.0.0.1:9").and.not.to.contain("secret");
  });

  it("says that a server which is no Ethereum node is none", async () => {
    const server = createServer((_, response) => response.end("{}"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const error = await failure(connectChain(`http://127.0.0.1:${port}`, gradwork.wallet, 0));
    server.close();
    expect(error.code).to.equal("RPC_UNREACHABLE");
  });

  it("refuses a key that is none, without showing it", () => {
    const key = "0xnot-a-key";
    expect(() => walletFromKey(key, "KEY")).to.throw(GradworkError, /^KEY does not hold/);
    try {
      walletFromKey(key, "KEY");
    } catch (error) {
      expect(JSON.stringify([error, (error as Error).message, (error as Error).stack])).not.to.contain(
        "not-a-key",
      );
    }
  });

  it("refuses a deployment on another chain, with both ids", async () => {
    const error = await failure(bindContracts(gradwork, { ...deployment, chainId: 1 }));
    expect(error.code).to.equal("WRONG_CHAIN");
    expect(error.data).to.deep.equal({ expected: 1, given: "31337" });
  });

  it("refuses addresses without a contract", async () => {
    const contracts = { ...deployment.contracts, TrainingMarket: `0x${"11".repeat(20)}` };
    const error = await failure(bindContracts(gradwork, { ...deployment, contracts }));
    expect(error.code).to.equal("NO_CONTRACT");
  });

  it("polls at half the time between blocks or faster", () => {
    expect(gradwork.pollMs).to.be.at.most(500);
  });

  it("says which task does not exist, and how many there are", async () => {
    const error = await failure(readTerms(gradwork, 5n));
    expect(error.code).to.equal("UNKNOWN_TASK");
    expect(error.data).to.deep.equal({ taskId: "5", count: "0" });
  });

  it("names the account that cannot pay for gas", async () => {
    const poor = new Wallet(Wallet.createRandom().privateKey);
    const bound = await bindContracts(await connectChain(chain.rpc, poor, 0), deployment);
    const error = await failure(send(bound, bound.token.faucet, [1n], never));
    expect(error.code).to.equal("UNFUNDED_ACCOUNT");
    expect(error.message).to.contain(poor.address);
  });

  it("gives a contract's error by name, with its values", async () => {
    const amount = parseEther("200000");
    const error = await failure(send(gradwork, gradwork.token.faucet, [amount], never));
    expect(error.code).to.equal("REVERTED");
    expect(error.data).to.deep.equal({
      action: "faucet",
      error: "FaucetCapExceeded",
      args: {
        account: gradwork.wallet.address,
        given: amount.toString(),
        limit: parseEther("100000").toString(),
      },
    });
  });

  it("waits until a transaction is as deep as asked", async () => {
    const deep = await bindContracts(await connectChain(chain.rpc, gradwork.wallet, 3), deployment);
    const receipt = await send(deep, deep.token.faucet, [1n], never);
    expect(await deep.provider.getBlockNumber()).to.be.at.least(receipt.blockNumber + 3);
  });

  it("stops waiting when it is told to", async () => {
    const patient = await bindContracts(
      await connectChain(chain.rpc, gradwork.wallet, 1_000_000),
      deployment,
    );
    const reason = new Error("enough");
    const stop = new AbortController();
    setTimeout(() => stop.abort(reason), 300);
    let caught: unknown;
    await send(patient, patient.token.faucet, [1n], stop.signal).catch((error) => {
      caught = error;
    });
    expect(caught).to.equal(reason);
  });
});
