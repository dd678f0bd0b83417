import { expect } from "chai";
import { id, parseEther, type Wallet } from "ethers";
import {
  type Candidates,
  type DrawnNode,
  type PlacedNode,
  selectNodes,
} from "../../clients/model/selection.ts";
import {
  ASSESSOR,
  ask,
  join,
  MODEL_PARAMS,
  nodeParty,
  openService,
  playOut,
  RESPONDER,
  type Service,
  select,
  settle,
} from "./support/inference.ts";
import { expectSolvent } from "./support/money.ts";
import { networkHelpers, now, passTo, tick } from "./support/scenario.ts";

const { nodeStake: LEAST, answerSeconds: ANSWER_SECONDS } = MODEL_PARAMS;
const PLENTY = 2n ** 72n;

/** Of what `draw` reads, what a test chooses. */
type Choice = {
  seed: string;
  query: bigint;
  askedAt: bigint;
  responders: number;
  assessors: number;
  maxPrice: bigint;
};

/** A registry whose nodes differ in all that draws read. */
async function openVaried(): Promise<Service & { parties: Wallet[] }> {
  const service = await openService(
    { stakeCap: 2n * LEAST, trustFloor: 400_000n, trustRate: 300_000n, trustPrice: 1n },
    { responders: 3, assessors: 5 },
  );
  const parties: Wallet[] = [];
  for (let i = 0; i < 8; i++) {
    const party = await nodeParty(service, 100 + i);
    parties.push(party);
    const isBoth = i % 4 === 0;
    if (i % 2 === 0) service.responders.push(party);
    if (i % 2 === 1 || isBoth) service.assessors.push(party);
    // From the least stake to more than counts.
    const stake = LEAST + (BigInt(i) * LEAST) / 3n;
    await join(
      service,
      i % 2 === 0 ? RESPONDER : ASSESSOR,
      party,
      i % 2 === 0 ? parseEther("1") * BigInt(i) : 0n,
      stake,
    );
    if (isBoth) await join(service, ASSESSOR, party, 0n, LEAST);
  }
  const { registry, model } = service;
  // Trust of all sorts, and one penalized below the least stake.
  for (let round = 0; round < 2; round++) {
    const query = await select(service, { responders: 3n, assessors: 5n, fee: parseEther("100") });
    const scores = query.drawnAssessors.map((_, i) => [900_000, 500_000 + 100_000 * i, 60_000]);
    await playOut(query, { scores: round === 0 ? [undefined, ...scores.slice(1)] : scores });
    await settle(query);
    await passTo((await now()) + 3_600n);
  }
  await tick();
  await registry.connect(parties[2]!).quit(model, RESPONDER);
  await tick();
  await registry.connect(parties[3]!).quit(model, ASSESSOR);
  return { ...service, parties };
}

