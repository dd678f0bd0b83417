import { readTask, readTerms } from "../chain/taskView.ts";
import { exportModel } from "../inference/exportModel.ts";
import { followHead, genesisHead } from "./head.ts";
import { obtain, type Party } from "./party.ts";
import { loadOrigin, MAX_FILE_BYTES } from "./taskDefinition.ts";

/**
 * Writes a task's head as a folder in the Hugging Face layout, rebuilt from the genesis by every confirmed update.
 * @param folder where nothing is, or an empty folder
 * @returns root of θ
 * @throws {GradworkError} `FOLDER_OCCUPIED`, `UNKNOWN_TASK`, `HEAD_DIVERGED`; as `loadOrigin` does
 */
export async function exportHead(party: Party, taskId: bigint, folder: string): Promise<string> {
  const { gradwork } = party;
  const origin = await loadOrigin(party, taskId);
  const view = await readTask(gradwork, await readTerms(gradwork, taskId));
  const { parameters, commitment } = await followHead(party, origin, genesisHead(origin), view);
  const { model: config, tokenizer: hash } = origin.manifest;
  const tokenizer = await obtain(party, { hash, maxBytes: MAX_FILE_BYTES }, [origin.location]);
  await exportModel(folder, { config, parameters, tokenizer });
  return commitment.fullTree.root;
}
