import { expect } from "chai";
import { type Result, ZeroHash } from "ethers";
import { QUERY_PHASES } from "../../clients/chain/queryView.ts";
import type { ReentrantToken } from "../../types/test/ReentrantToken.ts";
import {
  type Asking,
  ask,
  askArguments,
  awaitSeed,
  FEE,
  MODEL_PARAMS,
  openService,
  PRICES,
  PROMPT_HASH,
  phaseOf,
  playOut,
  type Query,
  RESPONDER,
  type Service,
  select,
  serve,
  splitOf,
} from "./support/inference.ts";
import { expectSolvent, wealthOf } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  at,
  BURN_ADDRESS,
  ethers,
  MINED,
  networkHelpers,
  now,
  openScenarioWith,
  passTo,
  tick,
} from "./support/scenario.ts";

const { answerSeconds: ANSWER_SECONDS, burnShare, nodeStake } = MODEL_PARAMS;
const UINT256_MAX = 2n ** 256n - 1n;
const BURNED = (FEE * burnShare) / 1_000_000n;

const SCORES = Array.from({ length: 5 }, () => [900_000, 500_000, 100_000]);

const indexOf = (phase: (typeof QUERY_PHASES)[number]) => QUERY_PHASES.indexOf(phase);

/** What is left of a fee for each of 3 answers, and for each of 5 duties. */
function shares(fee: bigint, params = MODEL_PARAMS) {
  const burned = (fee * params.burnShare) / 1_000_000n;
  const assessing = (fee * params.assessorShare) / 1_000_000n;
  return { answer: (fee - burned - assessing) / 3n, duty: assessing / 5n };
}

/** The smallest fee that a condition, which holds from some fee on, holds of. */
function leastFee(holds: (fee: bigint) => boolean): bigint {
  let [low, high] = [0n, 2n ** 95n];
  while (low < high) {
    const middle = (low + high) / 2n;
    if (holds(middle)) high = middle;
    else low = middle + 1n;
  }
  return low;
}

async function openDefault(): Promise<Service> {
  return openService();
}

