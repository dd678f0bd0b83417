// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Float32} from "./Float32.sol";

/// @title MXFP4
/// @notice The protocol's 4-bit form of 256 parameters (OCP Microscaling Formats v1.0: E2M1 elements, and an E8M0
/// scale for each block of 32), checked eight elements at a time with integer operations only.
/// @dev A full leaf is 256 little-endian float32. A quantized leaf is 8 scale bytes, then 128 bytes of two codes:
///
///     byte  0       1            7       8               9                    135
///         +-------+-------+---+-------+-------+-------+-------+-------+---+---------+---------+
///         |scale 0|scale 1|...|scale 7|code 1 |code 0 |code 3 |code 2 |...|code 255 |code 254 |
///         +-------+-------+---+-------+-------+-------+-------+-------+---+---------+---------+
///           a byte                      high    low     four bits each
///
///     bit 3      2                0   of a code
///       +----+-------------------+
///       |sign| index i of a level|     level = 0, ½, 1, 1½, 2, 3, 4, 6; value = ±level · 2^(scale − 127)
///       +----+-------------------+
///
/// Functions that look for an element return `NONE` where there is none. They revert only on leaves of a wrong length.
library MXFP4 {
    uint256 internal constant LEAF_PARAMETERS = 256;
    uint256 internal constant FULL_LEAF_BYTES = 4 * LEAF_PARAMETERS;
    uint256 internal constant QUANT_LEAF_BYTES = BLOCKS + LEAF_PARAMETERS / 2;
    uint256 internal constant NONE = LEAF_PARAMETERS;

    uint256 private constant BLOCK_PARAMETERS = 32;
    uint256 private constant BLOCKS = LEAF_PARAMETERS / BLOCK_PARAMETERS;
    uint256 private constant MIN_SCALE = 3;
    uint256 private constant MAX_SCALE = 252;

    uint256 private constant LANES = Float32.LANES;
    uint256 private constant SIGNS = Float32.SIGNS;
    /// @dev Where `_codes` puts those of elements 0, 2, 4, 6.
    uint256 private constant EVEN_CODES =
        0xf0000000_00000000_f0000000_00000000_f0000000_00000000_f0000000_00000000;
    /// @dev One step of a float32's exponent.
    uint256 private constant BINADE = 1 << 23;

    error WrongLeafLength(uint256 given, uint256 expected);

    /// @notice Leaves of a vector of so many parameters.
    function leafCount(uint256 parameterCount) internal pure returns (uint256) {
        return (parameterCount + LEAF_PARAMETERS - 1) / LEAF_PARAMETERS;
    }

    /// @notice Reverts unless a leaf has the expected length.
    function requireLength(bytes calldata leaf, uint256 expected) internal pure {
        require(leaf.length == expected, WrongLeafLength(leaf.length, expected));
    }

    /// @notice The first element that breaks the encoding: scale bytes are 0 and 3…252, and under scale 0 every index
    /// is 0. The first of its block where the scale byte is wrong.
    function firstInvalid(bytes calldata quantLeaf) internal pure returns (uint256 element) {
        requireLength(quantLeaf, QUANT_LEAF_BYTES);
        unchecked {
            for (uint256 start = 0; start < LEAF_PARAMETERS; start += BLOCK_PARAMETERS) {
                uint256 scale = _scale(quantLeaf, start);
                if (_isScale(scale)) continue;
                if (scale != 0) return start;
                for (uint256 i = start; i < start + BLOCK_PARAMETERS; i += Float32.LANES_PER_WORD) {
                    uint256 indices = _codes(quantLeaf, i) & ~SIGNS;
                    if (indices != 0) return i + Float32.firstLane(indices);
                }
            }
            return NONE;
        }
    }

    /// @notice The first element from `start` on whose code is not 0.
    function firstNonZeroCode(
        bytes calldata quantLeaf,
        uint256 start
    ) internal pure returns (uint256 element) {
        requireLength(quantLeaf, QUANT_LEAF_BYTES);
        unchecked {
            for (uint256 i = start & ~uint256(7); i < LEAF_PARAMETERS; i += Float32.LANES_PER_WORD) {
                uint256 codes = _codes(quantLeaf, i);
                if (i < start) codes &= type(uint256).max >> (Float32.LANE_BITS * (start - i));
                if (codes != 0) return i + Float32.firstLane(codes);
            }
            return NONE;
        }
    }

    /// @notice The first element in which `quantLeaf` is not the encoding Q(`fullLeaf`): the first of its block where
    /// the scale byte is wrong, as it is for a block that holds a value that is not finite.
    function firstDifference(
        bytes calldata fullLeaf,
        bytes calldata quantLeaf
    ) internal pure returns (uint256 element) {
        requireLength(fullLeaf, FULL_LEAF_BYTES);
        requireLength(quantLeaf, QUANT_LEAF_BYTES);
        unchecked {
            for (uint256 start = 0; start < LEAF_PARAMETERS; start += BLOCK_PARAMETERS) {
                uint256 scale = _scale(quantLeaf, start);
                if (scale != 0 && !_isScale(scale)) return start;

                // The largest exponent is scale + 2. Under scale 0 it is at most 4, as if the scale were 2.
                uint256 quarter = (scale == 0 ? 0 : scale - 2) * BINADE;
                uint256 reaches = scale == 0 ? SIGNS : 0;
                uint256 exceeds = 0;
                uint256 difference = NONE;
                for (uint256 i = start; i < start + BLOCK_PARAMETERS; i += Float32.LANES_PER_WORD) {
                    uint256 word = Float32.load(fullLeaf, 4 * i);
                    // above − d has the sign where the magnitude is at least quarter + d. No lane borrows from the
                    // next for d < 6 binades, since quarter ≤ 250 binades.
                    uint256 above = (word | SIGNS) - quarter * LANES;
                    reaches |= above - 4 * BINADE * LANES;
                    exceeds |= above - 5 * BINADE * LANES;
                    uint256 codes = word & SIGNS;
                    if (scale != 0) codes |= _indices(above);
                    codes ^= _codes(quantLeaf, i);
                    if (codes != 0 && difference == NONE) difference = i + Float32.firstLane(codes);
                }
                if (reaches & SIGNS == 0 || exceeds & SIGNS != 0) return start;
                if (difference != NONE) return difference;
            }
            return NONE;
        }
    }

    /// @notice Eight elements of a valid encoding as float32 lanes, exact; code 8 is −0.
    /// @param element the first of them, a multiple of eight
    function decodeLanes(bytes calldata quantLeaf, uint256 element) internal pure returns (uint256 word) {
        unchecked {
            uint256 codes = _codes(quantLeaf, element);
            uint256 belowOne = (_scale(quantLeaf, element) - 1) * BINADE;
            // From level 1 on, the two high bits of an index are an exponent and the low one a fraction's first bit,
            // so that the index is in place as it is. Level ½ has no fraction, and 0 has no exponent either.
            uint256 indices = (codes & ~SIGNS) >> 6;
            uint256 fromHalf = ((indices + (7 << 22) * LANES) >> 25) & LANES;
            uint256 fromOne = ((indices + (6 << 22) * LANES) >> 25) & LANES;
            return (codes & SIGNS) | (fromHalf * belowOne + indices - ((fromHalf - fromOne) << 22));
        }
    }

    /// @dev The indices of eight magnitudes, each at bits 30…28 of its lane. Float32 bits grow with the magnitude, so an
    /// index is the number of midpoints between levels that the bits pass. A tie goes to the even index: a midpoint
    /// below an odd one counts from one above itself.
    ///
    ///     midpoint          ¼   ¾        1¼        1¾        2½        3½        5          · 2^(scale − 127)
    ///     bits above ¼'s    0   0c00000  1200000   1600000   1a00000   1e00000   2200000
    ///     counts from       1   0c00000  1200001   1600000   1a00001   1e00000   2200001
    ///
    /// @param above lanes of 2^31 + magnitude − ¼ of the scale
    function _indices(uint256 above) private pure returns (uint256) {
        unchecked {
            uint256 odd = above - 1 * LANES;
            uint256 even = above - 0x0c00000 * LANES;
            odd ^= above - 0x1200001 * LANES;
            uint256 high = above - 0x1600000 * LANES;
            odd ^= above - 0x1a00001 * LANES;
            even ^= high ^ (above - 0x1e00000 * LANES);
            odd ^= above - 0x2200001 * LANES;
            // The seven answers are ones, then zeros. Of their number bit 2 is the fourth answer, bit 1 the parity of
            // the second, fourth and sixth, bit 0 the parity of all.
            return ((high & SIGNS) >> 1) | ((even & SIGNS) >> 2) | (((odd ^ even) & SIGNS) >> 3);
        }
    }

    /// @dev Eight codes, each in the highest four bits of its lane. A product lays copies of the 32 bits so that each
    /// code is in place in one of them: one product for the even elements and one for the odd, lest copies overlap.
    function _codes(bytes calldata quantLeaf, uint256 element) private pure returns (uint256) {
        uint256 pairs;
        assembly ("memory-safe") {
            pairs := shr(224, calldataload(add(add(quantLeaf.offset, 8), shr(1, element))))
        }
        unchecked {
            uint256 even = pairs * ((1 << 228) | (1 << 172) | (1 << 116) | (1 << 60));
            uint256 odd = pairs * ((1 << 192) | (1 << 136) | (1 << 80) | (1 << 24));
            return (even & EVEN_CODES) | (odd & (EVEN_CODES >> 32));
        }
    }

    function _scale(bytes calldata quantLeaf, uint256 element) private pure returns (uint256 scale) {
        assembly ("memory-safe") {
            scale := byte(shr(5, element), calldataload(quantLeaf.offset))
        }
    }

    function _isScale(uint256 scale) private pure returns (bool) {
        return scale >= MIN_SCALE && scale <= MAX_SCALE;
    }
}
