import { readModel } from "../chain/queryView.ts";
import { readTerms } from "../chain/taskView.ts";
import { type Actor, closeParty, openParty, type Party } from "../roles/party.ts";
import { openSender } from "./chain.ts";
import type { SenderOptions } from "./chainOptions.ts";
import { jsonObserver, lineObserver, type Part, unrepeated } from "./observers.ts";
import type { PartyRunOptions } from "./partyOptions.ts";
import type { Session } from "./session.ts";

/** @property drandUrls by default none */
type RunOptions = SenderOptions & { jsonLogs: boolean; drandUrls?: readonly string[] };

/**
 * Lets an account play its part. Being stopped is how that ends: it returns as usual.
 * @throws {GradworkError} `UNKNOWN_TASK`, `UNKNOWN_MODEL`, and as `openSender` does
 */
export async function runRole(
  part: Part,
  options: RunOptions,
  { signal, output, stream }: Session,
  play: (actor: Actor) => Promise<void>,
): Promise<void> {
  const { drandUrls = [], jsonLogs } = options;
  try {
    const gradwork = await openSender(options);
    if ("task" in part) await readTerms(gradwork, part.task);
    else await readModel(gradwork, part.model);
    const { address } = gradwork.wallet;
    const observe = unrepeated(
      jsonLogs ? jsonObserver(stream, { ...part, account: address }) : lineObserver(output),
    );
    const where = "task" in part ? `on task ${part.task}` : `of model ${part.model}`;
    if (!jsonLogs) output.say(`${part.role} ${address} ${where}`);
    await play({ gradwork, address, drandUrls, observe, signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/**
 * The same for a role on a task that takes a party, which is opened for it and closed.
 * @throws {GradworkError} `UNKNOWN_TASK` before a folder is made; and as `openSender` and `openParty` do
 */
export async function runParty(
  role: Extract<Part, { task: bigint }>["role"],
  options: PartyRunOptions,
  session: Session,
  play: (party: Party) => Promise<void>,
): Promise<void> {
  const { directory, blobs, host, port, publicUrl, drandUrls, taskId } = options;
  await runRole({ role, task: taskId }, options, session, async ({ gradwork, observe, signal }) => {
    const party = await openParty(gradwork, {
      directory,
      ...(blobs === undefined ? {} : { blobs }),
      host,
      port,
      ...(publicUrl === undefined ? {} : { publicUrl }),
      ...(drandUrls === undefined ? {} : { drandUrls }),
      observe,
      signal,
    });
    try {
      await play(party);
    } finally {
      await closeParty(party);
    }
  });
}
