import { expect } from "chai";
import { id } from "ethers";
import { named, type Outcome, PHASES, type Phase } from "../../clients/chain/phase.ts";
import { expectRefused } from "./support/refusal.ts";
import {
  at,
  attestationCommitment,
  CONFIRMING,
  checkLeaves,
  commitAttestation,
  createTask,
  currentRound,
  drawnOpenings,
  ends,
  MINED,
  networkHelpers,
  openingArguments,
  openProposal,
  outcomeOf,
  passTo,
  propose,
  requestSeed,
  revealArguments,
  SMALL_VECTORS,
  startRound,
  stepFrom,
  type Task,
} from "./support/scenario.ts";

const [BALLOT] = CONFIRMING as [(typeof CONFIRMING)[number]];

type Call = (task: Task) => Promise<unknown>;

/** Calls that each belong to one phase or two, all of them right in every other way. */
const CALLS: { name: string; phase: Phase; also?: Phase; call: Call }[] = [
  {
    name: "propose",
    phase: "Proposing",
    also: "Idle",
    call: async ({ market, rival, taskId }) => {
      const { round } = await market.task(taskId);
      return market.connect(rival).propose(taskId, round === 0n ? 1n : round, id("sealed"), MINED);
    },
  },
  { name: "closeTask", phase: "Idle", call: ({ market, taskId }) => market.closeTask(taskId, MINED) },
  {
    name: "openProposal",
    phase: "Opening",
    call: (task) => task.market.openProposal(...openingArguments(task), MINED),
  },
  { name: "requestSeed", phase: "Seeding", call: ({ market, taskId }) => market.requestSeed(taskId, MINED) },
  { name: "recordSeed", phase: "Seeding", call: ({ market, taskId }) => market.recordSeed(taskId, MINED) },
  {
    name: "checkLeaves",
    phase: "LeafChecking",
    call: async ({ market, taskId, transition }) =>
      market.checkLeaves(taskId, 0n, Array(4).fill(transition.opening(0)), MINED),
  },
  {
    name: "commitAttestation",
    phase: "Committing",
    call: async (task) => {
      const { committee, market, taskId, verifiers } = task;
      const { round } = await market.task(taskId);
      const sealed = await attestationCommitment(task, verifiers[0], BALLOT);
      return committee.connect(verifiers[0]).commitAttestation(taskId, round, sealed, MINED);
    },
  },
  {
    name: "revealAttestation",
    phase: "Revealing",
    call: ({ committee, taskId, verifiers }) =>
      committee.connect(verifiers[0]).revealAttestation(taskId, ...revealArguments(BALLOT), MINED),
  },
  {
    name: "reportAbsence",
    phase: "Revealing",
    also: "Disputing",
    call: ({ committee, taskId, verifiers }) => committee.reportAbsence(taskId, verifiers[2], MINED),
  },
  { name: "finalize", phase: "Ended", call: ({ market, taskId }) => market.finalize(taskId, MINED) },
];

async function reachPhase(task: Task, phase: Phase): Promise<void> {
  const { market, owner, taskId } = task;
  if (phase !== "Idle" && phase !== "Closed") return startRound(task, phase);
  if (phase === "Idle") return;
  await market.connect(owner).requestClose(taskId);
  await passTo((await market.task(taskId)).closableAt);
  await market.closeTask(taskId);
}

async function phaseOf({ market, taskId }: Task): Promise<Phase> {
  return named(PHASES, await market.phase(taskId));
}

