import { runMiner } from "../../roles/miner.ts";
import { runParty } from "../runRole.ts";
import type { Session } from "../session.ts";
import type { MinerRunOptions } from "./options.ts";

export async function handleMinerRun(options: MinerRunOptions, session: Session): Promise<void> {
  const { taskId, training, rounds, threads } = options;
  await runParty("miner", options, session, (party) =>
    runMiner(party, {
      taskId,
      training,
      ...(rounds === undefined ? {} : { rounds }),
      ...(threads === undefined ? {} : { threads }),
    }),
  );
}
