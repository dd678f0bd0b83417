// Accounts that call what they may not, when they may not, again, elsewhere, in the midst of another call, or with more
// than anybody needs; and blocks in which nobody can call anything.
import { type BaseContract, type BaseContractMethod, dataLength, type TransactionReceipt } from "ethers";
import { queryEvents } from "../../clients/chain/events.ts";
import { named, PHASES, type Phase, STAGES } from "../../clients/chain/phase.ts";
import { sleep } from "../../clients/chain/sleep.ts";
import { readTerms } from "../../clients/chain/taskView.ts";
import { explain, isRevert } from "../../clients/chain/transactions.ts";
import { leafCount, treeDepth } from "../../clients/model/geometry.ts";
import { registerTask } from "../../clients/roles/createTask.ts";
import { wealthOf } from "../../clients/roles/money.ts";
import { NO_LEAVES } from "../../clients/roles/opening.ts";
import { act } from "../../clients/roles/party.ts";
import {
  type AttestationStatement,
  attestationArguments,
  attestationCommitment,
  newSalt,
  proposalCommitment,
} from "../../clients/roles/statements.ts";
import { takeTurns } from "../../clients/roles/turns.ts";
import { HONEST_VERIFIER, type VerifierConduct } from "../../clients/roles/verifier.ts";
import type { Adversary, Expected } from "./adversary.ts";
import {
  confirmed,
  feeTo,
  funded,
  insist,
  joinMiner,
  memberOf,
  requireRefusals,
  rootOf,
  slashed,
  startKeeper,
  startMiner,
  startVerifiers,
  startWatch,
  sum,
  tryInVain,
} from "./cast.ts";
import type { Member } from "./company.ts";
import { FORGE_PARAMETER } from "./forgers.ts";
import { bindReentrantToken, loadReentrantToken } from "./reentrantToken.ts";
import type { Scene } from "./taskScene.ts";

/** Levels of the deepest trees that a task may have. */
const MAX_DEPTH = 32;

/** Go-ethereum relays no larger transaction. */
const MAX_TRANSACTION_BYTES = 128 * 1024;

/** What a transaction holds beside its data, with much to spare. */
const ENVELOPE_BYTES = 512;

/** EIP-7825. */
const MAX_TRANSACTION_GAS = 2n ** 24n;

/** For calls of the largest size, of which each byte costs up to 40 (EIP-7623). */
const LARGE_GAS = 8_000_000n;

/** More than the 256 whose hashes a contract can read. */
const LOST_BLOCKS = 300;

const SECONDS_A_DAY = 86_400;

/* CALLS */

type Call = { method: { name: string }; args: unknown[] };

/** @property errors of which the contracts must give one */
type VainCall = Call & { errors: string[] };

/** Sends calls in one block, in order, whether or not the contracts will take them. */
async function sendAtOnce(
  { gradwork, signal }: Member,
  calls: Call[],
  gasLimit = 500_000n,
): Promise<TransactionReceipt[]> {
  const { wallet, provider, pollMs } = gradwork;
  const { gasPrice } = await provider.getFeeData();
  let nonce = await wallet.getNonce();
  const hashes: string[] = [];
  for (const { method, args } of calls) {
    const call = method as BaseContractMethod;
    const { hash } = await call(...args, { type: 0, gasPrice, gasLimit, nonce: nonce++ });
    hashes.push(hash);
  }
  const receipts: TransactionReceipt[] = [];
  while (receipts.length < hashes.length) {
    const receipt = await provider.getTransactionReceipt(hashes[receipts.length]!);
    if (receipt === null) await sleep(pollMs, signal);
    else receipts.push(receipt);
  }
  return receipts;
}

/** Makes calls that the contracts must refuse: asks for their answers. */
async function askInVain(member: Member, calls: VainCall[]): Promise<void> {
  for (const { method, args, errors } of calls) {
    const failure = await (method as BaseContractMethod).staticCall(...args).then(
      () => undefined,
      (error) => explain(error, method.name, member.address),
    );
    const error = errors.find((one) => isRevert(failure, one));
    if (error === undefined) {
      throw new Error(`${method.name} was not refused with ${errors.join(" or ")}, but: ${failure}`);
    }
    member.refusals.push(error);
  }
}

