import { GradworkError } from "../model/errors.ts";

/** What went wrong, in one line and without a stack: `message (CODE)`. */
export function errorLine(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  const { code, shortMessage } = error as { code?: unknown; shortMessage?: unknown };
  if (error instanceof GradworkError) return oneLine(`${error.message} (${error.code})`);
  // The long form of ethers' messages holds requests, and so URLs with API keys.
  const message = typeof shortMessage === "string" ? shortMessage : error.message || error.name;
  return oneLine(typeof code === "string" && !message.includes(code) ? `${message} (${code})` : message);
}

/** Hides what may be a private key: for what a user mistyped. */
export function hideKeys(text: string): string {
  return text.replace(/(0x)?[0-9a-f]{64,}/gi, "(hidden: it may be a key)");
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ");
}
