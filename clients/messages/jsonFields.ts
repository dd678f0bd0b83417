import type { Json } from "../storage/stateStore.ts";

/** A JSON object that somebody sent: a field may be anything. */
export type JsonFields = { readonly [name: string]: Json };

/** JSON in UTF-8; undefined where the bytes are none. */
export function parseJson(bytes: Uint8Array): Json | undefined {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as Json;
  } catch {
    return undefined;
  }
}

/** The fields of a JSON object in UTF-8; undefined where the bytes are none. */
export function parseFields(bytes: Uint8Array): JsonFields | undefined {
  const value = parseJson(bytes);
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as JsonFields) : undefined;
}
