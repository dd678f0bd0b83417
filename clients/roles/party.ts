import { join } from "node:path";
import type { TransactionReceipt } from "ethers";
import type { Gradwork } from "../chain/connection.ts";
import { QUICKNET_URLS } from "../chain/drand.ts";
import { queryEvents } from "../chain/events.ts";
import { send } from "../chain/transactions.ts";
import { type EndpointOptions, fetchBlob } from "../storage/blobFetch.ts";
import type { BlobReference } from "../storage/blobReference.ts";
import { type BlobServer, serveBlobs } from "../storage/blobServer.ts";
import { type BlobStore, openBlobStore } from "../storage/blobStore.ts";
import { openState, type StateStore } from "../storage/stateStore.ts";
import type { Observer } from "./observer.ts";

const IDLE_TIMEOUT_MS = 10_000;
const LEAST_TIMEOUT_MS = 30_000;
const LEAST_BYTES_A_MS = 100;

/**
 * Who acts on a chain.
 * @property drandUrls endpoints that are asked for drand's signatures, in this order
 */
export type Actor = {
  gradwork: Gradwork;
  address: string;
  drandUrls: readonly string[];
  observe: Observer;
  signal: AbortSignal;
};

/**
 * One participant: an account on a chain, a folder with its state and blobs, and an endpoint that serves them.
 * @property endpoint the URL that it announces
 */
export type Party = Actor & {
  state: StateStore;
  store: BlobStore;
  server: BlobServer;
  endpoint: string;
  peers: Peers;
};

/** Endpoints by account, up to the block before `nextBlock`. */
type Peers = { byAccount: Map<string, string>; nextBlock: number };

export type PartyOptions = {
  /** holds state.sqlite, and blobs/ unless `blobs` names another folder */
  directory: string;
  blobs?: string;
  host: string;
  /** 0 takes a free one */
  port: number;
  /** what others reach the server by, where it isn't `http://host:port` */
  publicUrl?: string;
  /** by default public ones */
  drandUrls?: readonly string[];
  observe: Observer;
  signal: AbortSignal;
};

/**
 * Opens a party's folder and serves its blobs.
 * @throws {GradworkError} as `openState`, `openBlobStore` and `serveBlobs` do
 */
export async function openParty(gradwork: Gradwork, options: PartyOptions): Promise<Party> {
  const { directory, host, port, observe, signal } = options;
  const state = openState(join(directory, "state.sqlite"));
  try {
    const store = await openBlobStore(options.blobs ?? join(directory, "blobs"));
    const server = await serveBlobs({ store, host, port, signal });
    const endpoint = options.publicUrl ?? server.url;
    observe({ kind: "serving", endpoint });
    return {
      gradwork,
      address: gradwork.wallet.address,
      drandUrls: options.drandUrls ?? QUICKNET_URLS,
      state,
      store,
      server,
      endpoint,
      peers: { byAccount: new Map(), nextBlock: gradwork.deployment.block },
      observe,
      signal,
    };
  } catch (error) {
    state.close();
    throw error;
  }
}

export async function closeParty(party: Party): Promise<void> {
  await party.server.close();
  party.state.close();
}

/** What a transaction is about: a round, 0 before the first, or a query. */
export type Subject = bigint | { readonly query: bigint };

/** Sends a transaction of the actor's, and says so. */
export async function act<Args extends unknown[]>(
  actor: Actor,
  subject: Subject,
  method: { name: string },
  args: Args,
): Promise<TransactionReceipt> {
  const receipt = await send(actor.gradwork, method, args, actor.signal);
  actor.observe({
    kind: "sent",
    ...(typeof subject === "bigint" ? { round: subject } : subject),
    action: method.name,
    hash: receipt.hash,
    gasUsed: receipt.gasUsed,
  });
  return receipt;
}

/** Says on chain where the party serves blobs, unless that is what it said last. */
export async function announce(party: Party): Promise<void> {
  await readPeers(party);
  if (party.peers.byAccount.get(party.address) === party.endpoint) return;
  await act(party, 0n, party.gradwork.market.announce, [party.endpoint]);
}

/**
 * A blob from the party's store, else from one of the endpoints `first`, else from any that was announced; served on
 * from then.
 * @param patience ends the search
 */
export async function obtain(
  party: Party,
  reference: BlobReference,
  first: string[],
  patience?: AbortSignal,
): Promise<Uint8Array> {
  const bytes = "byteLength" in reference ? reference.byteLength : reference.maxBytes;
  const options = await endpointOptions(party, first, bytes, patience);
  return fetchBlob(reference, { ...options, store: party.store });
}

/**
 * Everybody's endpoints, those of `first` before others, and how long to wait for so many bytes from each.
 * @param patience ends the search
 */
export async function endpointOptions(
  party: Party,
  first: string[],
  bytes: number,
  patience?: AbortSignal,
): Promise<EndpointOptions> {
  await readPeers(party);
  const others = [...party.peers.byAccount].filter(([account]) => account !== party.address);
  return {
    preferred: first,
    endpoints: others.map(([, endpoint]) => endpoint),
    timeoutMs: LEAST_TIMEOUT_MS + Math.ceil(bytes / LEAST_BYTES_A_MS),
    idleTimeoutMs: IDLE_TIMEOUT_MS,
    signal: patience === undefined ? party.signal : AbortSignal.any([party.signal, patience]),
    onBytes: (count) => party.observe({ kind: "fetched", bytes: count }),
  };
}

async function readPeers(party: Party): Promise<void> {
  const { gradwork, peers, signal } = party;
  const newest = await gradwork.provider.getBlockNumber();
  const events = await queryEvents(gradwork.market, "EndpointAnnounced", [], peers.nextBlock, newest, signal);
  for (const { args } of events) peers.byAccount.set(args.account, args.endpoint);
  // Read again: a block near the tip can be replaced.
  peers.nextBlock = Math.max(peers.nextBlock, newest + 1 - gradwork.depth);
}
