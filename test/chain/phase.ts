import { readFileSync } from "node:fs";
import { expect } from "chai";
import {
  deadlines,
  endsAt,
  named,
  OUTCOMES,
  PHASES,
  type Phase,
  phaseAt,
  STAGES,
  VERDICTS,
} from "../../clients/chain/phase.ts";
import { createRandom, type Random } from "../../clients/training/random.ts";
import {
  CONFIRMING,
  checkLeaves,
  commitAttestation,
  currentRound,
  deployScenario,
  enrolVerifiers,
  networkHelpers,
  now,
  openingArguments,
  passTo,
  propose,
  recordSeed,
  registerTask,
  type Task,
  tick,
} from "../contracts/support/scenario.ts";

const INTERFACE = new URL("../../contracts/interfaces/ITrainingMarket.sol", import.meta.url);

/** The members of an enum in the contracts' source, in order. */
function membersOf(name: string): string[] {
  const members = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(readFileSync(INTERFACE, "utf8"))?.[1];
  return members?.split(",").map((member) => member.trim()) ?? [];
}

/** Windows of a few seconds, so that random times fall on their ends, and a bond that may be lost in any round. */
function randomParams(random: Random): Partial<Task["params"]> {
  const seconds = () => 1n + BigInt(Math.floor(random() * 40));
  return {
    proposalSeconds: seconds(),
    openingSeconds: seconds(),
    leafCheckSeconds: seconds(),
    commitSeconds: seconds(),
    revealSeconds: seconds(),
    disputeSeconds: seconds(),
    closeDelaySeconds: seconds(),
    minerBond: 1n,
    minerReward: 0n,
  };
}

/** Makes the call that takes a round on from its phase, where there is one. */
async function advance(task: Task, phase: Phase): Promise<void> {
  const { market, owner, taskId, verifiers } = task;
  switch (phase) {
    case "Idle":
      if ((await market.task(taskId)).closableAt === 0n) await propose(task);
      else await market.closeTask(taskId);
      return;
    case "Opening":
      if (named(STAGES, (await currentRound(task)).stage) === "Sealed") {
        await tick();
        await market.openProposal(...openingArguments(task));
      }
      return;
    case "Seeding":
      await tick();
      await market.requestSeed(taskId);
      await recordSeed(task);
      return;
    case "LeafChecking":
      await checkLeaves(task);
      return;
    case "Committing":
      if ((await currentRound(task)).attesters === 0n)
        await commitAttestation(task, verifiers[0], CONFIRMING[0]!);
      return;
    case "Disputing":
      if ((await market.task(taskId)).closableAt === 0n) await market.connect(owner).requestClose(taskId);
      return;
    case "Ended":
      await tick();
      await market.finalize(taskId);
      return;
  }
}

/** A call that comes a second too late, or to a task that is closing, changes nothing. */
function ignoreLateCall(error: Error): void {
  if (!/WrongPhase|TaskClosing|NotClosable/.test(error.message)) throw error;
}

/** A time to come: most often a second before, at or after the next end of a window, else a later end or any second. */
async function laterTime(task: Task, random: Random, maxSeedingSeconds: bigint): Promise<bigint> {
  const round = await currentRound(task);
  const params = await task.market.params(task.taskId);
  const ends = [
    round.proposalEndsAt,
    ...Object.values(deadlines(round, params)),
    endsAt(round, params, maxSeedingSeconds),
  ];
  const time = await now();
  const near = ends.map((end) => end + BigInt(Math.floor(random() * 3)) - 1n).filter((end) => end > time);
  const times = [...near.toSorted((a, b) => Number(a - b)), time + 1n + BigInt(Math.floor(random() * 50))];
  return times[Math.floor(random() ** 4 * times.length)]!;
}

describe("phase", () => {
  const mirrored: [name: string, names: readonly string[]][] = [
    ["Stage", STAGES],
    ["Phase", PHASES],
    ["Outcome", OUTCOMES],
    ["Verdict", VERDICTS],
  ];
  for (const [name, names] of mirrored) {
    it(`names the members of ${name} in the contracts' order`, () => {
      expect(names).to.deep.equal(membersOf(name));
    });
  }

  it("names an enum's value, and refuses one that has no name", () => {
    expect(named(PHASES, 0n)).to.equal("Idle");
    expect(named(PHASES, 9n)).to.equal("Closed");
    expect(() => named(PHASES, 10n)).to.throw(RangeError, "no name for 10 among Idle, Proposing");
  });

  it("phaseAt gives what the market gives, at random times of random rounds", async () => {
    const random = createRandom(7);
    const scenario = await networkHelpers.loadFixture(deployScenario);
    const maxSeedingSeconds = await scenario.market.MAX_SEEDING_SECONDS();
    const seen = new Set<Phase>();

    async function expectSamePhase(task: Task): Promise<Phase> {
      const [state, round] = [await task.market.task(task.taskId), await currentRound(task)];
      const params = await task.market.params(task.taskId);
      const phase = phaseAt(state, round, params, maxSeedingSeconds, await now());
      expect(named(PHASES, await task.market.phase(task.taskId))).to.equal(phase);
      seen.add(phase);
      return phase;
    }

    for (let played = 0; played < 12; played++) {
      const task = await registerTask(scenario, randomParams(random));
      await enrolVerifiers(task);
      for (let step = 0; step < 40; step++) {
        const phase = await expectSamePhase(task);
        if (phase === "Closed") break;
        if (random() < 0.9) await advance(task, phase).catch(ignoreLateCall);
        await expectSamePhase(task);
        if (random() < 0.6) await passTo(await laterTime(task, random, maxSeedingSeconds));
      }
    }
    expect(Array.from(seen).toSorted()).to.deep.equal(Array.from(PHASES).toSorted());
  });
});
