import { GradworkError } from "../model/errors.ts";

/**
 * The data of server-sent events (WHATWG HTML, 9.2) as they come; their other fields and comments are left out. Lines end
 * with LF or CRLF, as those of all servers of this protocol do.
 * @throws {GradworkError} `SERVER_BAD_RESPONSE` at bytes that are not UTF-8
 */
export async function* readServerEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (chunk: Uint8Array) => {
    try {
      return decoder.decode(chunk, { stream: true });
    } catch {
      throw new GradworkError("SERVER_BAD_RESPONSE", "Expected the server's events in UTF-8, they are not");
    }
  };
  let line = "";
  let data: string[] = [];
  for await (const chunk of chunks) {
    const [first, ...others] = decode(chunk).split("\n");
    line += first;
    for (const next of others) {
      const whole = line.replace(/\r$/, "");
      line = next;
      const field = /^data(?:: ?(.*))?$/s.exec(whole);
      if (field !== null) data.push(field[1] ?? "");
      else if (whole === "" && data.length > 0) {
        yield data.join("\n");
        data = [];
      }
    }
  }
}
