// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILeafChecker} from "./interfaces/ILeafChecker.sol";
import {LeafCheck, LeafVerdict} from "./libraries/LeafCheck.sol";
import {MXFP4} from "./libraries/MXFP4.sol";
import {PositionalMerkle} from "./libraries/PositionalMerkle.sol";

/// @title LeafChecker
contract LeafChecker is ILeafChecker {
    /// @inheritdoc ILeafChecker
    function leafCount(uint256 parameterCount) public pure returns (uint256) {
        return (parameterCount + MXFP4.LEAF_PARAMETERS - 1) / MXFP4.LEAF_PARAMETERS;
    }

    /// @inheritdoc ILeafChecker
    function check(
        Trees calldata trees,
        uint256 parameterCount,
        uint256 index,
        LeafOpening calldata opening
    ) external pure returns (LeafVerdict verdict, uint256 element) {
        uint256 depth = PositionalMerkle.depthOf(leafCount(parameterCount));
        uint256 full = MXFP4.FULL_LEAF_BYTES;
        uint256 quant = MXFP4.QUANT_LEAF_BYTES;
        _requireMember(trees.oldRoot, depth, index, full, opening.oldLeaf, opening.oldProof);
        _requireMember(trees.updateRoot, depth, index, quant, opening.updateLeaf, opening.updateProof);
        _requireMember(trees.newRoot, depth, index, full, opening.newLeaf, opening.newProof);
        _requireMember(trees.quantRoot, depth, index, quant, opening.quantLeaf, opening.quantProof);

        uint256 first = index * MXFP4.LEAF_PARAMETERS;
        uint256 live = first < parameterCount ? parameterCount - first : 0;
        if (live > MXFP4.LEAF_PARAMETERS) live = MXFP4.LEAF_PARAMETERS;
        return
            LeafCheck.verdict(opening.oldLeaf, opening.updateLeaf, opening.newLeaf, opening.quantLeaf, live);
    }

    function _requireMember(
        bytes32 root,
        uint256 depth,
        uint256 index,
        uint256 leafLength,
        bytes calldata leaf,
        bytes32[] calldata proof
    ) internal pure {
        if (leaf.length != leafLength) revert WrongLeafLength(leaf.length, leafLength);
        if (proof.length != depth) revert WrongProofLength(proof.length, depth);
        if (!PositionalMerkle.verify(root, depth, keccak256(leaf), index, proof))
            revert NotInTree(root, index);
    }
}
