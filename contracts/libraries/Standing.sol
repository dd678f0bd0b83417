// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What a node earned and is trusted, in one role for one model: one word, so that settling a query writes one for
/// each of its nodes. The zero value is that of a node that was never settled.
///
///     bits 255-200   199-104          103-72         71-48             47-24           23-0
///          zero      earned and not   hour of the    trust when the    trust when      trust
///                    collected, wei   last change    hour before it    it began        now
///                                     since 1970     began
///
type Standing is uint256;

using StandingLibrary for Standing global;

/// @title StandingLibrary
/// @notice Trust in millionths; 0 stands for the floor, where it starts and below which it never falls. A query reads what
/// its own hour began with, so that nobody chooses a selection by settling another query first.
/// @dev A query is selected within an hour of being asked: no more than two hours are ever read.
library StandingLibrary {
    uint256 private constant ONE = 1_000_000;

    uint256 private constant HOUR = 1 hours;

    uint256 private constant AT_HOUR_BIT = 24;
    uint256 private constant HOUR_BEFORE_BIT = 48;
    uint256 private constant HOUR_BIT = 72;
    uint256 private constant EARNED_BIT = 104;

    uint256 private constant TRUST_MASK = type(uint24).max;
    uint256 private constant HOUR_MASK = type(uint32).max;
    uint256 private constant EARNED_MASK = type(uint96).max;

    /// @notice What the node earned and did not collect.
    function earned(Standing standing) internal pure returns (uint256) {
        return (Standing.unwrap(standing) >> EARNED_BIT) & EARNED_MASK;
    }

    /// @param amount below 2^96, and with what was earned before too: there are fewer tokens
    function plus(Standing standing, uint256 amount) internal pure returns (Standing) {
        unchecked {
            return Standing.wrap(Standing.unwrap(standing) + (amount << EARNED_BIT));
        }
    }

    /// @notice The same with nothing earned.
    function collected(Standing standing) internal pure returns (Standing) {
        return Standing.wrap(Standing.unwrap(standing) & ~(EARNED_MASK << EARNED_BIT));
    }

    function trust(Standing standing, uint256 floor) internal pure returns (uint256) {
        return _atLeast(Standing.unwrap(standing) & TRUST_MASK, floor);
    }

    /// @notice What queries read that were asked at `timestamp`, at most an hour ago.
    function trustAsOf(Standing standing, uint256 floor, uint256 timestamp) internal pure returns (uint256) {
        uint256 word = Standing.unwrap(standing);
        uint256 asked = timestamp / HOUR;
        uint256 changed = (word >> HOUR_BIT) & HOUR_MASK;
        if (asked > changed) return _atLeast(word & TRUST_MASK, floor);
        uint256 bit = asked == changed ? AT_HOUR_BIT : HOUR_BEFORE_BIT;
        return _atLeast((word >> bit) & TRUST_MASK, floor);
    }

    /// @notice The same with trust moved toward `quality`.
    /// @param quality at most 1,000,000
    /// @param rate share of the way, in millionths
    /// @param mostRise most that trust rises by
    function moved(
        Standing standing,
        uint256 floor,
        uint256 quality,
        uint256 rate,
        uint256 mostRise,
        uint256 timestamp
    ) internal pure returns (Standing) {
        // Numbers of 24 bits, and times of 48.
        unchecked {
            uint256 before = trust(standing, floor);
            uint256 value;
            if (quality < before) {
                value = _atLeast(before - ((before - quality) * rate) / ONE, floor);
            } else {
                uint256 rise = ((quality - before) * rate) / ONE;
                value = before + (rise < mostRise ? rise : mostRise);
            }

            uint256 word = Standing.unwrap(standing);
            uint256 hour = timestamp / HOUR;
            uint256 changed = (word >> HOUR_BIT) & HOUR_MASK;
            uint256 atHour = (word >> AT_HOUR_BIT) & TRUST_MASK;
            uint256 hourBefore = (word >> HOUR_BEFORE_BIT) & TRUST_MASK;
            if (hour != changed) {
                // Nothing changed in an hour that was skipped.
                hourBefore = hour == changed + 1 ? atHour : before;
                atHour = before;
            }
            return
                Standing.wrap(
                    ((word >> EARNED_BIT) << EARNED_BIT) |
                        (hour << HOUR_BIT) |
                        (hourBefore << HOUR_BEFORE_BIT) |
                        (atHour << AT_HOUR_BIT) |
                        value
                );
        }
    }

    function _atLeast(uint256 value, uint256 floor) private pure returns (uint256) {
        return value < floor ? floor : value;
    }
}