/** Makes calls that the contracts must refuse: asks for their answers, then has the calls mined. */
async function sendInVain(member: Member, calls: VainCall[], gasLimit?: bigint): Promise<void> {
  await askInVain(member, calls);
  const receipts = await sendAtOnce(member, calls, gasLimit);
  const taken = receipts.findIndex(({ status }) => status !== 0);
  insist(taken < 0, `${calls[taken]?.method.name} was taken`);
}

/** Waits until the round is in a phase. */
async function inPhase({ taskId }: Scene, member: Member, phase: Phase): Promise<void> {
  const terms = await readTerms(member.gradwork, taskId);
  await takeTurns(member, terms, async (view) => view.phase === phase);
}

/** Waits, as the newest block has it, for the end of the round. */
async function inFinal({ taskId }: Scene, member: Member): Promise<void> {
  const { market } = member.gradwork;
  const terms = await readTerms(member.gradwork, taskId);
  await takeTurns(member, terms, async () => {
    const { stage } = await market.round(taskId, 1n);
    return named(STAGES, stage) === "Final";
  });
}

/* UNTIMELY CALLS */

/** A call, the error that it comes to, and those of phases with others; none where anyone may make it. */
type Rule = [
  method: Call["method"],
  args: unknown[],
  error: string,
  others?: Partial<Record<Phase, string[]>>,
];

/** Every call that is not everybody's at any time, made by somebody who owns nothing. */
function rulesOf({ taskId, params, owner }: Scene, { gradwork, address }: Member, victim: Member): Rule[] {
  const { market, committee, disputes, vault } = gradwork;
  const place = [taskId, 1, 0];
  const roots = [newSalt(), newSalt(), newSalt()];
  const closed = { Closed: ["TaskAlreadyClosed"] };
  const gone = ["NothingAtStake"];
  const noTokens = "ERC20InsufficientAllowance";
  return [
    [
      market.propose,
      [taskId, 1, newSalt()],
      "WrongPhase",
      { Idle: ["InsufficientFree", "InsufficientEscrow"], Proposing: ["InsufficientFree"], ...closed },
    ],
    [
      market.openProposal,
      [taskId, 0, ...roots, owner.endpoint, newSalt()],
      "WrongPhase",
      { Opening: ["CommitmentMismatch", "WrongStatus"] },
    ],
    [market.requestSeed, [taskId], "WrongPhase", { Seeding: [] }],
    [market.recordSeed, [taskId], "WrongPhase", { Seeding: [] }],
    [market.checkLeaves, [taskId, 0, []], "WrongPhase", { LeafChecking: ["WrongLeafCount", "WrongStatus"] }],
    [market.finalize, [taskId], "WrongPhase", { Ended: [] }],
    [market.releaseBond, place, "WrongStatus", { Idle: ["WrongStatus", ...gone], Closed: gone }],
    [market.requestClose, [taskId], "NotOwner", closed],
    [market.closeTask, [taskId], "WrongPhase", { Idle: ["NotClosable"], ...closed }],
    [market.fundTask, [taskId, 1], noTokens, closed],
    [market.convict, [...place, 9, address], "NotDisputes"],
    [market.poison, [taskId, address], "NotDisputes"],
    [market.recordDemands, [...place, 1, 2n ** 40n], "NotDisputes"],

    [committee.enrol, [taskId, params.verifierStake], "InsufficientFree", closed],
    [committee.disenrol, [taskId], "NotEnrolled"],
    [committee.commitAttestation, [taskId, 1, newSalt()], "WrongPhase", { Committing: ["NotDrawn"] }],
    [
      committee.revealAttestation,
      [taskId, 0, [], newSalt()],
      "WrongPhase",
      { Revealing: ["NothingCommitted"] },
    ],
    [
      committee.reportAbsence,
      [taskId, victim.address],
      "WrongPhase",
      { Revealing: ["AlreadyAttested"], Disputing: ["AlreadyAttested"] },
    ],
    [committee.convene, [taskId, 1, 1, 1, 1], "NotMarket"],
    [committee.settle, [taskId, 1, [0]], "NotMarket"],

    [
      disputes.proveFraud,
      [...place, 0, NO_LEAVES],
      "NoFraud",
      { Idle: [...gone, "NoFraud"], Proposing: gone, Opening: [...gone, "NoFraud"], Closed: gone },
    ],
    [disputes.provePoison, [taskId, 0, "0x", []], "WrongLeafLength", { Closed: ["TaskIsClosed"] }],
    [
      disputes.demand,
      [...place, 0],
      noTokens,
      {
        Idle: [...gone, noTokens],
        Proposing: gone,
        Opening: [...gone, "DemandsClosed"],
        Disputing: ["NoFollowUp"],
        Ended: ["DemandsClosed"],
        Closed: gone,
      },
    ],
    [
      disputes.answer,
      [...place, address, NO_LEAVES],
      "NoDemand",
      { Idle: [...gone, "NoDemand"], Proposing: gone, Opening: [...gone, "NoDemand"], Closed: gone },
    ],
    [disputes.closeDemand, [...place, address], "NoDemand"],

    [vault.fixProtocols, [[address]], "NotDeployer"],
    [vault.deposit, [1], noTokens],
    [vault.requestWithdrawal, [1], "InsufficientFree"],
    [vault.completeWithdrawal, [], "NothingToWithdraw"],
    [vault.claim, [address], "NothingToClaim"],
    [vault.claim, [gradwork.deployment.contracts.TrainingMarket], "NotClaimable"],
    [vault.collect, [victim.address, 1], "NotProtocol"],
    [vault.pay, [address, 1], "NotProtocol"],
    [vault.lock, [victim.address, 1], "NotProtocol"],
    [vault.unlock, [victim.address, 1], "NotProtocol"],
    [vault.joinPool, [taskId, victim.address, 1], "NotProtocol"],
    [vault.leavePool, [taskId, victim.address], "NotProtocol"],
    [vault.slashLocked, [victim.address, 1, address], "NotProtocol"],
    [vault.slashPooled, [taskId, victim.address, 1, address], "NotProtocol"],
  ];
}

