import { readFileSync } from "node:fs";
import { expect } from "chai";
import { ZeroHash } from "ethers";
import {
  deadlines,
  endedAt,
  named,
  OUTCOMES,
  PHASES,
  type Phase,
  phaseAt,
  STAGES,
  STATUSES,
  type Status,
  VERDICTS,
} from "../../clients/chain/phase.ts";
import { QUANT_LEAF_BYTES } from "../../clients/model/geometry.ts";
import { createRandom, type Random } from "../../clients/training/random.ts";
import type { ITrainingMarket } from "../../types/TrainingMarket.ts";
import { expectSolvent } from "../contracts/support/money.ts";
import {
  at,
  attestationCommitment,
  deployScenario,
  drawnOpenings,
  enrolVerifiers,
  ethers,
  fundParty,
  MINED,
  networkHelpers,
  now,
  openingArguments,
  PARAMS,
  positive,
  proposableRound,
  proposalCommitment,
  registerTask,
  revealArguments,
  SMALL_VECTORS,
  type Task,
} from "../contracts/support/scenario.ts";
import { commitTransition, followVectors, type Transition } from "../contracts/support/transition.ts";

/** The members of an enum in the contracts' source, in order. */
function membersOf(file: string, name: string): string[] {
  const source = readFileSync(new URL(`../../contracts/interfaces/${file}`, import.meta.url), "utf8");
  const members = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(source)?.[1]?.replaceAll(/\/\/.*/g, "");
  return members?.split(",").map((member) => member.trim()) ?? [];
}

describe("phase", () => {
  const mirrored: [file: string, name: string, names: readonly string[]][] = [
    ["ITrainingMarket.sol", "Stage", STAGES],
    ["ITrainingMarket.sol", "Phase", PHASES],
    ["ITrainingMarket.sol", "Status", STATUSES],
    ["ITrainingMarket.sol", "Outcome", OUTCOMES],
    ["ICommittee.sol", "Verdict", VERDICTS],
  ];
  for (const [file, name, names] of mirrored) {
    it(`names the members of ${name} in the contracts' order`, () => {
      expect(names).to.deep.equal(membersOf(file, name));
    });
  }

  it("names an enum's value, and refuses one that has no name", () => {
    expect(named(PHASES, 0n)).to.equal("Idle");
    expect(named(PHASES, 9n)).to.equal("Closed");
    expect(() => named(PHASES, 10n)).to.throw(RangeError, "no name for 10 among Idle, Proposing");
  });
});

/** Windows of a few seconds, so that random times fall on their ends, and amounts that nobody runs out of. */
function randomParams(random: Random): Partial<Task["params"]> {
  const seconds = () => 5n + BigInt(Math.floor(random() * 60));
  return {
    proposalSeconds: seconds(),
    openingSeconds: seconds(),
    leafCheckSeconds: seconds(),
    commitSeconds: seconds(),
    revealSeconds: seconds(),
    disputeSeconds: seconds(),
    answerSeconds: seconds(),
    answerSlotSeconds: 1n,
    closeDelaySeconds: 500n,
    minerReward: 0n,
    verifierReward: 0n,
    proposalFee: 0n,
    minerBond: 2_000n,
    demandDeposit: 1n,
    answerRefund: 0n,
    verifierStake: PARAMS.verifierStake / 2n,
    missedRevealPenalty: 1n,
    deviationPenalty: 0n,
    leafChecks: 1n,
    maxProposals: 3n,
  };
}

/** A step whose leaf 0 is forged: a check that draws another leaf passes. */
function forgedStep(): Transition {
  const step = new Float32Array(SMALL_VECTORS.parameters.length).fill(2e-3);
  const vectors = followVectors(SMALL_VECTORS.parameters, step);
  vectors.newQuant[QUANT_LEAF_BYTES - 1]! ^= 1;
  return commitTransition(vectors);
}

