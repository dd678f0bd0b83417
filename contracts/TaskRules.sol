// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITaskRules} from "./interfaces/ITaskRules.sol";
import {ITrainingMarket} from "./interfaces/ITrainingMarket.sol";
import {MXFP4} from "./libraries/MXFP4.sol";
import {PositionalMerkle} from "./libraries/PositionalMerkle.sol";

/// @title TaskRules
contract TaskRules is ITaskRules {
    /* CONSTANTS */

    uint256 internal constant MAX_WINDOW_SECONDS = 30 days;

    /// @dev 16 openings of 32 levels fit in one transaction: they take 112 KB, of which nodes relay at most 128 KiB, and
    /// under 7 million gas (EIP-7825: at most 2^24).
    uint256 internal constant MAX_LEAF_CHECKS = 16;

    /// @dev With 16 expected, more than 48 are drawn once in some 10^10 rounds.
    uint256 internal constant MAX_COMMITTEE_SIZE = 16;

    uint256 internal constant MAX_PROPOSALS = 8;

    /// @dev Time to finalize a round before stake that was read for it can leave.
    uint256 internal constant FINALIZING_SECONDS = 1 hours;

    uint256 internal constant BPS = 10_000;

    /// @dev A vote alone costs a miner at most a tenth of its bond.
    uint256 internal constant MAX_REJECTION_BPS = 1_000;

    /// @dev Trees of at most 32 levels.
    uint256 internal constant MAX_PARAMETERS = 2 ** 40;

    /// @inheritdoc ITaskRules
    function check(
        ITrainingMarket.TaskParams calldata params,
        uint64 parameterCount,
        uint256 withdrawalDelaySeconds,
        uint256 maxSeedingSeconds,
        uint256 maxOpenDemands
    ) external pure {
        _inRange("parameterCount", parameterCount, 1, MAX_PARAMETERS);

        _inRange("proposalSeconds", params.proposalSeconds, 1, MAX_WINDOW_SECONDS);
        _inRange("openingSeconds", params.openingSeconds, 1, MAX_WINDOW_SECONDS);
        _inRange("leafCheckSeconds", params.leafCheckSeconds, 1, MAX_WINDOW_SECONDS);
        _inRange("commitSeconds", params.commitSeconds, 1, MAX_WINDOW_SECONDS);
        _inRange("revealSeconds", params.revealSeconds, 1, MAX_WINDOW_SECONDS);
        _inRange("disputeSeconds", params.disputeSeconds, 1, MAX_WINDOW_SECONDS);
        _inRange("closeDelaySeconds", params.closeDelaySeconds, 1, MAX_WINDOW_SECONDS);
        _inRange("answerSeconds", params.answerSeconds, 1, MAX_WINDOW_SECONDS);
        _inRange("answerSlotSeconds", params.answerSlotSeconds, 1, MAX_WINDOW_SECONDS);
        uint256 depth = PositionalMerkle.depthOf(MXFP4.leafCount(parameterCount));
        // A demand for every level and one for the leaf, each with the most others open and followed as late as can be.
        uint256 longestPursuitSeconds =
            (depth + 1) * (2 * uint256(params.answerSeconds) + maxOpenDemands * params.answerSlotSeconds);
        // The proposal window is left out: stake is read when it closes.
        uint256 longestRoundSeconds =
            uint256(params.openingSeconds) +
                maxSeedingSeconds +
                params.leafCheckSeconds +
                params.commitSeconds +
                params.revealSeconds +
                params.disputeSeconds +
                longestPursuitSeconds;
        _inRange(
            "longestRoundSeconds",
            longestRoundSeconds + FINALIZING_SECONDS,
            0,
            withdrawalDelaySeconds - 1
        );

        _inRange("leafChecks", params.leafChecks, 1, MAX_LEAF_CHECKS);
        _inRange("maxProposals", params.maxProposals, 1, MAX_PROPOSALS);
        _inRange("committeeSize", params.committeeSize, 1, MAX_COMMITTEE_SIZE);
        _inRange("quorumBps", params.quorumBps, 1, BPS);
        _inRange("rejectionBps", params.rejectionBps, 0, MAX_REJECTION_BPS);
        _inRange("minImprovementMicroNats", params.minImprovementMicroNats, 1, uint64(type(int64).max));
        _inRange("toleranceMicroNats", params.toleranceMicroNats, 0, params.minImprovementMicroNats - 1);

        // A round reserves both rewards at once.
        _inRange("minerReward", params.minerReward, 0, type(uint96).max - params.verifierReward);
        // Who proves its own fraud first keeps half of its bond: the other half must exceed what the fraud could earn.
        _inRange("minerBond", params.minerBond, 2 * uint256(params.minerReward) + 1, type(uint96).max);

        // Silence must cost more than the duty's reward, even undivided.
        uint256 dutyReward =
            uint256(params.verifierReward) + uint256(params.maxProposals) * params.proposalFee;
        _inRange("missedRevealPenalty", params.missedRevealPenalty, dutyReward + 1, type(uint96).max);
        // Nor may it be a cheaper way out once others' reveals show how a round will end.
        _inRange(
            "deviationPenalty",
            params.deviationPenalty,
            0,
            params.missedRevealPenalty / params.maxProposals
        );
        _inRange("verifierStake", params.verifierStake, params.missedRevealPenalty, type(uint96).max);

        // Who corners a forged leaf pays for a demand on every level, and must get more than that from the bond.
        uint256 mostDeposit = uint256(params.minerBond) / 2 / (depth + 1);
        _inRange("demandDeposit", params.demandDeposit, 1, mostDeposit);
        _inRange("answerRefund", params.answerRefund, 0, params.demandDeposit / 2);
        // Who fills all places for demands, to keep others from theirs, must burn more than the bond that this saves.
        uint256 fillingCost =
            (uint256(params.demandDeposit) * maxOpenDemands * (maxOpenDemands + 1)) / 2 -
                params.answerRefund * maxOpenDemands;
        _inRange("fillingCost", fillingCost, uint256(params.minerBond) + 1, type(uint256).max);
    }

    function _inRange(string memory name, uint256 given, uint256 least, uint256 most) internal pure {
        if (given < least) revert ITrainingMarket.ParameterOutOfRange(name, given, least);
        if (given > most) revert ITrainingMarket.ParameterOutOfRange(name, given, most);
    }
}
