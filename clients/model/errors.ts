/** An expected failure: what was wrong, where, and what to do. Shown without a stack trace. */
export class GradworkError extends Error {
  readonly code: string;
  readonly data: Record<string, unknown>;

  /**
   * @param code machine-readable kind, e.g. `BLOB_HASH_MISMATCH`
   * @param message what was expected, what came, and what to do
   * @param data the values the message speaks of
   */
  constructor(code: string, message: string, data: Record<string, unknown> = {}) {
    super(message);
    this.name = "GradworkError";
    this.code = code;
    this.data = data;
  }
}