/** What the model knows of a task: all of it is recorded on chain. */
type State = {
  task: ITrainingMarket.TaskStructOutput;
  round: ITrainingMarket.RoundStructOutput;
  proposals: ITrainingMarket.ProposalStructOutput[];
  params: ITrainingMarket.TaskParamsStructOutput;
  maxSeedingSeconds: bigint;
};

async function readState({ market, taskId }: Task): Promise<State> {
  const task = await market.task(taskId);
  return {
    task,
    round: await market.round(taskId, task.round),
    proposals: Array.from(await market.proposals(taskId, task.round)),
    params: await market.params(taskId),
    maxSeedingSeconds: await market.MAX_SEEDING_SECONDS(),
  };
}

function phaseOf({ task, round, params, maxSeedingSeconds }: State, time: bigint): Phase {
  return phaseAt(task, round, params, maxSeedingSeconds, time);
}

/** The task as one of its miners sees it, with what that one proposes in every round. */
type Player = Task & { isForger: boolean };

/**
 * A call of one kind.
 * @property phases in which the contracts take it
 * @property expected what they name as the right phase in another one; absent where they look at no phase
 * @property isRight whether nothing but the phase could speak against it
 */
type Call = {
  name: string;
  phases: readonly Phase[];
  expected?: Phase;
  isRight: boolean;
  send(): Promise<unknown>;
};

