import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import type { EIP1193Provider } from "@nomicfoundation/ignition-core";
import { expect } from "chai";
import {
  AbiCoder,
  type BaseContract,
  type ContractTransactionResponse,
  id,
  keccak256,
  parseEther,
  type Signer,
  ZeroHash,
} from "ethers";
import { network } from "hardhat";
import type { Deployment } from "../../../clients/chain/deployment.ts";
import {
  deadlines,
  named,
  OUTCOMES,
  type Outcome,
  PHASES,
  type Phase,
  STATUSES,
  VERDICTS,
  type Verdict,
} from "../../../clients/chain/phase.ts";
import { drawIndices } from "../../../clients/model/draws.ts";
import { deployGradwork } from "../../../deploy/deployGradwork.ts";
import type { Committee, ICommittee } from "../../../types/Committee.ts";
import type { Disputes } from "../../../types/Disputes.ts";
import type { LeafChecker } from "../../../types/LeafChecker.ts";
import type { NodeRegistry } from "../../../types/NodeRegistry.ts";
import type { QualityMarket } from "../../../types/QualityMarket.ts";
import type { BlockHashRandomness } from "../../../types/randomness/BlockHashRandomness.ts";
import type { StakeVault } from "../../../types/StakeVault.ts";
import type { TestToken } from "../../../types/TestToken.ts";
import type { ITrainingMarket, TrainingMarket } from "../../../types/TrainingMarket.ts";
import { commitTransition, followVectors, makeVectors, type Opening, type Transition } from "./transition.ts";

/** One in-process chain for all contract tests; each starts from a snapshot of it. */
export const connection = await network.create({
  override: { initialDate: "2030-01-01T00:00:00Z" },
});
export const { ethers, networkHelpers } = connection;

/** Fixtures that were loaded, in order, and the chain after each: going back to one undoes those after it. */
const loaded: { fixture: unknown; value: unknown; restore: () => Promise<void> }[] = [];

// Hardhat's own goes on to believe in snapshots that are gone where a fixture loads another.
networkHelpers.loadFixture = async <T>(fixture: (chain: typeof connection) => Promise<T>): Promise<T> => {
  const index = loaded.findIndex((each) => each.fixture === fixture);
  if (index !== -1) {
    await loaded[index]!.restore();
    loaded.length = index + 1;
    return loaded[index]!.value as T;
  }
  const value = await fixture(connection);
  const { restore } = await networkHelpers.takeSnapshot();
  loaded.push({ fixture, value, restore });
  return value;
};

export const BURN_ADDRESS = "0x000000000000000000000000000000000000dEaD";

/** Spares the estimate, so that a call that reverts is mined all the same. */
export const MINED = { gasLimit: 16_000_000n };

/** The deployed contracts and parties with tokens, approvals and, but for the stranger, stake. */
export type Scenario = {
  deployment: Deployment;
  token: TestToken;
  vault: StakeVault;
  randomness: BlockHashRandomness;
  leafChecker: LeafChecker;
  market: TrainingMarket;
  committee: Committee;
  disputes: Disputes;
  quality: QualityMarket;
  registry: NodeRegistry;
  deployer: HardhatEthersSigner;
  owner: HardhatEthersSigner;
  miner: HardhatEthersSigner;
  rival: HardhatEthersSigner;
  verifiers: [HardhatEthersSigner, HardhatEthersSigner, HardhatEthersSigner];
  stranger: HardhatEthersSigner;
};

export type TaskParams = { [Key in keyof ITrainingMarket.TaskParamsStruct]: bigint };

/** A registered and funded task, and the work that its next round proposes. */
export type Task = Scenario & { taskId: bigint; params: TaskParams; transition: Transition };

/** What a verifier says of one proposal. */
export type Vote = { verdict: Verdict; reason: number; lossAfter: bigint };

/** What a verifier commits to, a vote for each proposal; a silent one does not reveal it. */
export type Ballot = { lossBefore: bigint; votes: Vote[]; silent?: true };

