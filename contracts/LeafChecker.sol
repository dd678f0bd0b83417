// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILeafChecker} from "./interfaces/ILeafChecker.sol";
import {LeafCheck, LeafVerdict} from "./libraries/LeafCheck.sol";
import {MXFP4} from "./libraries/MXFP4.sol";
import {PositionalMerkle} from "./libraries/PositionalMerkle.sol";

/// @title LeafChecker
contract LeafChecker is ILeafChecker {
    /// @inheritdoc ILeafChecker
    function leafCount(uint256 parameterCount) external pure returns (uint256) {
        return MXFP4.leafCount(parameterCount);
    }

    /// @inheritdoc ILeafChecker
    function check(
        Trees calldata trees,
        uint256 parameterCount,
        uint256 index,
        LeafOpening calldata opening
    ) external pure returns (LeafVerdict verdict, uint256 element) {
        if (opening.oldLeaf.length == 0) revert WrongLeafLength(0, MXFP4.FULL_LEAF_BYTES);
        if (opening.updateLeaf.length == 0) revert WrongLeafLength(0, MXFP4.QUANT_LEAF_BYTES);
        if (opening.newLeaf.length == 0) revert WrongLeafLength(0, MXFP4.FULL_LEAF_BYTES);
        if (opening.quantLeaf.length == 0) revert WrongLeafLength(0, MXFP4.QUANT_LEAF_BYTES);
        return _verdict(trees, parameterCount, index, opening);
    }

    /// @inheritdoc ILeafChecker
    function refute(
        Trees calldata trees,
        uint256 parameterCount,
        uint256 index,
        LeafOpening calldata opening
    ) external pure returns (LeafVerdict verdict, uint256 element) {
        return _verdict(trees, parameterCount, index, opening);
    }

    /// @inheritdoc ILeafChecker
    function firstNonFinite(
        bytes32 root,
        uint256 parameterCount,
        uint256 index,
        bytes calldata leaf,
        bytes32[] calldata proof
    ) external pure returns (uint256 element) {
        uint256 depth = PositionalMerkle.depthOf(MXFP4.leafCount(parameterCount));
        _requireMember(root, depth, index, MXFP4.FULL_LEAF_BYTES, leaf, proof);
        return LeafCheck.firstNonFinite(leaf);
    }

    function _verdict(
        Trees calldata trees,
        uint256 parameterCount,
        uint256 index,
        LeafOpening calldata opening
    ) internal pure returns (LeafVerdict, uint256) {
        uint256 depth = PositionalMerkle.depthOf(MXFP4.leafCount(parameterCount));
        uint256 full = MXFP4.FULL_LEAF_BYTES;
        uint256 quant = MXFP4.QUANT_LEAF_BYTES;
        _requireMemberOrEmpty(trees.oldRoot, depth, index, full, opening.oldLeaf, opening.oldProof);
        _requireMemberOrEmpty(trees.updateRoot, depth, index, quant, opening.updateLeaf, opening.updateProof);
        _requireMemberOrEmpty(trees.newRoot, depth, index, full, opening.newLeaf, opening.newProof);
        _requireMemberOrEmpty(trees.quantRoot, depth, index, quant, opening.quantLeaf, opening.quantProof);

        uint256 first = index * MXFP4.LEAF_PARAMETERS;
        uint256 live = first < parameterCount ? parameterCount - first : 0;
        if (live > MXFP4.LEAF_PARAMETERS) live = MXFP4.LEAF_PARAMETERS;
        return
            LeafCheck.verdict(opening.oldLeaf, opening.updateLeaf, opening.newLeaf, opening.quantLeaf, live);
    }

    function _requireMemberOrEmpty(
        bytes32 root,
        uint256 depth,
        uint256 index,
        uint256 leafLength,
        bytes calldata leaf,
        bytes32[] calldata proof
    ) internal pure {
        if (leaf.length != 0) _requireMember(root, depth, index, leafLength, leaf, proof);
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
