// npm run models:eval -- [NAME…]: measures the embedded models, or those named, on held-out documents.
import { embeddedModelFolder } from "../clients/inference/embedded.ts";
import { chosenModels } from "./models/embedded.ts";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());

for (const { name, evaluate } of chosenModels(process.argv.slice(2))) {
  console.log(name);
  await evaluate(embeddedModelFolder(name), stop.signal);
}
