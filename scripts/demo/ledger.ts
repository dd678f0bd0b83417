import { EventEmitter, once } from "node:events";
import type { Gradwork } from "../../clients/chain/connection.ts";
import { queryEvents } from "../../clients/chain/events.ts";
import { NO_WINNER, named, VERDICTS } from "../../clients/chain/phase.ts";
import { weightedMedian } from "../../clients/model/weightedMedian.ts";
import type { RoleEvent } from "../../clients/roles/observer.ts";

const NATS = 1e6;

export type RoundReport = {
  round: number;
  lossBefore: number;
  lossAfter: number;
  improvement: number;
  positive: number;
  negative: number;
  confirmed: boolean;
  trainSeconds: number;
  verifySeconds: number;
  trainFlops: number;
  verifyFlops: number;
  updateBytes: number;
  gas: {
    propose: number;
    leafCheck: number;
    commitAttestation: number;
    revealAttestation: number;
    finalize: number;
  };
};

/** What everybody said of their work, kept for the report. */
export type Ledger = {
  note(event: RoleEvent): void;
  /** Resolves when so many parties have said that a round is final. */
  finality(round: bigint, parties: number): Promise<void>;
  /** The round as the chain has it, with what its parties said of it. */
  report(gradwork: Gradwork, taskId: bigint, round: bigint, signal: AbortSignal): Promise<RoundReport>;
};

const ofKind = <Kind extends RoleEvent["kind"]>(events: readonly RoleEvent[], kind: Kind) =>
  events.filter((event): event is Extract<RoleEvent, { kind: Kind }> => event.kind === kind);

export function openLedger(updateBytes: number): Ledger {
  const events: RoleEvent[] = [];
  const news = new EventEmitter();

  return {
    note(event) {
      if (event.kind === "training") return;
      events.push(event);
      news.emit("event");
    },

    async finality(round, parties) {
      const count = () => ofKind(events, "finalized").filter((event) => event.round === round).length;
      while (count() < parties) await once(news, "event");
    },

    async report(gradwork, taskId, round, signal) {
      const { market, committee, deployment, provider } = gradwork;
      const at = { blockTag: "latest" } as const;
      const [{ winner }, params, attesters] = await Promise.all([
        market.round(taskId, round, at),
        market.params(taskId, at),
        committee.attesters(taskId, round, at),
      ]);
      const proposal = winner === NO_WINNER ? 0n : winner;
      const attestations = await Promise.all(
        attesters.map(async ({ account, weight }) => {
          const { lossBefore } = await committee.attestation(taskId, round, account, at);
          const { verdict, lossAfter } = await committee.vote(taskId, round, account, proposal, at);
          return { weight, verdict, lossBefore, lossAfter };
        }),
      );
      const ofVerdict = (name: (typeof VERDICTS)[number]) =>
        attestations.filter(({ verdict }) => named(VERDICTS, verdict) === name);
      const positives = ofVerdict("Positive");
      const median = (of: (attestation: (typeof positives)[number]) => bigint) =>
        positives.length === 0
          ? Number.NaN
          : Number(
              weightedMedian(
                positives.map(of),
                positives.map(({ weight }) => weight),
              ),
            ) / NATS;
      const newest = await provider.getBlockNumber();
      const [tallied] = await queryEvents(
        committee,
        "ProposalTallied",
        [taskId, round, proposal],
        deployment.block,
        newest,
        signal,
      );

      const mine = events.filter((event) => "round" in event && event.round === round);
      const gasOf = (action: string) =>
        Math.max(
          0,
          ...ofKind(mine, "sent").flatMap((sent) => (sent.action === action ? [Number(sent.gasUsed)] : [])),
        );
      const [trained] = ofKind(mine, "trained");
      const measured = ofKind(mine, "measured");
      return {
        round: Number(round),
        lossBefore: median(({ lossBefore }) => lossBefore),
        lossAfter: median(({ lossAfter }) => lossAfter),
        improvement: Number(tallied?.args.improvementMicroNats ?? 0n) / NATS,
        positive: positives.length,
        negative: ofVerdict("Negative").length,
        confirmed: winner !== NO_WINNER,
        trainSeconds: trained?.seconds ?? 0,
        verifySeconds: middle(measured.map(({ seconds }) => seconds)),
        trainFlops: trained?.flops ?? 0,
        verifyFlops: middle(measured.map(({ flops }) => flops)),
        updateBytes,
        gas: {
          propose: Math.max(gasOf("propose"), gasOf("openProposal")),
          leafCheck: Math.round(gasOf("checkLeaves") / Number(params.leafChecks)),
          commitAttestation: gasOf("commitAttestation"),
          revealAttestation: gasOf("revealAttestation"),
          finalize: gasOf("finalize"),
        },
      };
    },
  };
}

function middle(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
