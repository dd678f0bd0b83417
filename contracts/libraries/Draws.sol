// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Draws
/// @notice What a round's seed draws, separated by purpose, task, round and proposal.
library Draws {
    /// @notice Leaves to check: index = draw mod the number of leaves.
    bytes32 internal constant LEAF = "LEAF";
    /// @notice Sequences of the evaluation split, for proposal 0: index = draw mod the split's size.
    bytes32 internal constant EVAL = "EVAL";
    /// @notice Committee members, for proposal 0: j is the verifier's address, and the draw is compared, not reduced.
    bytes32 internal constant COMMITTEE = "COMMITTEE";
    /// @notice Nodes that answer a query: task is the model, round the query, proposal 0.
    bytes32 internal constant RESPONDER = "RESPONDER";
    /// @notice Nodes that score its answers, likewise.
    bytes32 internal constant ASSESSOR = "ASSESSOR";

    /// @notice The j-th draw.
    /// @param tag one of the above: its ASCII name, zero-padded on the right
    function draw(
        bytes32 seed,
        bytes32 tag,
        uint256 task,
        uint256 round,
        uint256 proposal,
        uint256 j
    ) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, tag, task, round, proposal, j)));
    }
}
