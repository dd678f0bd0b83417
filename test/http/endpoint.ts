import { expect } from "chai";
import { parseBaseUrl, parseEndpoint } from "../../clients/http/endpoint.ts";
import { expectCode } from "../contracts/support/expectCode.ts";

describe("an endpoint", () => {
  it("has a path or none, and loses the slash at its end", () => {
    expect(parseEndpoint("https://example.org")).to.equal("https://example.org");
    expect(parseEndpoint("http://[::1]:8080/a/b/")).to.equal("http://[::1]:8080/a/b");
  });

  it("has at most 256 bytes", () => {
    const endpoint = `https://example.org/${"a".repeat(236)}`;
    expect(parseEndpoint(endpoint)).to.equal(endpoint);
    expect(() => parseEndpoint(`${endpoint}a`)).to.throw("at most 256 bytes");
  });

  for (const text of [
    "",
    "nonsense",
    "ftp://a.example",
    "http://u@a",
    "http://:p@a",
    "http://a?b",
    "http://a#",
  ]) {
    it(`is not ${JSON.stringify(text)}`, async () => {
      expect(parseBaseUrl(text)).to.equal(undefined);
      await expectCode((async () => parseEndpoint(text))(), "BAD_ENDPOINT");
    });
  }
});
