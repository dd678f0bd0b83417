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
 * What a verifier says of one proposal.
 * @property reason a code of `NEGATIVE_REASONS`, 0 unless negative
 * @property lossAfter micro-nats, as a decimal string; zero unless positive
 */
export type VoteStatement = { verdict: Verdict; reason: number; lossAfter: string };

/**
 * What a verifier's attestation says: a vote on each proposal of a round, in their order.
 * @property lossBefore micro-nats, as a decimal string; zero without a positive vote
 */
export type AttestationStatement = { lossBefore: string; votes: VoteStatement[]; salt: string };

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

/** The commitment that `Committee.revealAttestation` checks. */
export function attestationCommitment(duty: Duty, statement: AttestationStatement): string {
  const votes = "tuple(uint8 verdict, uint8 reason, uint64 lossAfter)[]";
  return commit(duty, ["uint64", votes, "bytes32"], attestationArguments(statement));
}

/** The arguments of `revealAttestation` after the task. */
export function attestationArguments(
  statement: AttestationStatement,
): [string, { verdict: number; reason: number; lossAfter: string }[], string] {
  const { lossBefore, votes, salt } = statement;
  const encoded = votes.map(({ verdict, reason, lossAfter }) => ({
    verdict: VERDICTS.indexOf(verdict),
    reason,
    lossAfter,
  }));
  return [lossBefore, encoded, salt];
}
