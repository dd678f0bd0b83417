import { expect } from "chai";
import { commitModel, fullLeafOf, quantLeafOf } from "../../clients/model/commitment.ts";
import { buildTree, merkleProof, verifyMerkleProof } from "../../clients/model/merkle.ts";
import { encodeLeaves } from "../../clients/model/mxfp4.ts";
import { parameterBytes } from "../../clients/model/parameters.ts";
import { randomParameters } from "./random.ts";
import { thrownBy } from "./thrown.ts";

const LENGTHS = [1, 255, 256, 257, 1000, 1300];

describe("commitment", () => {
  it("commits to the padded parameters and to their quantization", () => {
    for (const length of LENGTHS) {
      const parameters = randomParameters(length, length);
      const { fullTree, quantTree, quantLeaves } = commitModel(parameters);
      expect(quantLeaves).to.deep.equal(encodeLeaves(parameters));
      expect(quantTree.root).to.equal(buildTree(quantLeaves, 136).root);
      expect(fullTree.root).to.equal(buildTree(parameterBytes(parameters), 1024).root);
      expect(fullTree.leafCount).to.equal(Math.ceil(length / 256));
    }
  });

  it("gives the leaf of every place, so that its proof holds", () => {
    for (const length of LENGTHS) {
      const parameters = randomParameters(length, length);
      const { fullTree, quantTree, quantLeaves } = commitModel(parameters);
      for (let place = 0; place < 2 ** fullTree.depth; place++) {
        for (const [tree, leaf] of [
          [fullTree, fullLeafOf(parameters, place)],
          [quantTree, quantLeafOf(quantLeaves, place)],
        ] as const) {
          expect(verifyMerkleProof(tree.root, tree.depth, leaf, place, merkleProof(tree, place))).to.equal(
            true,
          );
        }
      }
    }
  });

  it("quantizes each full leaf to the quantized one of the same place", () => {
    const parameters = randomParameters(1300, 8);
    const { quantLeaves } = commitModel(parameters);
    for (let place = 0; place < 8; place++) {
      const leaf = new Float32Array(fullLeafOf(parameters, place).slice().buffer);
      expect(encodeLeaves(leaf)).to.deep.equal(quantLeafOf(quantLeaves, place));
    }
  });

  it("refuses a place outside the tree", () => {
    const parameters = randomParameters(1300, 8);
    for (const index of [8, -1, 0.5]) {
      expect(thrownBy(() => fullLeafOf(parameters, index)).code).to.equal("INDEX_OUT_OF_RANGE");
      expect(thrownBy(() => quantLeafOf(encodeLeaves(parameters), index)).code).to.equal(
        "INDEX_OUT_OF_RANGE",
      );
    }
  });

  it("refuses a model without parameters or with one that is not finite", () => {
    expect(thrownBy(() => commitModel(new Float32Array(0))).code).to.equal("INVALID_PARAMETER_COUNT");
    expect(thrownBy(() => commitModel(Float32Array.of(1, Number.NaN)))).to.deep.equal({
      code: "NON_FINITE_PARAMETER",
      data: { index: 1, value: Number.NaN },
    });
  });
});
