// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {VM} from "./Cheats.sol";
import {IGame} from "./Play.sol";

/// @title Invariants
/// @notice Has the runner play a game, step by step. The game reverts where a call did what it must not, which fails a run
/// too.
abstract contract Invariants {
    /* TYPES */

    /// @dev As the runner reads it.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /* CONSTANTS */

    uint48 internal constant WITHDRAWAL_DELAY_SECONDS = 100_000;

    /* STORAGE */

    IGame internal game;

    /// @dev What the runner calls between checks.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(game);
        targets[0].selectors = new bytes4[](1);
        targets[0].selectors[0] = IGame.step.selector;
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(game);
    }

    function invariant_everyWeiIsAccountedFor() public view {
        game.requireSolvent();
    }

    /// @dev At the end of each run.
    function afterInvariant() public {
        VM.writeLine(_reportPath(), game.report());
        game.takeEverythingOut();
    }

    /// @dev Where the runs are counted: scripts/invariants.ts.
    function _reportPath() internal pure virtual returns (string memory);
}
