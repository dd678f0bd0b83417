// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Float32
/// @notice Exact IEEE 754 binary32 arithmetic on bit patterns, eight values at a time.
/// @dev A word holds eight values, the first in its highest lane:
///
///     bit 255       224 223       192               31          0
///         +-----------+-----------+--     ...     --+-----------+
///         |  value 0  |  value 1  |                 |  value 7  |
///         +-----------+-----------+--     ...     --+-----------+
///
///     bit   31    30      23 22                   0   of a lane
///         +------+----------+----------------------+
///         | sign | exponent |       fraction       |
///         +------+----------+----------------------+
///
/// One operation on the word does the same in all lanes as long as none of them carries into the next. A comparison
/// leaves its answer in the lanes' sign bits: with x, y < 2^31 that of (x + 2^31) − y is one just where x ≥ y.
library Float32 {
    uint256 internal constant LANE_BITS = 32;
    uint256 internal constant LANES_PER_WORD = 8;

    /// @dev The lowest bit of each lane; times a pattern of 32 bits, the pattern in each lane.
    uint256 internal constant LANES =
        0x00000001_00000001_00000001_00000001_00000001_00000001_00000001_00000001;
    /// @dev The sign bit of each lane.
    uint256 internal constant SIGNS = LANES << 31;

    uint256 private constant EXPONENTS = 0x7f800000 * LANES;
    uint256 private constant FRACTIONS = 0x007fffff * LANES;
    uint256 private constant FRACTION_BITS = 23;

    /// @notice Eight little-endian values as a word.
    /// @dev Warning: reads 32 bytes, whatever the length of `data`.
    /// @param offset of the first byte in `data`
    function load(bytes calldata data, uint256 offset) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(data.offset, offset))
        }
        // Swaps the bytes of each half of a lane, then the halves.
        word = ((word >> 8) & (0x00ff00ff * LANES)) | ((word & (0x00ff00ff * LANES)) << 8);
        word = ((word >> 16) & (0x0000ffff * LANES)) | ((word & (0x0000ffff * LANES)) << 16);
    }

    /// @notice The sign bits of the lanes that hold an infinity or a NaN.
    function nonFinite(uint256 word) internal pure returns (uint256) {
        unchecked {
            // Of all exponents only 255 carries into the sign.
            return ((word & EXPONENTS) + (1 << FRACTION_BITS) * LANES) & SIGNS;
        }
    }

    /// @notice The first lane, from 0, that is not 0 in a word that is not 0.
    function firstLane(uint256 word) internal pure returns (uint256 lane) {
        unchecked {
            while (word >> (256 - LANE_BITS) == 0) {
                word <<= LANE_BITS;
                ++lane;
            }
        }
    }

    /// @notice Eight sums a + b, lane by lane: to nearest, ties to even, subnormals kept; x + (−x) is +0; a sum out of
    /// range is an infinity.
    /// @dev A finite value is ±m · 2^(e − 149) with m < 2^24, and e = 0 unless m ≥ 2^23. Its bits are the sign and the
    /// integer m + e · 2^23, since the leading one of m adds 1 to the exponent. In the course of an addition m has
    /// three bits more: guard, round and a sticky one, which is set if any bit right of it would be. They are enough to
    /// round as if the sum were exact (Goldberg 1991, section “Operations”).
    /// @param a finite values
    /// @param b finite values
    function addLanes(uint256 a, uint256 b) internal pure returns (uint256 sums) {
        unchecked {
            uint256 bothNegative = a & b & SIGNS;
            uint256 opposite = _fill((a ^ b) >> 31);

            // Swap lanes so that |a| ≥ |b|: a sum that is not 0 has the sign of a.
            uint256 difference = (a ^ b) & _fill(~((a | SIGNS) - (b & ~SIGNS)) >> 31);
            a ^= difference;
            b ^= difference;
            (uint256 m, uint256 e) = _unpack(a);
            (uint256 n, uint256 shifts) = _unpack(b);

            // Align b. A shift by 31 leaves nothing but the sticky bit, so that it stands for any greater one.
            shifts = e - shifts;
            shifts |= _fill((shifts + (256 - 32) * LANES) >> 8);
            n = _shiftRightSticky(n, shifts >> 4, 16);
            n = _shiftRightSticky(n, shifts >> 3, 8);
            n = _shiftRightSticky(n, shifts >> 2, 4);
            n = _shiftRightSticky(n, shifts >> 1, 2);
            n = _shiftRightSticky(n, shifts, 1);

            m = m + n - ((n & opposite) << 1);

            // Carry: the next binade.
            uint256 carries = (m >> 27) & LANES;
            m = _shiftRightSticky(m, carries, 1);
            e += carries;

            // Cancellation: as many doublings as bring back the leading one, or as the exponent allows. One is common,
            // more are rare, and a sum of 0 has no leading one to bring back.
            (m, e) = _shiftLeft(m, e, 1);
            if (_shiftable(m, e, 1) != 0) {
                e &= _fill((m + 0x7fffffff * LANES) >> 31);
                for (uint256 shift = 16; shift != 0; shift >>= 1) (m, e) = _shiftLeft(m, e, shift);
            }

            // Round: add half a place less one, and one more where the place is odd. A carry into the exponent is right.
            m = ((m + 3 * LANES + ((m >> 3) & LANES)) >> 3) & (0x1fffffff * LANES);
            sums = m + (e << FRACTION_BITS);
            uint256 overflows = nonFinite(sums);
            if (overflows != 0) sums &= ~(FRACTIONS & _fill(overflows >> 31));
            // The sign of a where the sum is not 0. A 0 is negative only if both were.
            sums |= (a & (sums + 0x7fffffff * LANES) & SIGNS) | bothNegative;
        }
    }

    /// @dev Significands, with three bits more, and exponents: |word| = (m / 8) · 2^(e − 149).
    function _unpack(uint256 word) private pure returns (uint256 m, uint256 e) {
        unchecked {
            e = (word & EXPONENTS) >> FRACTION_BITS;
            e -= ((e + 0xff * LANES) >> 8) & LANES;
            m = ((word & ~SIGNS) - (e << FRACTION_BITS)) << 3;
        }
    }

    /// @dev Shifts right the lanes whose lowest bit is set in `which`; a lane's lowest bit is sticky.
    /// @param word lanes below 2^31
    function _shiftRightSticky(uint256 word, uint256 which, uint256 shift) private pure returns (uint256) {
        unchecked {
            uint256 low = ((1 << shift) - 1) * LANES;
            uint256 moved = word & _fill(which);
            uint256 sticky = (((moved & low) + low) >> shift) & LANES;
            return (word ^ moved) | ((moved & ~low) >> shift) | sticky;
        }
    }

    /// @dev Shifts left the significands, and lowers the exponents, of the lanes in which both allow it.
    function _shiftLeft(uint256 m, uint256 e, uint256 shift) private pure returns (uint256, uint256) {
        unchecked {
            uint256 which = _shiftable(m, e, shift);
            uint256 moved = m & _fill(which);
            return ((m ^ moved) | (moved << shift), e - which * shift);
        }
    }

    /// @dev The lowest bits of the lanes in which m < 2^(27 − shift) and e ≥ shift.
    function _shiftable(uint256 m, uint256 e, uint256 shift) private pure returns (uint256) {
        unchecked {
            uint256 small = (SIGNS + ((1 << (27 - shift)) - 1) * LANES) - m;
            uint256 large = (e | SIGNS) - shift * LANES;
            return ((small & large) >> 31) & LANES;
        }
    }

    /// @dev All bits of the lanes whose lowest bit is set.
    function _fill(uint256 word) private pure returns (uint256) {
        unchecked {
            word &= LANES;
            return (word << LANE_BITS) - word;
        }
    }
}