/** Odd amounts, so that every rounding shows. */
export const PARAMS: TaskParams = {
  minerReward: parseEther("100") + 7n,
  verifierReward: parseEther("30") + 5n,
  proposalFee: parseEther("3") + 2n,
  minerBond: parseEther("1000") + 33n,
  missedRevealPenalty: parseEther("50") + 3n,
  deviationPenalty: parseEther("10") + 1n,
  demandDeposit: parseEther("2") + 1n,
  answerRefund: parseEther("1"),
  verifierStake: parseEther("200"),
  openingSeconds: 3_100n,
  leafCheckSeconds: 3_200n,
  commitSeconds: 3_300n,
  revealSeconds: 3_400n,
  leafChecks: 4n,
  maxProposals: 4n,
  committeeSize: 8n,
  disputeSeconds: 3_500n,
  answerSeconds: 1_800n,
  answerSlotSeconds: 60n,
  proposalSeconds: 3_000n,
  closeDelaySeconds: 4_000n,
  quorumBps: 5_000n,
  rejectionBps: 777n,
  minImprovementMicroNats: 5_000n,
  toleranceMicroNats: 2_000n,
};

/** The verifiers' stakes. */
export const STAKES = [parseEther("200"), parseEther("300") + 1n, parseEther("450") + 2n] as const;

export const DEPOSIT = parseEther("10000");
export const ESCROW = parseEther("1000");
export const LOCATION = "http://127.0.0.1:8080/";
export const SALT = id("salt");

/** 700 parameters in 3 leaves, so that the tree's fourth place and the last leaf's end are padding. */
export const SMALL_VECTORS = makeVectors(700, 1);
export const SMALL = commitTransition(SMALL_VECTORS);

/** A step from given parameters of as many, another for each number. */
export function stepFrom(parameters: Float32Array, number: number): Transition {
  const step = new Float32Array(parameters.length).fill(number * 1e-3);
  return commitTransition(followVectors(parameters, step));
}

/* SETTING UP */

/** The chain for Ignition, with a second between transactions, so that all that follows is the same in every run. */
const tickingProvider: EIP1193Provider = {
  async request(request) {
    if (request.method === "eth_sendTransaction") await tick();
    return connection.provider.request(request);
  },
};

export async function deployScenario(): Promise<Scenario> {
  return openScenario(await deployGradwork(tickingProvider, { confirmations: 1, pollMs: 1 }));
}

/** {@link openScenario} with another token or source of seeds than those that are deployed. */
export async function openScenarioWith(token: BaseContract, randomness: BaseContract): Promise<Scenario> {
  const vault = await ethers.deployContract("StakeVault", [token, 7 * 86_400]);
  const leafChecker = await ethers.deployContract("LeafChecker");
  const taskRules = await ethers.deployContract("TaskRules");
  const market = await ethers.deployContract("TrainingMarket", [vault, randomness, leafChecker, taskRules]);
  const quality = await ethers.deployContract("QualityMarket", [vault, randomness]);
  const [Committee, Disputes] = [await market.COMMITTEE(), await market.DISPUTES()];
  const NodeRegistry = await quality.REGISTRY();
  await vault.fixProtocols([market, Committee, Disputes, NodeRegistry]);
  const contracts = {
    TestToken: await token.getAddress(),
    StakeVault: await vault.getAddress(),
    Randomness: await randomness.getAddress(),
    LeafChecker: await leafChecker.getAddress(),
    TaskRules: await taskRules.getAddress(),
    TrainingMarket: await market.getAddress(),
    Committee,
    Disputes,
    QualityMarket: await quality.getAddress(),
    NodeRegistry,
  };
  return openScenario({ chainId: 31_337, block: 0, randomness: "block-hash", contracts });
}

/** Binds the contracts of a deployment and funds the parties. */
export async function openScenario(deployment: Deployment): Promise<Scenario> {
  const { contracts } = deployment;
  const signers = await ethers.getSigners();
  const verifiers: Scenario["verifiers"] = [signers[4]!, signers[5]!, signers[6]!];
  const scenario: Scenario = {
    deployment,
    token: await ethers.getContractAt("TestToken", contracts.TestToken),
    vault: await ethers.getContractAt("StakeVault", contracts.StakeVault),
    randomness: await ethers.getContractAt("BlockHashRandomness", contracts.Randomness),
    leafChecker: await ethers.getContractAt("LeafChecker", contracts.LeafChecker),
    market: await ethers.getContractAt("TrainingMarket", contracts.TrainingMarket),
    committee: await ethers.getContractAt("Committee", contracts.Committee),
    disputes: await ethers.getContractAt("Disputes", contracts.Disputes),
    quality: await ethers.getContractAt("QualityMarket", contracts.QualityMarket),
    registry: await ethers.getContractAt("NodeRegistry", contracts.NodeRegistry),
    deployer: signers[0]!,
    owner: signers[1]!,
    miner: signers[2]!,
    rival: signers[3]!,
    verifiers,
    stranger: signers[7]!,
  };
  const { owner, miner, rival } = scenario;
  for (const party of [owner, miner, rival, ...verifiers]) await fundParty(scenario, party);
  return scenario;
}

