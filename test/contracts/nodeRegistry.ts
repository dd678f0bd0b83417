import { expect } from "chai";
import { id, type Result, type Wallet, ZeroHash } from "ethers";
import {
  ASSESSOR,
  ask,
  awaitSeed,
  collectAll,
  join,
  MODEL_PARAMS,
  type ModelParams,
  nodeParty,
  openService,
  PRICES,
  playOut,
  RESPONDER,
  type Service,
  select,
  settle,
} from "./support/inference.ts";
import { expectSolvent } from "./support/money.ts";
import { expectRefused } from "./support/refusal.ts";
import { at, DEPOSIT, ethers, MINED, networkHelpers, now, passTo, tick } from "./support/scenario.ts";

const { nodeStake: LEAST, answerSeconds: ANSWER_SECONDS } = MODEL_PARAMS;
const HOUR = 3_600n;
const DAY = 24n * HOUR;
const ONE = 1_000_000n;
const UINT96_MAX = 2n ** 96n - 1n;

const SCORES = Array.from({ length: 5 }, () => [900_000, 500_000, 100_000]);

async function openDefault(): Promise<Service & { newcomer: Wallet }> {
  const service = await openService();
  return { ...service, newcomer: await nodeParty(service, 100) };
}

describe("NodeRegistry", () => {
  let service: Awaited<ReturnType<typeof openDefault>>;

  beforeEach(async () => {
    service = await networkHelpers.loadFixture(openDefault);
  });

  afterEach(async () => {
    await expectSolvent(service, [service.newcomer]);
  });

  /** Expects a refusal by the registry. */
  async function expectNo(
    send: () => Promise<unknown>,
    error: string,
    args: unknown[],
    declaring: Parameters<typeof expectRefused>[4] = service.registry,
  ): Promise<void> {
    await expectRefused(service, send, error, args, declaring);
  }

  it("knows its market, which made it, and the vault", async () => {
    const { registry, quality, vault } = service;
    expect(await registry.MARKET()).to.equal(await quality.getAddress());
    expect(await quality.REGISTRY()).to.equal(await registry.getAddress());
    expect(await registry.VAULT()).to.equal(await vault.getAddress());
    expect(await registry.DRAWS_PER_NODE()).to.equal(32n);
  });

  it("holds, releases, settles and slashes for nobody but the market", async () => {
    const { registry, model, owner, deployer, responders } = service;
    const node = responders[0]!.address;
    const refusal = [deployer.address];
    await expectNo(() => registry.hold(owner, 1n, 1n, MINED), "NotMarket", refusal);
    await expectNo(() => registry.release(deployer, 0n, MINED), "NotMarket", refusal);
    await expectNo(
      () => registry.settle(model, 0n, [node], 1n, [1n], [ONE], deployer, 0n, 0n, MINED),
      "NotMarket",
      refusal,
    );
    await expectNo(() => registry.slash(model, RESPONDER, node, 1n, deployer, MINED), "NotMarket", refusal);
  });

  describe("registerModel", () => {
    const register = (overrides: Partial<ModelParams>, location = "") =>
      service.registry.registerModel({ ...MODEL_PARAMS, ...overrides }, id("record"), location, MINED);

    it("numbers models and keeps what it is given, by anyone", async () => {
      const { registry, stranger } = service;
      const location = "l".repeat(256);
      expect(await registry.modelCount()).to.equal(1n);
      await expect(registry.connect(stranger).registerModel(MODEL_PARAMS, id("other record"), location))
        .to.emit(registry, "ModelRegistered")
        .withArgs(1n, stranger.address, id("other record"), location, Object.values(MODEL_PARAMS));
      expect(await registry.modelCount()).to.equal(2n);
      expect(((await registry.params(1n)) as unknown as Result).toObject()).to.deep.equal(MODEL_PARAMS);
    });

    it("refuses a location of more than 256 bytes", async () => {
      await expectNo(() => register({}, "l".repeat(257)), "TextTooLong", [257, 256]);
    });

    type Row = [name: keyof ModelParams, given: bigint, limit: bigint, others?: Partial<ModelParams>];
    const share = (name: keyof ModelParams): Row => [name, ONE + 1n, ONE];
    const outOfRange: Row[] = [
      ["answerSeconds", 0n, 1n],
      ["answerSeconds", HOUR + 1n, HOUR],
      ["commitSeconds", 0n, 1n],
      ["commitSeconds", DAY + 1n, DAY],
      ["revealSeconds", 0n, 1n],
      ["revealSeconds", DAY + 1n, DAY],
      ["nodeStake", 0n, 1n, { stakeCap: 1n }],
      ["stakeCap", LEAST - 1n, LEAST],
      ["stakeCap", 2n * LEAST + 1n, 2n * LEAST],
      ["deviationMultiple", 0n, 1n],
      ["trimShare", ONE / 2n, ONE / 2n - 1n],
      ["burnShare", 0n, 1n],
      ["burnShare", ONE + 1n, ONE, { assessorShare: 1n }],
      ["assessorShare", 0n, 1n],
      ["assessorShare", ONE - MODEL_PARAMS.burnShare + 1n, ONE - MODEL_PARAMS.burnShare],
      share("qualityFactor"),
      share("costFactor"),
      ["toleranceScore", 0n, 1n],
      share("toleranceScore"),
      ["quorumShare", ONE / 2n, ONE / 2n + 1n],
      share("quorumShare"),
      ["trustFloor", ONE / 8n - 1n, ONE / 8n],
      share("trustFloor"),
      share("trustRate"),
      ["trustPrice", 0n, 1n],
    ];
    for (const [name, given, limit, others = {}] of outOfRange) {
      it(`refuses ${name} = ${given}: the limit is ${limit}`, async () => {
        await expectNo(() => register({ ...others, [name]: given }), "ParameterOutOfRange", [
          name,
          given,
          limit,
        ]);
        // A share of all of the fee leaves none to the assessors, who are due some.
        if (name !== "burnShare" || limit !== ONE) await register({ ...others, [name]: limit });
      });
    }

    it("refuses to burn the whole fee: assessors are due a share", async () => {
      for (const assessorShare of [0n, 1n]) {
        const limit = 1n - assessorShare;
        await expectNo(() => register({ burnShare: ONE, assessorShare }), "ParameterOutOfRange", [
          "assessorShare",
          assessorShare,
          limit,
        ]);
      }
      await register({ burnShare: ONE - 1n, assessorShare: 1n });
    });

    it("takes factors, shares and a least fee of 0, and amounts up to 96 bits", async () => {
      await register({ qualityFactor: 0n, costFactor: 0n, trimShare: 0n, trustRate: 0n, leastFee: 0n });
      await register({
        nodeStake: UINT96_MAX,
        stakeCap: UINT96_MAX,
        leastFee: UINT96_MAX,
        trustPrice: 2n ** 64n - 1n,
      });
      await register({ deviationMultiple: 255n, aggregate: 1n });
    });

    it("refuses windows that may together, with an hour to settle, outlast the withdrawal of stake", async () => {
      const { deployer, token, deployment } = service;
      const windows = { answerSeconds: 600n, commitSeconds: 700n, revealSeconds: 800n };
      const longest = 600n + 700n + 800n + HOUR;
      const randomness = deployment.contracts.Randomness;
      for (const [delay, isTaken] of [
        [longest, false],
        [longest + 1n, true],
      ] as const) {
        const vault = await ethers.deployContract("StakeVault", [token, delay], deployer);
        const quality = await ethers.deployContract("QualityMarket", [vault, randomness]);
        const registry = await ethers.getContractAt("NodeRegistry", await quality.REGISTRY());
        const sending = registry.registerModel({ ...MODEL_PARAMS, ...windows }, ZeroHash, "");
        if (isTaken) await sending;
        else {
          await expect(sending)
            .to.be.revertedWithCustomError(registry, "ParameterOutOfRange")
            .withArgs("longestQuerySeconds", longest, longest - 1n);
        }
      }
    });
  });

  it("announces an endpoint of at most 256 bytes and a key other than 0, for anyone", async () => {
    const { registry, stranger } = service;
    const key = id("key");
    for (const endpoint of ["", "http://127.0.0.1:8080/", "e".repeat(256)]) {
      await expect(registry.connect(stranger).announce(endpoint, key))
        .to.emit(registry, "NodeAnnounced")
        .withArgs(stranger.address, endpoint, key);
    }
    await expectNo(() => registry.announce("é".repeat(129), key, MINED), "TextTooLong", [258, 256]);
    await expectNo(() => registry.announce("", ZeroHash, MINED), "ZeroKey", []);
  });

  describe("join", () => {
    const enter = (role: bigint, amount: bigint, price: bigint, model = service.model) =>
      service.registry.connect(service.newcomer).join(model, role, amount, price, MINED);

    it("moves free stake into the role's pool and takes a new place", async () => {
      const { registry, vault, model, newcomer } = service;
      await tick();
      const joining = enter(RESPONDER, LEAST + 5n, 7n);
      await expect(joining)
        .to.emit(registry, "NodeJoined")
        .withArgs(model, RESPONDER, newcomer.address, LEAST + 5n, 7n, 3n);
      await expect(joining)
        .to.emit(vault, "Pooled")
        .withArgs(await registry.getAddress(), 2n * model + RESPONDER, newcomer.address, LEAST + 5n);
      const time = await now();
      expect(await registry.place(model, RESPONDER, 3n)).to.deep.equal([newcomer.address, time, 0n]);
      expect(await registry.nodeOf(model, RESPONDER, newcomer)).to.deep.equal([4n, 7n, 0n, time]);
      expect(await registry.isJoined(model, RESPONDER, newcomer)).to.equal(true);
      expect(await registry.isJoined(model, ASSESSOR, newcomer)).to.equal(false);
      expect(await registry.placeCount(model, RESPONDER)).to.equal(4n);
      expect(await registry.stakeOf(model, RESPONDER, newcomer)).to.equal(LEAST + 5n);
      expect(await registry.trustOf(model, RESPONDER, newcomer)).to.equal(MODEL_PARAMS.trustFloor);
      expect((await vault.accounts(newcomer)).free).to.equal(DEPOSIT - LEAST - 5n);
    });

    it("keeps a pool of its own for each role of each model", async () => {
      const { registry, newcomer, model } = service;
      const other = await registry.modelCount();
      await registry.registerModel(MODEL_PARAMS, id("record"), "");
      await enter(RESPONDER, LEAST, 1n);
      await enter(ASSESSOR, LEAST + 1n, 0n);
      await enter(RESPONDER, LEAST + 2n, 1n, other);
      await enter(ASSESSOR, LEAST + 3n, 0n, other);
      const stakes = [];
      for (const each of [model, other]) {
        for (const role of [RESPONDER, ASSESSOR]) stakes.push(await registry.stakeOf(each, role, newcomer));
      }
      expect(stakes.map((stake) => stake - LEAST)).to.deep.equal([0n, 1n, 2n, 3n]);
    });

    it("refuses too little, more than is free, a price to an assessor, a second time, and an unknown model", async () => {
      const { registry, vault, model, newcomer, responders } = service;
      await expectNo(() => enter(RESPONDER, LEAST - 1n, 0n), "StakeTooSmall", [LEAST - 1n, LEAST]);
      await expectNo(
        () => enter(RESPONDER, DEPOSIT + 1n, 0n),
        "InsufficientFree",
        [newcomer.address, DEPOSIT + 1n, DEPOSIT],
        vault,
      );
      await expectNo(() => enter(ASSESSOR, LEAST, 1n), "AssessorHasNoPrice", [1n]);
      const [joined] = responders;
      await expectNo(
        () => registry.connect(joined!).join(model, RESPONDER, LEAST, 1n, MINED),
        "AlreadyJoined",
        [model, RESPONDER, joined!.address],
      );
      await expectNo(() => enter(RESPONDER, LEAST, 0n, 1n), "UnknownModel", [1n]);
      await expectNo(() => enter(RESPONDER, LEAST, 0n, 2n ** 256n - 1n), "UnknownModel", [2n ** 256n - 1n]);
    });

    it("takes the place that was left first once it is out of every query's reach, to the second, else a new one", async () => {
      const { registry, model, responders, newcomer } = service;
      const [first, second] = responders as [Wallet, Wallet];
      await tick();
      await registry.connect(second).quit(model, RESPONDER);
      const freeAt = (await now()) + ANSWER_SECONDS;
      await tick();
      await registry.connect(first).quit(model, RESPONDER);
      const placeOf = async () => (await registry.nodeOf(model, RESPONDER, newcomer)).place - 1n;
      const snapshot = await networkHelpers.takeSnapshot();
      await at(freeAt - 1n);
      await enter(RESPONDER, LEAST, 1n);
      expect(await placeOf()).to.equal(3n);
      await snapshot.restore();
      await at(freeAt);
      await enter(RESPONDER, LEAST, 1n);
      expect(await placeOf()).to.equal(1n);
      expect(await registry.place(model, RESPONDER, 1n)).to.deep.equal([newcomer.address, freeAt, 0n]);
      expect(await registry.placeCount(model, RESPONDER)).to.equal(3n);
      expect(await registry.isJoined(model, RESPONDER, second)).to.equal(false);
      // A second later, the other.
      await at(freeAt + 1n);
      await registry.connect(second).join(model, RESPONDER, LEAST, 1n);
      expect((await registry.nodeOf(model, RESPONDER, second)).place).to.equal(1n);
    });

    it("keeps the places of each role of each model apart", async () => {
      const { registry, model, responders } = service;
      await registry.connect(responders[1]!).quit(model, RESPONDER);
      await passTo((await now()) + ANSWER_SECONDS);
      await enter(ASSESSOR, LEAST, 0n);
      expect((await registry.nodeOf(model, ASSESSOR, service.newcomer)).place).to.equal(6n);
      await enter(RESPONDER, LEAST, 1n);
      expect((await registry.nodeOf(model, RESPONDER, service.newcomer)).place).to.equal(2n);
    });
  });

  describe("who left and joins anew", () => {
    it("takes a place anew, at a price that was not changed too soon, to the second", async () => {
      const { registry, model, responders } = service;
      const [node] = responders;
      await passTo((await registry.nodeOf(model, RESPONDER, node!)).pricedAt + ANSWER_SECONDS - 1n);
      await tick();
      await registry.connect(node!).setPrice(model, 9n);
      const settableAt = (await now()) + ANSWER_SECONDS;
      await tick();
      await registry.connect(node!).quit(model, RESPONDER);
      const enter = () => registry.connect(node!).join(model, RESPONDER, LEAST, 11n, MINED);
      await at(settableAt - 1n);
      await expectNo(enter, "PriceSetTooSoon", [settableAt - 1n, settableAt]);
      await at(settableAt);
      await enter();
      expect(await registry.nodeOf(model, RESPONDER, node!)).to.deep.equal([4n, 11n, 9n, settableAt]);
      expect(await registry.isJoined(model, RESPONDER, node!)).to.equal(true);
    });

    it("keeps what it earned and the trust that it has", async () => {
      const { registry } = service;
      const trusting = await openService({ trustRate: 100_000n, trustFloor: 500_000n });
      const query = await select(trusting);
      await playOut(query, { scores: SCORES });
      await settle(query);
      const { model } = query;
      const [node] = query.drawnResponders;
      const [earned, trust] = [
        await registry.earnedOf(model, RESPONDER, node!),
        await registry.trustOf(model, RESPONDER, node!),
      ];
      expect(trust > 500_000n && earned > 0n).to.equal(true);
      await passTo((await now()) + ANSWER_SECONDS);
      await tick();
      await registry.connect(node!).quit(model, RESPONDER);
      await join(trusting, RESPONDER, node!, 1n);
      expect(await registry.earnedOf(model, RESPONDER, node!)).to.equal(earned);
      expect(await registry.trustOf(model, RESPONDER, node!)).to.equal(trust);
    });
  });

  describe("addStake", () => {
    it("adds any amount to what a node joined with", async () => {
      const { registry, model, assessors } = service;
      const [node] = assessors;
      await expect(registry.connect(node!).addStake(model, ASSESSOR, 1n))
        .to.emit(registry, "StakeAdded")
        .withArgs(model, ASSESSOR, node!.address, 1n);
      expect(await registry.stakeOf(model, ASSESSOR, node!)).to.equal(LEAST + 1n);
    });

    it("is refused for nothing, in a role that was not joined, and after leaving", async () => {
      const { registry, model, assessors } = service;
      const node = assessors[0]!;
      const add = (role: bigint, amount: bigint) => () =>
        registry.connect(node).addStake(model, role, amount, MINED);
      await expectNo(add(ASSESSOR, 0n), "ZeroAmount", []);
      await expectNo(add(RESPONDER, 1n), "NotJoined", [model, RESPONDER, node.address]);
      await registry.connect(node).quit(model, ASSESSOR);
      await expectNo(add(ASSESSOR, 1n), "NotJoined", [model, ASSESSOR, node.address]);
    });
  });

  describe("setPrice", () => {
    it("remembers one earlier price, and so waits until no query reads another, to the second", async () => {
      const { registry, model, responders } = service;
      const node = responders[0]!;
      const set = (price: bigint) => registry.connect(node).setPrice(model, price, MINED);
      const settableAt = (await registry.nodeOf(model, RESPONDER, node)).pricedAt + ANSWER_SECONDS;
      await at(settableAt - 1n);
      await expectNo(() => set(5n), "PriceSetTooSoon", [settableAt - 1n, settableAt]);
      await at(settableAt);
      await expect(set(5n)).to.emit(registry, "PriceSet").withArgs(model, node.address, 5n);
      expect(await registry.nodeOf(model, RESPONDER, node)).to.deep.equal([1n, 5n, PRICES[0], settableAt]);
    });

    it("is refused to assessors and to who left", async () => {
      const { registry, model, assessors, responders } = service;
      await registry.connect(responders[0]!).quit(model, RESPONDER);
      await passTo((await now()) + ANSWER_SECONDS);
      for (const node of [assessors[0]!, responders[0]!]) {
        const refusal = [model, RESPONDER, node.address];
        await expectNo(() => registry.connect(node).setPrice(model, 1n, MINED), "NotJoined", refusal);
      }
    });
  });

  describe("leaving", () => {
    it("starts the withdrawal of all stake in the role", async () => {
      const { registry, vault, model, responders } = service;
      const node = responders[0]!;
      await tick();
      await expect(registry.connect(node).quit(model, RESPONDER))
        .to.emit(registry, "NodeLeft")
        .withArgs(model, RESPONDER, node.address);
      const { from, until } = await registry.place(model, RESPONDER, 0n);
      expect([from < until, until]).to.deep.equal([true, await now()]);
      expect(await registry.isJoined(model, RESPONDER, node)).to.equal(false);
      expect(await registry.stakeOf(model, RESPONDER, node)).to.equal(0n);
      expect((await vault.accounts(node)).withdrawing).to.equal(LEAST);
    });

    it("is refused to who is not there, or no longer, or whose place another took", async () => {
      const { registry, model, responders, newcomer } = service;
      const node = responders[0]!;
      const quit = (party: Wallet) => () => registry.connect(party).quit(model, RESPONDER, MINED);
      await expectNo(quit(newcomer), "NotJoined", [model, RESPONDER, newcomer.address]);
      await registry.connect(node).quit(model, RESPONDER);
      await expectNo(quit(node), "NotJoined", [model, RESPONDER, node.address]);
      await passTo((await now()) + ANSWER_SECONDS);
      await registry.connect(newcomer).join(model, RESPONDER, LEAST, 1n);
      expect((await registry.place(model, RESPONDER, 0n)).node).to.equal(newcomer.address);
      await expectNo(quit(node), "NotJoined", [model, RESPONDER, node.address]);
    });

    it("is done by anyone for a node with less than the least stake, not a wei before", async () => {
      const { registry, vault, model, stranger } = service;
      const query = await select(service);
      await playOut(query, { scores: [undefined, ...SCORES.slice(1)] });
      const [silent, present] = query.drawnAssessors;
      const evict = (node: Wallet) => () => registry.connect(stranger).evict(model, ASSESSOR, node, MINED);
      await expectNo(evict(silent!), "StakeSuffices", [LEAST, LEAST]);
      await settle(query);
      const stake = await registry.stakeOf(model, ASSESSOR, silent!);
      expect(stake < LEAST).to.equal(true);
      await expectNo(evict(present!), "StakeSuffices", [LEAST, LEAST]);
      await expect(evict(silent!)()).to.emit(registry, "NodeLeft").withArgs(model, ASSESSOR, silent!.address);
      expect((await vault.accounts(silent!)).withdrawing).to.equal(stake);
      await expectNo(evict(silent!), "NotJoined", [model, ASSESSOR, silent!.address]);
      await expectNo(() => registry.evict(1n, ASSESSOR, silent!, MINED), "UnknownModel", [1n]);
    });

    it("can be done by a node that added what it lost", async () => {
      const { registry, model } = service;
      const query = await select(service);
      await playOut(query, { scores: [undefined, ...SCORES.slice(1)] });
      await settle(query);
      const [silent] = query.drawnAssessors;
      const lost = LEAST - (await registry.stakeOf(model, ASSESSOR, silent!));
      await registry.connect(silent!).addStake(model, ASSESSOR, lost);
      const evict = () => registry.evict(model, ASSESSOR, silent!, MINED);
      await expectNo(evict, "StakeSuffices", [LEAST, LEAST]);
    });

    it("leaves stake within reach of the penalties of duties that the node was drawn for", async () => {
      const { registry, vault, model } = service;
      const query = await select(service);
      const [silent] = query.drawnAssessors;
      await tick();
      await registry.connect(silent!).quit(model, ASSESSOR);
      await playOut(query, { scores: [undefined, ...SCORES.slice(1)] });
      const before = (await vault.accounts(silent!)).withdrawing;
      expect(before).to.equal(LEAST);
      await settle(query);
      const { withdrawing, withdrawableAt } = await vault.accounts(silent!);
      expect(withdrawing < before).to.equal(true);
      expect(withdrawableAt > (await now())).to.equal(true);
    });
  });

  describe("collect", () => {
    it("moves what a node earned to its balance, by anyone, once", async () => {
      const { registry, vault, model, stranger } = service;
      const query = await select(service);
      await playOut(query, { scores: SCORES });
      await settle(query);
      const node = query.drawnAssessors[0]!;
      const earned = await registry.earnedOf(model, ASSESSOR, node);
      expect(earned > 0n).to.equal(true);
      const collect = () => registry.connect(stranger).collect(model, ASSESSOR, node, MINED);
      await expect(collect())
        .to.emit(registry, "EarningsCollected")
        .withArgs(model, ASSESSOR, node.address, earned);
      expect(await vault.balanceOf(node)).to.equal(earned);
      expect(await registry.earnedOf(model, ASSESSOR, node)).to.equal(0n);
      await expectNo(collect, "NothingEarned", [model, ASSESSOR, node.address]);
      await expectNo(() => registry.collect(model, RESPONDER, node, MINED), "NothingEarned", [
        model,
        RESPONDER,
        node.address,
      ]);
    });

    it("adds up over queries, and leaves the fees of those that go on in escrow", async () => {
      const { registry, vault, model } = service;
      const earned: bigint[] = [];
      for (let round = 0; round < 2; round++) {
        const query = await select(service);
        await playOut(query, { scores: SCORES });
        await settle(query);
        earned.push(await registry.earnedOf(model, ASSESSOR, service.assessors[0]!));
      }
      expect(earned[1]).to.equal(2n * earned[0]!);
      await select(service);
      await ask(service);
      await awaitSeed();
      await collectAll(service);
      expect(await vault.balanceOf(service.assessors[0]!)).to.equal(earned[1]);
    });
  });

  it("has no other models than those that were registered", async () => {
    const { registry } = service;
    await expect(registry.params(1n)).to.be.revertedWithCustomError(registry, "UnknownModel").withArgs(1n);
    expect(await registry.isJoined(1n, RESPONDER, service.responders[0]!)).to.equal(false);
  });
});
