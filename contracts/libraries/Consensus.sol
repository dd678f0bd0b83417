// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";

/// @title Consensus
/// @notice What weighted values have in common (protocol, §1; robust aggregation: arXiv 2601.21189). `total` is the sum of
/// a list's weights, at least 1 and below 2^127.
library Consensus {
    uint256 private constant ONE = 1_000_000;

    using Arrays for uint256[];

    /// @notice A value in the high half of a word, and what it weighs in the low half: words are in the order of values.
    /// @param value below 2^128
    /// @param weight likewise
    function weighted(uint256 value, uint256 weight) internal pure returns (uint256) {
        return (value << 128) | weight;
    }

    /// @notice Puts a list in order, by insertion.
    /// @dev Gas grows with the square of its length, which the caller bounds. While it is at work a zero stands in the place
    /// of the length: no word is below it, so that none is moved past it.
    ///
    ///     | zero | word 0 | … | word i - 1 | word i | …
    ///              in order                  ^ end: to be inserted
    ///
    /// @param list of words above 0
    function sort(uint256[] memory list) internal pure {
        assembly ("memory-safe") {
            let count := mload(list)
            mstore(list, 0)
            let last := add(list, shl(5, count))
            for {
                let end := add(list, 0x40)
            } iszero(gt(end, last)) {
                end := add(end, 0x20)
            } {
                let word := mload(end)
                let place := sub(end, 0x20)
                let before := mload(place)
                for {} gt(before, word) {} {
                    mstore(add(place, 0x20), before)
                    place := sub(place, 0x20)
                    before := mload(place)
                }
                mstore(add(place, 0x20), word)
            }
            mstore(list, count)
        }
    }

    /// @notice The smallest value x with 2 · Σ(weights of values ≤ x) ≥ Σ(weights).
    /// @param list weighted values, in order
    function median(uint256[] memory list, uint256 total) internal pure returns (uint256) {
        unchecked {
            uint256 reached = 0;
            for (uint256 i = 0; ; i++) {
                reached += _weight(list.unsafeMemoryAccess(i));
                if (2 * reached >= total) return _value(list.unsafeMemoryAccess(i));
            }
        }
        // Unreachable: all weights together are at least half of themselves.
        return 0;
    }

    /// @notice The mean of what is left after `share` of the weight is cut at each end, rounded down.
    /// @param list weighted values, in order
    /// @param share in millionths, below 500,000
    function trimmedMean(
        uint256[] memory list,
        uint256 total,
        uint256 share
    ) internal pure returns (uint256) {
        unchecked {
            uint256 cut = (total * share) / ONE;
            uint256 top = total - cut;
            uint256 sum = 0;
            uint256 reached = 0;
            for (uint256 i = 0; i < list.length; i++) {
                uint256 from = reached < cut ? cut : reached;
                reached += _weight(list.unsafeMemoryAccess(i));
                uint256 to = reached < top ? reached : top;
                if (to > from) sum += _value(list.unsafeMemoryAccess(i)) * (to - from);
            }
            return sum / (top - cut);
        }
    }

    /// @notice The weighted median of the distances from `center`.
    /// @dev Distances grow from the center outward, on both sides: the nearer one is next.
    /// @param list weighted values, in order
    function deviation(
        uint256[] memory list,
        uint256 total,
        uint256 center
    ) internal pure returns (uint256 distance) {
        unchecked {
            // Those below `low` are at most the center; those from `high` on are above it.
            uint256 high = 0;
            while (high < list.length && _value(list.unsafeMemoryAccess(high)) <= center) high++;
            uint256 low = high;
            uint256 reached = 0;
            while (2 * reached < total) {
                uint256 below =
                    low == 0 ? type(uint256).max : center - _value(list.unsafeMemoryAccess(low - 1));
                uint256 above =
                    high == list.length ? type(uint256).max : _value(list.unsafeMemoryAccess(high)) - center;
                if (below < above) {
                    distance = below;
                    reached += _weight(list.unsafeMemoryAccess(--low));
                } else {
                    distance = above;
                    reached += _weight(list.unsafeMemoryAccess(high++));
                }
            }
        }
    }

    function _value(uint256 word) private pure returns (uint256) {
        return word >> 128;
    }

    function _weight(uint256 word) private pure returns (uint256) {
        return word & type(uint128).max;
    }
}
