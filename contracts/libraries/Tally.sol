// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";
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
        uint256 positives = 0;
        for (uint256 i = 0; i < n; i++) {
            ITrainingMarket.Verdict verdict = attestations[i].verdict;
            if (verdict == ITrainingMarket.Verdict.None) {
                result.standings[i] = Standing.Silent;
            } else if (verdict == ITrainingMarket.Verdict.Negative) {
                result.negativeStake += attesters[i].stake;
            } else if (verdict == ITrainingMarket.Verdict.Positive) {
                result.positiveStake += attesters[i].stake;
                positives++;
            }
        }

        int256 medianBefore;
        int256 medianAfter;
        if (positives != 0) {
            (medianBefore, medianAfter, result.improvement) = _medians(attesters, attestations, positives);
        }
        bool votedDown = 3 * result.negativeStake > result.positiveStake + result.negativeStake;
        result.outcome = _outcome(result, quorate, votedDown, int256(minImprovement), int256(tolerance));

        for (uint256 i = 0; i < n; i++) {
            ITrainingMarket.Attestation memory attestation = attestations[i];
            if (attestation.verdict == ITrainingMarket.Verdict.Positive) {
                bool close =
                    _distance(attestation.lossBefore, medianBefore) <= tolerance &&
                        _distance(attestation.lossAfter, medianAfter) <= tolerance;
                bool upheld = !(result.outcome == ITrainingMarket.Outcome.Rejected && votedDown);
                if (close && upheld) result.standings[i] = Standing.Rewarded;
                else if (result.outcome != ITrainingMarket.Outcome.Void)
                    result.standings[i] = Standing.Deviating;
            } else if (attestation.verdict == ITrainingMarket.Verdict.Negative) {
                if (result.outcome == ITrainingMarket.Outcome.Confirmed)
                    result.standings[i] = Standing.Deviating;
                else if (result.outcome == ITrainingMarket.Outcome.Rejected && votedDown) {
                    result.standings[i] = Standing.Rewarded;
                }
            }
            if (result.standings[i] == Standing.Rewarded) result.rewardedStake += attesters[i].stake;
        }
    }

    /// @dev Weighted medians over the positive attestations, of which there are `positives`.
    function _medians(
        ITrainingMarket.Attester[] memory attesters,
        ITrainingMarket.Attestation[] memory attestations,
        uint256 positives
    ) private pure returns (int256 medianBefore, int256 medianAfter, int256 medianImprovement) {
        uint256[] memory weights = new uint256[](positives);
        int256[] memory before = new int256[](positives);
        int256[] memory afterwards = new int256[](positives);
        int256[] memory improvements = new int256[](positives);
        uint256 filled = 0;
        for (uint256 i = 0; i < attestations.length; i++) {
            ITrainingMarket.Attestation memory attestation = attestations[i];
            if (attestation.verdict != ITrainingMarket.Verdict.Positive) continue;
            weights[filled] = attesters[i].stake;
            before[filled] = int256(uint256(attestation.lossBefore));
            afterwards[filled] = int256(uint256(attestation.lossAfter));
            improvements[filled] = before[filled] - afterwards[filled];
            filled++;
        }
        medianBefore = WeightedMedian.median(before, weights);
        medianAfter = WeightedMedian.median(afterwards, weights);
        medianImprovement = WeightedMedian.median(improvements, weights);
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

    function _distance(uint64 loss, int256 median) private pure returns (uint256) {
        return SignedMath.abs(int256(uint256(loss)) - median);
    }
}