/** What anybody may call at any time. */
const FREE_CALLS = ["announce", "registerTask"];

/** Throws unless a call of the contracts that changes something is in the rules, or free. */
function requireAllCalls({ gradwork }: Member, rules: Rule[]): void {
  const known = new Set([...FREE_CALLS, ...rules.map(([method]) => method.name)]);
  const { market, committee, disputes, vault } = gradwork;
  for (const contract of [market, committee, disputes, vault] as BaseContract[]) {
    contract.interface.forEachFunction(({ name, constant }) => {
      insist(constant || known.has(name), `${name} is not tried`);
    });
  }
}

/** Tries every call in every phase, until the task is closed. */
async function tryEverything(
  scene: Scene,
  member: Member,
  victim: Member,
  tried: Set<string>,
): Promise<void> {
  const { taskId } = scene;
  const { market, provider, pollMs } = member.gradwork;
  const rules = rulesOf(scene, member, victim);
  requireAllCalls(member, rules);
  for (let block = -1; !tried.has("Closed"); ) {
    const newest = await provider.getBlockNumber();
    if (newest === block) {
      await sleep(pollMs, member.signal);
      continue;
    }
    block = newest;
    const phase = named(PHASES, await market.phase(taskId));
    const { round } = await market.task(taskId);
    const name = phase === "Idle" ? `Idle after ${round}` : phase;
    if (tried.has(name)) continue;
    const callsOf = (some: Rule[]) =>
      some.flatMap(([method, args, error, others = {}]) => {
        const errors = others[phase] ?? [error];
        return errors.length === 0 ? [] : [{ method, args, errors }];
      });
    await askInVain(member, callsOf(rules.filter(([, , , others]) => others === undefined)));
    await sendInVain(member, callsOf(rules.filter(([, , , others]) => others !== undefined)));
    scene.say(`${member.name}: every call is refused, ${name}`);
    tried.add(name);
  }
}