/** Gives an account tokens, an approval of the vault, and free stake. */
export async function fundParty({ token, vault }: Scenario, party: Signer) {
  await tick();
  await token.connect(party).faucet(await token.FAUCET_CAP());
  await tick();
  await token.connect(party).approve(vault, 2n ** 256n - 1n);
  await tick();
  await vault.connect(party).deposit(DEPOSIT);
}

/** A party with a chosen address, funded as {@link fundParty} does. */
export async function partyAt(scenario: Scenario, address: bigint): Promise<HardhatEthersSigner> {
  const party = await ethers.getImpersonatedSigner(ethers.toBeHex(address, 20));
  await networkHelpers.setBalance(party.address, parseEther("1"));
  await fundParty(scenario, party);
  return party;
}

/** More parties, in each call the same ones. */
export async function fundParties(scenario: Scenario, count: number): Promise<HardhatEthersSigner[]> {
  const parties: HardhatEthersSigner[] = [];
  for (let i = 1; i <= count; i++) parties.push(await partyAt(scenario, (0xffn << 152n) + BigInt(i)));
  return parties;
}

/** Registers and funds a task that starts from the transition's old parameters. */
export async function registerTask(
  scenario: Scenario,
  overrides: Partial<TaskParams> = {},
  transition: Transition = SMALL,
): Promise<Task> {
  const { market, owner } = scenario;
  const params = { ...PARAMS, ...overrides };
  const taskId = await market.taskCount();
  await tick();
  await market.connect(owner).registerTask(params, transition.head, id("manifest"), LOCATION);
  await tick();
  await market.connect(owner).fundTask(taskId, ESCROW);
  return { ...scenario, taskId, params, transition };
}

// On a chain without history, so that block hashes, and with them draws and gas, are the same in every run.
await networkHelpers.loadFixture(deployScenario);

/** A funded task with three enrolled verifiers. */
export async function createTask(): Promise<Task> {
  const task = await registerTask(await networkHelpers.loadFixture(deployScenario));
  await enrolVerifiers(task);
  return task;
}

export async function enrolVerifiers({ committee, taskId, verifiers }: Task): Promise<void> {
  for (const [i, verifier] of verifiers.entries()) {
    await tick();
    await committee.connect(verifier).enrol(taskId, STAKES[i]!);
  }
}

/* TIME */

/** Time of the newest block, in seconds. */
export async function now(): Promise<bigint> {
  return BigInt(await networkHelpers.time.latest());
}

/** Puts the next block at a time. */
export async function at(timestamp: bigint): Promise<void> {
  await networkHelpers.time.setNextBlockTimestamp(timestamp);
}

/** Puts the next block a second after the last, so that no block's time follows the machine's clock. */
export async function tick(): Promise<void> {
  await at((await now()) + 1n);
}

/** Mines a block at a time. */
export async function passTo(timestamp: bigint): Promise<void> {
  await at(timestamp);
  await networkHelpers.mine();
}

/* STATEMENTS */

const CONTEXT = ["uint256", "address", "uint256", "uint256", "address"];

/** keccak256(abi.encode(chainId, market, task, round, party, …)) of protocol §2. */
function commitment(
  task: Task,
  round: bigint,
  party: HardhatEthersSigner,
  types: string[],
  values: unknown[],
): string {
  const context = [task.deployment.chainId, task.deployment.contracts.TrainingMarket, task.taskId, round];
  return keccak256(
    AbiCoder.defaultAbiCoder().encode([...CONTEXT, ...types], [...context, party.address, ...values]),
  );
}

/** The arguments of `openProposal`, in order. */
export type OpeningArguments = [taskId: bigint, index: bigint, string, string, string, string, string];

export function openingArguments({ taskId, transition }: Task, index = 0n): OpeningArguments {
  const { fullRoot, quantRoot, updateRoot } = transition;
  return [taskId, index, fullRoot, quantRoot, updateRoot, LOCATION, SALT];
}

/** The round that takes a proposal made now. */
export async function proposableRound({ market, taskId }: Task): Promise<bigint> {
  const { round } = await market.task(taskId);
  return named(PHASES, await market.phase(taskId)) === "Proposing" ? round : round + 1n;
}

