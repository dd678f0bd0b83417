// npm run vectors -- FILE: holds TypeScript and Solidity against cases of the byte formats and of the consensus of scores
// made elsewhere.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { BaseContract } from "ethers";
import { toHex } from "../clients/model/bytes.ts";
import { type DrawTag, draw } from "../clients/model/draws.ts";
import { GradworkError } from "../clients/model/errors.ts";
import {
  FULL_LEAF_BYTES,
  PARAMETERS_PER_LEAF,
  QUANT_LEAF_BYTES,
  treeDepth,
} from "../clients/model/geometry.ts";
import { keccak256, keccak256Bytes } from "../clients/model/keccak.ts";
import { merkleProof, treeOfLeafHashes, verifyMerkleProof } from "../clients/model/merkle.ts";
import { encodeLeaves, findInvalidEncoding } from "../clients/model/mxfp4.ts";
import { integer, list, matching, oneOf, rule, type Schema, withFields } from "../clients/model/schema.ts";
import { trimmedMean } from "../clients/model/trimmedMean.ts";
import { applyUpdate } from "../clients/model/update.ts";
import { weightedMedian } from "../clients/model/weightedMedian.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DEFAULT_FILES = ["test/fixtures/formats.json", "test/fixtures/consensus.json"];
const USAGE = `Usage: npm run vectors -- [FILE]

Checks FILE (default: ${DEFAULT_FILES.join(" and ")}) against the TypeScript and the
Solidity code and ends with a line "N passed, N failed"; a vector counts once for each language. The exit status is 1 if
any failed.`;
const SHOWN_CHARACTERS = 72;

type Uint = number | string;
type Quantization = { leaf: string; mxfp4: string };
type Transition = { oldLeaf: string; updateLeaf: string; newLeaf: string };
type Merkle = {
  leafLength: number;
  leafCount: number;
  leafHashes: string[];
  root: string;
  index: number;
  leaf: string;
  proof: string[];
};
type Draw = { seed: string; tag: DrawTag; task: Uint; round: Uint; proposal: Uint; j: Uint; value: Uint };
type Reject =
  | { what: "transition"; oldLeaf: string; updateLeaf: string }
  | { what: "update"; updateLeaf: string }
  | { what: "padding"; updateLeaf: string; parameterCount: number; index: number }
  | { what: "proof"; root: string; depth: number; leaf: string; index: number; proof: string[] };
/** Weighted values, and what the fixture's header says of them. */
type Consensus = {
  values: number[];
  weights: number[];
  share: number;
  median: number;
  medianDeviation: number;
  mean: number;
  meanDeviation: number;
};
/** A file has the sections of the byte formats, or that of the consensus. */
type Vectors = Partial<{
  quantization: Quantization[];
  transition: Transition[];
  merkle: Merkle[];
  draws: Draw[];
  reject: Reject[];
  consensus: Consensus[];
}>;

/** One thing that a vector says, and what the code says. */
type Claim = { what: string; expected: unknown; received: unknown };
type Claims = Claim[] | Promise<Claim[]>;
type Checks = {
  quantization(vector: Quantization): Claims;
  transition(vector: Transition): Claims;
  merkle(vector: Merkle): Claims;
  draws(vector: Draw): Claims;
  reject(vector: Reject): Claims;
  consensus(vector: Consensus): Claims;
};

const SECTIONS = ["quantization", "transition", "merkle", "draws", "reject", "consensus"] as const;

function hex(length?: number): Schema {
  const digits = length === undefined ? "([0-9a-fA-F]{2})*" : `[0-9a-fA-F]{${2 * length}}`;
  return matching(`hex of ${length ?? "whole"} bytes`, new RegExp(`^(0x)?${digits}$`));
}

const uint = rule(
  "an integer ≥ 0, or a string of one",
  (value) =>
    (Number.isSafeInteger(value) && Number(value) >= 0) || /^(0x[0-9a-fA-F]+|\d+)$/.test(String(value)),
);
const fullLeaf = hex(FULL_LEAF_BYTES);
const quantLeaf = hex(QUANT_LEAF_BYTES);
const hash = hex(32);

const rejectSchemas: Record<Reject["what"], Schema> = {
  transition: withFields({ oldLeaf: fullLeaf, updateLeaf: quantLeaf }),
  update: withFields({ updateLeaf: quantLeaf }),
  padding: withFields({ updateLeaf: quantLeaf, parameterCount: integer(1), index: integer(0) }),
  proof: withFields({ root: hash, depth: integer(0), leaf: hex(), index: integer(0), proof: list(hash) }),
};
const rejectKind = withFields({ what: oneOf(...Object.keys(rejectSchemas)) });

