// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Consensus} from "../libraries/Consensus.sol";
import {Draws} from "../libraries/Draws.sol";
import {Float32} from "../libraries/Float32.sol";
import {LeafCheck, LeafVerdict} from "../libraries/LeafCheck.sol";
import {MXFP4} from "../libraries/MXFP4.sol";
import {PositionalMerkle} from "../libraries/PositionalMerkle.sol";
import {Sortition} from "../libraries/Sortition.sol";
import {WeightedMedian} from "../libraries/WeightedMedian.sol";
import {PlainLeafCheck} from "./PlainLeafCheck.sol";
import {PlainMXFP4} from "./PlainMXFP4.sol";

/// @title LibraryHarness
/// @notice The libraries, and their plain twins, as calls: for tests and for the check of format vectors.
contract LibraryHarness {
    /* MXFP4 */

    /// @notice Whether `quantLeaf` is a valid encoding.
    function isValidEncoding(bytes calldata quantLeaf) external pure returns (bool) {
        return MXFP4.firstInvalid(quantLeaf) == MXFP4.NONE;
    }

    function firstInvalid(bytes calldata quantLeaf) external pure returns (uint256) {
        return MXFP4.firstInvalid(quantLeaf);
    }

    function firstNonZeroCode(bytes calldata quantLeaf, uint256 start) external pure returns (uint256) {
        return MXFP4.firstNonZeroCode(quantLeaf, start);
    }

    /// @notice Whether `quantLeaf` is Q(`fullLeaf`).
    function isEncodingOf(bytes calldata fullLeaf, bytes calldata quantLeaf) external pure returns (bool) {
        return MXFP4.firstDifference(fullLeaf, quantLeaf) == MXFP4.NONE;
    }

    /// @notice The first difference in each of many leaves, one after another.
    function firstDifferences(
        bytes calldata fullLeaves,
        bytes calldata quantLeaves
    ) external pure returns (uint256[] memory elements) {
        elements = new uint256[](quantLeaves.length / MXFP4.QUANT_LEAF_BYTES);
        for (uint256 i = 0; i < elements.length; ++i) {
            elements[i] = MXFP4.firstDifference(
                _leaf(fullLeaves, i, MXFP4.FULL_LEAF_BYTES),
                _leaf(quantLeaves, i, MXFP4.QUANT_LEAF_BYTES)
            );
        }
    }

    /// @notice A leaf's 256 values as float32 bits, eight in a word.
    function decode(bytes calldata quantLeaf) external pure returns (uint256[32] memory words) {
        for (uint256 i = 0; i < words.length; ++i) {
            words[i] = MXFP4.decodeLanes(quantLeaf, Float32.LANES_PER_WORD * i);
        }
    }

    /// @notice Q(`fullLeaf`), of finite values, by the plain encoder.
    function encode(bytes calldata fullLeaf) external pure returns (bytes memory quantLeaf) {
        return PlainMXFP4.encode(fullLeaf);
    }

    /* FLOAT32 AND TRANSITION */

    /// @notice Sums of finite values, all as float32 bits.
    function addFloat32(
        uint32[] calldata a,
        uint32[] calldata b
    ) external pure returns (uint32[] memory sums) {
        sums = new uint32[](a.length);
        for (uint256 i = 0; i < a.length; ++i) sums[i] = uint32(Float32.addLanes(a[i], b[i]));
    }

    /// @notice θ ⊕ Δ of a leaf, by the plain twins.
    /// @return ok whether the update is valid and all sums are finite
    function transition(
        bytes calldata oldLeaf,
        bytes calldata updateLeaf
    ) external pure returns (bool ok, bytes memory newLeaf) {
        if (PlainMXFP4.firstInvalid(updateLeaf) != PlainMXFP4.LEAF_PARAMETERS) return (false, "");
        uint256 overflow;
        (newLeaf, overflow) = PlainLeafCheck.add(oldLeaf, updateLeaf);
        ok = overflow == PlainMXFP4.LEAF_PARAMETERS;
    }

    /* LEAF CHECK */

    function leafVerdict(
        bytes calldata oldLeaf,
        bytes calldata updateLeaf,
        bytes calldata newLeaf,
        bytes calldata quantLeaf,
        uint256 liveParameters
    ) external pure returns (LeafVerdict verdict, uint256 element) {
        return LeafCheck.verdict(oldLeaf, updateLeaf, newLeaf, quantLeaf, liveParameters);
    }

    /// @notice The verdict on each of many whole leaves, one after another.
    function leafVerdicts(
        bytes calldata oldLeaves,
        bytes calldata updateLeaves,
        bytes calldata newLeaves,
        bytes calldata quantLeaves
    ) external pure returns (LeafVerdict[] memory verdicts, uint256[] memory elements) {
        uint256 n = quantLeaves.length / MXFP4.QUANT_LEAF_BYTES;
        verdicts = new LeafVerdict[](n);
        elements = new uint256[](n);
        for (uint256 i = 0; i < n; ++i) {
            (verdicts[i], elements[i]) = LeafCheck.verdict(
                _leaf(oldLeaves, i, MXFP4.FULL_LEAF_BYTES),
                _leaf(updateLeaves, i, MXFP4.QUANT_LEAF_BYTES),
                _leaf(newLeaves, i, MXFP4.FULL_LEAF_BYTES),
                _leaf(quantLeaves, i, MXFP4.QUANT_LEAF_BYTES),
                MXFP4.LEAF_PARAMETERS
            );
        }
    }

    /* MERKLE TREES */

    function depthOf(uint256 leafCount) external pure returns (uint256) {
        return PositionalMerkle.depthOf(leafCount);
    }

    function verifyProof(
        bytes32 root,
        uint256 depth,
        bytes calldata leaf,
        uint256 index,
        bytes32[] calldata proof
    ) external pure returns (bool) {
        return PositionalMerkle.verify(root, depth, keccak256(leaf), index, proof);
    }

    /// @notice The root over leaf hashes; `zeroLeafHash` fills the places past the last.
    function merkleRoot(bytes32[] calldata leafHashes, bytes32 zeroLeafHash) external pure returns (bytes32) {
        uint256 width = 1 << PositionalMerkle.depthOf(leafHashes.length);
        bytes32[] memory row = new bytes32[](width);
        for (uint256 i = 0; i < width; ++i) row[i] = i < leafHashes.length ? leafHashes[i] : zeroLeafHash;
        for (; width > 1; width /= 2) {
            for (uint256 i = 0; i < width; i += 2) {
                row[i / 2] = keccak256(abi.encodePacked(row[i], row[i + 1]));
            }
        }
        return row[0];
    }

    /* WEIGHTED MEDIAN, DRAWS AND SORTITION */

    function weightedMedian(
        int256[] calldata values,
        uint256[] calldata weights
    ) external pure returns (int256) {
        return WeightedMedian.median(values, weights);
    }

    function draw(
        bytes32 seed,
        bytes32 tag,
        uint256 task,
        uint256 round,
        uint256 proposal,
        uint256 j
    ) external pure returns (uint256) {
        return Draws.draw(seed, tag, task, round, proposal, j);
    }

    /// @notice The first `count` leaves that each of many seeds draws for proposal 0 of a task's first round.
    function leafIndices(
        bytes32[] calldata seeds,
        uint256 task,
        uint256 count,
        uint256 leafCount
    ) external pure returns (uint256[] memory indices) {
        indices = new uint256[](seeds.length * count);
        for (uint256 i = 0; i < indices.length; ++i) {
            indices[i] = Draws.draw(seeds[i / count], Draws.LEAF, task, 1, 0, i % count) % leafCount;
        }
    }

    function tags() external pure returns (bytes32 leaf, bytes32 eval, bytes32 committee) {
        return (Draws.LEAF, Draws.EVAL, Draws.COMMITTEE);
    }

    function sortitionWeight(
        uint256 draw_,
        uint256 stake,
        uint256 total,
        uint256 size
    ) external pure returns (uint256) {
        return Sortition.weightOf(draw_, stake, total, size);
    }

    /* CONSENSUS */

    function sorted(uint256[] calldata words) external pure returns (uint256[] memory list) {
        list = words;
        Consensus.sort(list);
    }

    /// @param values in any order, with a weight each
    /// @return median the weighted one
    /// @return medianDeviation weighted median of the distances from it
    /// @return mean trimmed by `share`
    /// @return meanDeviation the same from the mean
    function consensus(
        uint256[] calldata values,
        uint256[] calldata weights,
        uint256 share
    ) external pure returns (uint256 median, uint256 medianDeviation, uint256 mean, uint256 meanDeviation) {
        uint256[] memory list = new uint256[](values.length);
        uint256 total = 0;
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = Consensus.weighted(values[i], weights[i]);
            total += weights[i];
        }
        Consensus.sort(list);
        median = Consensus.median(list, total);
        medianDeviation = Consensus.deviation(list, total, median);
        mean = Consensus.trimmedMean(list, total, share);
        meanDeviation = Consensus.deviation(list, total, mean);
    }

    function _leaf(
        bytes calldata leaves,
        uint256 index,
        uint256 length
    ) private pure returns (bytes calldata) {
        return leaves[index * length:(index + 1) * length];
    }
}
