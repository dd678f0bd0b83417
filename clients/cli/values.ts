// Text from a command line or a JSON file into values; each refusal names the option, what it takes and what came.
import { parseEther } from "ethers";
import { GradworkError } from "../model/errors.ts";

/** Amounts on chain are `uint96`. */
const MAX_AMOUNT = 2n ** 96n - 1n;

export function invalidOption(option: string, given: unknown, expected: string): GradworkError {
  return new GradworkError("INVALID_OPTION", `${option} takes ${expected}, got ${JSON.stringify(given)}`, {
    option,
    given,
    expected,
  });
}

/** @throws {GradworkError} `INVALID_OPTION` unless decimal digits in least…most */
export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw invalidOption(option, text, `a whole number from ${least} to ${most}`);
  }
  return value;
}

/** @throws {GradworkError} `INVALID_OPTION` unless a number > 0, and below 1 where it is a share */
export function positiveNumber(option: string, text: string, below = Number.POSITIVE_INFINITY): number {
  const value = Number(text);
  if (text.trim() === "" || !(value > 0 && value < below)) {
    throw invalidOption(option, text, below === 1 ? "a number between 0 and 1" : "a number above 0");
  }
  return value;
}

/** @throws {GradworkError} `INVALID_OPTION` unless one of these */
export function oneOf<Allowed extends string>(
  option: string,
  text: string,
  allowed: readonly Allowed[],
): Allowed {
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw invalidOption(option, text, allowed.join(" or "));
  return found;
}

/**
 * Tokens as a person writes them, in wei.
 * @throws {GradworkError} `INVALID_OPTION` unless a decimal number > 0 with at most 18 places
 */
export function tokenAmount(option: string, text: string): bigint {
  const wei = /^\d+(\.\d{1,18})?$/.test(text) ? parseEther(text) : 0n;
  if (wei === 0n || wei > MAX_AMOUNT) {
    throw invalidOption(option, text, "an amount in tokens above 0, as 100 or 0.5");
  }
  return wei;
}

/** @throws {GradworkError} `INVALID_OPTION` unless the number of a task */
export function taskNumber(option: string, text: string): bigint {
  if (!/^\d{1,18}$/.test(text)) throw invalidOption(option, text, "the number of a task, from 0 on");
  return BigInt(text);
}

/** @throws {GradworkError} `INVALID_OPTION` unless the number of a query */
export function queryNumber(option: string, text: string): bigint {
  if (!/^\d{1,18}$/.test(text)) throw invalidOption(option, text, "the number of a query, from 0 on");
  return BigInt(text);
}

/** @throws {GradworkError} `INVALID_OPTION` unless the number of a model */
export function modelNumber(option: string, text: string): bigint {
  if (!/^\d{1,9}$/.test(text)) throw invalidOption(option, text, "the number of a model, from 0 on");
  return BigInt(text);
}