const formatsSchema = withFields({
  quantization: list(withFields({ leaf: fullLeaf, mxfp4: quantLeaf })),
  transition: list(withFields({ oldLeaf: fullLeaf, updateLeaf: quantLeaf, newLeaf: fullLeaf })),
  merkle: list(
    withFields({
      leafLength: integer(1),
      leafCount: integer(1),
      leafHashes: list(hash, 1),
      root: hash,
      index: integer(0),
      leaf: hex(),
      proof: list(hash),
    }),
  ),
  draws: list(
    withFields({
      seed: hash,
      tag: oneOf("LEAF", "EVAL", "COMMITTEE"),
      task: uint,
      round: uint,
      proposal: uint,
      j: uint,
      value: uint,
    }),
  ),
  reject: list(
    (value, path) => rejectKind(value, path) ?? rejectSchemas[(value as Reject).what](value, path),
  ),
});

const consensusSchema = withFields({
  consensus: list(
    withFields({
      values: list(integer(0), 1),
      weights: list(integer(1), 1),
      share: integer(0),
      median: integer(0),
      medianDeviation: integer(0),
      mean: integer(0),
      meanDeviation: integer(0),
    }),
  ),
});

const vectorsSchema: Schema = (value, path) =>
  (Object.hasOwn(Object(value), "consensus") ? consensusSchema : formatsSchema)(value, path);

function consensusClaims(
  { median, medianDeviation, mean, meanDeviation }: Consensus,
  received: readonly bigint[],
): Claim[] {
  const expected = { median, "deviation from the median": medianDeviation, "trimmed mean": mean };
  return Object.entries({ ...expected, "deviation from the mean": meanDeviation }).map(
    ([what, value], index) => ({ what, expected: value, received: received[index] }),
  );
}

const typescript: Checks = {
  quantization({ leaf, mxfp4 }) {
    return [
      { what: "encoding", expected: canonical(mxfp4), received: toHex(encodeLeaves(floats(leaf))) },
      {
        what: "invalid element",
        expected: undefined,
        received: findInvalidEncoding(bytes(mxfp4), PARAMETERS_PER_LEAF),
      },
    ];
  },

  transition({ oldLeaf, updateLeaf, newLeaf }) {
    const sum = applyUpdate(floats(oldLeaf), bytes(updateLeaf));
    return [{ what: "new leaf", expected: canonical(newLeaf), received: toHex(new Uint8Array(sum.buffer)) }];
  },

  merkle({ leafLength, leafCount, leafHashes, root, index, leaf, proof }) {
    const tree = treeOfLeafHashes(bytes(leafHashes.join("")), leafLength);
    const siblings = proof.map(canonical);
    const isProven = verifyMerkleProof(canonical(root), proof.length, bytes(leaf), index, siblings);
    return [
      { what: "leaf length", expected: leafLength, received: bytes(leaf).length },
      { what: "leaf count", expected: leafCount, received: tree.leafCount },
      { what: "depth", expected: proof.length, received: treeDepth(leafCount) },
      {
        what: "leaf hash",
        expected: leafHashAt(leafHashes, leafLength, index),
        received: keccak256Bytes(bytes(leaf)),
      },
      { what: "root", expected: canonical(root), received: tree.root },
      { what: "proof", expected: siblings.join(), received: merkleProof(tree, index).join() },
      { what: "proof holds", expected: true, received: isProven },
    ];
  },

  draws({ seed, tag, task, round, proposal, j, value }) {
    const drawn = draw(canonical(seed), tag, BigInt(task), BigInt(round), BigInt(proposal), BigInt(j));
    return [{ what: "value", expected: BigInt(value), received: drawn }];
  },

  reject(vector) {
    if (vector.what === "proof") {
      const { root, depth, leaf, index, proof } = vector;
      const received = verifyMerkleProof(canonical(root), depth, bytes(leaf), index, proof.map(canonical));
      return [{ what: "proof holds", expected: false, received }];
    }
    const update = bytes(vector.updateLeaf);
    if (vector.what === "transition") {
      const received = errorCodeOf(() => applyUpdate(floats(vector.oldLeaf), update));
      return [{ what: "error", expected: "UPDATE_SUM_NOT_FINITE", received }];
    }
    if (vector.what === "update") {
      const received = errorCodeOf(() => applyUpdate(new Float32Array(PARAMETERS_PER_LEAF), update));
      return [{ what: "error", expected: "UPDATE_INVALID_ENCODING", received }];
    }
    const reason = findInvalidEncoding(update, liveParameters(vector))?.reason;
    return [{ what: "reason", expected: "CODE_PAST_PARAMETER_COUNT", received: reason }];
  },

  consensus(vector) {
    const [values, weights] = [vector.values.map(BigInt), vector.weights.map(BigInt)];
    const deviation = (center: bigint) =>
      weightedMedian(
        values.map((value) => (value < center ? center - value : value - center)),
        weights,
      );
    const median = weightedMedian(values, weights);
    const mean = trimmedMean(values, weights, BigInt(vector.share));
    return consensusClaims(vector, [median, deviation(median), mean, deviation(mean)]);
  },
};