async function playUntimely(scene: Scene): Promise<Expected> {
  const [stranger] = await Promise.all([scene.join("stranger", { stake: 0n }), startKeeper(scene)]);
  const [verifier] = await startVerifiers(scene, 1);
  const tried = new Set<string>();
  scene.start(stranger, (member) => tryEverything(scene, member, verifier!, tried));
  const miner = await joinMiner(scene);
  await scene.until("everything was tried before the round", async () => tried.size > 0);
  startMiner(scene, miner);
  await scene.final(1n);
  const head = await rootOf(scene, 1n);
  scene.start(scene.owner, async (owner) => {
    await act(owner, 0n, owner.gradwork.market.requestClose, [scene.taskId]);
  });
  await scene.until("everything was tried once the task is closed", async () => tried.has("Closed"));
  const phases = ["Idle after 0", ...PHASES.slice(1, -1), "Idle after 1", "Closed"];
  insist([...tried].join() === phases.join(), `phases tried: ${[...tried].join(", ")}`);
  const changes = sum(funded(scene), confirmed(scene, miner, [verifier!]));
  // What is left goes back to the owner.
  return { head, changes: sum(changes, { owner: changes.escrow!, escrow: -changes.escrow! }) };
}

/* CLAIMS */

async function playClaimTwice(scene: Scene): Promise<Expected> {
  const [verifier] = await startVerifiers(scene, 1);
  const claimer = await scene.join("claimer", { stake: 0n });
  scene.start(claimer, async (member) => {
    const call = { method: member.gradwork.vault.claim, args: [verifier!.address] };
    await inFinal(scene, member);
    const receipts = await sendAtOnce(member, [call, call, call]);
    const taken = receipts.map(({ status }) => status).join();
    insist(taken === "1,0,0", `three claims in a block ended ${taken}`);
    await sendInVain(member, [{ ...call, errors: ["NothingToClaim"] }]);
  });
  const miner = await joinMiner(scene);
  startMiner(scene, miner);
  await scene.final(1n);
  await scene.until("all claims were made", async () => claimer.refusals.length > 0);
  return {
    head: await rootOf(scene, 1n),
    changes: sum(funded(scene), confirmed(scene, miner, [verifier!])),
  };
}

/* REPLAYS */

/** What a statement could have been made for: somebody else's round, of whatever else is the same. */
type Place = "another chain" | "another task" | "another round";

const PLACES: readonly Place[] = ["another chain", "another task", "another round"];

/** The round that a statement is meant for, or one elsewhere. */
function dutyAt({ gradwork }: Pick<Member, "gradwork">, taskId: bigint, place: Place) {
  return {
    "another chain": { gradwork: { ...gradwork, chainId: gradwork.chainId + 1n }, taskId, round: 1n },
    "another task": { gradwork, taskId: taskId + 1n, round: 1n },
    "another round": { gradwork, taskId, round: 2n },
  }[place];
}

/** Commits to a statement as it was committed to elsewhere, and then makes that statement. */
function replayAttestation(scene: Scene, place: Place): Partial<VerifierConduct> {
  let statement: AttestationStatement | undefined;
  return {
    async commit(verifying, view, head) {
      const { party, terms, guard, conduct } = verifying;
      if (guard.found(view.number, 0) === undefined) return;
      statement = await conduct.conclude(verifying, view, head);
      const commitment = attestationCommitment(dutyAt(party, terms.taskId, place), statement);
      const args = [terms.taskId, view.number, commitment];
      await act(party, view.number, party.gradwork.committee.commitAttestation, args);
    },
    async reveal({ party, terms }) {
      if (statement === undefined || memberOf(scene, party.address).refusals.length > 0) return;
      const args = [terms.taskId, ...attestationArguments(statement)];
      await tryInVain(scene, party, "CommitmentMismatch", party.gradwork.committee.revealAttestation, args);
    },
  };
}

async function playReplayedAttestation(scene: Scene): Promise<Expected> {
  const { verifierStake, missedRevealPenalty } = scene.params;
  const replayers: Member[] = [];
  // The honest one alone is a quorum.
  const [[honest]] = await Promise.all([
    startVerifiers(scene, 1, {}, "verifier", 3n * verifierStake),
    ...PLACES.map(async (place) => {
      replayers.push(...(await startVerifiers(scene, 1, replayAttestation(scene, place), place)));
    }),
  ]);
  const miner = await joinMiner(scene);
  startMiner(scene, miner);
  await scene.final(1n);
  for (const replayer of replayers) requireRefusals(replayer, ["CommitmentMismatch"]);
  const lost = replayers.map((replayer) => slashed(replayer, missedRevealPenalty));
  return {
    head: await rootOf(scene, 1n),
    changes: sum(funded(scene), confirmed(scene, miner, [honest!]), ...lost),
  };
}

