import type { Gradwork } from "../../chain/connection.ts";
import { named, OUTCOMES, STATUSES, VERDICTS } from "../../chain/phase.ts";
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
  const { market, vault, deployment } = gradwork;
  const { headRound, headProposal } = view.task;
  const { miner, bond } = await market.proposal(taskId, headRound, headProposal);
  const enrolled = await vault.poolTotalAt(deployment.contracts.Committee, taskId, view.timestamp);
  const more: [string, string][] = [
    ...(bond === 0n ? [] : [["head's bond", `${formatTokens(bond)} of ${miner}`] as [string, string]]),
    ["enrolled stake", formatTokens(enrolled)],
  ];
  const lines = [...taskLines(view), ...formatRows(more), "terms", ...termLines(view)];
  for (const line of lines) output.say(line);
  if (view.number === 0n) return;
  output.say(`round ${view.number}`);
  for (const line of await roundLines(gradwork, taskId, view)) output.say(line);
}

const inNats = (microNats: bigint) => formatNats(Number(microNats) / 1e6);
const inPercent = (bps: bigint) => `${Number(bps) / 100}%`;

function taskLines({ task, phase, params }: TaskView): string[] {
  const { owner, manifestHash, location, head, escrow, closableAt } = task;
  const rounds = escrow / (params.minerReward + params.verifierReward || 1n);
  return formatRows([
    ["phase", phase],
    ["owner", owner],
    ["manifest", `${manifestHash} at ${location}`],
    ["head", head.fullRoot],
    ["head, 4-bit", head.quantRoot],
    ["parameters", String(head.parameterCount)],
    ["escrow", `${formatTokens(escrow)}, enough for ${rounds} rounds`],
    ...(closableAt === 0n ? [] : [["closable", `from ${formatTime(closableAt)} on`] as const]),
  ]);
}

function termLines({ params }: TaskView): string[] {
  const { proposalSeconds, openingSeconds, leafCheckSeconds } = params;
  const { commitSeconds, revealSeconds, disputeSeconds } = params;
  return formatRows([
    ["miner's reward", formatTokens(params.minerReward)],
    ["verifiers' reward", `${formatTokens(params.verifierReward)} and the fees`],
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
    ["proposals", `${params.maxProposals} a round at most`],
    ["committee", `${params.committeeSize} verifiers on average, or all`],
    [
      "demands",
      `${formatTokens(params.demandDeposit)} each, of which an answer pays ${formatTokens(params.answerRefund)}; ` +
        `${formatDuration(params.answerSeconds)} to answer`,
    ],
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

async function roundLines({ committee }: Gradwork, taskId: bigint, view: TaskView): Promise<string[]> {
  const { number, proposals, safeBlock } = view;
  const at = { blockTag: safeBlock };
  const attesters = await committee.attesters(taskId, number, at);
  const rows: [string, string][] = proposals.map(({ miner, status, outcome }, i) => {
    const state = named(STATUSES, status);
    return [`proposal ${i}`, `${state === "Final" ? named(OUTCOMES, outcome) : state}, by ${miner}`];
  });
  for (const { account, weight } of attesters) {
    const { revealed, lossBefore } = await committee.attestation(taskId, number, account, at);
    const said: string[] = [];
    for (const i of revealed ? proposals.keys() : []) {
      const { verdict, lossAfter } = await committee.vote(taskId, number, account, i, at);
      const name = named(VERDICTS, verdict);
      said.push(name === "Positive" ? `${i}: ${inNats(lossBefore)} → ${inNats(lossAfter)}` : `${i}: ${name}`);
    }
    rows.push([account, `${revealed ? said.join(", ") : "committed"}, weight ${formatTokens(weight)}`]);
  }
  return formatRows(rows);
}
