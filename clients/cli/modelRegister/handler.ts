import { writeFileSync } from "node:fs";
import canonicalize from "canonicalize";
import { toUtf8Bytes } from "ethers";
import { queryEvents } from "../../chain/events.ts";
import { explain, send } from "../../chain/transactions.ts";
import { GradworkError } from "../../model/errors.ts";
import { keccak256Bytes } from "../../model/keccak.ts";
import { scoringRecord } from "../../quality/scoringRecord.ts";
import { openSender } from "../chain.ts";
import { readJson } from "../files.ts";
import { mergeModelParams } from "../overrides.ts";
import type { Session } from "../session.ts";
import { during } from "../terminal.ts";
import type { ModelRegisterOptions } from "./options.ts";

const RECORD_VERSION = 1;

/** @throws {GradworkError} `FILE_UNWRITABLE`; as `readJson`, `mergeModelParams` and `scoringRecord` do */
export async function handleModelRegister(options: ModelRegisterOptions, session: Session): Promise<void> {
  const { name, judge, paramsFile, location, recordFile } = options;
  const { output, progress, signal } = session;
  const params = mergeModelParams(
    paramsFile === undefined ? {} : readJson(paramsFile),
    paramsFile ?? "the params",
  );
  const record = canonicalize({ schemaVersion: RECORD_VERSION, name, judge: await scoringRecord(judge) })!;
  const recordHash = keccak256Bytes(toUtf8Bytes(record));
  const gradwork = await openSender(options);
  const { registry, wallet } = gradwork;
  try {
    await registry.registerModel.staticCall(params, recordHash, location);
  } catch (error) {
    throw explain(error, "registerModel", wallet.address);
  }
  if (recordFile !== undefined) writeRecord(recordFile, record);
  const receipt = await during(progress, "registering the model", () =>
    send(gradwork, registry.registerModel, [params, recordHash, location], signal),
  );
  const { blockNumber } = receipt;
  const registered = await queryEvents(registry, "ModelRegistered", [], blockNumber, blockNumber, signal);
  const mine = registered.find(({ transactionHash }) => transactionHash === receipt.hash)!;
  output.say(`model ${mine.args.model} registered: ${name}, record ${recordHash}`);
}

function writeRecord(file: string, record: string): void {
  try {
    writeFileSync(file, record);
  } catch (error) {
    throw new GradworkError("FILE_UNWRITABLE", `cannot write ${file}: ${(error as Error).message}`, { file });
  }
}
