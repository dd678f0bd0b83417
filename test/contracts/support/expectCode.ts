import { expect } from "chai";
import { GradworkError } from "../../../clients/model/errors.ts";

/** Expects a promise to be rejected with an expected error of this code, and gives that error. */
export async function expectCode(pending: Promise<unknown>, code: string): Promise<GradworkError> {
  const error = await pending.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(GradworkError);
  expect((error as GradworkError).code).to.equal(code);
  return error as GradworkError;
}