/** A call of each kind for a task in this state, in a block at `time`. */
async function callsAt(state: State, time: bigint, players: Player[], random: Random): Promise<Call[]> {
  const { task, round, proposals } = state;
  const [first] = players as [Player];
  const { market, committee, disputes, taskId, owner, stranger, verifiers } = first;
  const number = task.round;
  const phase = phaseOf(state, time);
  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)];

  const isClosable = task.closableAt !== 0n && time >= task.closableAt;
  const hasProposed = ({ miner }: Player) => proposals.some((each) => each.miner === miner.address);
  const newcomer = pick(players.filter((player) => phase !== "Proposing" || !hasProposed(player)));

  const playerOf = (index: number) => players.find(({ miner }) => miner.address === proposals[index]!.miner)!;
  const inStatus = (...statuses: Status[]) =>
    Array.from(proposals.keys()).filter((index) =>
      statuses.includes(named(STATUSES, proposals[index]!.status)),
    );
  const sealed = pick(inStatus("Sealed"));
  const unchecked = pick(inStatus("Opened"));
  const atStake = inStatus("Opened", "Checked");
  const forged = pick(atStake.filter((index) => playerOf(index).isForger));
  const nextBlock = BigInt(await ethers.provider.getBlockNumber()) + 1n;

  const drawn = [];
  for (const verifier of verifiers) {
    if ((await committee.weightOf(taskId, number, verifier)) === 0n) continue;
    const { commitment, revealed, reported } = await committee.attestation(taskId, number, verifier);
    drawn.push({ verifier, hasCommitted: commitment !== ZeroHash, revealed, reported });
  }
  const uncommitted = pick(drawn.filter(({ hasCommitted }) => !hasCommitted))?.verifier;
  const unrevealed = pick(drawn.filter(({ hasCommitted, revealed }) => hasCommitted && !revealed))?.verifier;
  const absent = pick(drawn.filter(({ hasCommitted, reported }) => !hasCommitted && !reported))?.verifier;
  const ballot = positive(5_000_000n, ...proposals.map(() => 5_000_000n));

  const demands = [];
  for (const index of proposals.keys()) {
    const { deposit, dueAt, count, leafIndex } = await disputes.demandOf(taskId, number, index, stranger);
    demands.push({ index, isOpen: deposit !== 0n, dueAt, count, leaf: Number(leafIndex) });
  }
  const undemanded = pick(demands.filter(({ index, count }) => count === 0n && atStake.includes(index)));
  const demanded = pick(demands.filter(({ isOpen }) => isOpen));
  const isPursued = demanded !== undefined && atStake.includes(demanded.index);
  const isDue = demanded !== undefined && time >= demanded.dueAt;

  return [
    {
      name: "propose",
      phases: ["Idle", "Proposing"],
      expected: "Proposing",
      isRight: newcomer !== undefined && !(phase === "Idle" && isClosable),
      send: async () => {
        const player = newcomer ?? first;
        const commitment = await proposalCommitment(player);
        const proposed = await proposableRound(player);
        return market.connect(player.miner).propose(taskId, proposed, commitment, MINED);
      },
    },
    {
      name: "openProposal",
      phases: ["Opening"],
      expected: "Opening",
      isRight: sealed !== undefined,
      send: () => {
        const player = sealed === undefined ? first : playerOf(sealed);
        return market.openProposal(...openingArguments(player, BigInt(sealed ?? 0)), MINED);
      },
    },
    {
      name: "requestSeed",
      phases: ["Seeding"],
      expected: "Seeding",
      isRight: round.seedTicket === 0n,
      send: () => market.requestSeed(taskId, MINED),
    },
    {
      name: "recordSeed",
      phases: ["Seeding"],
      expected: "Seeding",
      isRight: round.seedTicket !== 0n && nextBlock > round.seedTicket,
      send: () => market.recordSeed(taskId, MINED),
    },
    {
      name: "checkLeaves",
      phases: ["LeafChecking"],
      expected: "LeafChecking",
      isRight: unchecked !== undefined,
      send: async () => {
        if (unchecked === undefined || round.seed === ZeroHash) {
          return market.checkLeaves(taskId, 0n, [], MINED);
        }
        const { openings } = await drawnOpenings(playerOf(unchecked), BigInt(unchecked));
        return market.checkLeaves(taskId, unchecked, openings, MINED);
      },
    },
    {
      name: "commitAttestation",
      phases: ["Committing"],
      expected: "Committing",
      isRight: uncommitted !== undefined,
      send: async () => {
        const verifier = uncommitted ?? verifiers[0];
        const commitment = await attestationCommitment(first, verifier, ballot);
        return committee.connect(verifier).commitAttestation(taskId, number, commitment, MINED);
      },
    },
    {
      name: "revealAttestation",
      phases: ["Revealing"],
      expected: "Revealing",
      isRight: unrevealed !== undefined,
      send: () =>
        committee
          .connect(unrevealed ?? verifiers[0])
          .revealAttestation(taskId, ...revealArguments(ballot), MINED),
    },
    {
      name: "reportAbsence",
      phases: ["Revealing", "Disputing"],
      expected: "Revealing",
      isRight: absent !== undefined,
      send: () => committee.reportAbsence(taskId, absent ?? verifiers[0], MINED),
    },
    {
      name: "finalize",
      phases: ["Ended"],
      expected: "Ended",
      isRight: inStatus("Checked").every((index) => proposals[index]!.openDemands === 0n),
      send: () => market.finalize(taskId, MINED),
    },
    {
      name: "closeTask",
      phases: ["Idle"],
      expected: "Idle",
      isRight: isClosable,
      send: () => market.closeTask(taskId, MINED),
    },
    {
      name: "requestClose",
      phases: PHASES,
      isRight: task.closableAt === 0n && random() < 0.02,
      send: () => market.connect(owner).requestClose(taskId, MINED),
    },
    {
      name: "proveFraud",
      phases: PHASES,
      isRight: forged !== undefined && random() < 0.1,
      send: () => {
        const opening = playerOf(forged!).transition.opening(0);
        return disputes.connect(stranger).proveFraud(taskId, number, forged!, 0n, opening, MINED);
      },
    },
    {
      name: "demand",
      phases: ["Seeding", "LeafChecking", "Committing", "Revealing"],
      isRight: undemanded !== undefined,
      send: () => disputes.connect(stranger).demand(taskId, number, undemanded!.index, 1n, MINED),
    },
    {
      name: "answer",
      phases: PHASES,
      isRight: isPursued && !isDue,
      send: () => {
        const { index, leaf } = demanded!;
        const opening = playerOf(index).transition.opening(leaf);
        return disputes.answer(taskId, number, index, stranger, opening, MINED);
      },
    },
    {
      name: "closeDemand",
      phases: PHASES,
      isRight: demanded !== undefined && (isDue || !isPursued),
      send: () => disputes.closeDemand(taskId, number, demanded!.index, stranger, MINED),
    },
  ];
}

