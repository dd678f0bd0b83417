import { endianness } from "node:os";
import { GradworkError } from "./errors.ts";

/** Lower-case hex with the prefix 0x. */
export function toHex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
}

/**
 * Bytes of a 0x-prefixed hex string.
 * @throws {GradworkError} `INVALID_HEX` unless it is whole bytes, and exactly `length` of them where given
 */
export function fromHex(hex: string, length?: number): Uint8Array {
  if (!isHex(hex, length)) {
    const expected = length === undefined ? "whole bytes" : `${length} bytes`;
    throw new GradworkError("INVALID_HEX", `Expected ${expected} as 0x-prefixed hex, got "${hex}"`, {
      hex,
      length,
    });
  }
  return new Uint8Array(Buffer.from(hex.slice(2), "hex"));
}

/** Whether a string is 0x-prefixed hex of whole bytes, and exactly `length` of them where given. */
export function isHex(hex: string, length?: number): boolean {
  return (
    hex.length % 2 === 0 &&
    (length === undefined || hex.length === 2 + 2 * length) &&
    /^0x[0-9a-fA-F]*$/.test(hex)
  );
}

/**
 * Little-endian bytes of 32-bit values: a view, not a copy.
 * @throws {GradworkError} `UNSUPPORTED_PLATFORM` on a big-endian machine
 */
export function littleEndianBytes(values: Float32Array | Uint32Array): Uint8Array {
  requireLittleEndian();
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** @throws {GradworkError} `UNSUPPORTED_PLATFORM` on a machine whose memory has another order than our bytes */
export function requireLittleEndian(): void {
  if (endianness() !== "LE") {
    throw new GradworkError(
      "UNSUPPORTED_PLATFORM",
      "Expected a little-endian machine, this one is big-endian",
    );
  }
}
