// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDrandRandomness} from "../interfaces/IDrandRandomness.sol";
import {IRandomness} from "../interfaces/IRandomness.sol";
import {BLS12381} from "../libraries/BLS12381.sol";

/// @title DrandRandomness
contract DrandRandomness is IDrandRandomness {
    /* CONSTANTS */

    /// @dev Quicknet: chain 52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971, scheme
    /// bls-unchained-g1-rfc9380. Round 1 was published at this time, in seconds, and another each period since.
    uint256 internal constant GENESIS = 1_692_803_367;
    uint256 internal constant PERIOD_SECONDS = 3;

    bytes internal constant PUBLIC_KEY =
        hex"000000000000000000000000000000000d1fec758c921cc22b0e17e63aaf4bcb"
        hex"5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
        hex"0000000000000000000000000000000003cf0f2896adee7eb8b5f01fcad39122"
        hex"12c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
        hex"000000000000000000000000000000000e5db2b6bfbb01c867749cadffca88b3"
        hex"6c24f3012ba09fc4d3022c5c37dce0f977d3adb5d183c7477c442b1f04515273"
        hex"0000000000000000000000000000000001a714f2edb74119a2f2b0d5a7c75ba9"
        hex"02d163700a61bc224ededd8e63aef7be1aaf8e93d7a9718b047ccddb3eb5d68b";

    /// @dev How far a block's time may be behind drand's clock while nobody can know its ticket's seed. On Ethereum a
    /// block has the time of its slot's begin, and can be withheld as long as its proposer has the next slots too: this
    /// is five slots of 12 seconds in a row. Synchronized clocks differ by far less, and a later seed costs only waiting.
    uint256 internal constant MARGIN_SECONDS = 60;

    uint64 internal constant KNOWN_ROUND = 1000;
    bytes internal constant KNOWN_SIGNATURE =
        hex"00000000000000000000000000000000144679b9a59af2ec876b1a6b1ad52ea9"
        hex"b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
        hex"0000000000000000000000000000000011f92e4521ef54f047b64b85fa98db2d"
        hex"46f0f44add1f60b93f8a0dbddd63b34f238657c2d93aed18b90bddd60a01b6d2";

    /* STORAGE */

    mapping(uint64 round => bytes32 seed) internal seedOf;

    /* CONSTRUCTOR */

    /// @dev Verifies a round, so that there is no deployment where that can't be done.
    constructor() {
        _requireValid(KNOWN_ROUND, KNOWN_SIGNATURE);
    }

    /* SUBMISSION */

    /// @inheritdoc IDrandRandomness
    function submit(uint64 round, bytes calldata signature) external {
        if (seedOf[round] != 0) revert AlreadySubmitted(round);
        _requireValid(round, signature);
        bytes32 seed = sha256(BLS12381.compress(signature));
        seedOf[round] = seed;
        emit SeedSubmitted(round, seed);
    }

    /* VIEWS */

    /// @inheritdoc IRandomness
    function next() external view returns (uint64 ticket) {
        uint256 time = block.timestamp + MARGIN_SECONDS;
        return time < GENESIS ? 1 : uint64((time - GENESIS) / PERIOD_SECONDS) + 2;
    }

    /// @inheritdoc IRandomness
    function read(uint64 ticket) external view returns (Availability availability, bytes32 seed) {
        seed = seedOf[ticket];
        return (seed == 0 ? Availability.Pending : Availability.Ready, seed);
    }

    /* INTERNAL */

    function _requireValid(uint64 round, bytes memory signature) internal view {
        bytes memory message = bytes.concat(sha256(abi.encodePacked(round)));
        if (!BLS12381.verify(message, signature, PUBLIC_KEY)) revert InvalidSignature(round, signature);
    }
}
