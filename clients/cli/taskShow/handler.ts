import type { Gradwork } from "../../chain/connection.ts";
import { named, OUTCOMES, VERDICTS } from "../../chain/phase.ts";
import { readTask, readTerms, type TaskView } from "../../chain/taskView.ts";
import { openReader } from "../chain.ts";
import { formatDuration, formatNats, formatRows, formatTime, formatTokens } from "../formats.ts";
import type { Session } from "../session.ts";
import type { TaskShowOptions } from "./options.ts";

export async function handleTaskShow(options: TaskShowOptions, { output }: Session): Promise<void> {
  const { taskId } = options;
  const gradwork = await openReader(options);
  const view = await readTask(gradwork, await readTerms(gradwork, taskId));
  output.say(`task ${taskId}`);
  for (const line of [...taskLines(view), "terms", ...termLines(view)]) output.say(line);
  if (view.number === 0n) return;
  output.say(`round ${view.number}`);
  for (const line of await roundLines(gradwork, taskId, view)) output.say(line);
}

const inNats = (microNats: bigint) => formatNats(Number(microNats) / 1e6);
const inPercent = (bps: bigint) => `${Number(bps) / 100}%`;

function taskLines({ task, phase, params }: TaskView): string[] {
  const { owner, manifestHash, location, head, escrow, enrolled, closableAt, headMiner, headBond } = task;
  const rounds = escrow / (params.minerReward + params.verifierReward || 1n);
  return formatRows([
    ["phase", phase],
    ["owner", owner],
    ["manifest", `${manifestHash} at ${location}`],
    ["head", head.fullRoot],
    ["head, 4-bit", head.quantRoot],
    ["parameters", String(head.parameterCount)],
    ...(headBond === 0n ? [] : [["head's bond", `${formatTokens(headBond)} of ${headMiner}`] as const]),
    ["escrow", `${formatTokens(escrow)}, enough for ${rounds} rounds`],
    ["verifiers", `${enrolled} enrolled`],
    ...(closableAt === 0n ? [] : [["closable", `from ${formatTime(closableAt)} on`] as const]),
  ]);
}

function termLines({ params }: TaskView): string[] {
  const { proposalSeconds, openingSeconds, leafCheckSeconds } = params;
  const { commitSeconds, revealSeconds, disputeSeconds } = params;
  return formatRows([
    ["miner's reward", formatTokens(params.minerReward)],
    ["verifiers' reward", `${formatTokens(params.verifierReward)} and the fee`],
    ["proposal's fee", formatTokens(params.proposalFee)],
    [
      "miner's bond",
      `${formatTokens(params.minerBond)}, ${inPercent(params.rejectionBps)} lost when rejected`,
    ],
    ["verifier's stake", `${formatTokens(params.verifierStake)} or more`],
    [
      "penalties",
      `${formatTokens(params.missedRevealPenalty)} unrevealed, ${formatTokens(params.deviationPenalty)} deviating`,
    ],
    ["quorum", `${inPercent(params.quorumBps)} of the enrolled stake`],
    ["least improvement", inNats(params.minImprovementMicroNats)],
    ["tolerance", inNats(params.toleranceMicroNats)],
    ["leaf checks", String(params.leafChecks)],
    [
      "windows",
      [
        `propose ${formatDuration(proposalSeconds)}`,
        `open ${formatDuration(openingSeconds)}`,
        `check leaves ${formatDuration(leafCheckSeconds)}`,
        `commit ${formatDuration(commitSeconds)}`,
        `reveal ${formatDuration(revealSeconds)}`,
        `dispute ${formatDuration(disputeSeconds)}`,
      ].join(", "),
    ],
  ]);
}

async function roundLines({ market }: Gradwork, taskId: bigint, view: TaskView): Promise<string[]> {
  const { number, round, safeBlock } = view;
  const at = { blockTag: safeBlock };
  const attesters = await market.attesters(taskId, number, at);
  const attestations = await Promise.all(
    attesters.map(async ({ account, stake }) => {
      const { verdict, lossBefore, lossAfter } = await market.attestation(taskId, number, account, at);
      const name = named(VERDICTS, verdict);
      const losses = name === "Positive" ? `, ${inNats(lossBefore)} → ${inNats(lossAfter)}` : "";
      const said = name === "None" ? "committed" : name;
      return [account, `${said}${losses}, stake ${formatTokens(stake)}`] as const;
    }),
  );
  return formatRows([["miner", round.miner], ["outcome", named(OUTCOMES, round.outcome)], ...attestations]);
}
