// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Sortition
/// @notice A committee drawn by stake, each member by its own draw (protocol, §2.4): with stake s of T and an expected size
/// E it is admitted with probability p = min(1, s·E/T) and weighs s/p, so that weights sum to T on average, however stake is
/// split over accounts.
library Sortition {
    /// @param draw uniform over 256 bits
    /// @param stake at most `total`
    /// @param size E, at least 1
    /// @return weight in wei of stake, rounded down; 0 where not admitted
    function weightOf(
        uint256 draw,
        uint256 stake,
        uint256 total,
        uint256 size
    ) internal pure returns (uint256 weight) {
        uint256 share = stake * size;
        if (share >= total) return stake;
        return draw < Math.mulDiv(type(uint256).max, share, total) ? total / size : 0;
    }
}
