// npm run models:build -- [NAME…]: makes the embedded models, or those named, again from their seeds.
import { embeddedModelFolder } from "../clients/inference/embedded.ts";
import { chosenModels } from "./models/embedded.ts";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());

for (const { name, build } of chosenModels(process.argv.slice(2))) {
  const start = performance.now();
  await build(embeddedModelFolder(name), (line) => console.log(`${name}: ${line}`), stop.signal);
  console.log(`${name}: made in ${Math.round((performance.now() - start) / 1000)} s`);
}
