import { readTerms } from "../chain/taskView.ts";
import { closeParty, openParty, type Party } from "../roles/party.ts";
import { openSender } from "./chain.ts";
import { type Identity, jsonObserver, lineObserver, unrepeated } from "./observers.ts";
import type { PartyRunOptions } from "./partyOptions.ts";
import type { Session } from "./session.ts";

/**
 * Opens a party, lets it play its role and closes it. Being stopped is how that ends: it returns as usual.
 * @throws {GradworkError} `UNKNOWN_TASK` before a folder is made; and as `openSender` and `openParty` do
 */
export async function runParty(
  role: Identity["role"],
  options: PartyRunOptions,
  { signal, output, stream }: Session,
  play: (party: Party) => Promise<void>,
): Promise<void> {
  try {
    const gradwork = await openSender(options);
    await readTerms(gradwork, options.taskId);
    const identity = { role, account: gradwork.wallet.address, task: options.taskId };
    const observe = unrepeated(options.jsonLogs ? jsonObserver(stream, identity) : lineObserver(output));
    if (!options.jsonLogs) output.say(`${role} ${identity.account} on task ${identity.task}`);
    const { directory, blobs, host, port, publicUrl } = options;
    const party = await openParty(gradwork, {
      directory,
      ...(blobs === undefined ? {} : { blobs }),
      host,
      port,
      ...(publicUrl === undefined ? {} : { publicUrl }),
      observe,
      signal,
    });
    try {
      await play(party);
    } finally {
      await closeParty(party);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
