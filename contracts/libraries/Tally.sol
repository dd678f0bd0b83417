// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITrainingMarket} from "../interfaces/ITrainingMarket.sol";
import {WeightedMedian} from "./WeightedMedian.sol";

/// @title Tally
/// @notice Turns the revealed attestations of a round into its outcome and each verifier's standing (protocol, §2.6).
library Tally {
    /// @dev Neutral: neither paid nor penalized.
    enum Standing {
        Neutral,
        Rewarded,
        Deviating,
        Silent
    }

    /// @param improvement weighted median of loss before minus loss after over the positives, in micro-nats
    struct Result {
        ITrainingMarket.Outcome outcome;
        int256 improvement;
        uint256 positiveStake;
        uint256 negativeStake;
        uint256 rewardedStake;
        Standing[] standings;
    }

    /// @param attesters who committed, with the stake it counts for
    /// @param attestations what each revealed, in the same order; verdict `None` where nothing was revealed
    /// @param quorate whether enough stake committed
    function count(
        ITrainingMarket.Attester[] memory attesters,
        ITrainingMarket.Attestation[] memory attestations,
        bool quorate,
        uint256 minImprovement,
        uint256 tolerance
    ) internal pure returns (Result memory result) {
        uint256 n = attesters.length;
        result.standings = new Standing[](n);
        uint256[] memory weights = new uint256[](n);
        int256[] memory before = new int256[](n);
        int256[] memory afterwards = new int256[](n);
        int256[] memory improvements = new int256[](n);

        for (uint256 i = 0; i < n; i++) {
            ITrainingMarket.Attestation memory attestation = attestations[i];
            if (attestation.verdict == ITrainingMarket.Verdict.None) {
                result.standings[i] = Standing.Silent;
            } else if (attestation.verdict == ITrainingMarket.Verdict.Negative) {
                result.negativeStake += attesters[i].stake;
            } else if (attestation.verdict == ITrainingMarket.Verdict.Positive) {
                result.positiveStake += attesters[i].stake;
                // The others keep weight 0, which no median sees.
                weights[i] = attesters[i].stake;
                before[i] = int256(uint256(attestation.lossBefore));
                afterwards[i] = int256(uint256(attestation.lossAfter));
                improvements[i] = before[i] - afterwards[i];
            }
        }

        int256 medianBefore;
        int256 medianAfter;
        if (result.positiveStake != 0) {
            medianBefore = WeightedMedian.median(before, weights);
            medianAfter = WeightedMedian.median(afterwards, weights);
            result.improvement = WeightedMedian.median(improvements, weights);
        }

        bool votedDown = 3 * result.negativeStake > result.positiveStake + result.negativeStake;
        result.outcome = _outcome(result, quorate, votedDown, int256(minImprovement), int256(tolerance));

        for (uint256 i = 0; i < n; i++) {
            ITrainingMarket.Verdict verdict = attestations[i].verdict;
            if (verdict == ITrainingMarket.Verdict.Positive) {
                bool close =
                    _distance(before[i], medianBefore) <= tolerance &&
                        _distance(afterwards[i], medianAfter) <= tolerance;
                bool upheld = !(result.outcome == ITrainingMarket.Outcome.Rejected && votedDown);
                if (close && upheld) result.standings[i] = Standing.Rewarded;
                else if (result.outcome != ITrainingMarket.Outcome.Void)
                    result.standings[i] = Standing.Deviating;
            } else if (verdict == ITrainingMarket.Verdict.Negative) {
                if (result.outcome == ITrainingMarket.Outcome.Confirmed)
                    result.standings[i] = Standing.Deviating;
                else if (result.outcome == ITrainingMarket.Outcome.Rejected && votedDown) {
                    result.standings[i] = Standing.Rewarded;
                }
            }
            if (result.standings[i] == Standing.Rewarded) result.rewardedStake += attesters[i].stake;
        }
    }

    function _outcome(
        Result memory result,
        bool quorate,
        bool votedDown,
        int256 minImprovement,
        int256 tolerance
    ) private pure returns (ITrainingMarket.Outcome) {
        if (!quorate) return ITrainingMarket.Outcome.Void;
        if (votedDown) return ITrainingMarket.Outcome.Rejected;
        if (result.positiveStake == 0) return ITrainingMarket.Outcome.Void;
        if (result.improvement >= minImprovement) return ITrainingMarket.Outcome.Confirmed;
        if (result.improvement < -tolerance) return ITrainingMarket.Outcome.Rejected;
        return ITrainingMarket.Outcome.Void;
    }

    function _distance(int256 a, int256 b) private pure returns (uint256) {
        return uint256(a > b ? a - b : b - a);
    }
}
