// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Books} from "./Books.sol";
import {VM} from "./Cheats.sol";

interface IGame {
    /// @notice One step of the game.
    function step(bytes32 seed) external;

    /// @notice Ends all that is open and has everybody leave, which must always be possible and leave nothing.
    function takeEverythingOut() external;

    function requireSolvent() external view;

    /// @notice What the steps so far came to: a fingerprint of theirs; names, calls and successes of actions; names and
    /// counts of outcomes. Parts are separated by bars, lists by spaces.
    function report() external view returns (string memory line);
}

/// @title Play
/// @notice A game in steps, each from a seed: its clock, its dice, and what it came to.
abstract contract Play is Books, IGame {
    /* CONSTANTS */

    uint256 internal constant DAY = 1 days;

    /* STORAGE */

    uint256 internal random;
    uint256 internal time = 1_900_000_000;
    uint256 internal height = 1_000;

    /// @dev Of the steps taken: tells one game from another.
    bytes32 internal fingerprint;

    /// @dev By the numbers of actions and outcomes.
    uint256[32] internal calls;
    uint256[32] internal successes;
    uint256[32] internal outcomes;

    /* STEPS */

    /// @inheritdoc IGame
    function step(bytes32 seed) external {
        fingerprint = keccak256(abi.encode(fingerprint, seed));
        random = uint256(seed);
        _mine(0, 0);
        _step();
        _watch();
    }

    function _step() internal virtual;

    /// @dev What must hold after every step and whenever time passed.
    function _watch() internal virtual;

    /* CALLS */

    function _call(
        uint256 action,
        address sender,
        address target,
        bytes memory data
    ) internal returns (bool ok) {
        calls[action]++;
        VM.prank(sender);
        (ok, ) = target.call(data);
        if (ok) successes[action]++;
    }

    /// @dev Counts as a success where the call is refused.
    function _requireRefused(uint256 action, address sender, address target, bytes memory data) internal {
        calls[action]++;
        VM.prank(sender);
        (bool ok, ) = target.call(data);
        _require(!ok, "trespassers are refused");
        successes[action]++;
        _check(NO_ESCROW);
    }

    /* CLOCK */

    function _passTo(uint256 moment) internal {
        if (moment == type(uint256).max || moment <= time) return;
        _pass(moment - time);
    }

    function _pass(uint256 duration) internal {
        _mine(duration, 1 + duration / 12);
    }

    /// @dev Time and height are kept here: what a call has seen of them need not be what they are now.
    function _mine(uint256 duration, uint256 blocks) internal {
        time += duration;
        height += blocks;
        VM.warp(time);
        VM.roll(height);
    }

    function _below(uint256 limit) internal returns (uint256) {
        random = uint256(keccak256(abi.encode(random)));
        return random % limit;
    }

    /* REPORT */

    /// @inheritdoc IGame
    function report() external view returns (string memory line) {
        (string memory actions, uint256 actionCount) = _actions();
        (string memory ends, uint256 first, uint256 end) = _outcomes();
        line = string.concat(VM.toString(fingerprint), "|", actions, "|", _join(calls, 0, actionCount));
        line = string.concat(line, "|", _join(successes, 0, actionCount));
        return string.concat(line, "|", ends, "|", _join(outcomes, first, end));
    }

    /// @return names in the order of their numbers, separated by spaces
    function _actions() internal pure virtual returns (string memory names, uint256 count);

    /// @return names likewise, of outcomes `first` to before `end`
    function _outcomes() internal pure virtual returns (string memory names, uint256 first, uint256 end);

    /// @dev What was set up is not reported.
    function _forgetCounts() internal {
        delete calls;
        delete successes;
        delete outcomes;
    }

    function _join(
        uint256[32] storage counts,
        uint256 first,
        uint256 end
    ) private view returns (string memory list) {
        for (uint256 i = first; i < end; i++) {
            list = string.concat(list, i == first ? "" : " ", VM.toString(counts[i]));
        }
    }
}
