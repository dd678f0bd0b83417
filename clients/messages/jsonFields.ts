import type { Json } from "../storage/stateStore.ts";

/** A JSON object that somebody sent: a field may be anything. */
export type JsonFields = { readonly [name: string]: Json };

/** The fields of a JSON object in UTF-8; undefined where the bytes are none. */
export function parseFields(bytes: Uint8Array): JsonFields | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as JsonFields) : undefined;
  } catch {
    return undefined;
  }
}
