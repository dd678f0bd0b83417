import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { bls12_381 } from "@noble/curves/bls12-381";
import { QUICKNET_CHAIN_HASH } from "../../../clients/chain/drand.ts";

/** What drand's endpoints give for quicknet: the chain's description and rounds, all bytes in hex without prefix. */
export const quicknet: {
  chain: {
    hash: string;
    schemeId: string;
    beaconId: string;
    publicKey: string;
    groupHash: string;
    genesisTime: number;
    periodSeconds: number;
  };
  rounds: { round: number; randomness: string; signature: string }[];
} = JSON.parse(readFileSync(new URL("../../fixtures/drandQuicknet.json", import.meta.url), "utf8"));

const { G1, G2, fields } = bls12_381;

export const DST = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
export const PRIME = fields.Fp.ORDER;

export type G1Point = typeof G1.ProjectivePoint.BASE;
export type G2Point = typeof G2.ProjectivePoint.BASE;

export function sha256(...parts: (string | Uint8Array)[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** SHA-256 of the round as 8 bytes, big-endian. */
export function messageOf(round: number | bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(round));
  return sha256(bytes);
}

export function hashToG1(message: Uint8Array): G1Point {
  return G1.ProjectivePoint.fromAffine(G1.hashToCurve(message, { DST }).toAffine());
}

/** Field elements as EIP-2537 encodes them, one after another; also of numbers that are none. */
export function encodeFields(...elements: bigint[]): string {
  return `0x${elements.map((each) => each.toString(16).padStart(128, "0")).join("")}`;
}

/** A point of G1 as EIP-2537 encodes it. */
export function encodeG1(point: G1Point): string {
  const { x, y } = point.toAffine();
  return encodeFields(x, y);
}

/** A point of G2 as EIP-2537 encodes it. */
export function encodeG2(point: G2Point): string {
  const { x, y } = point.toAffine();
  return encodeFields(x.c0, x.c1, y.c0, y.c1);
}

/** A published signature as a point. */
export function pointOf(signature: string): G1Point {
  return G1.ProjectivePoint.fromHex(signature);
}

/** When drand publishes a round, in seconds. */
export function publishedAt(round: number): number {
  const { genesisTime, periodSeconds } = quicknet.chain;
  return genesisTime + (round - 1) * periodSeconds;
}

/** A server where drand's are, and what it was asked for. */
export type Beacon = { url: string; asked: string[]; server: Server };

export async function startBeacon(signatureOf: (round: number) => string | undefined): Promise<Beacon> {
  const asked: string[] = [];
  const respond: RequestListener = ({ url }, response) => {
    asked.push(url!);
    const round = Number(new RegExp(`^/${QUICKNET_CHAIN_HASH}/public/(\\d+)$`).exec(url!)?.[1]);
    const signature = signatureOf(round);
    response.statusCode = signature === undefined ? 404 : 200;
    response.end(JSON.stringify({ round, signature }));
  };
  const server = createServer(respond).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, server };
}
