// npm run models:build -- [NAME…]: makes the embedded models, or those named, again from their seeds.
import { embeddedModelFolder } from "../clients/inference/embedded.ts";
import { chosenModels } from "./models/embedded.ts";
import { runScript } from "./runScript.ts";

async function main(argv: string[], signal: AbortSignal): Promise<void> {
  for (const { name, build } of chosenModels(argv)) {
    const start = performance.now();
    await build(embeddedModelFolder(name), (line) => console.log(`${name}: ${line}`), signal);
    console.log(`${name}: made in ${Math.round((performance.now() - start) / 1000)} s`);
  }
}

await runScript(main);
