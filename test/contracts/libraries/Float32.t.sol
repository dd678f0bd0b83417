// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Float32} from "../../../contracts/libraries/Float32.sol";
import {PlainFloat32} from "../../../contracts/test/PlainFloat32.sol";
import {RandomLeaf} from "../../../contracts/test/RandomLeaf.sol";

contract Float32Test {
    error Unequal(uint256 a, uint256 b, uint256 sum, uint256 expected);

    /// hardhat-config: fuzz.runs = 2048
    function testFuzz_addLanes_equalsTheTextbook(uint256 seed) public pure {
        for (uint256 kind = 0; kind < RandomLeaf.KINDS; ++kind) {
            uint256 center = 20 + (seed % 210);
            _check(_word(seed, kind, center), _word(~seed, kind, center));
            _check(_word(seed, kind, center), _word(~seed, kind, center + 20));
        }
    }

    /// hardhat-config: fuzz.runs = 2048
    function testFuzz_addLanes_equalsTheTextbookOnRandomBits(uint256 a, uint256 b) public pure {
        _check(_finite(a), _finite(b));
    }

    /// hardhat-config: fuzz.runs = 2048
    function testFuzz_addLanes_equalsTheTextbookOnCancellation(
        uint256 a,
        uint256 lowBits,
        uint8 keep
    ) public pure {
        a = _finite(a);
        uint256 lanes = (((1 << (keep % 24)) - 1) * Float32.LANES) & lowBits;
        _check(a, _finite(a ^ Float32.SIGNS ^ lanes));
    }

    /// hardhat-config: fuzz.runs = 2048
    function testFuzz_addLanes_equalsTheTextbookAtEveryGap(uint256 a, uint256 b, uint8 first) public pure {
        // Lane i lies i + first % 24 binades below the other word's.
        uint256 shifted = 0;
        a = _finite(a);
        for (uint256 i = 0; i < 8; ++i) {
            uint256 exponent = ((a >> (32 * i)) >> 23) & 0xff;
            uint256 gap = i + (first % 24);
            exponent = exponent > gap ? exponent - gap : 0;
            shifted |= ((((b >> (32 * i)) & 0x807fffff) | (exponent << 23))) << (32 * i);
        }
        _check(a, shifted);
        // Fractions of few bits make ties.
        _check(a & ~(0x3fffff * Float32.LANES), shifted & ~(0x3fffff * Float32.LANES));
    }

    function testFuzz_addLanes_isCommutative(uint256 a, uint256 b) public pure {
        (a, b) = (_finite(a), _finite(b));
        assert(Float32.addLanes(a, b) == Float32.addLanes(b, a));
    }

    function testFuzz_nonFinite_marksExponent255(uint256 word) public pure {
        uint256 expected = 0;
        for (uint256 i = 0; i < 256; i += 32) {
            if (!PlainFloat32.isFinite(word >> i)) expected |= 1 << (i + 31);
        }
        assert(Float32.nonFinite(word) == expected);
        assert(Float32.nonFinite(word | (0x7f800000 * Float32.LANES)) == Float32.SIGNS);
    }

    function testFuzz_firstLane_isTheHighestThatIsNotZero(uint256 word, uint8 lane) public pure {
        uint256 first = lane % 8;
        word = (word >> (32 * first)) | (1 << (32 * (7 - first)));
        assert(Float32.firstLane(word) == first);
    }

    function _check(uint256 a, uint256 b) private pure {
        uint256 sums = Float32.addLanes(a, b);
        for (uint256 i = 0; i < 256; i += 32) {
            (uint256 x, uint256 y, uint256 sum) = (uint32(a >> i), uint32(b >> i), uint32(sums >> i));
            uint256 expected = PlainFloat32.add(x, y);
            require(sum == expected, Unequal(x, y, sum, expected));
        }
    }

    function _word(uint256 seed, uint256 kind, uint256 center) private pure returns (uint256 word) {
        for (uint256 i = 0; i < 8; ++i) {
            word =
                (word << 32) |
                RandomLeaf.float32(uint256(keccak256(abi.encode(seed, kind, i))), kind, center);
        }
    }

    function _finite(uint256 word) private pure returns (uint256) {
        return word ^ (Float32.nonFinite(word) >> 8);
    }
}