/** Seals a proposal as it was sealed elsewhere, and then tries to open it. */
async function replayProposal(scene: Scene, member: Member, place: Place): Promise<void> {
  const { taskId } = scene;
  const { market } = member.gradwork;
  const [fullRoot, quantRoot, updateRoot, salt] = [newSalt(), newSalt(), newSalt(), newSalt()];
  const statement = { fullRoot, quantRoot, updateRoot, location: member.endpoint, salt };
  await inPhase(scene, member, "Proposing");
  const commitment = proposalCommitment(dutyAt(member, taskId, place), statement);
  await act(member, 1n, market.propose, [taskId, 1, commitment]);
  await inPhase(scene, member, "Opening");
  const proposals = await market.proposals(taskId, 1);
  const own = proposals.findIndex(({ miner }) => miner === member.address);
  const args = [taskId, own, fullRoot, quantRoot, updateRoot, member.endpoint, salt];
  await tryInVain(scene, member, "CommitmentMismatch", market.openProposal, args);
}

async function playReplayedProposal(scene: Scene): Promise<Expected> {
  const { minerBond } = scene.params;
  const verifiers = await startVerifiers(scene, 1);
  const replayers = await Promise.all(PLACES.map((place) => joinMiner(scene, place)));
  for (const [i, place] of PLACES.entries()) {
    scene.start(replayers[i]!, (member) => replayProposal(scene, member, place));
  }
  const miner = await joinMiner(scene);
  startMiner(scene, miner);
  await scene.final(1n);
  for (const replayer of replayers) requireRefusals(replayer, ["CommitmentMismatch"]);
  const lost = replayers.map((replayer) => sum(feeTo(scene, replayer, []), slashed(replayer, minerBond)));
  return {
    head: await rootOf(scene, 1n),
    changes: sum(funded(scene), confirmed(scene, miner, verifiers), ...lost),
  };
}

/** Sends a fraud proof that another made again, against everything that it does not prove. */
async function replayFraudProof(
  scene: Scene,
  member: Member,
  forger: Member,
  otherTask: bigint,
): Promise<void> {
  const { taskId } = scene;
  const { disputes, provider, deployment } = member.gradwork;
  const terms = await readTerms(member.gradwork, taskId);
  await takeTurns(member, terms, async ({ number, proposals }) => {
    const proofs = await queryEvents(
      disputes,
      "FraudProved",
      [taskId],
      deployment.block,
      await provider.getBlockNumber(),
      member.signal,
    );
    const [proof] = proofs;
    if (proof === undefined) return false;
    const { args } = disputes.interface.parseTransaction(await proof.getTransaction())!;
    const [, , index, leaf, opening] = args.toArray(true);
    insist(proposals[Number(index)]?.miner === forger.address, "the proof is of somebody else");
    const other = 1 - Number(index);
    const against = (task: bigint, round: bigint, proposal: number, error: string) => ({
      method: disputes.proveFraud,
      args: [task, round, proposal, leaf, opening],
      errors: [error],
    });
    await sendInVain(member, [
      against(taskId, number, Number(index), "NothingAtStake"),
      against(taskId, number, other, "NotInTree"),
      against(taskId, number + 1n, Number(index), "NothingAtStake"),
      against(otherTask, number, Number(index), "NothingAtStake"),
    ]);
    return true;
  });
}

async function playReplayedFraudProof(scene: Scene): Promise<Expected> {
  const [watch, replayer, forger, miner] = await Promise.all([
    startWatch(scene),
    scene.join("replayer", { stake: 0n }),
    joinMiner(scene, "forger"),
    joinMiner(scene, "miner"),
  ]);
  await startKeeper(scene);
  const { gradwork, endpoint, signal } = scene.owner;
  const terms = { params: scene.params, location: endpoint };
  const other = await registerTask(gradwork, scene.prepared, terms, signal);
  scene.start(replayer, (member) => replayFraudProof(scene, member, forger, other.taskId));
  startMiner(scene, forger, FORGE_PARAMETER);
  startMiner(scene, miner);
  await scene.final(1n);
  requireRefusals(replayer, ["NothingAtStake", "NotInTree", "NothingAtStake", "NothingAtStake"]);
  // Nobody verifies, so that the other proposal is void.
  return {
    head: scene.prepared.genesis.fullRoot,
    changes: sum(
      funded(scene),
      feeTo(scene, miner, []),
      feeTo(scene, forger, []),
      slashed(forger, scene.params.minerBond, watch),
    ),
  };
}