/** What the miner seals for the round that takes its proposal. */
export async function proposalCommitment(
  task: Task,
  miner = task.miner,
  [, , ...values]: OpeningArguments = openingArguments(task),
): Promise<string> {
  const round = await proposableRound(task);
  return commitment(task, round, miner, ["bytes32", "bytes32", "bytes32", "string", "bytes32"], values);
}

export const NONE: Vote = { verdict: "None", reason: 0, lossAfter: 0n };

/** A positive vote on each proposal, in order, with its loss after. */
export function positive(lossBefore: bigint, ...lossesAfter: bigint[]): Ballot {
  const votes = lossesAfter.map((lossAfter): Vote => ({ verdict: "Positive", reason: 0, lossAfter }));
  return { lossBefore, votes };
}

export const NEGATIVE: Ballot = {
  lossBefore: 0n,
  votes: [{ verdict: "Negative", reason: 3, lossAfter: 0n }],
};
export const UNAVAILABLE: Ballot = {
  lossBefore: 0n,
  votes: [{ verdict: "Unavailable", reason: 0, lossAfter: 0n }],
};

/** Three verifiers that measured an improvement of 10,000 micro-nats, each a little differently. */
export const CONFIRMING: Ballot[] = [
  positive(5_000_000n, 4_990_000n),
  positive(5_000_100n, 4_990_050n),
  positive(5_000_200n, 4_990_300n),
];

/** The arguments of `revealAttestation` after the task. */
export function revealArguments(ballot: Ballot): [bigint, ICommittee.VoteStruct[], string] {
  const votes = ballot.votes.map(({ verdict, reason, lossAfter }) => ({
    verdict: VERDICTS.indexOf(verdict),
    reason,
    lossAfter,
  }));
  return [ballot.lossBefore, votes, SALT];
}

/** What a verifier commits to for the present round. */
export async function attestationCommitment(
  task: Task,
  verifier: HardhatEthersSigner,
  ballot: Ballot,
): Promise<string> {
  const { round } = await task.market.task(task.taskId);
  const types = ["uint64", "tuple(uint8 verdict, uint8 reason, uint64 lossAfter)[]", "bytes32"];
  return commitment(task, round, verifier, types, revealArguments(ballot));
}

/* STEPS OF A ROUND: each a second after the last block, or in the first second in which it is allowed */

export async function currentRound({ market, taskId }: Task): Promise<ITrainingMarket.RoundStructOutput> {
  return market.round(taskId, (await market.task(taskId)).round);
}

/** When the present round's windows end, in seconds. */
export async function ends(task: Task) {
  const round = await currentRound(task);
  const params = await task.market.params(task.taskId);
  return { proposalEndsAt: round.proposalEndsAt, ...deadlines(round, params) };
}

/** A proposal of the present round. */
export async function currentProposal(
  { market, taskId }: Task,
  index = 0n,
): Promise<ITrainingMarket.ProposalStructOutput> {
  return market.proposal(taskId, (await market.task(taskId)).round, index);
}

/** How a proposal of the present round ended. */
export async function outcomeOf(task: Task, index = 0n): Promise<Outcome> {
  return named(OUTCOMES, (await currentProposal(task, index)).outcome);
}

export async function propose(task: Task, miner = task.miner): Promise<ContractTransactionResponse> {
  const sealed = await proposalCommitment(task, miner);
  const round = await proposableRound(task);
  await tick();
  return task.market.connect(miner).propose(task.taskId, round, sealed);
}

/** Opens the proposal that the task's transition was sealed in. */
export async function openProposal(task: Task, index = 0n): Promise<ContractTransactionResponse> {
  const { proposalEndsAt } = await ends(task);
  const soonest = (await now()) + 1n;
  await at(soonest > proposalEndsAt ? soonest : proposalEndsAt);
  return task.market.openProposal(...openingArguments(task, index));
}

/** The seed's block is mined two after this transaction; the seed is readable in the third. */
export async function requestSeed(task: Task): Promise<ContractTransactionResponse> {
  await at((await ends(task)).openingEndsAt);
  return task.market.requestSeed(task.taskId);
}

export async function recordSeed(task: Task): Promise<ContractTransactionResponse> {
  for (let block = 0; block < 2; block++) await passTo((await now()) + 1n);
  await tick();
  return task.market.recordSeed(task.taskId);
}

