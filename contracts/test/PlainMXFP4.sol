// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title PlainMXFP4
/// @notice What `MXFP4` must agree with: protocol §1 word by word, one element at a time.
library PlainMXFP4 {
    uint256 internal constant LEAF_PARAMETERS = 256;
    uint256 internal constant BLOCK_PARAMETERS = 32;
    uint256 internal constant BLOCKS = 8;

    /// @notice Q of a leaf of finite values.
    function encode(bytes memory fullLeaf) internal pure returns (bytes memory quantLeaf) {
        quantLeaf = new bytes(BLOCKS + LEAF_PARAMETERS / 2);
        for (uint256 block_ = 0; block_ < BLOCKS; ++block_) {
            uint256 start = block_ * BLOCK_PARAMETERS;
            uint256 exponent = 0;
            for (uint256 i = start; i < start + BLOCK_PARAMETERS; ++i) {
                uint256 other = (float32At(fullLeaf, i) >> 23) & 0xff;
                if (other > exponent) exponent = other;
            }
            uint256 scale = exponent < 5 ? 0 : exponent - 2;
            quantLeaf[block_] = bytes1(uint8(scale));
            for (uint256 i = start; i < start + BLOCK_PARAMETERS; ++i) {
                uint256 bits = float32At(fullLeaf, i);
                uint256 index = scale == 0 ? 0 : _nearestIndex(bits & 0x7fffffff, scale);
                uint256 code = ((bits >> 31) << 3) | index;
                uint256 byte_ = BLOCKS + i / 2;
                quantLeaf[byte_] |= bytes1(uint8(i % 2 == 0 ? code : code << 4));
            }
        }
    }

    /// @notice Bits of the float32 that an element of a valid encoding stands for.
    function decode(uint256 code, uint256 scale) internal pure returns (uint256 bits) {
        uint256 sign = (code >> 3) << 31;
        uint256 twice = _twiceLevel(code & 7);
        if (twice == 0) return sign;
        // value = twice · 2^(scale − 128): the leading one of `twice` gives the exponent, the rest is the fraction.
        uint256 leading =
            twice >= 8
                ? 3
                : twice >= 4
                    ? 2
                    : twice >= 2
                        ? 1
                        : 0;
        uint256 fraction = (twice - (1 << leading)) << (23 - leading);
        return sign | ((scale - 1 + leading) << 23) | fraction;
    }

    /// @notice The first element that breaks the encoding's rules, or 256.
    function firstInvalid(bytes memory quantLeaf) internal pure returns (uint256) {
        for (uint256 i = 0; i < LEAF_PARAMETERS; ++i) {
            uint256 scale = scaleAt(quantLeaf, i);
            if (scale == 1 || scale == 2 || scale > 252) return i;
            if (scale == 0 && codeAt(quantLeaf, i) & 7 != 0) return i;
        }
        return LEAF_PARAMETERS;
    }

    function scaleAt(bytes memory quantLeaf, uint256 element) internal pure returns (uint256) {
        return uint8(quantLeaf[element / BLOCK_PARAMETERS]);
    }

    function codeAt(bytes memory quantLeaf, uint256 element) internal pure returns (uint256) {
        uint256 pair = uint8(quantLeaf[BLOCKS + element / 2]);
        return element % 2 == 0 ? pair % 16 : pair / 16;
    }

    function float32At(bytes memory fullLeaf, uint256 element) internal pure returns (uint256 bits) {
        unchecked {
            uint256 first = 4 * element;
            bits = uint8(fullLeaf[first]);
            bits |= uint256(uint8(fullLeaf[first + 1])) << 8;
            bits |= uint256(uint8(fullLeaf[first + 2])) << 16;
            bits |= uint256(uint8(fullLeaf[first + 3])) << 24;
        }
    }

    /// @dev The level nearest to a magnitude over 2^(scale − 127), ties to the even index.
    function _nearestIndex(uint256 magnitude, uint256 scale) private pure returns (uint256 nearest) {
        uint256 exponent = magnitude >> 23;
        uint256 significand = magnitude & 0x7fffff;
        if (exponent == 0) exponent = 1;
        else significand |= 1 << 23;
        // Both in units of 2^(exponent − 150): the magnitude is the significand, a level 2 · level · 2^shift, where
        // shift ≥ 20 since the block's largest exponent is scale + 2.
        uint256 shift = scale + 22 - exponent;
        if (shift > 100) return 0;
        uint256 best = type(uint256).max;
        for (uint256 index = 0; index < 8; ++index) {
            uint256 level = _twiceLevel(index) << shift;
            uint256 distance = level > significand ? level - significand : significand - level;
            if (distance < best || (distance == best && index % 2 == 0)) {
                best = distance;
                nearest = index;
            }
        }
    }

    function _twiceLevel(uint256 index) private pure returns (uint256) {
        return uint8(bytes8(hex"000102030406080c")[index]);
    }
}
