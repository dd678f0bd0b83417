// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IRandomness} from "../interfaces/IRandomness.sol";

/// @title BlockHashRandomness
/// @notice The hash of a block two ahead: from the last 256 blocks by the BLOCKHASH opcode, before those from the
/// history contract of EIP-2935 (8,191 blocks), where the chain has it.
/// @dev Warning: whoever builds that block chooses its hash by trying values of `extraData`, at next to no cost unless
/// there is proof of work; and who draws the ticket chooses whose block it is, by the time of the call.
contract BlockHashRandomness is IRandomness {
    /* CONSTANTS */

    uint64 internal constant BLOCKS_AHEAD = 2;

    /// @dev EIP-2935: takes a block number as 32 bytes, returns its hash, reverts outside its window.
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /* VIEWS */

    /// @inheritdoc IRandomness
    function next() external view returns (uint64 ticket) {
        return uint64(block.number) + BLOCKS_AHEAD;
    }

    /// @inheritdoc IRandomness
    function read(uint64 ticket) external view returns (Availability availability, bytes32 seed) {
        if (block.number <= ticket) return (Availability.Pending, 0);
        seed = blockhash(ticket);
        if (seed == 0) {
            (bool ok, bytes memory answer) = HISTORY.staticcall(abi.encode(ticket));
            if (ok && answer.length == 32) seed = abi.decode(answer, (bytes32));
        }
        return seed == 0 ? (Availability.OutOfReach, seed) : (Availability.Ready, seed);
    }
}
