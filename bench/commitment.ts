// node bench/commitment.ts: leaf hashing and tree over 16 MiB of leaves, ours beside merkletreejs + keccak256.
import keccak256 from "keccak256";
import { MerkleTree } from "merkletreejs";
import { commitModel } from "../clients/model/commitment.ts";
import { FULL_LEAF_BYTES, QUANT_LEAF_BYTES } from "../clients/model/geometry.ts";
import { buildTree } from "../clients/model/merkle.ts";
import { medianSeconds } from "./measure.ts";

const LEAVES = 2 ** 14;

function peerRoot(leaves: Uint8Array, leafLength: number): string {
  const hashes = Array.from({ length: LEAVES }, (_, place) =>
    keccak256(Buffer.from(leaves.buffer, leaves.byteOffset + place * leafLength, leafLength)),
  );
  return new MerkleTree(hashes, keccak256, { hashLeaves: false, sortPairs: false }).getHexRoot();
}

const parameters = Float32Array.from({ length: LEAVES * 256 }, () => (Math.random() - 0.5) / 10);
const { quantLeaves } = commitModel(parameters);

for (const [name, leaves, leafLength] of [
  ["θ, leaves of 1024 bytes", new Uint8Array(parameters.buffer), FULL_LEAF_BYTES],
  ["Q(θ), leaves of 136 bytes", quantLeaves, QUANT_LEAF_BYTES],
] as const) {
  if (buildTree(leaves, leafLength).root !== peerRoot(leaves, leafLength))
    throw new Error("The roots differ");
  const megabytes = leaves.length / 1e6;
  const ours = megabytes / medianSeconds(() => buildTree(leaves, leafLength));
  const peer = megabytes / medianSeconds(() => peerRoot(leaves, leafLength));
  console.log(
    `${name}: ${ours.toFixed(0)} MB/s; merkletreejs + keccak256 ${peer.toFixed(0)} MB/s; ratio ${(ours / peer).toFixed(1)}`,
  );
}

const commitsPerSecond = 1 / medianSeconds(() => commitModel(parameters));
const millionParametersPerSecond = (commitsPerSecond * parameters.length) / 1e6;
console.log(
  `whole commitment (θ, Q(θ), both trees): ${millionParametersPerSecond.toFixed(0)} M parameters/s`,
);
