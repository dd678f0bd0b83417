import { readModel } from "../chain/queryView.ts";
import type { Actor } from "../roles/party.ts";
import { openSender } from "./chain.ts";
import type { NodeRunOptions } from "./nodeOptions.ts";
import { jsonObserver, lineObserver, unrepeated } from "./observers.ts";
import type { Session } from "./session.ts";

/**
 * Lets an account play a role for a model. Being stopped is how that ends: it returns as usual.
 * @throws {GradworkError} `UNKNOWN_MODEL`, and as `openSender` does
 */
export async function runNode(
  role: "responder" | "assessor",
  options: NodeRunOptions,
  { signal, output, stream }: Session,
  play: (actor: Actor) => Promise<void>,
): Promise<void> {
  try {
    const gradwork = await openSender(options);
    await readModel(gradwork, options.model);
    const identity = { role, account: gradwork.wallet.address, model: options.model };
    const observe = unrepeated(options.jsonLogs ? jsonObserver(stream, identity) : lineObserver(output));
    if (!options.jsonLogs) output.say(`${role} ${identity.account} of model ${identity.model}`);
    await play({ gradwork, address: gradwork.wallet.address, drandUrls: [], observe, signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