describe("TrainingMarket, phases", () => {
  let task: Task;

  beforeEach(async () => {
    task = await networkHelpers.loadFixture(createTask);
  });

  for (const phase of PHASES) {
    describe(`in phase ${phase}`, () => {
      for (const { name, phase: expected, also, call } of CALLS) {
        if (phase === expected || phase === also) continue;

        it(`refuses ${name}`, async () => {
          await reachPhase(task, phase);
          expect(await phaseOf(task)).to.equal(phase);
          const isClosed = phase === "Closed" && (name === "propose" || name === "closeTask");
          if (isClosed) await expectRefused(task, () => call(task), "TaskAlreadyClosed", [task.taskId]);
          else {
            await expectRefused(task, () => call(task), "WrongPhase", [
              PHASES.indexOf(phase),
              PHASES.indexOf(expected),
            ]);
          }
        });
      }
    });
  }

  /**
   * Expects a call to be refused for its phase in the second before `time` and taken in that second, or the reverse.
   * @param outside the phase on the side where it is refused
   */
  async function expectBoundary(
    side: "opens" | "closes",
    time: bigint,
    name: string,
    outside: Phase,
    call?: Call,
  ): Promise<void> {
    const entry = CALLS.find((each) => each.name === name)!;
    const send = () => (call ?? entry.call)(task);
    const [refusedAt, takenAt] = side === "opens" ? [time - 1n, time] : [time, time - 1n];
    const snapshot = await networkHelpers.takeSnapshot();
    await at(refusedAt);
    await expectRefused(task, send, "WrongPhase", [PHASES.indexOf(outside), PHASES.indexOf(entry.phase)]);
    await snapshot.restore();
    await at(takenAt);
    await send();
    await snapshot.restore();
  }

  describe("to the second", () => {
    it("proposals join a round until the proposal window ends", async () => {
      await propose(task);
      await expectBoundary("closes", (await ends(task)).proposalEndsAt, "propose", "Opening");
    });

    it("an opening is taken from the proposal window's end to the opening window's", async () => {
      await propose(task);
      const { proposalEndsAt, openingEndsAt } = await ends(task);
      await expectBoundary("opens", proposalEndsAt, "openProposal", "Proposing");
      await expectBoundary("closes", openingEndsAt, "openProposal", "Ended");
    });

    it("a seed is requested from the opening window's end for a day", async () => {
      await propose(task);
      await openProposal(task);
      const { openingEndsAt } = await ends(task);
      const seedingEndsAt = openingEndsAt + (await task.market.MAX_SEEDING_SECONDS());
      expect(seedingEndsAt - openingEndsAt).to.equal(86_400n);
      await expectBoundary("opens", openingEndsAt, "requestSeed", "Opening");
      await expectBoundary("closes", seedingEndsAt, "requestSeed", "Ended");
    });

    it("a seed is recorded until that day has passed", async () => {
      await propose(task);
      await openProposal(task);
      await requestSeed(task);
      await networkHelpers.mine(2);
      const seedingEndsAt = (await ends(task)).openingEndsAt + (await task.market.MAX_SEEDING_SECONDS());
      await expectBoundary("closes", seedingEndsAt, "recordSeed", "Ended");
    });

    it("leaves are checked until the leaf-check window ends", async () => {
      await startRound(task, "LeafChecking");
      const { leafCheckEndsAt } = await ends(task);
      const { openings } = await drawnOpenings(task);
      await expectBoundary("closes", leafCheckEndsAt, "checkLeaves", "Ended", ({ market, taskId }) =>
        market.checkLeaves(taskId, 0n, openings, MINED),
      );
    });

    it("attestations are committed from the leaf check on, until the commitment window ends", async () => {
      await startRound(task, "Committing");
      await expectBoundary("closes", (await ends(task)).commitEndsAt, "commitAttestation", "Revealing");
    });

    it("attestations are revealed from the commitment window's end to the reveal window's", async () => {
      await startRound(task, "Committing");
      await commitAttestation(task, task.verifiers[0], BALLOT);
      const { commitEndsAt, revealEndsAt } = await ends(task);
      await expectBoundary("opens", commitEndsAt, "revealAttestation", "Committing");
      await expectBoundary("closes", revealEndsAt, "revealAttestation", "Disputing");
    });

    it("absences are reported from the commitment window's end to that of the disputes", async () => {
      await startRound(task, "Committing");
      const { commitEndsAt, disputeEndsAt } = await ends(task);
      await expectBoundary("opens", commitEndsAt, "reportAbsence", "Committing");
      await expectBoundary("closes", disputeEndsAt, "reportAbsence", "Ended");
    });

    it("the commitment window ends when it would have, however early the leaves were checked", async () => {
      await startRound(task, "LeafChecking");
      const before = await ends(task);
      await checkLeaves(task);
      expect(await ends(task)).to.deep.equal(before);
      await passTo(before.leafCheckEndsAt);
      expect(await phaseOf(task)).to.equal("Committing");
    });

    const finals: [phase: "Proposing" | "Seeding" | "LeafChecking" | "Committing", Outcome, before: Phase][] =
      [
        ["Proposing", "Unopened", "Opening"],
        ["Seeding", "Unseeded", "Seeding"],
        ["LeafChecking", "Unchecked", "LeafChecking"],
        ["Committing", "Void", "Disputing"],
      ];
    for (const [phase, outcome, before] of finals) {
      it(`a round that came no further than ${phase} is finalized as ${outcome} once ${before} ends`, async () => {
        await startRound(task, phase);
        const { openingEndsAt, leafCheckEndsAt, disputeEndsAt } = await ends(task);
        const seedingEndsAt = openingEndsAt + (await task.market.MAX_SEEDING_SECONDS());
        const endsAt = {
          Unopened: openingEndsAt,
          Unseeded: seedingEndsAt,
          Unchecked: leafCheckEndsAt,
          Void: disputeEndsAt,
        }[outcome as string]!;
        await expectBoundary("opens", endsAt, "finalize", before);
        await at(endsAt);
        await task.market.finalize(task.taskId);
        expect(await outcomeOf(task)).to.equal(outcome);
        expect(await phaseOf(task)).to.equal("Idle");
      });
    }
  });

  describe("of a round of several proposals", () => {
    /** The task as another miner sees it, which makes another step from the same head. */
    function rivals(): Task {
      return { ...task, miner: task.rival, transition: stepFrom(SMALL_VECTORS.parameters, 1) };
    }

    it("seeds those that were opened, and ends where none was", async () => {
      const other = rivals();
      await propose(task);
      await propose(other);
      const { proposalEndsAt, openingEndsAt } = await ends(task);
      const snapshot = await networkHelpers.takeSnapshot();
      await passTo(openingEndsAt);
      expect(await phaseOf(task)).to.equal("Ended");
      await snapshot.restore();
      await at(proposalEndsAt);
      await task.market.openProposal(...openingArguments(other, 1n));
      await passTo(openingEndsAt);
      expect(await phaseOf(task)).to.equal("Seeding");
    });

    it("checks leaves until those of each are checked", async () => {
      const other = rivals();
      await startRound(task, "LeafChecking", [], [task, other]);
      await checkLeaves(other, 1n);
      expect(await phaseOf(task)).to.equal("LeafChecking");
      await checkLeaves(task);
      expect(await phaseOf(task)).to.equal("Committing");
    });

    it("goes on with those that were checked in time", async () => {
      const other = rivals();
      await startRound(task, "LeafChecking", [], [task, other]);
      await checkLeaves(other, 1n);
      const { leafCheckEndsAt } = await ends(task);
      await passTo(leafCheckEndsAt - 1n);
      expect(await phaseOf(task)).to.equal("LeafChecking");
      await passTo(leafCheckEndsAt);
      expect(await phaseOf(task)).to.equal("Committing");
      const { opened, checked } = await currentRound(task);
      expect([opened, checked]).to.deep.equal([1n, 1n]);
    });
  });
});