/* CALLS WITHIN CALLS */

/** A call that the token makes in the midst of a transfer, as an account of its own. */
type Callback = { contract: BaseContract; name: string; args: unknown[] };

/** Has the token, which is a party too, call back in every transfer that the contracts make. */
async function callBack(
  scene: Scene,
  member: Member,
  miner: Member,
  state: { isArmed: boolean },
): Promise<void> {
  const { taskId, params } = scene;
  const { market, vault, disputes, deployment } = member.gradwork;
  const token = bindReentrantToken(member.gradwork);
  const dataOf = ({ contract, name, args }: Callback) => contract.interface.encodeFunctionData(name, args);
  const arm = async (callback: Callback): Promise<Call> => ({
    method: token.arm,
    args: [await callback.contract.getAddress(), dataOf(callback)],
  });
  const asToken = async (callback: Callback): Promise<Call> => ({
    method: token.act,
    args: [await callback.contract.getAddress(), dataOf(callback)],
  });
  const send = async (...calls: Call[]): Promise<void> => {
    const receipts = await sendAtOnce(member, calls);
    const refused = receipts.findIndex(({ status }) => status !== 1);
    insist(refused < 0, `${calls[refused]?.method.name} was refused`);
  };

  const owned = params.minerBond + params.proposalFee + params.demandDeposit;
  const proposing = { contract: market, name: "propose", args: [taskId, 1, newSalt()] };
  const demanding = { contract: disputes, name: "demand", args: [taskId, 1, 0, 0] };
  const claiming = { contract: vault, name: "claim", args: [miner.address] };
  const callbacks: Callback[] = [
    proposing,
    claiming,
    { contract: vault, name: "deposit", args: [1] },
    { contract: vault, name: "completeWithdrawal", args: [] },
    { contract: market, name: "fundTask", args: [taskId, 1] },
  ];
  await send(
    await asToken({ contract: token, name: "faucet", args: [owned] }),
    await asToken({ contract: token, name: "approve", args: [deployment.contracts.StakeVault, owned] }),
    await asToken({ contract: vault, name: "deposit", args: [params.minerBond] }),
  );
  const wealth = await wealthOf(member.gradwork, deployment.contracts.TestToken);

  for (const callback of callbacks) await send(await arm(callback), { method: vault.deposit, args: [1] });
  // The next transfer is that of the miner's fee.
  await send(await arm(proposing));
  state.isArmed = true;
  await inPhase(scene, member, "Seeding");
  await send(await arm(demanding), { method: disputes.demand, args: demanding.args });
  await inFinal(scene, member);
  await send(await arm(claiming), { method: vault.claim, args: claiming.args });

  const refusal = market.interface.encodeErrorResult("ReentrancyGuardReentrantCall");
  const newest = await member.gradwork.provider.getBlockNumber();
  const calledBack = await queryEvents(token, "CalledBack", [], deployment.block, newest, member.signal);
  const taken = calledBack.filter(({ args }) => args.succeeded || args.answer !== refusal);
  insist(taken.length === 0, `${taken.length} calls were not refused for being within another`);
  member.refusals.push(...calledBack.map(() => "ReentrancyGuardReentrantCall"));
  scene.say(`${member.name}: all of ${calledBack.length} calls from within a transfer are refused`);
  const wealthAfter = await wealthOf(member.gradwork, deployment.contracts.TestToken);
  insist(wealthAfter === wealth, "the token itself gained or lost something");
}

