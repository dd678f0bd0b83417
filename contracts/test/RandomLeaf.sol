// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PlainFloat32} from "./PlainFloat32.sol";

/// @title RandomLeaf
/// @notice Leaves from a seed, of kinds that meet the rules' edges more often than random bits would.
library RandomLeaf {
    uint256 internal constant KINDS = 6;

    /// @notice A leaf of 256 finite float32, little-endian.
    function full(uint256 seed, uint256 kind) internal pure returns (bytes memory leaf) {
        leaf = new bytes(1024);
        // Leaves of one kind share it for neighbouring seeds, so that sums of two of them meet.
        uint256 center = 11 + (uint256(keccak256(abi.encode(seed >> 8, kind))) % 241);
        for (uint256 i = 0; i < 256; ++i) {
            uint256 bits = float32(uint256(keccak256(abi.encode(seed, i))), kind % KINDS, center);
            for (uint256 j = 0; j < 4; ++j) leaf[4 * i + j] = bytes1(uint8(bits >> (8 * j)));
        }
    }

    /// @notice A leaf of random codes under valid scales; under scale 0 only signs.
    function quant(uint256 seed) internal pure returns (bytes memory leaf) {
        leaf = new bytes(136);
        uint256 center = 3 + (seed % 250);
        for (uint256 block_ = 0; block_ < 8; ++block_) {
            uint256 entropy = uint256(keccak256(abi.encode(seed, block_)));
            uint256 scale = (center + (entropy % 4)) % 253;
            if (scale < 3) scale = 0;
            leaf[block_] = bytes1(uint8(scale));
            for (uint256 i = 0; i < 16; ++i) {
                uint256 codes = (entropy >> (8 * i + 8)) & (scale == 0 ? 0x88 : 0xff);
                leaf[8 + 16 * block_ + i] = bytes1(uint8(codes));
            }
        }
    }

    /// @notice Bits of one finite float32.
    /// @param center 11 or more: the exponent near which most kinds stay
    function float32(uint256 entropy, uint256 kind, uint256 center) internal pure returns (uint256 bits) {
        uint256 sign = (entropy & 1) << 31;
        uint256 fraction = (entropy >> 8) & 0x7fffff;
        uint256 small = (entropy >> 40) & 15;
        if (kind == 0) bits = (_clamp(center + 4 - small) << 23) | fraction;
        else if (kind == 1) bits = uint32(entropy >> 64) & 0x7fffffff;
        else if (kind == 2) bits = (_clamp(center + 3 - (small & 7)) << 23) | (fraction & 0x600000);
        else if (kind == 3) bits = ((small % 7) << 23) | (small < 8 ? fraction : fraction & 0x600001);
        else if (kind == 4) bits = ((254 - (small & 3)) << 23) | fraction;
        else bits = small < 14 ? 0 : (_clamp(center) << 23) | fraction;
        if (!PlainFloat32.isFinite(bits)) bits ^= 1 << 23;
        bits = (bits & 0x7fffffff) | sign;
    }

    function _clamp(uint256 exponent) private pure returns (uint256) {
        return exponent > 254 ? 254 : exponent;
    }
}
