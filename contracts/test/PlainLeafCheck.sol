// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {LeafVerdict} from "../libraries/LeafCheck.sol";
import {PlainFloat32} from "./PlainFloat32.sol";
import {PlainMXFP4} from "./PlainMXFP4.sol";

/// @title PlainLeafCheck
/// @notice What `LeafCheck` must agree with: each rule of protocol §1 in its own loop, built from what the leaves
/// should have been.
library PlainLeafCheck {
    using PlainMXFP4 for bytes;

    /// @dev An empty leaf is one that is not shown; where nothing that is shown is wrong, all is valid.
    function verdict(
        bytes memory oldLeaf,
        bytes memory updateLeaf,
        bytes memory newLeaf,
        bytes memory quantLeaf,
        uint256 liveParameters
    ) internal pure returns (LeafVerdict, uint256) {
        uint256 n = PlainMXFP4.LEAF_PARAMETERS;
        bool hasOld = oldLeaf.length != 0;
        bool hasUpdate = updateLeaf.length != 0;
        bool hasNew = newLeaf.length != 0;
        for (uint256 i = 0; hasOld && i < n; ++i) {
            if (!PlainFloat32.isFinite(oldLeaf.float32At(i))) return (LeafVerdict.NonFiniteOld, i);
        }
        if (hasUpdate) {
            uint256 invalid = updateLeaf.firstInvalid();
            if (invalid != n) return (LeafVerdict.InvalidEncoding, invalid);
        }
        for (uint256 i = liveParameters; hasUpdate && i < n; ++i) {
            if (updateLeaf.codeAt(i) != 0) return (LeafVerdict.NonZeroPadding, i);
        }
        if (hasOld && hasUpdate) {
            (bytes memory sums, uint256 overflow) = add(oldLeaf, updateLeaf);
            if (overflow != n) return (LeafVerdict.NonFiniteSum, overflow);
            for (uint256 i = 0; hasNew && i < n; ++i) {
                if (newLeaf.float32At(i) != sums.float32At(i)) return (LeafVerdict.WrongSum, i);
            }
        }
        if (hasNew && quantLeaf.length != 0) {
            for (uint256 i = 0; i < n; ++i) {
                // It has no encoding; what is wrong with it, old and update leaf would show.
                if (!PlainFloat32.isFinite(newLeaf.float32At(i))) return (LeafVerdict.Valid, 0);
            }
            bytes memory encoded = newLeaf.encode();
            for (uint256 i = 0; i < n; ++i) {
                bool sameScale = quantLeaf.scaleAt(i) == encoded.scaleAt(i);
                if (!sameScale || quantLeaf.codeAt(i) != encoded.codeAt(i))
                    return (LeafVerdict.WrongQuantization, i);
            }
        }
        return (LeafVerdict.Valid, 0);
    }

    /// @notice θ ⊕ Δ of a leaf of finite values and a valid update.
    /// @return newLeaf the sums, little-endian
    /// @return overflow the first element whose sum is not finite, or 256
    function add(
        bytes memory oldLeaf,
        bytes memory updateLeaf
    ) internal pure returns (bytes memory newLeaf, uint256 overflow) {
        newLeaf = new bytes(oldLeaf.length);
        overflow = PlainMXFP4.LEAF_PARAMETERS;
        for (uint256 i = 0; i < PlainMXFP4.LEAF_PARAMETERS; ++i) {
            uint256 change = PlainMXFP4.decode(updateLeaf.codeAt(i), updateLeaf.scaleAt(i));
            uint256 sum = PlainFloat32.add(oldLeaf.float32At(i), change);
            if (!PlainFloat32.isFinite(sum) && overflow == PlainMXFP4.LEAF_PARAMETERS) overflow = i;
            for (uint256 j = 0; j < 4; ++j) newLeaf[4 * i + j] = bytes1(uint8(sum >> (8 * j)));
        }
    }
}