describe("QualityMarket, asking and selecting", () => {
  let service: Service;

  beforeEach(async () => {
    service = await networkHelpers.loadFixture(openDefault);
  });

  afterEach(async () => {
    await expectSolvent(service);
  });

  async function expectNo(
    send: () => Promise<unknown>,
    error: string,
    args: unknown[],
    declaring: Parameters<typeof expectRefused>[4] = service.quality,
  ): Promise<void> {
    await expectRefused(service, send, error, args, declaring);
  }

  /** Sends `ask` in the next second, and mines it whatever comes of it. */
  async function tryAsk(overrides: Partial<Asking> = {}, from = service.asker): Promise<unknown> {
    const values = await askArguments(service, overrides);
    await tick();
    return service.quality.connect(from).ask(...values, MINED);
  }

  describe("ask", () => {
    it("takes the fee, burns its share at once, and fixes what the query goes by", async () => {
      const { quality, registry, vault, randomness, asker, model } = service;
      const before = await wealthOf(service, asker);
      const ticket = (await randomness.next()) + 1n;
      const askedAt = (await now()) + 1n;
      const answerBy = askedAt + ANSWER_SECONDS;
      await expect(tryAsk())
        .to.emit(quality, "Asked")
        .withArgs(0n, model, await asker.getAddress(), PROMPT_HASH, 3n, 5n, FEE, answerBy, ticket);
      expect(((await quality.query(0n)) as unknown as Result).toObject()).to.deep.equal({
        asker: await asker.getAddress(),
        askedAt,
        stage: 1n,
        responders: 3n,
        assessors: 5n,
        convicted: 0n,
        fee: FEE,
        model,
        responderPlaces: 3n,
        assessorPlaces: 5n,
        seedTicket: ticket,
        answersEndAt: answerBy,
        commitsEndAt: answerBy + MODEL_PARAMS.commitSeconds,
        revealsEndAt: answerBy + MODEL_PARAMS.commitSeconds + MODEL_PARAMS.revealSeconds,
        answered: 0n,
        committed: 0n,
        revealed: 0n,
      });
      expect(await quality.queryCount()).to.equal(1n);
      expect(await quality.phase(0n)).to.equal(indexOf("Selecting"));
      expect((await wealthOf(service, asker)) - before).to.equal(-FEE);
      expect(await vault.balanceOf(registry)).to.equal(FEE - BURNED);
      expect(await vault.balanceOf(BURN_ADDRESS)).to.equal(BURNED);
    });

    it("takes deadlines from the next second to the model's last", async () => {
      for (const seconds of [1n, ANSWER_SECONDS]) await tryAsk({ answerBy: (await now()) + 1n + seconds });
      for (const seconds of [-1n, 0n, ANSWER_SECONDS + 1n]) {
        const time = (await now()) + 1n;
        await expectNo(() => tryAsk({ answerBy: time + seconds }), "DeadlineOutOfRange", [
          time + seconds,
          time + 1n,
          time + ANSWER_SECONDS,
        ]);
      }
    });

    it("refuses a prompt without a hash, and a model that there is not", async () => {
      await expectNo(() => tryAsk({ promptHash: ZeroHash }), "ZeroCommitment", []);
      for (const model of [1n, UINT256_MAX]) {
        await expectNo(() => tryAsk({ model }), "UnknownModel", [model], service.registry);
      }
    });

    it("refuses other numbers of nodes than 1 to 8 responders and 3 to 16 assessors", async () => {
      for (const responders of [0n, 9n, 255n]) {
        await expectNo(() => tryAsk({ responders }), "CountOutOfRange", [responders, 1, 8]);
      }
      for (const assessors of [0n, 2n, 17n, 255n]) {
        await expectNo(() => tryAsk({ assessors }), "CountOutOfRange", [assessors, 3, 16]);
      }
    });

    it("refuses to want more nodes than there are places", async () => {
      await expectNo(() => tryAsk({ responders: 4n }), "TooFewNodes", [0n, 3n, 4n]);
      await expectNo(() => tryAsk({ assessors: 6n }), "TooFewNodes", [1n, 5n, 6n]);
      await tryAsk();
    });

    it("refuses a fee of which an answer can't earn the model's least, to the wei", async () => {
      const { leastFee: least } = MODEL_PARAMS;
      const fee = leastFee((each) => shares(each).answer >= least);
      await expectNo(() => tryAsk({ fee: fee - 1n }), "FeeTooSmall", [shares(fee - 1n).answer, least]);
      await expectNo(() => tryAsk({ fee: 0n }), "FeeTooSmall", [0n, least]);
      await tryAsk({ fee });
    });

    it("refuses a fee of which an assessor can earn nothing, to the wei", async () => {
      service = await openService({ leastFee: 0n });
      const fee = leastFee((each) => shares(each).duty >= 1n);
      await expectNo(() => tryAsk({ fee: fee - 1n }), "FeeTooSmall", [0n, 1n]);
      await tryAsk({ fee });
    });

    it("refuses a fee of which a duty can earn more than a sixteenth of the least stake, to the wei", async () => {
      const most = nodeStake / 16n;
      const fee = leastFee((each) => shares(each).duty > most);
      await expectNo(() => tryAsk({ fee }), "FeeTooLarge", [shares(fee).duty, most]);
      await expectNo(() => tryAsk({ fee: 2n ** 96n - 1n }), "FeeTooLarge", [
        shares(2n ** 96n - 1n).duty,
        most,
      ]);
      await tryAsk({ fee: fee - 1n });
    });

    it("refuses who does not have the fee, or did not approve it", async () => {
      const { token, vault, stranger, asker } = service;
      await expectNo(
        () => tryAsk({}, stranger),
        "ERC20InsufficientAllowance",
        [await vault.getAddress(), 0n, FEE],
        token,
      );
      const wallet = await token.balanceOf(asker);
      await token.connect(asker).transfer(stranger, wallet - FEE + 1n);
      await expectNo(
        () => tryAsk(),
        "ERC20InsufficientBalance",
        [await asker.getAddress(), FEE - 1n, FEE],
        token,
      );
    });

    it("splits a fee so that all that can be earned, and what is burned, never exceed it", () => {
      for (const fee of [1n, 7n, 999_999n, FEE, 2n ** 96n - 1n]) {
        const { answer, duty } = shares(fee);
        expect(3n * answer + 5n * duty + (fee * burnShare) / 1_000_000n <= fee).to.equal(true);
      }
    });
  });

  describe("select", () => {
    it("waits until the seed is there, to the block", async () => {
      const { quality, stranger } = service;
      const query = await ask(service);
      const { seedTicket } = await quality.query(query);
      const send = () => quality.connect(stranger).select(query, MINED);
      await expectNo(send, "SeedPending", [seedTicket]);
      await expectNo(send, "SeedPending", [seedTicket]);
      await send();
      expect((await quality.query(query)).stage).to.equal(2n);
    });

    it("records whom the seed draws, by anyone, once", async () => {
      const { quality, randomness, stranger, responders, assessors } = service;
      const query = await ask(service);
      await awaitSeed();
      await tick();
      const sending = quality.connect(stranger).select(query);
      await sending;
      const nodes = await quality.selected(query);
      const { seed } = await randomness.read((await quality.query(query)).seedTicket);
      await expect(sending)
        .to.emit(quality, "Selected")
        .withArgs(
          query,
          seed,
          nodes.map((node) => [...node]),
        );
      const drawn = nodes.map(({ node }) => node);
      expect(drawn.slice(0, 3)).to.have.members(responders.map(({ address }) => address));
      expect(drawn.slice(3)).to.have.members(assessors.map(({ address }) => address));
      for (const { node, price, trust } of nodes.slice(0, 3)) {
        const place = responders.findIndex(({ address }) => address === node);
        expect([price, trust]).to.deep.equal([PRICES[place], 1_000_000n]);
      }
      for (const { price, trust } of nodes.slice(3)) expect([price, trust]).to.deep.equal([0n, 1_000_000n]);
      await expectNo(() => quality.select(query, MINED), "WrongPhase", [
        indexOf("Answering"),
        indexOf("Selecting"),
      ]);
    });

    it("knows nobody before", async () => {
      expect(await service.quality.selected(await ask(service))).to.deep.equal([]);
      expect(await service.quality.selected(99n)).to.deep.equal([]);
    });

    it("is done before answers are due, to the second", async () => {
      const { quality } = service;
      const query = await ask(service);
      await awaitSeed();
      const { answersEndAt } = await quality.query(query);
      const snapshot = await networkHelpers.takeSnapshot();
      await at(answersEndAt);
      await expectNo(() => quality.select(query, MINED), "WrongPhase", [
        indexOf("Expired"),
        indexOf("Selecting"),
      ]);
      await snapshot.restore();
      await at(answersEndAt - 1n);
      await quality.select(query);
      expect(await quality.phase(query)).to.equal(indexOf("Answering"));
    });

    it("is refused once the seed is out of reach, where the query ends without", async () => {
      const { quality, stranger, asker } = service;
      const query = await ask(service);
      const { seedTicket } = await quality.query(query);
      await expectNo(() => quality.expire(query, MINED), "WrongPhase", [
        indexOf("Selecting"),
        indexOf("Expired"),
      ]);
      await networkHelpers.mine(257);
      await expectNo(() => quality.select(query, MINED), "SeedOutOfReach", [seedTicket]);
      await expect(quality.connect(stranger).expire(query))
        .to.emit(quality, "Released")
        .withArgs(query, 1n, FEE - BURNED);
      expect(await service.vault.balanceOf(asker)).to.equal(FEE - BURNED);
    });

    it("ends a query unfilled where fewer are to be drawn than wanted, and gives back what was not burned", async () => {
      const { quality, registry, vault, asker, stranger, model, responders } = service;
      await tick();
      await registry.connect(responders[0]!).quit(model, RESPONDER);
      const before = await wealthOf(service, asker);
      const query = await ask(service);
      await awaitSeed();
      await tick();
      const sending = quality.connect(stranger).select(query);
      await expect(sending)
        .to.emit(quality, "Released")
        .withArgs(query, 2n, FEE - BURNED);
      expect(await quality.phase(query)).to.equal(indexOf("Ended"));
      expect(await quality.selected(query)).to.deep.equal([]);
      expect((await wealthOf(service, asker)) - before).to.equal(-BURNED);
      expect(await vault.balanceOf(registry)).to.equal(0n);
      await expectNo(() => quality.select(query, MINED), "WrongPhase", [
        indexOf("Ended"),
        indexOf("Selecting"),
      ]);
    });

    it("passes over a responder that asks for more than an answer can earn", async () => {
      // The dearest responder is not to be had for this.
      const fee = leastFee((each) => shares(each).answer >= PRICES[2]) - 1n;
      const query = await ask(service, { fee });
      await awaitSeed();
      await tick();
      await expect(service.quality.select(query)).to.emit(service.quality, "Released");
      const enough = await select(service, { fee: fee + 1n });
      expect(enough.drawnResponders).to.have.length(3);
      expect(splitOf(enough, fee + 1n).answerMost).to.equal(PRICES[2]);
    });

    it("draws fewer than there are, nobody twice", async () => {
      const drawn = new Set<string>();
      for (let i = 0; i < 4; i++) {
        const query = await select(service, { responders: 1n, assessors: 3n });
        const nodes = await service.quality.selected(query.query);
        expect(new Set(nodes.map(({ node }) => node)).size).to.equal(4);
        for (const { node } of nodes) drawn.add(node);
      }
      expect(drawn.size).to.be.above(4);
    });
  });

  describe("expire", () => {
    it("ends a query that nobody selected in time, by anyone, to the second", async () => {
      const { quality, asker, stranger } = service;
      const before = await wealthOf(service, asker);
      const query = await ask(service);
      await awaitSeed();
      const { answersEndAt } = await quality.query(query);
      const send = () => quality.connect(stranger).expire(query, MINED);
      await at(answersEndAt - 1n);
      await expectNo(send, "WrongPhase", [indexOf("Selecting"), indexOf("Expired")]);
      await at(answersEndAt);
      await expect(send())
        .to.emit(quality, "Released")
        .withArgs(query, 1n, FEE - BURNED);
      expect((await wealthOf(service, asker)) - before).to.equal(-BURNED);
      await expectNo(send, "WrongPhase", [indexOf("Ended"), indexOf("Expired")]);
    });

    it("is refused of a query that was selected, and of none", async () => {
      const { quality, query } = await select(service);
      await passTo((await quality.query(query)).answersEndAt);
      await expectNo(() => quality.expire(query, MINED), "WrongPhase", [
        indexOf("Settling"),
        indexOf("Expired"),
      ]);
      await expectNo(() => quality.expire(99n, MINED), "WrongPhase", [indexOf("None"), indexOf("Expired")]);
    });
  });

  describe("of a token that calls back in the midst of a transfer", () => {
    /** A query that the token itself is about to ask. */
    async function openReentrant(): Promise<Service & { reentrant: ReentrantToken }> {
      const reentrant = await ethers.deployContract("ReentrantToken");
      const scenario = await openScenarioWith(reentrant, await ethers.deployContract("BlockHashRandomness"));
      return { ...(await serve(scenario)), reentrant };
    }

    let reentered: Awaited<ReturnType<typeof openReentrant>>;

    beforeEach(async () => {
      reentered = await networkHelpers.loadFixture(openReentrant);
      service = reentered;
    });

    /** Asks, with a call back from the fee's transfer, and gives whether that succeeded. */
    async function callBack(target: { getAddress(): Promise<string> }, data: string): Promise<boolean> {
      const { reentrant, quality, asker } = reentered;
      await reentrant.arm(target, data);
      const values = await askArguments(reentered);
      await tick();
      const receipt = await (await quality.connect(asker).ask(...values)).wait();
      const [called] = receipt!.logs.flatMap((log) => {
        const parsed = reentrant.interface.parseLog(log);
        return parsed?.name === "CalledBack" ? [parsed] : [];
      });
      return called!.args.succeeded;
    }

    it("neither selects nor ends a query whose fee is on its way", async () => {
      const { quality, vault, registry } = reentered;
      for (const [i, name] of (["select", "expire", "settle"] as const).entries()) {
        const data = quality.interface.encodeFunctionData(name as "select", [BigInt(i)]);
        expect(await callBack(quality, data), name).to.equal(false);
        expect(await quality.phase(i)).to.equal(indexOf("Selecting"));
      }
      expect(await vault.balanceOf(registry)).to.equal(3n * (FEE - BURNED));
    });

    it("asks no second query, since the vault collects one fee at a time", async () => {
      const { quality, vault, registry } = reentered;
      const values = await askArguments(reentered);
      const data = quality.interface.encodeFunctionData("ask", values);
      expect(await callBack(quality, data)).to.equal(false);
      expect(await quality.queryCount()).to.equal(1n);
      expect(await vault.balanceOf(registry)).to.equal(FEE - BURNED);
    });

    it("pays what was due to another query only once, where it settles it", async () => {
      const { quality, vault, registry } = reentered;
      const settled: Query = await select(reentered);
      await playOut(settled, { scores: SCORES });
      const data = quality.interface.encodeFunctionData("settle", [settled.query]);
      expect(await callBack(quality, data)).to.equal(true);
      expect(await phaseOf(settled)).to.equal("Ended");
      await expectNo(() => quality.settle(settled.query, MINED), "WrongPhase", [
        indexOf("Ended"),
        indexOf("Settling"),
      ]);
      let earned = 0n;
      for (const [role, nodes] of [
        [0n, reentered.responders],
        [1n, reentered.assessors],
      ] as const) {
        for (const node of nodes) earned += await registry.earnedOf(reentered.model, role, node);
      }
      expect(await vault.balanceOf(registry)).to.equal(earned + FEE - BURNED);
    });
  });
});
