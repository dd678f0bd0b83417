// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Float32
/// @notice IEEE 754 binary32 on bit patterns: exact addition, and words that hold eight values.
/// @dev A word holds eight values, the first in its highest lane; a lane is one value, its sign highest:
///
///     bit 255       224 223       192                31         0
///         +-----------+-----------+--  ...  --+-----------+
///         |  value 0  |  value 1  |           |  value 7  |
///         +-----------+-----------+--  ...  --+-----------+
///
///     bit 31   30      23 22                   0   of a lane
///         +----+----------+--------------------+
///         |sign| exponent |      fraction      |
///         +----+----------+--------------------+
library Float32 {
    /// @dev The lowest bit of each lane: times a 32-bit pattern, it puts the pattern in every lane.
    uint256 internal constant LANES =
        0x00000001_00000001_00000001_00000001_00000001_00000001_00000001_00000001;

    /// @dev The sign of each lane.
    uint256 internal constant SIGNS = LANES << 31;

    uint256 internal constant LANE_BITS = 32;
    uint256 internal constant LANES_PER_WORD = 8;

    uint256 private constant BYTES_0_2 = 0x00ff00ff * LANES;
    uint256 private constant BYTES_0_1 = 0x0000ffff * LANES;

    /// @notice Eight little-endian float32 as a word.
    /// @dev Warning: reads 32 bytes, whatever the length of `data`.
    /// @param offset of the first byte in `data`
    function load(bytes calldata data, uint256 offset) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(data.offset, offset))
        }
        word = ((word >> 8) & BYTES_0_2) | ((word & BYTES_0_2) << 8);
        word = ((word >> 16) & BYTES_0_1) | ((word & BYTES_0_1) << 16);
    }

    /// @notice The signs of the lanes that hold an infinity or a NaN.
    function nonFinite(uint256 word) internal pure returns (uint256 lanes) {
        unchecked {
            // An exponent of all ones carries into the sign.
            return ((word & (0x7f800000 * LANES)) + 0x00800000 * LANES) & SIGNS;
        }
    }

    /// @notice How many lanes of a word that is not 0 are 0 before the first that is not.
    function firstLane(uint256 word) internal pure returns (uint256 lane) {
        unchecked {
            while (word >> (256 - LANE_BITS) == 0) {
                word <<= LANE_BITS;
                ++lane;
            }
        }
    }

    /// @notice Eight sums, lane by lane, of finite values.
    function addLanes(uint256 a, uint256 b) internal pure returns (uint256 sums) {
        unchecked {
            for (uint256 lane = 0; lane < LANES_PER_WORD; ++lane) {
                sums = (sums << LANE_BITS) | add(a >> (256 - LANE_BITS), b >> (256 - LANE_BITS));
                a <<= LANE_BITS;
                b <<= LANE_BITS;
            }
        }
    }

    /// @notice a + b to nearest, ties to even, subnormals kept; x + (−x) is +0; overflow gives an infinity.
    /// @dev A finite value is ±m · 2^(e − 149) with m < 2^24, and e = 0 unless m ≥ 2^23. Its bits are then the sign and
    /// the integer m + e · 2^23, since a normal m brings its leading one into the exponent. The sum is exact as an
    /// integer, brought to that form and rounded once.
    /// @param a finite, in the low 32 bits; the others are 0
    /// @param b likewise
    function add(uint256 a, uint256 b) internal pure returns (uint256 sum) {
        assembly ("memory-safe") {
            let x := and(a, 0x7fffffff)
            let y := and(b, 0x7fffffff)
            // From here on |a| ≥ |b|, and a sum that is not 0 has the sign of a.
            if lt(x, y) {
                let t := a
                a := b
                b := t
                t := x
                x := y
                y := t
            }
            let e := shr(23, x)
            e := sub(e, iszero(iszero(e)))
            let f := shr(23, y)
            f := sub(f, iszero(iszero(f)))
            let gap := sub(e, f)

            sum := a
            // From 26 on, b is under a quarter of a's last place, and half a place of the binade below.
            if lt(gap, 26) {
                // m · 2^-drop is the sum in a's last places; drop ≥ 1, so that there is always a bit to round by.
                let drop := add(gap, 1)
                let opposite := shr(31, xor(a, b))
                let m := add(shl(drop, sub(x, shl(23, e))), mul(sub(y, shl(23, f)), sub(2, shl(2, opposite))))

                switch shr(add(drop, 23), m)
                case 1 {}
                case 0 {
                    // Cancellation, or a subnormal sum: as many doublings as the exponent allows. They lose no bit.
                    for {
                        let t := 16
                    } t {
                        t := shr(1, t)
                    } {
                        if and(iszero(lt(e, t)), iszero(shr(sub(add(drop, 24), t), m))) {
                            m := shl(t, m)
                            e := sub(e, t)
                        }
                    }
                    // Only here can the sum be 0: −0 if both are, else +0. Doubling 0 is stopped by e alone.
                    if iszero(m) {
                        e := 0
                        a := and(a, b)
                    }
                }
                default {
                    // Carry: the next binade. Past the last one it is an infinity.
                    drop := add(drop, 1)
                    e := add(e, 1)
                    if eq(e, 254) {
                        m := shl(add(drop, 23), 1)
                    }
                }
                // To nearest: half a place less one, and one more if the last place is odd. It may carry into e.
                let half := shl(sub(drop, 1), 1)
                m := shr(drop, add(m, sub(half, iszero(and(shr(drop, m), 1)))))
                sum := or(and(a, 0x80000000), add(m, shl(23, e)))
            }
        }
    }
}
