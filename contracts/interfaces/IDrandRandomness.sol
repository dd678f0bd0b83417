// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IRandomness} from "./IRandomness.sol";

/// @title IDrandRandomness
/// @notice Seeds from drand's quicknet, the beacon of the League of Entropy: every 3 seconds it publishes a BLS signature
/// of its round's number, which nobody can choose and nobody knows before. A ticket is a round; its seed is the SHA-256
/// of the compressed signature, drand's own "randomness". Anyone may bring a signature; the contract verifies it.
/// @dev A ticket is pending until somebody submits its round, and never out of reach. Assumptions: the chain has the
/// precompiles of EIP-2537, without which the constructor reverts, and its blocks' times are at most a minute behind
/// drand's clock; fewer than a threshold of drand's members collude.
interface IDrandRandomness is IRandomness {
    event SeedSubmitted(uint64 indexed round, bytes32 seed);

    error AlreadySubmitted(uint64 round);
    error InvalidSignature(uint64 round, bytes signature);

    /// @notice Stores a round's seed, once, for good. Reverts unless the signature is the round's; one that is no point
    /// of G1 then uses up all gas that was given, because the pairing precompile does.
    /// @param round any round that is published, whether or not it was given as a ticket
    /// @param signature the published point of G1 as EIP-2537 encodes it: x, then y, each 64 bytes, big-endian
    function submit(uint64 round, bytes calldata signature) external;
}
