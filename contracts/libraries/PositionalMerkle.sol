// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title PositionalMerkle
/// @notice Keccak-256 Merkle trees of 2^depth places in which a proof also shows the leaf's index: a node hashes its
/// children's 64 bytes, left first and unsorted.
/// @dev Warning: nodes and leaves are not told apart by a prefix. A leaf must never be 64 bytes long.
library PositionalMerkle {
    /// @notice Depth ⌈log2 n⌉ of the tree over n leaves.
    function depthOf(uint256 leafCount) internal pure returns (uint256) {
        return Math.log2(leafCount, Math.Rounding.Ceil);
    }

    /// @notice Whether the leaf with hash `leafHash` is at place `index` of the tree of that root and depth.
    /// @param proof the siblings on the way up, exactly `depth` of them
    function verify(
        bytes32 root,
        uint256 depth,
        bytes32 leafHash,
        uint256 index,
        bytes32[] calldata proof
    ) internal pure returns (bool) {
        return proof.length == depth && index >> depth == 0 && rootOf(leafHash, index, proof) == root;
    }

    /// @notice The root to which a leaf hash and its siblings lead. Bits of the index past the proof are ignored.
    function rootOf(
        bytes32 leafHash,
        uint256 index,
        bytes32[] calldata proof
    ) internal pure returns (bytes32 node) {
        node = leafHash;
        for (uint256 level = 0; level < proof.length; ++level) {
            bytes32 sibling = proof[level];
            node =
                (index >> level) & 1 == 0
                    ? Hashes.efficientKeccak256(node, sibling)
                    : Hashes.efficientKeccak256(sibling, node);
        }
    }
}
