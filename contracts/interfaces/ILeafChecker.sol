// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {LeafVerdict} from "../libraries/LeafCheck.sol";

/// @title ILeafChecker
/// @notice Says whether one index of a proposal keeps to the rules, from leaves that are proved to be in its trees.
/// @dev Holds nothing and owns nothing: a contract of its own so that several can share its code.
interface ILeafChecker {
    /// @notice The four trees of a proposal, all of one depth.
    struct Trees {
        bytes32 oldRoot;
        bytes32 updateRoot;
        bytes32 newRoot;
        bytes32 quantRoot;
    }

    /// @notice The leaves of one index, 1,024, 136, 1,024 and 136 bytes long, each with its siblings bottom up.
    struct LeafOpening {
        bytes oldLeaf;
        bytes updateLeaf;
        bytes newLeaf;
        bytes quantLeaf;
        bytes32[] oldProof;
        bytes32[] updateProof;
        bytes32[] newProof;
        bytes32[] quantProof;
    }

    error WrongLeafLength(uint256 given, uint256 expected);
    error WrongProofLength(uint256 given, uint256 expected);
    error NotInTree(bytes32 root, uint256 index);

    /// @notice The leaves of a model with `parameterCount` parameters.
    function leafCount(uint256 parameterCount) external pure returns (uint256);

    /// @notice Checks θ′ = θ ⊕ Δ and q = Q(θ′) at one index (protocol, §1). Reverts unless every leaf is in its tree:
    /// only what a miner committed to can be held against it.
    /// @return verdict what is wrong, if anything
    /// @return element the first offending element, 0…255
    function check(
        Trees calldata trees,
        uint256 parameterCount,
        uint256 index,
        LeafOpening calldata opening
    ) external pure returns (LeafVerdict verdict, uint256 element);

    /// @notice As `check`, but of the leaves that are not empty only: what they show by themselves, `Valid` where that is
    /// nothing wrong.
    function refute(
        Trees calldata trees,
        uint256 parameterCount,
        uint256 index,
        LeafOpening calldata opening
    ) external pure returns (LeafVerdict verdict, uint256 element);

    /// @notice The first element of a model's leaf that is an infinity or a NaN, or 256. Reverts unless the leaf is in the
    /// tree.
    function firstNonFinite(
        bytes32 root,
        uint256 parameterCount,
        uint256 index,
        bytes calldata leaf,
        bytes32[] calldata proof
    ) external pure returns (uint256 element);
}
