// npm run models:eval -- [NAME…]: measures the embedded models, or those named, on held-out documents.
import { embeddedModelFolder } from "../clients/inference/embedded.ts";
import { chosenModels } from "./models/embedded.ts";
import { runScript } from "./runScript.ts";

async function main(argv: string[], signal: AbortSignal): Promise<void> {
  for (const { name, evaluate } of chosenModels(argv)) {
    console.log(name);
    await evaluate(embeddedModelFolder(name), signal);
  }
}

await runScript(main);