/** Openings of the leaves that the round's seed draws of a proposal, and their indices. */
export async function drawnOpenings(
  task: Task,
  index = 0n,
): Promise<{ indices: number[]; openings: Opening[] }> {
  const { taskId, transition, params } = task;
  const { round: number } = await task.market.task(taskId);
  const { seed } = await currentRound(task);
  expect(seed).not.to.equal(ZeroHash);
  const count = Number(params.leafChecks);
  const indices = drawIndices(seed, "LEAF", taskId, number, index, count, transition.leafCount);
  return { indices, openings: indices.map((index) => transition.opening(index)) };
}

export async function checkLeaves(task: Task, index = 0n): Promise<ContractTransactionResponse> {
  const { openings } = await drawnOpenings(task, index);
  await tick();
  return task.market.connect(task.miner).checkLeaves(task.taskId, index, openings);
}

export async function commitAttestation(
  task: Task,
  verifier: HardhatEthersSigner,
  ballot: Ballot,
): Promise<ContractTransactionResponse> {
  const sealed = await attestationCommitment(task, verifier, ballot);
  const { round } = await task.market.task(task.taskId);
  await tick();
  return task.committee.connect(verifier).commitAttestation(task.taskId, round, sealed);
}

export async function revealAttestation(
  task: Task,
  verifier: HardhatEthersSigner,
  ballot: Ballot,
): Promise<ContractTransactionResponse> {
  await tick();
  return task.committee.connect(verifier).revealAttestation(task.taskId, ...revealArguments(ballot));
}

export async function finalize(task: Task): Promise<ContractTransactionResponse> {
  await tick();
  return task.market.connect(task.stranger).finalize(task.taskId);
}

/** Phases that a round passes through when everyone does its part. */
const ROUND_PHASES = PHASES.slice(1, -1);

/**
 * Starts a round and plays it to the first second of a phase.
 * @param ballots of the verifiers, in their order; one without a ballot commits nothing
 * @param proposing the task with the miner and the transition of each proposal, in their order
 */
export async function startRound(
  task: Task,
  phase: Exclude<Phase, "Idle" | "Closed">,
  ballots: (Ballot | undefined)[] = CONFIRMING,
  proposing: readonly Task[] = [task],
): Promise<void> {
  const stop = ROUND_PHASES.indexOf(phase);
  const reached = (name: Phase) => ROUND_PHASES.indexOf(name) <= stop;

  for (const each of proposing) await propose(each);
  if (phase === "Opening") await passTo((await ends(task)).proposalEndsAt);
  if (reached("Seeding")) {
    for (const [i, each] of proposing.entries()) await openProposal(each, BigInt(i));
    await passTo((await ends(task)).openingEndsAt);
  }
  if (reached("LeafChecking")) {
    await tick();
    await task.market.requestSeed(task.taskId);
    await recordSeed(task);
  }
  if (reached("Committing")) {
    for (const [i, each] of proposing.entries()) {
      const { status } = await currentProposal(task, BigInt(i));
      if (named(STATUSES, status) === "Opened") await checkLeaves(each, BigInt(i));
    }
  }
  if (reached("Revealing")) await attest(task, ballots, phase);
  expect(named(PHASES, await task.market.phase(task.taskId))).to.equal(phase);
}

/** Plays a round on from phase Committing to the first second of a later one. */
export async function attest(
  task: Task,
  ballots: (Ballot | undefined)[],
  phase: Phase = "Ended",
): Promise<void> {
  const voters = task.verifiers.flatMap((verifier, i) =>
    ballots[i] ? [{ verifier, ballot: ballots[i] }] : [],
  );
  for (const { verifier, ballot } of voters) await commitAttestation(task, verifier, ballot);
  await passTo((await ends(task)).commitEndsAt);
  if (phase === "Revealing") return;
  for (const { verifier, ballot } of voters) {
    if (!ballot.silent) await revealAttestation(task, verifier, ballot);
  }
  await passTo((await ends(task)).revealEndsAt);
  if (phase === "Ended") await passTo((await ends(task)).disputeEndsAt);
}

/** Plays a whole round, but for its finalization. */
export async function playRound(
  task: Task,
  ballots: (Ballot | undefined)[] = CONFIRMING,
  proposing: readonly Task[] = [task],
): Promise<void> {
  await startRound(task, "Ended", ballots, proposing);
}
