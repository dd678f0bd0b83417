// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {LibraryHarness} from "../../../contracts/test/LibraryHarness.sol";
import {PlainMXFP4} from "../../../contracts/test/PlainMXFP4.sol";
import {RandomLeaf} from "../../../contracts/test/RandomLeaf.sol";

contract MXFP4Test {
    using PlainMXFP4 for bytes;

    uint256 private constant NONE = 256;

    LibraryHarness private harness = new LibraryHarness();

    error Unequal(uint256 given, uint256 expected);

    function testFuzz_firstDifference_isNoneForThePlainEncoding(uint256 seed, uint8 kind) public view {
        bytes memory leaf = RandomLeaf.full(seed, kind);
        bytes memory encoded = leaf.encode();
        _equal(encoded.firstInvalid(), NONE);
        _equal(_firstDifference(leaf, encoded), NONE);
    }

    function testFuzz_firstDifference_findsAnyOtherCode(
        uint256 seed,
        uint8 kind,
        uint8 element,
        uint8 flip
    ) public view {
        bytes memory leaf = RandomLeaf.full(seed, kind);
        bytes memory encoded = leaf.encode();
        uint256 bits = 1 + (flip % 15);
        encoded[8 + element / 2] ^= bytes1(uint8(element % 2 == 0 ? bits : bits << 4));
        _equal(_firstDifference(leaf, encoded), element);
    }

    function testFuzz_firstDifference_findsAnyOtherScale(
        uint256 seed,
        uint8 kind,
        uint8 block_,
        uint8 flip
    ) public view {
        bytes memory leaf = RandomLeaf.full(seed, kind);
        bytes memory encoded = leaf.encode();
        encoded[block_ % 8] ^= bytes1(flip == 0 ? 1 : flip);
        _equal(_firstDifference(leaf, encoded), 32 * (block_ % 8));
    }

    function testFuzz_firstDifference_findsAnInfinityOrNaN(
        uint256 seed,
        uint8 kind,
        uint8 element
    ) public view {
        bytes memory leaf = RandomLeaf.full(seed, kind);
        leaf[4 * uint256(element) + 3] |= 0x7f;
        leaf[4 * uint256(element) + 2] |= 0x80;
        // The encoder's rules go on past the last exponent, the protocol's do not.
        _equal(_firstDifference(leaf, leaf.encode()), element - (element % 32));
    }

    function testFuzz_firstInvalid_equalsThePlainOne(uint256 seed, uint8 block_, uint8 scale) public view {
        bytes memory leaf = RandomLeaf.quant(seed);
        _equal(harness.firstInvalid(leaf), NONE);
        leaf[block_ % 8] = bytes1(scale % 8 == 0 ? 0 : scale);
        _equal(harness.firstInvalid(leaf), leaf.firstInvalid());
    }

    function testFuzz_firstNonZeroCode_findsTheFirstFromThereOn(
        uint8 element,
        uint8 code,
        uint16 start
    ) public view {
        bytes memory leaf = new bytes(136);
        uint256 bits = 1 + (code % 15);
        leaf[8 + element / 2] = bytes1(uint8(element % 2 == 0 ? bits : bits << 4));
        leaf[135] |= 0x80;
        start %= 300;
        _equal(
            harness.firstNonZeroCode(leaf, start),
            start <= element
                ? element
                : start <= 255
                    ? 255
                    : NONE
        );
    }

    function testFuzz_decodeLanes_equalsThePlainDecoding(uint256 seed) public view {
        bytes memory leaf = RandomLeaf.quant(seed);
        uint256[32] memory words = harness.decode(leaf);
        for (uint256 i = 0; i < 256; ++i) {
            uint256 value = uint32(words[i / 8] >> (32 * (7 - (i % 8))));
            _equal(value, PlainMXFP4.decode(leaf.codeAt(i), leaf.scaleAt(i)));
        }
    }

    function test_decodeLanes_equalsThePlainDecodingUnderEveryScale() public view {
        bytes memory leaf = new bytes(136);
        for (uint256 i = 0; i < 8; ++i) leaf[8 + i] = bytes1(uint8(0x10 + 0x22 * i));
        for (uint256 scale = 3; scale <= 252; ++scale) {
            leaf[0] = bytes1(uint8(scale));
            uint256[32] memory words = harness.decode(leaf);
            for (uint256 code = 0; code < 16; ++code) {
                uint256 value = uint32(words[code / 8] >> (32 * (7 - (code % 8))));
                _equal(value, PlainMXFP4.decode(code, scale));
            }
        }
    }

    function _firstDifference(bytes memory leaf, bytes memory encoded) private view returns (uint256) {
        return harness.firstDifferences(leaf, encoded)[0];
    }

    function _equal(uint256 given, uint256 expected) private pure {
        require(given == expected, Unequal(given, expected));
    }
}
