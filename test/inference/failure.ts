import { GradworkError } from "../../clients/model/errors.ts";

/** The expected failure of a call that is under way; anything else, success included, is an error. */
export async function failureOf(
  call: Promise<unknown>,
): Promise<{ code: string; message: string; data: Record<string, unknown> }> {
  try {
    await call;
  } catch (error) {
    if (error instanceof GradworkError) return { code: error.code, message: error.message, data: error.data };
    throw error;
  }
  throw new Error("Expected a GradworkError, the call succeeded");
}