/** LeafVerdict of contracts/libraries/LeafCheck.sol. */
const VERDICTS = [
  "Valid",
  "NonFiniteOld",
  "InvalidEncoding",
  "NonZeroPadding",
  "NonFiniteSum",
  "WrongSum",
  "WrongQuantization",
];

function solidity(harness: BaseContract): Checks {
  const call = (name: string, ...args: unknown[]) => harness.getFunction(name).staticCall(...args);

  async function leafVerdict(...leavesAndCount: [...leaves: string[], live: number]): Promise<string> {
    const [verdict] = await call("leafVerdict", ...leavesAndCount);
    return VERDICTS[Number(verdict)] ?? `verdict ${verdict}`;
  }
  const zeroLeaf = `0x${"00".repeat(FULL_LEAF_BYTES)}`;
  const zeroQuantLeaf = `0x${"00".repeat(QUANT_LEAF_BYTES)}`;

  return {
    async quantization(vector) {
      const leaf = canonical(vector.leaf);
      const mxfp4 = canonical(vector.mxfp4);
      return [
        { what: "encoding", expected: mxfp4, received: await call("encode", leaf) },
        { what: "is the encoding", expected: true, received: await call("isEncodingOf", leaf, mxfp4) },
        { what: "is valid", expected: true, received: await call("isValidEncoding", mxfp4) },
      ];
    },

    async transition(vector) {
      const leaves = [vector.oldLeaf, vector.updateLeaf, vector.newLeaf].map(canonical);
      const [oldLeaf, updateLeaf, newLeaf] = leaves;
      const quantized = await call("encode", newLeaf);
      const [ok, sum] = await call("transition", oldLeaf, updateLeaf);
      return [
        { what: "sums are finite", expected: true, received: ok },
        { what: "new leaf", expected: newLeaf, received: sum },
        {
          what: "leaf check",
          expected: "Valid",
          received: await leafVerdict(...leaves, quantized, PARAMETERS_PER_LEAF),
        },
      ];
    },

    async merkle({ leafLength, leafCount, leafHashes, root, index, leaf, proof }) {
      const padding = keccak256Bytes(new Uint8Array(leafLength));
      const depth = await call("depthOf", leafCount);
      return [
        { what: "depth", expected: BigInt(proof.length), received: depth },
        {
          what: "root",
          expected: canonical(root),
          received: await call("merkleRoot", leafHashes.map(canonical), padding),
        },
        {
          what: "proof holds",
          expected: true,
          received: await call(
            "verifyProof",
            canonical(root),
            depth,
            canonical(leaf),
            index,
            proof.map(canonical),
          ),
        },
      ];
    },

    async draws({ seed, tag, task, round, proposal, j, value }) {
      const tagWord = `0x${Buffer.from(tag).toString("hex").padEnd(64, "0")}`;
      const received = await call(
        "draw",
        canonical(seed),
        tagWord,
        ...[task, round, proposal, j].map(BigInt),
      );
      return [{ what: "value", expected: BigInt(value), received }];
    },

    async reject(vector) {
      if (vector.what === "proof") {
        const { root, depth, leaf, index, proof } = vector;
        const args = [canonical(root), depth, canonical(leaf), index, proof.map(canonical)];
        return [{ what: "proof holds", expected: false, received: await call("verifyProof", ...args) }];
      }
      const update = canonical(vector.updateLeaf);
      const oldLeaf = vector.what === "transition" ? canonical(vector.oldLeaf) : zeroLeaf;
      const live = vector.what === "padding" ? liveParameters(vector) : PARAMETERS_PER_LEAF;
      const verdict = await leafVerdict(oldLeaf, update, zeroLeaf, zeroQuantLeaf, live);
      const isValid = await call("isValidEncoding", update);
      const [ok] = await call("transition", oldLeaf, update);
      if (vector.what === "padding") {
        return [
          { what: "is valid but for the padding", expected: true, received: isValid },
          { what: "leaf check", expected: "NonZeroPadding", received: verdict },
        ];
      }
      return [
        { what: "is a transition", expected: false, received: ok },
        { what: "is a valid update", expected: vector.what === "transition", received: isValid },
        {
          what: "leaf check",
          expected: vector.what === "transition" ? "NonFiniteSum" : "InvalidEncoding",
          received: verdict,
        },
      ];
    },

    async consensus(vector) {
      return consensusClaims(vector, await call("consensus", vector.values, vector.weights, vector.share));
    },
  };
}

