import { commitTransition, followVectors, makeVectors } from "./support/transition.ts";
import * as s from "./support/scenario.ts";
describe("profile", () => { it("x", async () => {
  const vectors = makeVectors(700, 11);
  const scenario = await s.networkHelpers.loadFixture(s.deployScenario);
  const task = await s.registerTask(scenario, {}, commitTransition(vectors));
  await s.enrolVerifiers(task);
  const first = { ...task, miner: task.rival };
  await s.startRound(first, "Ended"); await s.finalize(first);
  for (const p of [task.rival, ...task.verifiers]) await task.market.claim(p);
  const t = { ...task, transition: commitTransition(followVectors(vectors.newParameters, new Float32Array(700).fill(-1e-3))) };
  await s.startRound(t, "Ended", [s.NEGATIVE, {...s.NEGATIVE, silent: true}, s.CONFIRMING[2]!]);
  const tx = await s.finalize(t);
  const tr = await s.connection.provider.request({ method: "debug_traceTransaction", params: [tx.hash, {}] }) as any;
  const by: Record<string, [number, number]> = {};
  // own cost by depth
  const logs = tr.structLogs;
  const stackAddr: string[] = ["market"];
  for (let i = 0; i < logs.length; i++) {
    const l = logs[i]; const n = logs[i+1];
    let cost = l.gasCost;
    if (n && n.depth > l.depth) { cost = 0; const a = l.stack[l.stack.length-2]; stackAddr[l.depth] = a.slice(-6); }
    const key = `d${l.depth}:${l.depth===1?"market":stackAddr[l.depth-1]}:${/SLOAD|SSTORE|LOG|CALL|KECCAK|TLOAD|TSTORE/.test(l.op) ? l.op : "other"}`;
    const e = by[key] ??= [0,0]; e[0]++; e[1]+=cost;
  }
  console.log((await tx.wait())!.gasUsed, task.deployment.contracts);
  console.table(by);
});});
