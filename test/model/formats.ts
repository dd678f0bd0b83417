import { readFileSync } from "node:fs";

type Formats = {
  quantization: { leaf: string; mxfp4: string }[];
  transition: { oldLeaf: string; updateLeaf: string; newLeaf: string }[];
  merkle: {
    leafLength: number;
    leafCount: number;
    leafHashes: string[];
    root: string;
    index: number;
    leaf: string;
    proof: string[];
  }[];
  draws: {
    seed: string;
    tag: string;
    task: number;
    round: number;
    proposal: number;
    j: string;
    value: string;
  }[];
  reject: { what: string; reason: string; oldLeaf?: string; updateLeaf?: string; parameterCount?: number }[];
};

/** Cases made by another implementation of the protocol's byte formats. */
export const formats: Formats = JSON.parse(
  readFileSync(new URL("../fixtures/formats.json", import.meta.url), "utf8"),
);

type Consensus = Record<"share" | "median" | "medianDeviation" | "mean" | "meanDeviation", number> &
  Record<"values" | "weights", number[]>;

/** Medians, trimmed means and deviations, made with exact fractions. */
export const consensusVectors: { consensus: Consensus[] } = JSON.parse(
  readFileSync(new URL("../fixtures/consensus.json", import.meta.url), "utf8"),
);

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

export function floatsOf(hex: string): Float32Array {
  return new Float32Array(bytesOf(hex).buffer);
}