async function playReentrantToken(scene: Scene): Promise<Expected> {
  const { params, owner } = scene;
  const { demandDeposit, answerRefund } = params;
  const { deployedBytecode } = loadReentrantToken();
  const verifiers = await startVerifiers(scene, 1);
  const [thief, miner] = await Promise.all([
    scene.join("thief", { stake: 0n, tokens: 5n + demandDeposit }),
    joinMiner(scene),
  ]);
  await scene.replaceCode(owner.gradwork.deployment.contracts.TestToken, deployedBytecode);
  const state = { isArmed: false };
  scene.start(thief, (member) => callBack(scene, member, miner, state));
  await scene.until("the token is armed", async () => state.isArmed);
  startMiner(scene, miner);
  await scene.final(1n);
  await scene.until("the thief has tried everything", async () => thief.refusals.length > 0);
  requireRefusals(
    thief,
    Array.from({ length: 8 }, () => "ReentrancyGuardReentrantCall"),
  );
  return {
    head: await rootOf(scene, 1n),
    changes: sum(funded(scene), confirmed(scene, miner, verifiers), {
      thief: -demandDeposit,
      [miner.name]: answerRefund,
      burned: demandDeposit - answerRefund,
    }),
  };
}

/* LARGE CALLS */

/** As much as a node relays, in every call that takes something of any length. */
async function sendTooMuch(scene: Scene, member: Member): Promise<void> {
  const { taskId, params } = scene;
  const { market, disputes } = member.gradwork;
  const size = MAX_TRANSACTION_BYTES - 4_096;
  const junk = (bytes: number) => new Uint8Array(bytes).fill(0xff);
  const text = "x".repeat(size);
  const roots = [newSalt(), newSalt(), newSalt()];
  const place = [taskId, 1, 0];
  const leaves = Number(params.leafChecks);
  const opening = { ...NO_LEAVES, oldLeaf: junk(size / leaves - 1_024) };
  const longLeaf = { ...NO_LEAVES, newLeaf: junk(size) };
  const calls: [Phase, VainCall[]][] = [
    [
      "Opening",
      [
        {
          method: market.openProposal,
          args: [taskId, 0, ...roots, text, newSalt()],
          errors: ["TextTooLong"],
        },
      ],
    ],
    [
      "LeafChecking",
      [
        {
          method: market.checkLeaves,
          args: [taskId, 0, Array.from({ length: leaves }, () => opening)],
          errors: ["WrongLeafLength"],
        },
      ],
    ],
    [
      "Committing",
      [
        { method: disputes.proveFraud, args: [...place, 0, longLeaf], errors: ["WrongLeafLength"] },
        { method: disputes.provePoison, args: [taskId, 0, junk(size), []], errors: ["WrongLeafLength"] },
      ],
    ],
  ];
  for (const [phase, vain] of calls) {
    await inPhase(scene, member, phase);
    await sendInVain(member, vain, LARGE_GAS);
    scene.say(`${member.name}: ${vain.length} calls of ${size} bytes are refused, ${phase}`);
  }
}

/** Commits to a vote for each of many more proposals than there are, and reveals them. */
function voteTooMuch(scene: Scene): Partial<VerifierConduct> {
  let statement: AttestationStatement | undefined;
  return {
    async conclude(verifying, view, head) {
      const honest = await HONEST_VERIFIER.conclude(verifying, view, head);
      statement = { ...honest, votes: Array.from({ length: 1_300 }, () => honest.votes[0]!) };
      return statement;
    },
    async reveal({ party, terms }) {
      if (statement === undefined || memberOf(scene, party.address).refusals.length > 0) return;
      const args = [terms.taskId, ...attestationArguments(statement)];
      await tryInVain(scene, party, "WrongVoteCount", party.gradwork.committee.revealAttestation, args);
    },
  };
}

/** Throws unless the miner's leaf check, in the deepest trees too, fits in a transaction that nodes relay. */
async function requireFit({ params, prepared }: Scene, { gradwork, events }: Member): Promise<void> {
  const check = events.find((event) => event.kind === "sent" && event.action === "checkLeaves");
  insist(check?.kind === "sent", "no leaf check was sent");
  const { data } = (await gradwork.provider.getTransaction(check.hash))!;
  const levels = MAX_DEPTH - treeDepth(leafCount(prepared.genesis.parameterCount));
  const proofs = 4 * Number(params.leafChecks);
  const bytes = dataLength(data) + proofs * levels * 32 + ENVELOPE_BYTES;
  const fits = bytes <= MAX_TRANSACTION_BYTES && check.gasUsed <= MAX_TRANSACTION_GAS;
  insist(fits, `a leaf check takes up to ${bytes} bytes, and ${check.gasUsed} gas`);
}

