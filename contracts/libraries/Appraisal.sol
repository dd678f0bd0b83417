// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {Consensus} from "./Consensus.sol";
import {Scores, ScoresLibrary} from "./Scores.sol";

/// @title Appraisal
/// @notice What assessors' scores say of a query's answers and of the assessors themselves, and what each earns or loses
/// (protocol, §3.5; α and β from cost-aware PoQ, arXiv 2512.16317). Both paths settle by it.
library Appraisal {
    using Arrays for uint256[];

    uint256 internal constant ONE = 1_000_000;

    /// @notice In the place of a quality: not judged.
    uint256 internal constant NOT_JUDGED = type(uint256).max;

    /// @dev Of what a duty can earn: silence costs more than all that a duty could.
    uint256 internal constant SILENCE_MULTIPLE = 2;

    /// @dev Where a ballot's weight begins, behind its scores.
    uint256 private constant WEIGHT_BIT = 160;

    /// @dev Digits of a standing: sum of closeness, number judged, number outlying; no sum comes near the next digit.
    uint256 private constant JUDGED = 2 ** 32;
    uint256 private constant OUTLYING = 2 ** 8;

    /// @notice A query whose time is over. Sets are bits, by index.
    /// @param nodes drawn, responders first
    /// @param scores of each assessor that revealed
    /// @param answered responders that committed an answer
    /// @param revealed assessors, from 0
    /// @param convicted nodes, responders first: they count for nothing
    /// @param answerMost that an answer can earn
    /// @param dutyMost that an assessor can earn
    struct Case {
        INodeRegistry.Drawn[] nodes;
        Scores[] scores;
        uint256 responders;
        uint256 answered;
        uint256 revealed;
        uint256 convicted;
        uint256 answerMost;
        uint256 dutyMost;
    }

    /// @param isQuorate whether enough weight was revealed for a consensus
    /// @param consensus of each answer; 0 of one that is not judged
    /// @param spread the weighted median of the scores' distances from the consensus
    /// @param paid to each node, responders first
    /// @param lost of each node's stake; 0 of responders
    /// @param qualities of each node, or `NOT_JUDGED`
    struct Verdict {
        bool isQuorate;
        uint256[] consensus;
        uint256[] spread;
        uint256[] paid;
        uint256[] lost;
        uint256[] qualities;
    }

    function appraise(
        Case memory given,
        INodeRegistry.ModelParams memory params
    ) internal pure returns (Verdict memory verdict) {
        uint256 n = given.responders;
        uint256 all = given.nodes.length;
        verdict.consensus = new uint256[](n);
        verdict.spread = new uint256[](n);
        verdict.paid = new uint256[](all);
        verdict.lost = new uint256[](all);
        verdict.qualities = new uint256[](all);
        for (uint256 i = 0; i < all; i++) verdict.qualities[i] = NOT_JUDGED;

        uint256[] memory ballots;
        (ballots, verdict.isQuorate) = _ballots(given, params.quorumShare);
        uint256[] memory standings = new uint256[](ballots.length);
        for (uint256 j = 0; j < n; j++) {
            if (_has(given.convicted, j)) {
                verdict.qualities[j] = 0;
            } else if (!_has(given.answered, j)) {
                continue;
            } else if (!verdict.isQuorate) {
                verdict.paid[j] = given.nodes[j].price;
            } else {
                bool isJudged = _judge(verdict, j, ballots, params);
                verdict.qualities[j] = verdict.consensus[j];
                if (!isJudged) continue;
                verdict.paid[j] = _answerPay(
                    verdict.consensus[j],
                    given.nodes[j].price,
                    given.answerMost,
                    params
                );
                _compare(verdict, j, ballots, params, standings);
            }
        }
        // Amounts below 2^96, times numbers of 32 bits.
        unchecked {
            for (uint256 i = 0; i < ballots.length; i++) {
                uint256 node = n + i;
                uint256 standing = standings.unsafeMemoryAccess(i);
                uint256 judged = (standing / JUDGED) % OUTLYING;
                if (ballots.unsafeMemoryAccess(i) == 0) {
                    verdict.qualities[node] = 0;
                    if (!_has(given.convicted, node)) verdict.lost[node] = SILENCE_MULTIPLE * given.dutyMost;
                } else if (judged != 0) {
                    // All rounded down.
                    uint256 closeness = standing % JUDGED;
                    verdict.qualities[node] = closeness / judged;
                    verdict.paid[node] = (given.dutyMost * closeness) / (ONE * n);
                    uint256 outlying = standing / (JUDGED * OUTLYING);
                    if (outlying != 0) verdict.lost[node] = outlying * (given.dutyMost / n);
                }
            }
        }
    }

    function _has(uint256 set, uint256 index) private pure returns (bool) {
        return (set >> index) & 1 == 1;
    }

    /// @return ballots a word for each assessor: its scores, and from bit 160 on its weight; 0 of one that does not count
    /// @return isQuorate whether they weigh enough of all that were drawn and not convicted
    function _ballots(
        Case memory given,
        uint256 quorumShare
    ) private pure returns (uint256[] memory ballots, bool isQuorate) {
        ballots = new uint256[](given.scores.length);
        uint256 counted = 0;
        uint256 total = 0;
        // Sums of a few numbers of 24 bits.
        unchecked {
            for (uint256 i = 0; i < ballots.length; i++) {
                uint256 node = given.responders + i;
                if (_has(given.convicted, node)) continue;
                uint256 weight = given.nodes[node].trust;
                total += weight;
                if (!_has(given.revealed, i)) continue;
                ballots[i] = (weight << WEIGHT_BIT) | Scores.unwrap(given.scores[i]);
                counted += weight;
            }
        }
        isQuorate = total != 0 && counted * ONE >= quorumShare * total;
    }

    /// @dev α·quality − β·cost, rounded down.
    function _answerPay(
        uint256 quality,
        uint256 price,
        uint256 most,
        INodeRegistry.ModelParams memory params
    ) private pure returns (uint256) {
        uint256 earned = (most * params.qualityFactor * quality) / (ONE * ONE);
        uint256 cost = (price * params.costFactor) / ONE;
        return earned > cost ? earned - cost : 0;
    }

    /// @return isJudged whether there is a consensus: not where half the weight says that the answer never came
    function _judge(
        Verdict memory verdict,
        uint256 j,
        uint256[] memory ballots,
        INodeRegistry.ModelParams memory params
    ) private pure returns (bool isJudged) {
        uint256[] memory list = new uint256[](ballots.length);
        uint256 filled = 0;
        uint256 unavailable = 0;
        uint256 available = 0;
        // Sums of a few words of 24 bits.
        unchecked {
            for (uint256 i = 0; i < ballots.length; i++) {
                uint256 ballot = ballots.unsafeMemoryAccess(i);
                uint256 weight = ballot >> WEIGHT_BIT;
                uint256 score = Scores.wrap(ballot).get(j);
                if (score == ScoresLibrary.UNAVAILABLE) {
                    unavailable += weight;
                } else if (weight != 0) {
                    available += weight;
                    list[filled++] = Consensus.weighted(score, weight);
                }
            }
        }
        if (unavailable >= available) return false;
        assembly ("memory-safe") {
            mstore(list, filled)
        }
        Consensus.sort(list);
        uint256 consensus =
            params.aggregate == INodeRegistry.Aggregate.Median
                ? Consensus.median(list, available)
                : Consensus.trimmedMean(list, available, params.trimShare);
        verdict.consensus[j] = consensus;
        verdict.spread[j] = Consensus.deviation(list, available, consensus);
        return true;
    }

    /// @dev Closeness is 1,000,000 at the consensus and falls to 0 where outliers begin. An outlier of all answers loses
    /// what a duty can earn.
    /// @param standings of each assessor: the sum of its closeness, and how many of its scores are judged and outlying
    function _compare(
        Verdict memory verdict,
        uint256 j,
        uint256[] memory ballots,
        INodeRegistry.ModelParams memory params,
        uint256[] memory standings
    ) private pure {
        // Products of a few numbers of 20 bits.
        unchecked {
            uint256 limit = verdict.spread[j] * params.deviationMultiple;
            if (limit < params.toleranceScore) limit = params.toleranceScore;
            uint256 consensus = verdict.consensus[j];
            for (uint256 i = 0; i < ballots.length; i++) {
                uint256 ballot = ballots.unsafeMemoryAccess(i);
                uint256 score = Scores.wrap(ballot).get(j);
                if (ballot == 0 || score == ScoresLibrary.UNAVAILABLE) continue;
                uint256 distance = score < consensus ? consensus - score : score - consensus;
                // Rounded down.
                standings[i] +=
                    distance > limit
                        ? JUDGED + JUDGED * OUTLYING
                        : JUDGED + ((limit - distance) * ONE) / limit;
            }
        }
    }
}
