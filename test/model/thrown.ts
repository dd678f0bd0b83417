import { GradworkError } from "../../clients/model/errors.ts";

/** The expected failure of a call; anything else, success included, is an error. */
export function thrownBy(call: () => unknown): { code: string; data: Record<string, unknown> } {
  try {
    call();
  } catch (error) {
    if (error instanceof GradworkError) return { code: error.code, data: error.data };
    throw error;
  }
  throw new Error("Expected a GradworkError, the call returned");
}
