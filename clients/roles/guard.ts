import type { ITrainingMarket } from "../../types/TrainingMarket.ts";
import { queryEvents } from "../chain/events.ts";
import { named, STATUSES } from "../chain/phase.ts";
import type { TaskView } from "../chain/taskView.ts";
import { GradworkError } from "../model/errors.ts";
import { type Accused, proveFault, pursueFault } from "./accuse.ts";
import { type CommittedModel, followHead, genesisHead, type Head, headBefore } from "./head.ts";
import type { Party } from "./party.ts";
import { type Rebuilt, rebuild } from "./rebuild.ts";
import type { TaskOrigin } from "./taskDefinition.ts";

/** Rebuilds what miners propose, and takes the bond of who forged a leaf. */
export type Guard = {
  /**
   * The head at the view; undefined while who forged it is being convicted.
   * @throws {GradworkError} `HEAD_DIVERGED` once nothing more can be done about it
   */
  follow(view: TaskView): Promise<Head | undefined>;
  /**
   * Rebuilds the round's opened proposals that are not yet, and prosecutes those at fault.
   * @param patienceMs for all updates together that can't be had
   */
  inspect(view: TaskView, head: Head, patienceMs: number): Promise<void>;
  /** What a proposal of the last inspected round was found to be; undefined where its update could not be had. */
  found(round: bigint, proposal: number): Rebuilt | undefined;
};

/** @property location where the proposal's miner said that it serves it */
type Case = {
  round: bigint;
  proposal: number;
  location?: string[];
  rebuilt?: Rebuilt | undefined;
  isTried: boolean;
  isProved: boolean;
};

/** A guard of one task. */
export function createGuard(party: Party, origin: TaskOrigin): Guard {
  const { taskId } = origin;
  let head = genesisHead(origin);
  let cases: Case[] = [];

  const find = (round: bigint, proposal: number) =>
    cases.find((one) => one.round === round && one.proposal === proposal);

  const caseOf = (round: bigint, proposal: number): Case => {
    const known = find(round, proposal);
    if (known !== undefined) return known;
    // What was found in rounds before is of no more use.
    cases = cases.filter((one) => one.round === round);
    const opened: Case = { round, proposal, isTried: false, isProved: false };
    cases.push(opened);
    return opened;
  };

  /** Rebuilds what a case is about, unless that is done. */
  async function examine(
    one: Case,
    base: CommittedModel,
    proposal: ITrainingMarket.ProposalStructOutput,
    patienceMs: number,
  ): Promise<void> {
    one.location ??= await readLocation(party, origin, one);
    one.rebuilt ??= await rebuild(party, base, proposal, one.location, patienceMs);
  }

  /** Proves what is at fault, or takes a step to corner it. */
  async function prosecute(
    one: Case,
    view: TaskView,
    roots: ITrainingMarket.ProposalStructOutput,
  ): Promise<void> {
    const { round, proposal, location = [], rebuilt } = one;
    if (rebuilt?.fault === undefined || one.isProved) return;
    const { registeredAt } = origin;
    const accused: Accused = { taskId, registeredAt, round, proposal, roots, location, rebuilt };
    if (!one.isTried) one.isProved = await proveFault(party, accused);
    one.isTried = true;
    if (!one.isProved) await pursueFault(party, accused, view.params, view.timestamp);
  }

  return {
    async follow(view) {
      const models = cases.flatMap(({ rebuilt }) => (rebuilt?.model === undefined ? [] : [rebuilt.model]));
      try {
        head = await followHead(party, origin, head, view, models);
        return head;
      } catch (error) {
        if (!(error instanceof GradworkError && error.code === "HEAD_DIVERGED")) throw error;
        const { headRound, headProposal } = view.task;
        const at = { blockTag: view.safeBlock };
        const proposal = await party.gradwork.market.proposal(taskId, headRound, headProposal, at);
        if (proposal.bond === 0n) throw error;
        const one = caseOf(headRound, Number(headProposal));
        const base = one.rebuilt?.base ?? (await headBefore(party, origin, view, headRound));
        await examine(one, base, proposal, Number(view.params.answerSeconds) * 1_000);
        if (one.rebuilt === undefined) throw error;
        await prosecute(one, view, proposal);
        return undefined;
      }
    },

    async inspect(view, base, patienceMs) {
      const atStake = view.proposals.flatMap((proposal, i) => {
        const status = named(STATUSES, proposal.status);
        const isAtStake = status === "Opened" || status === "Checked";
        return isAtStake && proposal.miner !== party.address
          ? [{ one: caseOf(view.number, i), proposal }]
          : [];
      });
      for (const { one, proposal } of atStake) {
        await examine(one, base, proposal, patienceMs / view.proposals.length);
      }
      // One that can't be prosecuted now, as for want of tokens, shields no other.
      const failures: unknown[] = [];
      for (const { one, proposal } of atStake) {
        await prosecute(one, view, proposal).catch((error) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    },

    found: (round, proposal) => find(round, proposal)?.rebuilt,
  };
}

/** Where a proposal's miner said that it serves it. */
async function readLocation(
  { gradwork, signal }: Party,
  { taskId, registeredAt }: TaskOrigin,
  { round, proposal }: Case,
): Promise<string[]> {
  const newest = await gradwork.provider.getBlockNumber();
  const topics = [taskId, round, proposal];
  const opened = await queryEvents(gradwork.market, "ProposalOpened", topics, registeredAt, newest, signal);
  return opened.map(({ args }) => args.location);
}
