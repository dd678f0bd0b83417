// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Tally} from "../libraries/Tally.sol";

/// @title TallyHarness
/// @notice Many tallies in one call, for tests.
contract TallyHarness {
    struct Case {
        Tally.Ballot[] ballots;
        uint256 quorumWeight;
        uint256 minImprovement;
        uint256 tolerance;
    }

    function count(Case[] calldata cases) external pure returns (Tally.Result[] memory results) {
        results = new Tally.Result[](cases.length);
        for (uint256 i = 0; i < cases.length; ++i) {
            Case calldata each = cases[i];
            results[i] = Tally.count(each.ballots, each.quorumWeight, each.minImprovement, each.tolerance);
        }
    }
}
