import type { Outcome, Verdict } from "../chain/phase.ts";

/** What a role says of its work as it does it: for logs, tables and metrics. Amounts in token wei, losses in nats. */
export type RoleEvent =
  | { kind: "serving"; endpoint: string }
  | { kind: "synced"; round: bigint; fullRoot: string }
  | { kind: "training"; round: bigint; step: number; steps: number; lossNats: number }
  | { kind: "trained"; round: bigint; steps: number; lossNats: number; seconds: number; flops: number }
  | { kind: "sent"; round?: bigint; query?: bigint; action: string; hash: string; gasUsed: bigint }
  | { kind: "fetched"; bytes: number }
  | { kind: "difference"; round: bigint; proposal: number; reason: string; detail: Record<string, unknown> }
  | {
      kind: "measured";
      round: bigint;
      proposal: number;
      lossBeforeNats: number;
      lossAfterNats: number;
      seconds: number;
      flops: number;
    }
  | { kind: "attested"; round: bigint; verdicts: Verdict[] }
  | { kind: "finalized"; round: bigint; outcomes: Outcome[] }
  | { kind: "answered"; query: bigint; bytes: number; seconds: number }
  | { kind: "assessed"; query: bigint; scores: (number | undefined)[]; seconds: number }
  | { kind: "claimed"; amount: bigint }
  | { kind: "waiting"; why: string }
  | { kind: "retrying"; action: string; error: Error };

export type Observer = (event: RoleEvent) => void;
