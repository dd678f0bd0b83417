// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITrainingMarket} from "./ITrainingMarket.sol";

/// @title ITaskRules
/// @notice What a task may be registered with: the ranges of its parameters and the inequalities between them that make
/// honest work the best that a party can do (docs/economics.md).
/// @dev Holds nothing: a contract of its own so that the market stays within the size that a contract may have.
interface ITaskRules {
    /// @notice Reverts with `ParameterOutOfRange(name, given, limit)` at the first parameter out of its range.
    /// @param withdrawalDelaySeconds stake read for a round must outlast it
    /// @param maxSeedingSeconds longest time without a seed
    /// @param maxOpenDemands most demands open on one proposal
    function check(
        ITrainingMarket.TaskParams calldata params,
        uint64 parameterCount,
        uint256 withdrawalDelaySeconds,
        uint256 maxSeedingSeconds,
        uint256 maxOpenDemands
    ) external pure;
}
