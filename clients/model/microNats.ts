import { GradworkError } from "./errors.ts";

/**
 * A loss in micro-nats, rounded half up: ⌊10⁶·x + ½⌋ of the double's exact value, so that every client rounds alike.
 * @param lossNats finite
 * @throws {GradworkError} `LOSS_NOT_FINITE`
 */
export function toMicroNats(lossNats: number): bigint {
  if (!Number.isFinite(lossNats)) {
    throw new GradworkError("LOSS_NOT_FINITE", `Expected a finite loss, got ${lossNats}`, { lossNats });
  }
  const whole = Math.trunc(lossNats);
  // Exact in 80 fractional bits, but for fractions below 2^−27, which round to 0 all the same.
  const fraction = BigInt(Math.trunc((lossNats - whole) * 2 ** 80));
  return BigInt(whole) * 1_000_000n + ((fraction * 2_000_000n + (1n << 80n)) >> 81n);
}