function readVectors(file: string): Vectors {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new GradworkError("VECTORS_UNREADABLE", `Expected a readable file: ${(error as Error).message}`, {
      file,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new GradworkError("VECTORS_NOT_JSON", `Expected JSON in ${file}: ${(error as Error).message}`, {
      file,
    });
  }
  const problem = vectorsSchema(value, "");
  if (problem !== undefined) {
    const { path, expected, received } = problem;
    throw new GradworkError(
      "VECTORS_INVALID",
      `Expected ${expected} at ${path === "" ? "the top" : path} of ${file}, got ${shorten(JSON.stringify(received))}`,
      problem,
    );
  }
  const vectors = value as Vectors;
  if (SECTIONS.every((section) => (vectors[section] ?? []).length === 0)) {
    throw new GradworkError("VECTORS_EMPTY", `Expected at least one vector in ${file}, got none`, { file });
  }
  return vectors;
}

/** The library harness on an in-process chain, compiled if need be. */
async function deployHarness(): Promise<BaseContract> {
  // Hardhat looks for its configuration from the working directory upwards.
  process.chdir(ROOT);
  const { network, tasks } = await import("hardhat");
  await tasks.getTask("build").run({ noTests: true, quiet: true });
  const { ethers } = await network.create();
  return ethers.deployContract("LibraryHarness");
}

/** Checks one section in one language, prints its failures and gives their number. */
async function checkSection<Vector>(
  place: string,
  language: string,
  vectors: readonly Vector[],
  check: (vector: Vector) => Claims,
): Promise<number> {
  let failed = 0;
  for (const [index, vector] of vectors.entries()) {
    const wrong = await wrongClaims(vector, check);
    if (wrong.length > 0) failed++;
    for (const { what, expected, received } of wrong) {
      const [shownExpected, shownReceived] = showDifference(String(expected), String(received));
      console.log(`${place}[${index}] ${language}, ${what}: expected ${shownExpected}, got ${shownReceived}`);
    }
  }
  return failed;
}

async function wrongClaims<Vector>(vector: Vector, check: (vector: Vector) => Claims): Promise<Claim[]> {
  try {
    return (await check(vector)).filter(({ expected, received }) => String(expected) !== String(received));
  } catch (error) {
    return [{ what: "check", expected: "no error", received: (error as Error).message }];
  }
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  });
  if (values.help) return console.log(USAGE);
  if (positionals.length > 1) {
    throw new GradworkError("USAGE", `Expected one file, got ${positionals.join(", ")}\n\n${USAGE}`);
  }
  const defaults = DEFAULT_FILES.map((file) => resolve(ROOT, file));
  const files = positionals.length === 0 ? defaults : positionals.map((file) => resolve(file));
  const vectors: Vectors = Object.assign({}, ...files.map(readVectors));
  const languages = { TypeScript: typescript, Solidity: solidity(await deployHarness()) };

  const rows = [["", ...Object.keys(languages)]];
  let passed = 0;
  let failed = 0;
  for (const section of SECTIONS) {
    const given = vectors[section];
    if (given === undefined) continue;
    const count = given.length;
    const row: string[] = [section];
    for (const [language, checks] of Object.entries(languages)) {
      // TypeScript can't see that a section's vectors and its check belong together.
      const check = checks[section] as (vector: unknown) => Claims;
      const failures = await checkSection(section, language, given, check);
      row.push(`${count - failures} of ${count}`);
      passed += count - failures;
      failed += failures;
    }
    rows.push(row);
  }
  for (const row of rows)
    console.log(
      row
        .map((cell) => cell.padEnd(14))
        .join("")
        .trimEnd(),
    );
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

function canonical(hexDigits: string): string {
  return `0x${hexDigits.replace(/^0x/, "").toLowerCase()}`;
}

function bytes(hexDigits: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(hexDigits.replaceAll("0x", ""), "hex"));
}

function floats(hexDigits: string): Float32Array {
  return new Float32Array(bytes(hexDigits).buffer);
}

function leafHashAt(leafHashes: readonly string[], leafLength: number, index: number): string {
  return index < leafHashes.length
    ? canonical(leafHashes[index]!)
    : toHex(keccak256(new Uint8Array(leafLength)));
}

function liveParameters({ parameterCount, index }: { parameterCount: number; index: number }): number {
  return Math.min(PARAMETERS_PER_LEAF, Math.max(0, parameterCount - index * PARAMETERS_PER_LEAF));
}

function errorCodeOf(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    if (error instanceof GradworkError) return error.code;
    throw error;
  }
  return undefined;
}

function shorten(text: string | undefined): string {
  if (text === undefined) return "nothing";
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}…`;
}

/** Both texts around their first difference. */
function showDifference(a: string, b: string): [string, string] {
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  const start = Math.max(a.length, b.length) <= SHOWN_CHARACTERS ? 0 : Math.max(0, same - 8);
  const prefix = start === 0 ? "" : `…@${start} `;
  return [prefix + shorten(a.slice(start)), prefix + shorten(b.slice(start))];
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