describe("selection", () => {
  let service: Awaited<ReturnType<typeof openVaried>>;

  beforeEach(async () => {
    service = await networkHelpers.loadFixture(openVaried);
  });

  /** A role's places as a query asked at `askedAt` finds them. */
  async function readPlaces(role: bigint, askedAt: bigint): Promise<PlacedNode[]> {
    const { registry, vault, model } = service;
    const count = await registry.placeCount(model, role);
    return Promise.all(
      Array.from({ length: Number(count) }, async (_, index) => {
        const { node, from, until } = await registry.place(model, role, index);
        const { price, priceBefore, pricedAt } = await registry.nodeOf(model, role, node);
        return {
          node,
          from,
          until,
          price: pricedAt <= askedAt ? price : priceBefore,
          trust: await registry.trustAt(model, role, node, askedAt),
          stake: await vault.pooledAt(registry, 2n * model + role, node, askedAt),
        };
      }),
    );
  }

  type State = Record<"responders" | "assessors", PlacedNode[]>;

  async function readState(askedAt: bigint): Promise<State> {
    return {
      responders: await readPlaces(RESPONDER, askedAt),
      assessors: await readPlaces(ASSESSOR, askedAt),
    };
  }

  type Drawing = { nodes: DrawnNode[]; isFilled: boolean };

  async function contractDraw(choice: Choice, state: State): Promise<Drawing> {
    const { drawn: nodes, isFilled } = await service.registry.draw({
      ...choice,
      model: service.model,
      responderPlaces: state.responders.length,
      assessorPlaces: state.assessors.length,
    });
    const drawn = nodes.map(({ node, trust, price }) => ({ node, price, trust }));
    return { nodes: drawn.filter(({ node }) => BigInt(node) !== 0n), isFilled };
  }

  function twinDraw(choice: Choice, state: State): Drawing {
    const { model, modelParams } = service;
    const { nodeStake, stakeCap } = modelParams;
    const of = (places: PlacedNode[], wanted: number): Candidates => ({ places, wanted });
    const { responders, assessors, isFilled } = selectNodes(
      { ...choice, model, nodeStake, stakeCap },
      of(state.responders, choice.responders),
      of(state.assessors, choice.assessors),
    );
    return { nodes: [...responders, ...assessors], isFilled };
  }

  it("is what anyone computes from public state, over 200 seeds, counts and prices", async () => {
    const askedAt = await now();
    const state = await readState(askedAt);
    const trusts = new Set([...state.responders, ...state.assessors].map(({ trust }) => trust));
    expect(trusts.size, "different trust").to.be.above(5);
    const seen = { filled: 0, unfilled: 0, twice: 0 };
    for (let i = 0; i < 200; i++) {
      const choice = {
        seed: id(`seed ${i}`),
        query: BigInt(i % 7),
        askedAt,
        responders: 1 + (i % 6),
        assessors: 3 + (i % 7),
        maxPrice: i % 3 === 0 ? parseEther("3") : PLENTY,
      };
      const [contract, twin] = [await contractDraw(choice, state), twinDraw(choice, state)];
      expect(contract, `seed ${i}`).to.deep.equal(twin);
      expect(new Set(twin.nodes.map(({ node }) => node)).size).to.equal(twin.nodes.length);
      seen[twin.isFilled ? "filled" : "unfilled"]++;
    }
    expect(seen.filled).to.be.above(50);
    expect(seen.unfilled).to.be.above(20);
  });

  it("draws nobody who left, who has less than the least stake, or who asks for too much", async () => {
    const { parties } = service;
    const askedAt = await now();
    const state = await readState(askedAt);
    const poor = [...state.responders, ...state.assessors].filter(({ stake }) => stake < LEAST);
    expect(poor.map(({ node }) => node)).to.include.members([parties[2]!.address, parties[3]!.address]);
    const maxPrice = parseEther("3");
    for (let i = 0; i < 60; i++) {
      const choice = { seed: id(`${i}`), query: 0n, askedAt, responders: 2, assessors: 6, maxPrice };
      const { nodes } = await contractDraw(choice, state);
      for (const [place, { node, price }] of nodes.entries()) {
        expect(price <= maxPrice).to.equal(true);
        const places = place < 2 ? state.responders : state.assessors;
        const { stake, until } = places.find((each) => each.node === node)!;
        expect([stake >= LEAST, until]).to.deep.equal([true, 0n]);
      }
    }
  });

  it("reads the state of when it was asked, whatever changes before it is selected", async () => {
    const { registry, quality, randomness, model, parties, responders, assessors, stranger } = service;
    const running = await select(service, { responders: 3n, assessors: 4n, fee: parseEther("100") });
    await playOut(running, { scores: [[1, 2, 3], [900_000, 2, 3], undefined, [3, 4, 1_000_000]] });
    const late = await nodeParty(service, 200);

    await passTo((await now()) + ANSWER_SECONDS);
    const query = await ask(service, { responders: 3n, assessors: 5n, fee: parseEther("100") });
    const { askedAt, answersEndAt } = await quality.query(query);
    const state = await readState(askedAt);
    const choices = Array.from({ length: 40 }, (_, i) => ({
      seed: id(`later ${i}`),
      query,
      askedAt,
      responders: 3,
      assessors: 5,
      maxPrice: parseEther("9"),
    }));
    const before = choices.map((choice) => twinDraw(choice, state));

    await settle(running);
    await tick();
    await registry.connect(responders[1]!).setPrice(model, parseEther("1000"));
    await tick();
    await registry.connect(parties[4]!).quit(model, RESPONDER);
    await tick();
    await registry.connect(assessors[2]!).quit(model, ASSESSOR);
    await tick();
    await registry.connect(assessors[3]!).addStake(model, ASSESSOR, LEAST);
    await join(service, RESPONDER, late, 0n, 2n * LEAST);
    await join(service, ASSESSOR, late, 0n, 2n * LEAST);

    await passTo(answersEndAt - 2n);
    for (const [i, choice] of choices.entries()) {
      expect(await contractDraw(choice, state), `seed ${i}`).to.deep.equal(before[i]);
    }
    // And the same from what the registry says of that time now, of those who could be drawn then.
    const isThere = ({ from, until }: PlacedNode) => from <= askedAt && (until === 0n || until > askedAt);
    const known = await readState(askedAt);
    for (const role of ["responders", "assessors"] as const) {
      const drawable = (places: PlacedNode[]) =>
        places.filter(isThere).map((place) => ({ ...place, until: 0n }));
      expect(drawable(known[role])).to.deep.equal(drawable(state[role]));
    }

    const { seed } = await randomness.read((await quality.query(query)).seedTicket);
    await tick();
    await quality.connect(stranger).select(query);
    const fee = parseEther("100");
    const share = (part: bigint) => (fee * part) / 1_000_000n;
    const { assessorShare, burnShare } = service.modelParams;
    const maxPrice = (fee - share(burnShare) - share(assessorShare)) / 3n;
    const twin = twinDraw({ ...choices[0]!, seed, maxPrice }, state);
    const drawn = await quality.selected(query);
    expect(drawn.map(({ node, price, trust }) => ({ node, price, trust }))).to.deep.equal(
      twin.isFilled ? twin.nodes : [],
    );
    await expectSolvent(service);
  });

  it("keeps places bounded by who stood there at once, however often nodes join and leave", async () => {
    const { registry, model } = service;
    const churner = await nodeParty(service, 300);
    await passTo((await now()) + ANSWER_SECONDS);
    const count = await registry.placeCount(model, ASSESSOR);
    for (let round = 0; round < 5; round++) {
      await join(service, ASSESSOR, churner, 0n);
      await tick();
      await registry.connect(churner).quit(model, ASSESSOR);
      await passTo((await now()) + ANSWER_SECONDS);
    }
    expect(await registry.placeCount(model, ASSESSOR)).to.equal(count);
  });

  it("takes a node by its trust and stake up to the cap, within five standard deviations", () => {
    const place = (node: string, trust: bigint, stake: bigint): PlacedNode => ({
      node,
      from: 0n,
      until: 0n,
      price: 0n,
      trust,
      stake,
    });
    // Taken by 1 of 1, 1 of 2, 1 of 4 and 1 of 1 draws that meet it.
    const places = [
      place("full", 1_000_000n, 200n),
      place("half trust", 500_000n, 200n),
      place("half of both", 500_000n, 100n),
      place("above the cap", 1_000_000n, 5_000n),
    ];
    const shares = [4 / 11, 2 / 11, 1 / 11, 4 / 11];
    const rounds = 4_000;
    const counts = new Map<string, number>();
    for (let query = 0; query < rounds; query++) {
      const { responders, isFilled } = selectNodes(
        {
          seed: id("seed"),
          model: 0n,
          query: BigInt(query),
          askedAt: 1n,
          maxPrice: 0n,
          nodeStake: 100n,
          stakeCap: 200n,
        },
        { places, wanted: 1 },
        { places: [], wanted: 0 },
      );
      expect(isFilled).to.equal(true);
      const [{ node }] = responders as [DrawnNode];
      counts.set(node, (counts.get(node) ?? 0) + 1);
    }
    for (const [i, { node }] of places.entries()) {
      const share = shares[i]!;
      const deviation = Math.sqrt((share * (1 - share)) / rounds);
      expect(Math.abs((counts.get(node) ?? 0) / rounds - share), node).to.be.below(5 * deviation);
    }
  });
});
