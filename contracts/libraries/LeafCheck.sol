// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Float32} from "./Float32.sol";
import {MXFP4} from "./MXFP4.sol";

/// @notice What is wrong with the four leaves of one index. Of several reasons the first in this order counts.
enum LeafVerdict {
    Valid,
    /// The old leaf holds an infinity or a NaN: the head was never a model, and no miner is to blame.
    NonFiniteOld,
    /// The update leaf has a scale byte other than 0 and 3…252, or a magnitude under scale 0.
    InvalidEncoding,
    /// The update leaf has a code past the last parameter.
    NonZeroPadding,
    /// θ ⊕ Δ overflows.
    NonFiniteSum,
    /// The new leaf is not θ ⊕ Δ.
    WrongSum,
    /// The quantized leaf is not Q(θ′).
    WrongQuantization
}

/// @title LeafCheck
/// @notice PoGO's leaf check (arXiv 2504.07540): whether a new leaf follows from an old one and an update, and a
/// quantized one from the new. Gives a verdict; reverts only on leaves of a wrong length.
library LeafCheck {
    /// @notice Checks θ′ = θ ⊕ Δ and q = Q(θ′) on the leaves of one index. A leaf may be empty: then only what the others
    /// show is checked, and `Valid` says that they show nothing wrong.
    /// @param oldLeaf 256 values of θ, 1,024 bytes
    /// @param updateLeaf 256 elements of Δ, 136 bytes
    /// @param newLeaf 256 values of θ′, 1,024 bytes
    /// @param quantLeaf 256 elements of Q(θ′), 136 bytes
    /// @param liveParameters how many of the 256 are parameters of the model; the others are padding
    /// @return reason the verdict
    /// @return element the first element for which the reason holds, 0…255; 0 if valid
    function verdict(
        bytes calldata oldLeaf,
        bytes calldata updateLeaf,
        bytes calldata newLeaf,
        bytes calldata quantLeaf,
        uint256 liveParameters
    ) internal pure returns (LeafVerdict reason, uint256 element) {
        bool hasSum = oldLeaf.length != 0 && updateLeaf.length != 0;
        if (oldLeaf.length != 0) {
            element = firstNonFinite(oldLeaf);
            if (element != MXFP4.NONE) return (LeafVerdict.NonFiniteOld, element);
        }
        if (updateLeaf.length != 0) {
            element = MXFP4.firstInvalid(updateLeaf);
            if (element != MXFP4.NONE) return (LeafVerdict.InvalidEncoding, element);
            element = MXFP4.firstNonZeroCode(updateLeaf, liveParameters);
            if (element != MXFP4.NONE) return (LeafVerdict.NonZeroPadding, element);
        }
        if (hasSum) {
            (reason, element) = transition(oldLeaf, updateLeaf, newLeaf);
            if (reason != LeafVerdict.Valid) return (reason, element);
        }
        if (newLeaf.length != 0 && quantLeaf.length != 0) {
            // A new leaf that is not finite can come from an old one that is not: that has no quantization to be wrong.
            if (!hasSum && firstNonFinite(newLeaf) != MXFP4.NONE) return (LeafVerdict.Valid, 0);
            element = MXFP4.firstDifference(newLeaf, quantLeaf);
            if (element != MXFP4.NONE) return (LeafVerdict.WrongQuantization, element);
        }
        return (LeafVerdict.Valid, 0);
    }

    /// @notice The first element of a full leaf that is an infinity or a NaN, or `MXFP4.NONE`.
    function firstNonFinite(bytes calldata fullLeaf) internal pure returns (uint256 element) {
        MXFP4.requireLength(fullLeaf, MXFP4.FULL_LEAF_BYTES);
        unchecked {
            for (uint256 i = 0; i < MXFP4.LEAF_PARAMETERS; i += Float32.LANES_PER_WORD) {
                uint256 lanes = Float32.nonFinite(Float32.load(fullLeaf, 4 * i));
                if (lanes != 0) return i + Float32.firstLane(lanes);
            }
            return MXFP4.NONE;
        }
    }

    /// @notice Checks θ′ = θ ⊕ Δ, bit for bit.
    /// @param oldLeaf finite values
    /// @param updateLeaf a valid encoding
    /// @param newLeaf may be empty: then only whether the sums are finite is checked
    /// @return reason `NonFiniteSum`, `WrongSum` or `Valid`
    /// @return element the first element for which it holds; 0 if valid
    function transition(
        bytes calldata oldLeaf,
        bytes calldata updateLeaf,
        bytes calldata newLeaf
    ) internal pure returns (LeafVerdict reason, uint256 element) {
        MXFP4.requireLength(oldLeaf, MXFP4.FULL_LEAF_BYTES);
        MXFP4.requireLength(updateLeaf, MXFP4.QUANT_LEAF_BYTES);
        bool hasNew = newLeaf.length != 0;
        if (hasNew) MXFP4.requireLength(newLeaf, MXFP4.FULL_LEAF_BYTES);
        unchecked {
            for (uint256 i = 0; i < MXFP4.LEAF_PARAMETERS; i += Float32.LANES_PER_WORD) {
                uint256 sums = Float32.addLanes(
                    Float32.load(oldLeaf, 4 * i),
                    MXFP4.decodeLanes(updateLeaf, i)
                );
                uint256 lanes = Float32.nonFinite(sums);
                if (lanes != 0) return (LeafVerdict.NonFiniteSum, i + Float32.firstLane(lanes));
                if (!hasNew) continue;
                lanes = sums ^ Float32.load(newLeaf, 4 * i);
                // A later sum that is not finite is the stronger reason, so go on.
                if (lanes != 0 && reason == LeafVerdict.Valid) {
                    (reason, element) = (LeafVerdict.WrongSum, i + Float32.firstLane(lanes));
                }
            }
        }
    }
}