/** A time to come: the next second, or a second before, at or after an end of a window, most often the next one. */
function laterTime(state: State, time: bigint, random: Random): bigint {
  if (random() < 0.7) return time + 1n;
  const { task, round, params, maxSeedingSeconds } = state;
  const ends = [
    round.proposalEndsAt,
    ...Object.values(deadlines(round, params)),
    endedAt(round, params, maxSeedingSeconds),
    task.closableAt,
  ];
  const times = [time + 1n + BigInt(Math.floor(random() * 50))];
  for (const end of ends) times.push(end + BigInt(Math.floor(random() * 3)) - 1n);
  const later = times.filter((each) => each > time).toSorted((a, b) => Number(a - b));
  return later[Math.floor(random() ** 4 * later.length)]!;
}

describe("a task, by random calls at random times", function () {
  this.timeout(300_000);

  const random = createRandom(7);
  /** How often each kind of call was taken, and refused for the phase. */
  const taken = new Map<string, number>();
  const refused = new Map<string, number>();
  const seen = new Set<Phase>();

  /** Makes a call at a time; gives the phase in which it came. */
  async function playStep(task: Task, players: Player[], state: State, time: bigint): Promise<Phase> {
    const phase = phaseOf(state, time);
    const calls = await callsAt(state, time, players, random);
    const right = calls.filter((call) => call.isRight && call.phases.includes(phase));
    const wrong = calls.filter((call) => call.expected !== undefined && !call.phases.includes(phase));
    for (const { name, expected } of calls) {
      taken.set(name, taken.get(name) ?? 0);
      if (expected !== undefined) refused.set(name, refused.get(name) ?? 0);
    }
    const isRight = random() < 0.8 && right.length > 0;
    const candidates = isRight ? right : wrong;
    const { name, expected, send } = candidates[Math.floor(random() * candidates.length)]!;
    await at(time);
    if (isRight) await send();
    else {
      await expect(send(), `${name} in ${phase}`)
        .to.be.revertedWithCustomError(task.market, "WrongPhase")
        .withArgs(PHASES.indexOf(phase), PHASES.indexOf(expected!));
    }
    const counted = isRight ? taken : refused;
    counted.set(name, counted.get(name)! + 1);
    return phase;
  }

  it("is in the phase that the model says, never one back in a round, and takes just the calls of that phase", async () => {
    const scenario = await networkHelpers.loadFixture(deployScenario);
    await fundParty(scenario, scenario.stranger);
    for (let played = 0; played < 9; played++) {
      const task = await registerTask(scenario, randomParams(random));
      await enrolVerifiers(task);
      const players: Player[] = [
        { ...task, isForger: false },
        { ...task, miner: task.rival, transition: forgedStep(), isForger: true },
        // As the first one: a duplicate, where both open.
        { ...task, miner: task.owner, isForger: false },
      ];
      let state = await readState(task);
      for (let step = 0; step < 120 && !state.task.closed; step++) {
        const time = laterTime(state, await now(), random);
        const { round: number } = state.task;
        const before = await playStep(task, players, state, time);
        state = await readState(task);
        const after = phaseOf(state, time);
        seen.add(after);
        expect(named(PHASES, await task.market.phase(task.taskId))).to.equal(after);
        // Only a round that has ended makes room for the next.
        if (after === "Idle") expect(before).to.be.oneOf(["Idle", "Ended"]);
        else if (state.task.round !== number) expect([before, after]).to.deep.equal(["Idle", "Proposing"]);
        else expect(PHASES.indexOf(after)).to.be.at.least(PHASES.indexOf(before));
      }
      await expectSolvent(task);
    }
    expect(Array.from(seen).toSorted()).to.deep.equal(Array.from(PHASES).toSorted());
    for (const [name, times] of taken) expect(times, `${name} taken`).to.be.above(0);
    for (const [name, times] of refused) expect(times, `${name} refused`).to.be.above(0);
  });
});
