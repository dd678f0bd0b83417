import type { Gradwork } from "../chain/connection.ts";
import { readTerms } from "../chain/taskView.ts";
import type { Observer } from "../roles/observer.ts";
import { closeParty, openParty, type Party } from "../roles/party.ts";
import { openSender } from "./chain.ts";
import { jsonObserver, lineObserver, type TaskRole, unrepeated } from "./observers.ts";
import type { PartyRunOptions } from "./partyOptions.ts";
import type { RoleOptions } from "./roleOptions.ts";
import type { Session } from "./session.ts";

/**
 * Lets an account play a role on a task. Being stopped is how that ends: it returns as usual.
 * @throws {GradworkError} `UNKNOWN_TASK`, and as `openSender` does
 */
export async function runRole(
  role: TaskRole,
  options: RoleOptions,
  { signal, output, stream }: Session,
  play: (gradwork: Gradwork, observe: Observer) => Promise<void>,
): Promise<void> {
  try {
    const gradwork = await openSender(options);
    await readTerms(gradwork, options.taskId);
    const identity = { role, account: gradwork.wallet.address, task: options.taskId };
    const observe = unrepeated(options.jsonLogs ? jsonObserver(stream, identity) : lineObserver(output));
    if (!options.jsonLogs) output.say(`${role} ${identity.account} on task ${identity.task}`);
    await play(gradwork, observe);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/**
 * The same for a role that takes a party, which is opened for it and closed.
 * @throws {GradworkError} `UNKNOWN_TASK` before a folder is made; and as `openSender` and `openParty` do
 */
export async function runParty(
  role: TaskRole,
  options: PartyRunOptions,
  session: Session,
  play: (party: Party) => Promise<void>,
): Promise<void> {
  const { directory, blobs, host, port, publicUrl, drandUrls } = options;
  const { signal } = session;
  await runRole(role, options, session, async (gradwork, observe) => {
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
