// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";
import {ICommittee} from "../interfaces/ICommittee.sol";
import {ITrainingMarket} from "../interfaces/ITrainingMarket.sol";
import {WeightedMedian} from "./WeightedMedian.sol";

/// @title Tally
/// @notice Turns the revealed votes on a proposal into its outcome and each verifier's standing (protocol, §2.6).
library Tally {
    /// @dev Neutral: neither paid nor penalized.
    enum Standing {
        Neutral,
        Rewarded,
        Deviating
    }

    /// @param verdict `None` of who revealed nothing, and on one's own proposal
    /// @param demanded whether the verifier demanded a leaf of the proposal on chain
    struct Ballot {
        uint256 weight;
        ICommittee.Verdict verdict;
        bool demanded;
        uint64 lossBefore;
        uint64 lossAfter;
    }

    /// @param improvement weighted median of loss before minus loss after over the positives, in micro-nats
    struct Result {
        ITrainingMarket.Outcome outcome;
        int256 improvement;
        uint256 positiveWeight;
        uint256 negativeWeight;
        uint256 rewardedWeight;
        Standing[] standings;
    }

    /// @param quorumWeight least weight of positives and negatives that decides
    function count(
        Ballot[] memory ballots,
        uint256 quorumWeight,
        uint256 minImprovement,
        uint256 tolerance
    ) internal pure returns (Result memory result) {
        uint256 n = ballots.length;
        uint256 positives = 0;
        for (uint256 i = 0; i < n; i++) {
            if (isNegative(ballots[i])) {
                result.negativeWeight += ballots[i].weight;
            } else if (ballots[i].verdict == ICommittee.Verdict.Positive) {
                result.positiveWeight += ballots[i].weight;
                positives++;
            }
        }

        int256 medianBefore;
        int256 medianAfter;
        if (positives != 0) {
            (medianBefore, medianAfter, result.improvement) = _medians(ballots, positives);
        }
        uint256 decidingWeight = result.positiveWeight + result.negativeWeight;
        bool votedDown = 3 * result.negativeWeight > decidingWeight;
        if (decidingWeight < quorumWeight) result.outcome = ITrainingMarket.Outcome.Void;
        else if (votedDown) result.outcome = ITrainingMarket.Outcome.Rejected;
        else if (positives == 0) result.outcome = ITrainingMarket.Outcome.Void;
        else if (result.improvement >= int256(minImprovement))
            result.outcome = ITrainingMarket.Outcome.Confirmed;
        else if (result.improvement < -int256(tolerance)) result.outcome = ITrainingMarket.Outcome.Rejected;
        else result.outcome = ITrainingMarket.Outcome.Void;

        result.standings = new Standing[](n);
        for (uint256 i = 0; i < n; i++) {
            Ballot memory ballot = ballots[i];
            bool close =
                ballot.verdict == ICommittee.Verdict.Positive &&
                    _distance(ballot.lossBefore, medianBefore) <= tolerance &&
                    _distance(ballot.lossAfter, medianAfter) <= tolerance;
            result.standings[i] = _standing(ballot, close, result.outcome, votedDown);
            if (result.standings[i] == Standing.Rewarded) result.rewardedWeight += ballot.weight;
        }
    }

    /// @notice Whether a ballot counts against the proposal: an abstention does, of who also demanded a leaf on chain.
    function isNegative(Ballot memory ballot) internal pure returns (bool) {
        return
            ballot.verdict == ICommittee.Verdict.Negative ||
            (ballot.verdict == ICommittee.Verdict.Unavailable && ballot.demanded);
    }

    /// @param close whether it is positive with both losses within tolerance of the medians
    function _standing(
        Ballot memory ballot,
        bool close,
        ITrainingMarket.Outcome outcome,
        bool votedDown
    ) private pure returns (Standing) {
        if (outcome == ITrainingMarket.Outcome.Void) return close ? Standing.Rewarded : Standing.Neutral;
        if (outcome == ITrainingMarket.Outcome.Rejected && votedDown) {
            if (isNegative(ballot)) return Standing.Rewarded;
            return ballot.verdict == ICommittee.Verdict.Positive ? Standing.Deviating : Standing.Neutral;
        }
        // Confirmed, or rejected for what the positives measured.
        if (close) return Standing.Rewarded;
        if (ballot.verdict == ICommittee.Verdict.Positive) return Standing.Deviating;
        bool isWrong =
            outcome == ITrainingMarket.Outcome.Confirmed && ballot.verdict == ICommittee.Verdict.Negative;
        return isWrong ? Standing.Deviating : Standing.Neutral;
    }

    /// @dev Weighted medians over the positive ballots, of which there are `positives`.
    function _medians(
        Ballot[] memory ballots,
        uint256 positives
    ) private pure returns (int256 medianBefore, int256 medianAfter, int256 medianImprovement) {
        uint256[] memory weights = new uint256[](positives);
        int256[] memory before = new int256[](positives);
        int256[] memory afterwards = new int256[](positives);
        int256[] memory improvements = new int256[](positives);
        uint256 filled = 0;
        for (uint256 i = 0; i < ballots.length; i++) {
            Ballot memory ballot = ballots[i];
            if (ballot.verdict != ICommittee.Verdict.Positive) continue;
            weights[filled] = ballot.weight;
            before[filled] = int256(uint256(ballot.lossBefore));
            afterwards[filled] = int256(uint256(ballot.lossAfter));
            improvements[filled] = before[filled] - afterwards[filled];
            filled++;
        }
        medianBefore = WeightedMedian.median(before, weights);
        medianAfter = WeightedMedian.median(afterwards, weights);
        medianImprovement = WeightedMedian.median(improvements, weights);
    }

    function _distance(uint64 loss, int256 median) private pure returns (uint256) {
        return SignedMath.abs(int256(uint256(loss)) - median);
    }
}