async function playOversized(scene: Scene): Promise<Expected> {
  const { verifierStake, missedRevealPenalty } = scene.params;
  const flooder = await scene.join("flooder", { stake: 0n });
  const [[honest], [windbag]] = await Promise.all([
    startVerifiers(scene, 1, {}, "verifier", verifierStake),
    startVerifiers(scene, 1, voteTooMuch(scene), "windbag"),
  ]);
  scene.start(flooder, (member) => sendTooMuch(scene, member));
  const miner = await joinMiner(scene);
  startMiner(scene, miner);
  await scene.final(1n);
  requireRefusals(windbag!, ["WrongVoteCount"]);
  insist(flooder.refusals.length === 4, `${flooder.refusals.length} large calls were refused`);
  await requireFit(scene, miner);
  return {
    head: await rootOf(scene, 1n),
    changes: sum(funded(scene), confirmed(scene, miner, [honest!]), slashed(windbag!, missedRevealPenalty)),
  };
}

/* LOST SEEDS */

/** Lets no transaction into so many blocks, from when a seed is asked for. */
async function censor(scene: Scene, member: Member, blocks: number, secondsApart: number): Promise<void> {
  const { market } = member.gradwork;
  const terms = await readTerms(member.gradwork, scene.taskId);
  await takeTurns(member, terms, async () => (await market.round(scene.taskId, 1n)).seedTicket !== 0n);
  scene.say(`${member.name}: ${blocks} blocks pass without a transaction`);
  await scene.pass(blocks, secondsApart);
}

async function playLostSeed(
  scene: Scene,
  secondsApart: number,
): Promise<{ miner: Member; verifiers: Member[] }> {
  const verifiers = await startVerifiers(scene, 1);
  const producer = await scene.join("producer", { stake: 0n });
  scene.start(producer, (member) => censor(scene, member, LOST_BLOCKS, secondsApart));
  const miner = await joinMiner(scene);
  startMiner(scene, miner);
  await scene.final(1n);
  return { miner, verifiers };
}

/* ADVERSARIES */

export const CALLERS: Adversary[] = [
  {
    name: "untimely-calls",
    title:
      "somebody who owns nothing makes every call in every phase: all are refused, and an honest round goes on",
    options: { params: { closeDelaySeconds: 1n } },
    play: playUntimely,
  },
  {
    name: "claimed-twice",
    title: "somebody claims a verifier's pay three times in one block: it comes once, to the verifier",
    play: playClaimTwice,
  },
  {
    name: "replayed-attestation",
    title: "verifiers commit to what they committed to on another chain, task or round: none can be opened",
    play: playReplayedAttestation,
  },
  {
    name: "replayed-proposal",
    title:
      "miners seal what they sealed on another chain, task or round: none can be opened, and the bonds burn",
    options: { params: { proposalSeconds: 6n } },
    play: playReplayedProposal,
  },
  {
    name: "replayed-fraud-proof",
    title:
      "somebody sends a fraud proof again, against the same, another proposal, round and task: it proves nothing",
    options: { params: { proposalSeconds: 6n } },
    play: playReplayedFraudProof,
  },
  {
    name: "reentrant-token",
    title:
      "the token is upgraded to one that calls back in every transfer: each call within a call is refused",
    play: playReentrantToken,
  },
  {
    name: "oversized-calls",
    title:
      "somebody sends 124 KB of junk wherever anything of any length is taken: refused, while 16 leaves pass",
    options: { params: { leafChecks: 16n } },
    play: playOversized,
  },
  {
    name: "lost-seed",
    title:
      "a block producer keeps the seed unrecorded for 300 blocks: another is drawn, and 1% of the bond burns",
    async play(scene) {
      const { miner, verifiers } = await playLostSeed(scene, 1);
      const lost = scene.params.minerBond / 100n;
      return {
        head: await rootOf(scene, 1n),
        changes: sum(funded(scene), confirmed(scene, miner, verifiers), slashed(miner, lost)),
      };
    },
  },
  {
    name: "unrecorded-seed",
    title:
      "a block producer keeps the seed unrecorded for a day: the round ends without, and the bond is back",
    async play(scene) {
      const { miner } = await playLostSeed(scene, SECONDS_A_DAY / LOST_BLOCKS);
      return {
        head: scene.prepared.genesis.fullRoot,
        changes: sum(funded(scene), feeTo(scene, miner, [])),
      };
    },
  },
];
