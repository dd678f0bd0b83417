// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {Appraisal} from "../libraries/Appraisal.sol";
import {Scores} from "../libraries/Scores.sol";
import {Standing} from "../libraries/Standing.sol";

/// @title AppraisalHarness
/// @notice Appraisals, standings and packed scores as calls, many cases in each, for tests.
contract AppraisalHarness {
    /// @notice One settlement of a node, or its collecting.
    struct Change {
        uint256 paid;
        uint256 quality;
        uint256 rate;
        uint256 mostRise;
        uint256 timestamp;
        bool isCollected;
    }

    function appraise(
        Appraisal.Case[] calldata cases,
        INodeRegistry.ModelParams[] calldata params
    ) external pure returns (Appraisal.Verdict[] memory verdicts) {
        verdicts = new Appraisal.Verdict[](cases.length);
        for (uint256 i = 0; i < cases.length; ++i) verdicts[i] = Appraisal.appraise(cases[i], params[i]);
    }

    /// @notice The state of a node that was never settled, after each change.
    /// @param ages how long before a change queries were asked, in seconds
    /// @return standings as they are stored
    /// @return earned not collected
    /// @return trust now
    /// @return asked trust that queries of each age read
    function replay(
        uint256 floor,
        Change[] calldata changes,
        uint256[] calldata ages
    )
        external
        pure
        returns (
            Standing[] memory standings,
            uint256[] memory earned,
            uint256[] memory trust,
            uint256[][] memory asked
        )
    {
        standings = new Standing[](changes.length);
        earned = new uint256[](changes.length);
        trust = new uint256[](changes.length);
        asked = new uint256[][](changes.length);
        Standing standing;
        for (uint256 i = 0; i < changes.length; ++i) {
            standing = _changed(standing, floor, changes[i]);
            standings[i] = standing;
            earned[i] = standing.earned();
            trust[i] = standing.trust(floor);
            asked[i] = new uint256[](ages.length);
            for (uint256 j = 0; j < ages.length; ++j) {
                asked[i][j] = standing.trustAsOf(floor, changes[i].timestamp - ages[j]);
            }
        }
    }

    /// @return isValid whether they are scores of so many answers
    /// @return unpacked each of 8
    function readScores(
        Scores scores,
        uint256 answers
    ) external pure returns (bool isValid, uint256[8] memory unpacked) {
        for (uint256 j = 0; j < unpacked.length; ++j) unpacked[j] = scores.get(j);
        return (scores.isValid(answers), unpacked);
    }

    function _changed(
        Standing standing,
        uint256 floor,
        Change calldata change
    ) private pure returns (Standing) {
        if (change.isCollected) return standing.collected();
        return
            standing.plus(change.paid).moved(
                floor,
                change.quality,
                change.rate,
                change.mostRise,
                change.timestamp
            );
    }
}
