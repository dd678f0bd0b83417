// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title PlainFloat32
/// @notice What `Float32` must agree with: addition as in textbooks, with guard, round and sticky bits (IEEE 754;
/// Goldberg 1991), one step at a time.
library PlainFloat32 {
    uint256 internal constant INFINITY = 0x7f800000;

    function isFinite(uint256 bits) internal pure returns (bool) {
        return (bits >> 23) & 0xff != 0xff;
    }

    /// @param a a finite value's bits
    /// @param b likewise
    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        if (_magnitude(a) < _magnitude(b)) (a, b) = (b, a);
        uint256 sign = a >> 31;
        (uint256 exponent, uint256 significand) = _unpack(a);
        (uint256 exponentB, uint256 significandB) = _unpack(b);

        // Three more places: guard, round, and a sticky one that stays set once a one is shifted out.
        significand <<= 3;
        significandB <<= 3;
        for (; exponentB < exponent; ++exponentB) significandB = _halveSticky(significandB);

        if (sign == b >> 31) {
            significand += significandB;
        } else {
            significand -= significandB;
            if (significand == 0) return 0;
        }

        if (significand >= 1 << 27) {
            significand = _halveSticky(significand);
            ++exponent;
        }
        while (significand < 1 << 26 && exponent > 1) {
            significand <<= 1;
            --exponent;
        }

        uint256 dropped = significand & 7;
        significand >>= 3;
        if (dropped > 4 || (dropped == 4 && significand & 1 == 1)) ++significand;
        if (significand == 1 << 24) {
            significand >>= 1;
            ++exponent;
        }

        if (exponent > 254) return (sign << 31) | INFINITY;
        bool isSubnormal = significand < 1 << 23;
        return (sign << 31) | (isSubnormal ? significand : (exponent << 23) | (significand - (1 << 23)));
    }

    function _magnitude(uint256 bits) private pure returns (uint256) {
        return bits & 0x7fffffff;
    }

    /// @return exponent biased, 1 for subnormals
    /// @return significand with the leading one of normal values
    function _unpack(uint256 bits) private pure returns (uint256 exponent, uint256 significand) {
        exponent = (bits >> 23) & 0xff;
        significand = bits & 0x7fffff;
        if (exponent == 0) exponent = 1;
        else significand |= 1 << 23;
    }

    function _halveSticky(uint256 significand) private pure returns (uint256) {
        return (significand >> 1) | (significand & 1);
    }
}
