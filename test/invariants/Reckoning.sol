// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INodeRegistry} from "../../contracts/interfaces/INodeRegistry.sol";

/// @title Reckoning
/// @notice How a query must be settled (docs/queries.md, 5 and 6), by definitions and without an eye to gas.
library Reckoning {
    uint256 internal constant ONE = 1_000_000;

    uint256 internal constant UNAVAILABLE = 2 ** 20 - 1;

    uint256 internal constant NOT_JUDGED = type(uint256).max;

    /// @param scores of each assessor, a word each
    struct Case {
        INodeRegistry.ModelParams params;
        INodeRegistry.Drawn[] nodes;
        uint256 responders;
        uint256 fee;
        uint256[] scores;
        uint256 answered;
        uint256 revealed;
        uint256 convicted;
    }

    /// @param lost of stake, as far as there is some
    /// @param silent assessors that pay for it
    /// @param outlying scores
    /// @param unjudged answers that were committed
    struct Result {
        bool isQuorate;
        uint256[] consensus;
        uint256[] spread;
        uint256[] paid;
        uint256[] lost;
        uint256[] qualities;
        uint256 silent;
        uint256 outlying;
        uint256 unjudged;
    }

    /// @dev Of the scores for one answer. Those that do not count weigh nothing.
    struct Poll {
        uint256[] values;
        uint256[] weights;
        uint256 total;
    }

    function burned(uint256 fee, INodeRegistry.ModelParams memory params) internal pure returns (uint256) {
        return (fee * params.burnShare) / ONE;
    }

    /// @notice Most that an assessor can earn.
    function dutyMost(
        uint256 fee,
        uint256 assessors,
        INodeRegistry.ModelParams memory params
    ) internal pure returns (uint256) {
        return ((fee * params.assessorShare) / ONE) / assessors;
    }

    /// @notice Most that an answer can earn.
    function answerMost(
        uint256 fee,
        uint256 responders,
        INodeRegistry.ModelParams memory params
    ) internal pure returns (uint256) {
        return (fee - burned(fee, params) - (fee * params.assessorShare) / ONE) / responders;
    }

    function scoreOf(uint256 scores, uint256 answer) internal pure returns (uint256) {
        return (scores >> (20 * answer)) % 2 ** 20;
    }

    function areValid(uint256 scores, uint256 answers) internal pure returns (bool) {
        for (uint256 j = 0; j < answers; j++) {
            uint256 score = scoreOf(scores, j);
            if (score > ONE && score != UNAVAILABLE) return false;
        }
        return scores < 2 ** (20 * answers);
    }

    /// @notice Where trust must be after a query.
    function trustAfter(
        uint256 before,
        uint256 quality,
        uint256 nodes,
        uint256 burned_,
        INodeRegistry.ModelParams memory params
    ) internal pure returns (uint256) {
        if (quality == NOT_JUDGED) return before;
        uint256 way = ((quality < before ? before - quality : quality - before) * params.trustRate) / ONE;
        if (quality < before) return before - way < params.trustFloor ? params.trustFloor : before - way;
        uint256 most = burned_ / (nodes * params.trustPrice);
        return before + (way < most ? way : most);
    }

    function reckon(Case memory c) internal pure returns (Result memory r) {
        r.consensus = new uint256[](c.responders);
        r.spread = new uint256[](c.responders);
        r.paid = new uint256[](c.nodes.length);
        r.lost = new uint256[](c.nodes.length);
        r.qualities = new uint256[](c.nodes.length);
        r.isQuorate = _isQuorate(c);
        uint256[] memory closeness = new uint256[](c.scores.length);
        uint256[] memory judged = new uint256[](c.scores.length);
        for (uint256 j = 0; j < c.responders; j++) {
            r.qualities[j] = _isIn(c.convicted, j) ? 0 : NOT_JUDGED;
            if (_isIn(c.convicted, j) || !_isIn(c.answered, j)) continue;
            if (r.isQuorate) _judge(c, r, j, closeness, judged);
            else r.paid[j] = c.nodes[j].price;
        }
        uint256 most = dutyMost(c.fee, c.scores.length, c.params);
        for (uint256 i = 0; i < c.scores.length; i++) {
            uint256 place = c.responders + i;
            if (_counts(c, i)) {
                r.qualities[place] = judged[i] == 0 ? NOT_JUDGED : closeness[i] / judged[i];
                r.paid[place] = (most * closeness[i]) / (ONE * c.responders);
            } else if (!_isIn(c.convicted, place)) {
                r.silent++;
                r.lost[place] = 2 * most;
            }
        }
    }

    function _judge(
        Case memory c,
        Result memory r,
        uint256 j,
        uint256[] memory closeness,
        uint256[] memory judged
    ) private pure {
        r.qualities[j] = 0;
        Poll memory poll;
        poll.values = new uint256[](c.scores.length);
        poll.weights = new uint256[](c.scores.length);
        uint256 unavailable = 0;
        for (uint256 i = 0; i < c.scores.length; i++) {
            uint256 weight = _counts(c, i) ? c.nodes[c.responders + i].trust : 0;
            poll.values[i] = scoreOf(c.scores[i], j);
            if (poll.values[i] == UNAVAILABLE) unavailable += weight;
            else poll.weights[i] = weight;
            poll.total += poll.weights[i];
        }
        if (2 * unavailable >= poll.total + unavailable) {
            r.unjudged++;
            return;
        }
        bool isMedian = c.params.aggregate == INodeRegistry.Aggregate.Median;
        uint256 consensus = isMedian ? _median(poll) : _trimmedMean(poll, c.params.trimShare);
        for (uint256 i = 0; i < c.scores.length; i++) poll.values[i] = _distance(poll.values[i], consensus);
        (r.consensus[j], r.spread[j], r.qualities[j]) = (consensus, _median(poll), consensus);
        r.paid[j] = _answerPay(c, j, consensus);

        uint256 limit = r.spread[j] * c.params.deviationMultiple;
        if (limit < c.params.toleranceScore) limit = c.params.toleranceScore;
        for (uint256 i = 0; i < c.scores.length; i++) {
            if (poll.weights[i] == 0) continue;
            judged[i]++;
            if (poll.values[i] <= limit) closeness[i] += ((limit - poll.values[i]) * ONE) / limit;
            else {
                r.outlying++;
                r.lost[c.responders + i] += dutyMost(c.fee, c.scores.length, c.params) / c.responders;
            }
        }
    }

    function _answerPay(Case memory c, uint256 j, uint256 consensus) private pure returns (uint256) {
        uint256 most = answerMost(c.fee, c.responders, c.params);
        uint256 earned = (most * c.params.qualityFactor * consensus) / (ONE * ONE);
        uint256 cost = (c.nodes[j].price * c.params.costFactor) / ONE;
        return earned < cost ? 0 : earned - cost;
    }

    function _isQuorate(Case memory c) private pure returns (bool) {
        uint256 total = 0;
        uint256 revealed = 0;
        for (uint256 i = 0; i < c.scores.length; i++) {
            if (_isIn(c.convicted, c.responders + i)) continue;
            total += c.nodes[c.responders + i].trust;
            if (_counts(c, i)) revealed += c.nodes[c.responders + i].trust;
        }
        return total != 0 && revealed * ONE >= total * c.params.quorumShare;
    }

    function _counts(Case memory c, uint256 i) private pure returns (bool) {
        return _isIn(c.revealed, i) && !_isIn(c.convicted, c.responders + i);
    }

    function _isIn(uint256 set, uint256 index) private pure returns (bool) {
        return (set >> index) % 2 == 1;
    }

    /// @dev The least value that, with all below it, weighs at least half.
    function _median(Poll memory poll) private pure returns (uint256 least) {
        least = type(uint256).max;
        for (uint256 i = 0; i < poll.values.length; i++) {
            uint256 value = poll.values[i];
            if (poll.weights[i] == 0 || value >= least) continue;
            (uint256 below, uint256 equal) = _weightsAt(poll, value);
            if (2 * (below + equal) >= poll.total) least = value;
        }
    }

    /// @dev Each value weighs what of it lies between the cuts.
    function _trimmedMean(Poll memory poll, uint256 share) private pure returns (uint256) {
        uint256 cut = (poll.total * share) / ONE;
        uint256 sum = 0;
        for (uint256 i = 0; i < poll.values.length; i++) {
            if (poll.weights[i] == 0 || _isRepeated(poll, i)) continue;
            (uint256 below, uint256 equal) = _weightsAt(poll, poll.values[i]);
            uint256 from = below < cut ? cut : below;
            uint256 to = below + equal < poll.total - cut ? below + equal : poll.total - cut;
            if (to > from) sum += poll.values[i] * (to - from);
        }
        return sum / (poll.total - 2 * cut);
    }

    /// @dev Whether the same value came before.
    function _isRepeated(Poll memory poll, uint256 index) private pure returns (bool) {
        for (uint256 i = 0; i < index; i++) {
            if (poll.weights[i] != 0 && poll.values[i] == poll.values[index]) return true;
        }
        return false;
    }

    function _weightsAt(Poll memory poll, uint256 value) private pure returns (uint256 below, uint256 equal) {
        for (uint256 i = 0; i < poll.values.length; i++) {
            if (poll.values[i] < value) below += poll.weights[i];
            else if (poll.values[i] == value) equal += poll.weights[i];
        }
    }

    function _distance(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? b - a : a - b;
    }
}
