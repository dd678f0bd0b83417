import { randomBytes } from "node:crypto";
import { AbiCoder, hexlify, keccak256 } from "ethers";
import type { Gradwork } from "../chain/connection.ts";
import { VERDICTS, type Verdict } from "../chain/phase.ts";

/** What a miner's sealed proposal says. */
export type ProposalStatement = {
  fullRoot: string;
  quantRoot: string;
  updateRoot: string;
  location: string;
  salt: string;
};

/**
 * What a verifier's attestation says. Losses in micro-nats, as decimal strings; zero unless positive.
 * @property reason a code of `NEGATIVE_REASONS`, 0 unless negative
 */
export type AttestationStatement = {
  verdict: Verdict;
  reason: number;
  lossBefore: string;
  lossAfter: string;
  salt: string;
};

/** Why a verdict is negative, by code; index 0 is no reason. */
export const NEGATIVE_REASONS = [
  "none",
  "update has an invalid encoding",
  "sum is not finite",
  "full root differs",
  "quantized root differs",
] as const;

export function newSalt(): string {
  return hexlify(randomBytes(32));
}

/** Who makes a statement about which round. */
type Duty = { gradwork: Gradwork; taskId: bigint; round: bigint };

/** What a client's state keeps a statement under, but for its kind. */
export function dutyContext({ gradwork, taskId, round }: Duty) {
  const { chainId, deployment, wallet } = gradwork;
  return {
    chainId,
    market: deployment.contracts.TrainingMarket,
    task: taskId,
    round,
    account: wallet.address,
  };
}

const CONTEXT = ["uint256", "address", "uint256", "uint256", "address"];

function commit(duty: Duty, types: string[], values: unknown[]): string {
  const { chainId, market, task, round, account } = dutyContext(duty);
  const context = [chainId, market, task, round, account];
  return keccak256(AbiCoder.defaultAbiCoder().encode([...CONTEXT, ...types], [...context, ...values]));
}

/** The commitment that `TrainingMarket.openProposal` checks. */
export function proposalCommitment(duty: Duty, statement: ProposalStatement): string {
  const { fullRoot, quantRoot, updateRoot, location, salt } = statement;
  return commit(
    duty,
    ["bytes32", "bytes32", "bytes32", "string", "bytes32"],
    [fullRoot, quantRoot, updateRoot, location, salt],
  );
}

/** The commitment that `TrainingMarket.revealAttestation` checks. */
export function attestationCommitment(duty: Duty, statement: AttestationStatement): string {
  return commit(duty, ["uint8", "uint8", "uint64", "uint64", "bytes32"], attestationArguments(statement));
}

/** The arguments of `revealAttestation` after the task. */
export function attestationArguments(
  statement: AttestationStatement,
): [number, number, string, string, string] {
  const { verdict, reason, lossBefore, lossAfter, salt } = statement;
  return [VERDICTS.indexOf(verdict), reason, lossBefore, lossAfter, salt];
}
