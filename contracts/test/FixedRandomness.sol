// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IRandomness} from "../interfaces/IRandomness.sol";

/// @title FixedRandomness
/// @notice A seed that is known beforehand, so that a test can choose who will be drawn.
contract FixedRandomness is IRandomness {
    bytes32 internal immutable SEED;

    constructor(bytes32 seed_) {
        SEED = seed_;
    }

    /// @inheritdoc IRandomness
    function next() external view returns (uint64 ticket) {
        return uint64(block.number);
    }

    /// @inheritdoc IRandomness
    function read(uint64) external view returns (Availability availability, bytes32 seed) {
        return (Availability.Ready, SEED);
    }
}
