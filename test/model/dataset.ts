import { expect } from "chai";
import { commitDataset } from "../../clients/model/dataset.ts";
import { buildTree } from "../../clients/model/merkle.ts";
import { randomUint32 } from "./random.ts";
import { thrownBy } from "./thrown.ts";

describe("dataset", () => {
  it("is committed a sequence a leaf, tokens as uint32 little-endian", () => {
    const next = randomUint32(1);
    const tokens = Uint32Array.from({ length: 5 * 129 }, next);
    const bytes = new DataView(new ArrayBuffer(4 * tokens.length));
    for (const [i, token] of tokens.entries()) bytes.setUint32(4 * i, token, true);
    const { root, depth } = buildTree(new Uint8Array(bytes.buffer), 516);
    const tree = commitDataset(tokens, 129);
    expect([tree.root, tree.depth, tree.leafCount]).to.deep.equal([root, depth, 5]);
  });

  it("refuses sequences shorter than 32 tokens", () => {
    for (const sequenceLength of [31, 16, 0, -1, 32.5]) {
      const call = () => commitDataset(new Uint32Array(320), sequenceLength);
      expect(thrownBy(call)).to.deep.equal({ code: "INVALID_SEQUENCE_LENGTH", data: { sequenceLength } });
    }
  });

  it("refuses a partial sequence, and no sequence at all", () => {
    for (const tokens of [0, 31, 33, 65]) {
      const call = () => commitDataset(new Uint32Array(tokens), 32);
      expect(thrownBy(call)).to.deep.equal({
        code: "PARTIAL_SEQUENCE",
        data: { sequenceLength: 32, tokens },
      });
    }
  });
});
