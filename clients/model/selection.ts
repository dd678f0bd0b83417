import { type DrawTag, draw } from "./draws.ts";

const ONE = 1_000_000n;
const DRAWS_PER_NODE = 32;

/** A place of a registry, and its node as it was when a query was asked; times in seconds, amounts in wei. */
export type PlacedNode = {
  readonly node: string;
  /** from when it could be drawn */
  readonly from: bigint;
  /** from when it could not; 0 while it can */
  readonly until: bigint;
  /** of an answer, as asked for when the query was asked; 0 of an assessor */
  readonly price: bigint;
  /** in millionths */
  readonly trust: bigint;
  readonly stake: bigint;
};

/** Of one role: all places that there were, in order, and how many nodes are wanted. */
export type Candidates = { readonly places: readonly PlacedNode[]; readonly wanted: number };

/** What a query's draws read; amounts in wei. */
export type Draws = {
  /** 32 bytes, 0x-prefixed hex */
  readonly seed: string;
  readonly model: bigint;
  readonly query: bigint;
  /** in seconds */
  readonly askedAt: bigint;
  /** which responder asks for more is passed over */
  readonly maxPrice: bigint;
  /** least stake of a node */
  readonly nodeStake: bigint;
  /** beyond which stake does not count */
  readonly stakeCap: bigint;
};

export type DrawnNode = Pick<PlacedNode, "node" | "price" | "trust">;

/**
 * Whom a query's seed draws (protocol §3, Select), the twin of `NodeRegistry.draw`. The j-th draw of a role picks the
 * place (draw mod 2^128) mod (number of places), and takes its node if the draw's high 128 bits are below
 * 2^128 · trust · min(stake, cap) / cap, and if the node was there, had the least stake, asked for no more than
 * `maxPrice` and was not drawn before. At most 32 draws for each node wanted; assessors only after all responders.
 * @returns as many of both as were found
 * @throws {GradworkError} `INVALID_HEX` for the seed, `UINT256_OUT_OF_RANGE`
 */
export function selectNodes(
  draws: Draws,
  responders: Candidates,
  assessors: Candidates,
): { responders: DrawnNode[]; assessors: DrawnNode[]; isFilled: boolean } {
  const drawnResponders = drawRole(draws, "RESPONDER", responders, []);
  if (drawnResponders.length < responders.wanted) {
    return { responders: drawnResponders, assessors: [], isFilled: false };
  }
  const drawnAssessors = drawRole(draws, "ASSESSOR", assessors, drawnResponders);
  const isFilled = drawnAssessors.length === assessors.wanted;
  return { responders: drawnResponders, assessors: drawnAssessors, isFilled };
}

/** @param others drawn before, for the other role */
function drawRole(
  draws: Draws,
  tag: DrawTag,
  { places, wanted }: Candidates,
  others: readonly DrawnNode[],
): DrawnNode[] {
  const { seed, model, query } = draws;
  const found: DrawnNode[] = [];
  for (let j = 0; j < DRAWS_PER_NODE * wanted && found.length < wanted; j++) {
    const random = draw(seed, tag, model, query, 0n, BigInt(j));
    const placed = places[Number(BigInt.asUintN(128, random) % BigInt(places.length))]!;
    const isDrawn = [...others, ...found].some(({ node }) => node === placed.node);
    if (isDrawn || !isTaken(placed, random >> 128n, draws)) continue;
    found.push({ node: placed.node, price: placed.price, trust: placed.trust });
  }
  return found;
}

/** @param random uniform over 128 bits */
function isTaken({ from, until, price, trust, stake }: PlacedNode, random: bigint, draws: Draws): boolean {
  const { askedAt, maxPrice, nodeStake, stakeCap } = draws;
  if (from > askedAt || (until !== 0n && until <= askedAt)) return false;
  if (price > maxPrice || stake < nodeStake) return false;
  const counted = stake < stakeCap ? stake : stakeCap;
  return random < (((counted << 128n) / stakeCap) * trust) / ONE;
}
