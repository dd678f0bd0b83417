// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {LeafVerdict} from "../../../contracts/libraries/LeafCheck.sol";
import {LibraryHarness} from "../../../contracts/test/LibraryHarness.sol";
import {PlainLeafCheck} from "../../../contracts/test/PlainLeafCheck.sol";
import {PlainMXFP4} from "../../../contracts/test/PlainMXFP4.sol";
import {RandomLeaf} from "../../../contracts/test/RandomLeaf.sol";

contract LeafCheckTest {
    LibraryHarness private harness = new LibraryHarness();

    error Unequal(LeafVerdict given, uint256 element, LeafVerdict expected, uint256 expectedElement);

    /// hardhat-config: fuzz.runs = 64
    function testFuzz_verdict_isValidForTheTransitionOrOverflow(uint256 seed, uint8 kind) public view {
        bytes[4] memory leaves = _leaves(seed, kind);
        (LeafVerdict reason, ) = _check(leaves, 256);
        assert(reason == LeafVerdict.Valid || reason == LeafVerdict.NonFiniteSum);
    }

    /// hardhat-config: fuzz.runs = 64
    function testFuzz_verdict_equalsThePlainOneOnAFlippedBit(
        uint256 seed,
        uint8 kind,
        uint8 leaf,
        uint16 bit
    ) public view {
        bytes[4] memory leaves = _leaves(seed, kind);
        _flip(leaves[leaf % 4], bit);
        (LeafVerdict reason, ) = _check(leaves, 256);
        // The old leaf and the update fix the two others, so that only a flip that a sum swallows goes unseen.
        if (leaf % 4 >= 2) assert(reason != LeafVerdict.Valid);
    }

    /// hardhat-config: fuzz.runs = 64
    function testFuzz_verdict_equalsThePlainOneOnAnyLeaves(
        uint256 seed,
        uint8 kind,
        uint16 live
    ) public view {
        bytes[4] memory leaves = _leaves(seed, kind);
        uint256 entropy = uint256(keccak256(abi.encode(seed)));
        for (uint256 i = 0; i < entropy % 5; ++i)
            _flip(leaves[(entropy >> 8) % 4], uint16(entropy >> (16 * i + 16)));
        _check(leaves, live % 300);
    }

    /// hardhat-config: fuzz.runs = 64
    function testFuzz_verdict_equalsThePlainOneOnPadding(uint256 seed, uint8 live) public view {
        bytes[4] memory leaves = _leaves(seed, 0);
        // Codes past the last parameter are cleared, but one in four times.
        if (seed % 4 != 0) {
            for (uint256 i = live; i < 256; ++i)
                leaves[1][8 + i / 2] &= i % 2 == 0 ? bytes1(0xf0) : bytes1(0x0f);
            (leaves[2], ) = PlainLeafCheck.add(leaves[0], leaves[1]);
            leaves[3] = PlainMXFP4.encode(leaves[2]);
        }
        _check(leaves, live);
    }

    /// hardhat-config: fuzz.runs = 64
    function testFuzz_verdict_neverRevertsOnAnyBytes(uint256 seed) public view {
        bytes[4] memory leaves;
        for (uint256 i = 0; i < 4; ++i) {
            leaves[i] = new bytes(i % 2 == 0 ? 1024 : 136);
            for (uint256 j = 0; j < leaves[i].length; j += 8) {
                uint256 entropy = uint256(keccak256(abi.encode(seed, i, j)));
                for (uint256 k = 0; k < 8; ++k) leaves[i][j + k] = bytes1(uint8(entropy >> (8 * k)));
            }
        }
        _check(leaves, seed);
    }

    /// hardhat-config: fuzz.runs = 128
    function testFuzz_verdict_equalsThePlainOneWhereLeavesAreEmpty(
        uint256 seed,
        uint8 kind,
        uint8 shown,
        uint16 live
    ) public view {
        bytes[4] memory leaves = _leaves(seed, kind);
        uint256 entropy = uint256(keccak256(abi.encode(seed)));
        for (uint256 i = 0; i < entropy % 3; ++i)
            _flip(leaves[(entropy >> 8) % 4], uint16(entropy >> (16 * i + 16)));
        // A new leaf that is not finite, one in four times.
        if (seed % 4 == 0) {
            uint256 at_ = 4 * ((entropy >> 64) % 256);
            (leaves[2][at_ + 2], leaves[2][at_ + 3]) = (0x80, 0x7f);
        }
        for (uint256 i = 0; i < 4; ++i) if ((shown >> i) & 1 == 0) leaves[i] = "";
        _check(leaves, live % 300);
    }

    function _check(
        bytes[4] memory leaves,
        uint256 live
    ) private view returns (LeafVerdict reason, uint256 element) {
        (reason, element) = harness.leafVerdict(leaves[0], leaves[1], leaves[2], leaves[3], live);
        (LeafVerdict expected, uint256 at_) = PlainLeafCheck.verdict(
            leaves[0],
            leaves[1],
            leaves[2],
            leaves[3],
            live
        );
        require(reason == expected && element == at_, Unequal(reason, element, expected, at_));
    }

    /// @dev θ, Δ, θ ⊕ Δ and its encoding; where a sum overflows the last two are those of θ.
    function _leaves(uint256 seed, uint256 kind) private pure returns (bytes[4] memory leaves) {
        leaves[0] = RandomLeaf.full(seed, kind);
        leaves[1] =
            seed % 3 == 0 ? RandomLeaf.quant(seed) : PlainMXFP4.encode(RandomLeaf.full(seed ^ 1, kind));
        uint256 overflow;
        (leaves[2], overflow) = PlainLeafCheck.add(leaves[0], leaves[1]);
        if (overflow != 256) leaves[2] = leaves[0];
        leaves[3] = PlainMXFP4.encode(leaves[2]);
    }

    function _flip(bytes memory leaf, uint256 bit) private pure {
        bit %= 8 * leaf.length;
        leaf[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
    }
}
