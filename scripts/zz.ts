import { eventLine } from "../clients/cli/eventLine.ts";
import { playAdversary } from "../scripts/adversaries/adversary.ts";
import { ADVERSARIES } from "../scripts/adversaries/all.ts";
import { openStage } from "../scripts/adversaries/stage.ts";
import { SMALL_TASK } from "../scripts/adversaries/task.ts";

const t0 = Date.now();
const at = () => ((Date.now() - t0) / 1000).toFixed(1);
const verbose = process.argv[3] === "-v";
const stage = await openStage(SMALL_TASK, {
  say(l) {
    if (verbose) console.log(at(), l);
  },
  show(n, e) {
    if (verbose && e.kind !== "training" && e.kind !== "fetched") console.log(at(), n, eventLine(e));
  },
});
console.log(at(), "stage");
for (const a of ADVERSARIES.filter((a) => !process.argv[2] || a.name === process.argv[2])) {
  const t = Date.now();
  try {
    const p = await playAdversary(stage, a);
    console.log(at(), a.name, Date.now() - t, "ms");
    console.log(p.expected, p.actual);
  } catch (e) {
    console.log(at(), a.name, e);
  }
}
await stage.close();
