// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IRandomness
/// @notice A source of public seeds that nobody knows when a ticket is drawn and everybody can read later.
/// @dev Implementations must answer `read` for one ticket with one seed, for ever, and never revert in it.
interface IRandomness {
    enum Availability {
        Pending,
        Ready,
        OutOfReach
    }

    /// @notice A ticket for a seed that is still unknown.
    function next() external view returns (uint64 ticket);

    /// @notice The seed of a ticket, when it is ready.
    function read(uint64 ticket) external view returns (Availability availability, bytes32 seed);
}
