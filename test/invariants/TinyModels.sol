// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILeafChecker} from "../../contracts/interfaces/ILeafChecker.sol";
import {LeafVerdict} from "../../contracts/libraries/LeafCheck.sol";
import {PositionalMerkle} from "../../contracts/libraries/PositionalMerkle.sol";
import {PlainFloat32} from "../../contracts/test/PlainFloat32.sol";
import {PlainMXFP4} from "../../contracts/test/PlainMXFP4.sol";

/// @title TinyModels
/// @notice Models of at most four leaves, in each of which the first `width` blocks of 32 parameters hold one value and
/// the others +0: small enough for one word, real enough for every rule of protocol §1.
/// @dev Place p of a model is its bits 64p (the value, a float32) and 64p + 32 (the width); of an update, its bits 64p (the
/// scale), 64p + 8 (the code) and 64p + 32 (the width).
library TinyModels {
    uint256 internal constant PLACES = 4;

    uint256 internal constant BLOCKS = 8;

    /// @notice How a transition breaks the rules at one place.
    enum Forgery {
        None,
        InvalidEncoding,
        NonZeroPadding,
        NonFiniteSum,
        WrongSum,
        /// The new leaf is a NaN: a wrong sum, and poison for who comes after.
        NotANumber,
        WrongQuantization
    }

    enum Tree {
        Old,
        Update,
        New,
        Quant
    }

    struct Transition {
        uint256 from;
        uint256 update;
        uint256 to;
        Forgery forgery;
        uint8 place;
    }

    /* PLACES */

    function value(uint256 packed, uint256 place) internal pure returns (uint256) {
        return uint32(packed >> (64 * place));
    }

    function width(uint256 packed, uint256 place) internal pure returns (uint256) {
        return uint8(packed >> (64 * place + 32));
    }

    function set(
        uint256 packed,
        uint256 place,
        uint256 value_,
        uint256 width_
    ) internal pure returns (uint256) {
        uint256 shift = 64 * place;
        return (packed & ~(uint256(type(uint64).max) << shift)) | ((value_ | (width_ << 32)) << shift);
    }

    function depthOf(uint256 parameterCount) internal pure returns (uint256) {
        return PositionalMerkle.depthOf(leafCount(parameterCount));
    }

    function leafCount(uint256 parameterCount) internal pure returns (uint256) {
        return (parameterCount + 255) / 256;
    }

    /// @notice Blocks of a place that hold parameters; the rest is padding.
    function liveBlocks(uint256 parameterCount, uint256 place) internal pure returns (uint256) {
        uint256 first = 256 * place;
        if (first >= parameterCount) return 0;
        uint256 live = (parameterCount - first) / 32;
        return live > BLOCKS ? BLOCKS : live;
    }

    function isFinite(uint256 model, uint256 place) internal pure returns (bool) {
        return PlainFloat32.isFinite(value(model, place));
    }

    function isFinite(uint256 model) internal pure returns (bool) {
        for (uint256 place = 0; place < PLACES; place++) {
            if (!isFinite(model, place)) return false;
        }
        return true;
    }

    /* TRANSITIONS */

    /// @notice The value at a place after one element of an update, whose width is the leaf's or the first that it has.
    function sum(uint256 model, uint256 place, uint256 scale, uint256 code) internal pure returns (uint256) {
        return PlainFloat32.add(value(model, place), PlainMXFP4.decode(code, scale));
    }

    /// @notice What is wrong at a place, as its leaf check must see it.
    function verdict(Transition memory t, uint256 place) internal pure returns (LeafVerdict) {
        if (!isFinite(t.from, place)) return LeafVerdict.NonFiniteOld;
        if (place != t.place || t.forgery == Forgery.None) return LeafVerdict.Valid;
        if (t.forgery == Forgery.InvalidEncoding) return LeafVerdict.InvalidEncoding;
        if (t.forgery == Forgery.NonZeroPadding) return LeafVerdict.NonZeroPadding;
        if (t.forgery == Forgery.NonFiniteSum) return LeafVerdict.NonFiniteSum;
        if (t.forgery == Forgery.WrongQuantization) return LeafVerdict.WrongQuantization;
        return LeafVerdict.WrongSum;
    }

    /* LEAVES */

    function leaf(Transition memory t, Tree tree, uint256 place) internal pure returns (bytes memory) {
        if (tree == Tree.Old) return _fullLeaf(t.from, place);
        if (tree == Tree.New) return _fullLeaf(t.to, place);
        if (tree == Tree.Quant) return _quantLeaf(t, place);
        uint256 element = value(t.update, place);
        return _quant(element & 0xff, element >> 8, width(t.update, place));
    }

    function _fullLeaf(uint256 model, uint256 place) private pure returns (bytes memory) {
        uint256 bits = value(model, place);
        uint256 littleEndian =
            (bits >> 24) | ((bits >> 8) & 0xff00) | ((bits << 8) & 0xff0000) | ((bits & 0xff) << 24);
        uint256 word = littleEndian * 0x0000000100000001000000010000000100000001000000010000000100000001;
        uint256[32] memory words;
        uint256 filled = 4 * width(model, place);
        for (uint256 i = 0; i < filled; i++) words[i] = word;
        return abi.encodePacked(words);
    }

    function _quantLeaf(Transition memory t, uint256 place) private pure returns (bytes memory) {
        (uint256 scale, uint256 code) = _encode(value(t.to, place));
        uint256 width_ = width(t.to, place);
        if (t.forgery == Forgery.WrongQuantization && place == t.place) {
            // The other sign.
            code ^= 8;
            if (width_ == 0) width_ = 1;
        }
        return _quant(scale, code, width_);
    }

    /// @dev Q of a block that holds one value: that is from 4 to under 8 times its scale, so that it rounds to 4 or 6.
    function _encode(uint256 bits) private pure returns (uint256 scale, uint256 code) {
        uint256 exponent = (bits >> 23) & 0xff;
        code = (bits >> 31) << 3;
        if (exponent < 5) return (0, code);
        return (exponent - 2, code | ((bits & 0x7fffff) <= 0x200000 ? 6 : 7));
    }

    function _quant(uint256 scale, uint256 code, uint256 width_) private pure returns (bytes memory) {
        uint64 scales = 0;
        uint256[4] memory codes;
        uint256 codesOfBlock = (code | (code << 4)) * 0x01010101010101010101010101010101;
        for (uint256 block_ = 0; block_ < width_; block_++) {
            scales |= uint64(scale << (56 - 8 * block_));
            codes[block_ / 2] |= block_ % 2 == 0 ? codesOfBlock << 128 : codesOfBlock;
        }
        return abi.encodePacked(scales, codes);
    }

    /* TREES */

    /// @notice The node of a tree that covers the places 2^level · index and on.
    function node(
        Transition memory t,
        Tree tree,
        uint256 level,
        uint256 index
    ) internal pure returns (bytes32) {
        if (level == 0) return keccak256(leaf(t, tree, index));
        return
            keccak256(
                abi.encode(node(t, tree, level - 1, 2 * index), node(t, tree, level - 1, 2 * index + 1))
            );
    }

    function proof(
        Transition memory t,
        Tree tree,
        uint256 depth,
        uint256 place
    ) internal pure returns (bytes32[] memory siblings) {
        siblings = new bytes32[](depth);
        for (uint256 level = 0; level < depth; level++) {
            siblings[level] = node(t, tree, level, (place >> level) ^ 1);
        }
    }

    /// @notice All leaves of a place with their proofs.
    function open(
        Transition memory t,
        uint256 depth,
        uint256 place
    ) internal pure returns (ILeafChecker.LeafOpening memory opening) {
        (opening.oldLeaf, opening.oldProof) = _member(t, Tree.Old, depth, place);
        (opening.updateLeaf, opening.updateProof) = _member(t, Tree.Update, depth, place);
        (opening.newLeaf, opening.newProof) = _member(t, Tree.New, depth, place);
        (opening.quantLeaf, opening.quantProof) = _member(t, Tree.Quant, depth, place);
    }

    /// @notice Only the leaves that show what is wrong at the forged place; all of them where nothing is.
    function openForgery(
        Transition memory t,
        uint256 depth,
        uint256 place
    ) internal pure returns (ILeafChecker.LeafOpening memory opening) {
        if (t.forgery == Forgery.None || place != t.place) return open(t, depth, place);
        bool isOfUpdate = t.forgery == Forgery.InvalidEncoding || t.forgery == Forgery.NonZeroPadding;
        bool isOfQuant = t.forgery == Forgery.WrongQuantization;
        if (!isOfQuant) (opening.updateLeaf, opening.updateProof) = _member(t, Tree.Update, depth, place);
        if (isOfUpdate) return opening;
        if (!isOfQuant) (opening.oldLeaf, opening.oldProof) = _member(t, Tree.Old, depth, place);
        if (t.forgery == Forgery.NonFiniteSum) return opening;
        (opening.newLeaf, opening.newProof) = _member(t, Tree.New, depth, place);
        if (isOfQuant) (opening.quantLeaf, opening.quantProof) = _member(t, Tree.Quant, depth, place);
    }

    function _member(
        Transition memory t,
        Tree tree,
        uint256 depth,
        uint256 place
    ) private pure returns (bytes memory, bytes32[] memory) {
        return (leaf(t, tree, place), proof(t, tree, depth, place));
    }
}
