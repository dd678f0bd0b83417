import { expect } from "chai";
import { cutPair, pairLimits } from "../../clients/quality/pairs.ts";

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe("pair limits", () => {
  it("leave the prompt half of what is not special, of at most 512 tokens", () => {
    expect(pairLimits(256)).to.deep.equal({ maxTokens: 256, maxPromptTokens: 126 });
    expect(pairLimits(512)).to.deep.equal({ maxTokens: 512, maxPromptTokens: 254 });
    expect(pairLimits(8192)).to.deep.equal(pairLimits(512));
    expect(pairLimits(5)).to.deep.equal({ maxTokens: 5, maxPromptTokens: 1 });
    expect(() => pairLimits(4))
      .to.throw()
      .with.property("code", "MODEL_UNSUPPORTED");
  });

  const limits = { maxTokens: 13, maxPromptTokens: 5 };

  it("cut nothing that fits", () => {
    expect(cutPair(upTo(5), upTo(5), limits)).to.deep.equal({ prompt: upTo(5), answer: upTo(5) });
    expect(cutPair([], [], limits)).to.deep.equal({ prompt: [], answer: [] });
  });

  it("cut the answer from the right", () => {
    expect(cutPair(upTo(4), upTo(20), limits)).to.deep.equal({ prompt: upTo(4), answer: upTo(6) });
  });

  it("cut a long prompt from the left, however short the answer is", () => {
    expect(cutPair(upTo(9), upTo(2), limits)).to.deep.equal({ prompt: [4, 5, 6, 7, 8], answer: upTo(2) });
    expect(cutPair(upTo(9), upTo(20), limits)).to.deep.equal({ prompt: [4, 5, 6, 7, 8], answer: upTo(5) });
  });
});
