// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ICommittee} from "./interfaces/ICommittee.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ITrainingMarket, TaskId} from "./interfaces/ITrainingMarket.sol";
import {Draws} from "./libraries/Draws.sol";
import {Sortition} from "./libraries/Sortition.sol";
import {Tally} from "./libraries/Tally.sol";

/// @title Committee
/// @dev Calls no contract but the market, its disputes and the vault, and none of them in a way that comes back here.
contract Committee is ICommittee {
    /* CONSTANTS */

    /// @inheritdoc ICommittee
    uint256 public constant MAX_ATTESTERS = 48;

    uint8 internal constant MAX_MISSES = 3;

    uint256 internal constant BPS = 10_000;

    /* IMMUTABLES */

    /// @inheritdoc ICommittee
    ITrainingMarket public immutable MARKET;

    IStakeVault internal immutable STAKE_VAULT;

    IDisputes internal immutable DISPUTES;

    /* STORAGE */

    mapping(TaskId taskId => mapping(address verifier => Enrolment)) internal enrolments;

    mapping(TaskId taskId => mapping(uint256 number => Panel)) internal panels;

    mapping(TaskId taskId => mapping(uint256 number => mapping(uint256 index => Attester)))
        internal attesterOf;

    mapping(TaskId taskId => mapping(uint256 number => mapping(address verifier => Attestation)))
        internal attestations;

    mapping(TaskId taskId => mapping(uint256 number => mapping(address verifier => mapping(uint256 proposal => Vote))))
        internal votesOf;

    /* CONSTRUCTOR */

    /// @dev The caller is the market.
    constructor(IStakeVault vault, IDisputes disputes) {
        MARKET = ITrainingMarket(msg.sender);
        STAKE_VAULT = vault;
        DISPUTES = disputes;
    }

    /* ENROLMENT */

    /// @inheritdoc ICommittee
    function enrol(TaskId taskId, uint96 amount) external {
        if (amount == 0) revert ZeroAmount();
        uint256 pool = TaskId.unwrap(taskId);
        uint256 stake = STAKE_VAULT.pooled(address(this), pool, msg.sender) + amount;
        uint96 least = MARKET.verifierStake(taskId);
        if (stake < least) revert StakeTooSmall(stake, least);
        enrolments[taskId][msg.sender].active = true;
        emit Enrolled(taskId, msg.sender, amount);
        STAKE_VAULT.joinPool(pool, msg.sender, amount);
    }

    /// @inheritdoc ICommittee
    /// @dev Works on a closed task too: stake is never stuck.
    function disenrol(TaskId taskId) external {
        if (!enrolments[taskId][msg.sender].active) revert NotEnrolled(taskId, msg.sender);
        _disenrol(taskId, msg.sender);
    }

    /* ATTESTATION */

    /// @inheritdoc ICommittee
    function commitAttestation(TaskId taskId, uint256 number, bytes32 commitment) external {
        if (commitment == 0) revert ZeroCommitment();
        (ITrainingMarket.Phase phase, uint256 present, bytes32 seed) = MARKET.presentRound(taskId);
        _require(phase, ITrainingMarket.Phase.Committing);
        if (number != present) revert WrongRound(number, present);
        Attestation storage attestation_ = attestations[taskId][number][msg.sender];
        if (attestation_.commitment != 0) revert AlreadyAttested(msg.sender, number);
        Panel memory panel_ = panels[taskId][number];
        if (panel_.attesters == MAX_ATTESTERS) revert TooManyAttesters(MAX_ATTESTERS);
        uint256 weight = _weightOf(taskId, number, panel_, seed, msg.sender);
        if (weight == 0) revert NotDrawn(msg.sender, number);

        attestation_.commitment = commitment;
        attesterOf[taskId][number][panel_.attesters] = Attester(msg.sender, uint96(weight));
        panels[taskId][number].attesters = panel_.attesters + 1;
        Enrolment storage enrolment_ = enrolments[taskId][msg.sender];
        if (enrolment_.misses != 0) enrolment_.misses = 0;
        emit AttestationCommitted(taskId, number, msg.sender, commitment, weight);
    }

    /// @inheritdoc ICommittee
    function revealAttestation(
        TaskId taskId,
        uint64 lossBefore,
        Vote[] calldata votes,
        bytes32 salt
    ) external {
        (ITrainingMarket.Phase phase, uint256 number, ) = MARKET.presentRound(taskId);
        _require(phase, ITrainingMarket.Phase.Revealing);
        Attestation storage attestation_ = attestations[taskId][number][msg.sender];
        if (attestation_.commitment == 0) revert NothingCommitted(msg.sender, number);
        if (attestation_.revealed) revert AlreadyAttested(msg.sender, number);
        bytes32 commitment = keccak256(
            abi.encode(block.chainid, MARKET, taskId, number, msg.sender, lossBefore, votes, salt)
        );
        if (commitment != attestation_.commitment) {
            revert CommitmentMismatch(commitment, attestation_.commitment);
        }
        attestation_.revealed = true;
        attestation_.lossBefore = lossBefore;
        _record(taskId, number, votes);
        emit AttestationRevealed(taskId, number, msg.sender, lossBefore, votes);
    }

    /// @inheritdoc ICommittee
    function reportAbsence(TaskId taskId, address verifier) external {
        (ITrainingMarket.Phase phase, uint256 number, bytes32 seed) = MARKET.presentRound(taskId);
        // Not in a round that ended because nothing was left to attest.
        if (phase != ITrainingMarket.Phase.Revealing && phase != ITrainingMarket.Phase.Disputing) {
            revert WrongPhase(phase, ITrainingMarket.Phase.Revealing);
        }
        Attestation storage attestation_ = attestations[taskId][number][verifier];
        if (attestation_.commitment != 0) revert AlreadyAttested(verifier, number);
        if (attestation_.reported) revert AlreadyReported(verifier, number);
        if (_weightOf(taskId, number, panels[taskId][number], seed, verifier) == 0) {
            revert NotDrawn(verifier, number);
        }

        attestation_.reported = true;
        Enrolment storage enrolment_ = enrolments[taskId][verifier];
        uint8 misses = enrolment_.misses;
        if (misses < MAX_MISSES) enrolment_.misses = ++misses;
        emit AbsenceReported(taskId, number, verifier, msg.sender, misses);
        uint96 penalty = MARKET.params(taskId).deviationPenalty;
        if (penalty != 0) STAKE_VAULT.slashPooled(TaskId.unwrap(taskId), verifier, penalty, msg.sender);
        if (misses == MAX_MISSES && enrolment_.active) _disenrol(taskId, verifier);
    }

    /* SETTLEMENT */

    modifier onlyMarket() {
        if (msg.sender != address(MARKET)) revert NotMarket(msg.sender);
        _;
    }

    /// @inheritdoc ICommittee
    function convene(
        TaskId taskId,
        uint256 number,
        uint48 readAt,
        uint96 least,
        uint8 size
    ) external onlyMarket {
        uint256 total = STAKE_VAULT.poolTotalAt(address(this), TaskId.unwrap(taskId), readAt);
        panels[taskId][number] = Panel({
            total: uint96(total),
            least: least,
            readAt: readAt,
            size: size,
            attesters: 0
        });
        emit Convened(taskId, number, total, readAt);
    }

    /// @inheritdoc ICommittee
    /// @dev The loops run over at most MAX_ATTESTERS times the task's most proposals.
    function settle(
        TaskId taskId,
        uint256 number,
        uint256[] calldata contenders
    ) external onlyMarket returns (Settlement memory settlement) {
        ITrainingMarket.TaskParams memory params = MARKET.params(taskId);
        Attester[] memory attesters_ = attesters(taskId, number);
        Tally.Result[] memory results = _tally(taskId, number, contenders, attesters_, params);
        uint256 winner = _best(results);

        settlement.outcomes = new ITrainingMarket.Outcome[](contenders.length);
        settlement.verifiers = new address[](attesters_.length);
        settlement.earned = new uint256[](attesters_.length);
        uint256[] memory lost = new uint256[](attesters_.length);
        for (uint256 c = 0; c < contenders.length; c++) {
            Tally.Result memory result = results[c];
            if (result.outcome == ITrainingMarket.Outcome.Confirmed && c != winner) {
                result.outcome = ITrainingMarket.Outcome.Outdone;
            }
            settlement.outcomes[c] = result.outcome;
            _emitTallied(taskId, number, contenders[c], result);
            uint256 pot = params.proposalFee;
            if (c == winner) pot += params.verifierReward;
            for (uint256 i = 0; i < attesters_.length; i++) {
                Tally.Standing standing = result.standings[i];
                if (standing == Tally.Standing.Rewarded) {
                    // Rounded down.
                    settlement.earned[i] += (pot * attesters_[i].weight) / result.rewardedWeight;
                } else if (standing == Tally.Standing.Deviating) {
                    lost[i] += params.deviationPenalty;
                }
            }
        }
        for (uint256 i = 0; i < attesters_.length; i++) {
            address verifier = attesters_[i].account;
            settlement.verifiers[i] = verifier;
            if (settlement.earned[i] != 0) {
                emit VerifierRewarded(taskId, number, verifier, settlement.earned[i]);
            }
            if (!attestations[taskId][number][verifier].revealed) lost[i] = params.missedRevealPenalty;
            if (lost[i] == 0) continue;
            emit VerifierPenalized(taskId, number, verifier, lost[i]);
            // Nobody is paid from it: there is nothing to gain by making others deviate.
            STAKE_VAULT.slashPooled(TaskId.unwrap(taskId), verifier, uint96(lost[i]), address(0));
        }
    }

    /* VIEWS */

    /// @inheritdoc ICommittee
    function enrolment(TaskId taskId, address verifier) external view returns (Enrolment memory) {
        return enrolments[taskId][verifier];
    }

    /// @inheritdoc ICommittee
    function weightOf(TaskId taskId, uint256 number, address verifier) public view returns (uint256 weight) {
        Panel memory panel_ = panels[taskId][number];
        if (panel_.readAt == 0) return 0;
        return _weightOf(taskId, number, panel_, MARKET.round(taskId, number).seed, verifier);
    }

    /// @inheritdoc ICommittee
    function panel(TaskId taskId, uint256 number) external view returns (Panel memory) {
        return panels[taskId][number];
    }

    /// @inheritdoc ICommittee
    function attesters(TaskId taskId, uint256 number) public view returns (Attester[] memory list) {
        list = new Attester[](panels[taskId][number].attesters);
        for (uint256 i = 0; i < list.length; i++) list[i] = attesterOf[taskId][number][i];
    }

    /// @inheritdoc ICommittee
    function attestation(
        TaskId taskId,
        uint256 number,
        address verifier
    ) external view returns (Attestation memory) {
        return attestations[taskId][number][verifier];
    }

    /// @inheritdoc ICommittee
    function vote(
        TaskId taskId,
        uint256 number,
        address verifier,
        uint256 proposal
    ) external view returns (Verdict verdict, uint64 lossAfter) {
        Vote storage vote_ = votesOf[taskId][number][verifier][proposal];
        return (vote_.verdict, vote_.lossAfter);
    }

    /* INTERNAL */

    function _disenrol(TaskId taskId, address verifier) internal {
        enrolments[taskId][verifier].active = false;
        emit Disenrolled(taskId, verifier);
        uint256 pool = TaskId.unwrap(taskId);
        // Penalties may have left nothing.
        if (STAKE_VAULT.pooled(address(this), pool, verifier) != 0) STAKE_VAULT.leavePool(pool, verifier);
    }

    function _require(ITrainingMarket.Phase given, ITrainingMarket.Phase expected) internal pure {
        if (given != expected) revert WrongPhase(given, expected);
    }

    function _weightOf(
        TaskId taskId,
        uint256 number,
        Panel memory panel_,
        bytes32 seed,
        address verifier
    ) internal view returns (uint256 weight) {
        uint256 pool = TaskId.unwrap(taskId);
        uint256 stake = STAKE_VAULT.pooledAt(address(this), pool, verifier, panel_.readAt);
        if (stake < panel_.least) return 0;
        uint256 draw = Draws.draw(seed, Draws.COMMITTEE, pool, number, 0, uint160(verifier));
        return Sortition.weightOf(draw, stake, panel_.total, panel_.size);
    }

    /// @dev Losses go with a positive vote, a reason with a negative one.
    function _record(TaskId taskId, uint256 number, Vote[] calldata votes) internal {
        address[] memory miners = MARKET.miners(taskId, number);
        if (votes.length != miners.length) revert WrongVoteCount(votes.length, miners.length);
        mapping(uint256 proposal => Vote) storage recorded = votesOf[taskId][number][msg.sender];
        for (uint256 i = 0; i < votes.length; i++) {
            Vote calldata vote_ = votes[i];
            if (vote_.verdict == Verdict.None) continue;
            if (miners[i] == msg.sender) revert OwnProposal(msg.sender, i);
            bool isNegative = vote_.verdict == Verdict.Negative;
            if (
                isNegative == (vote_.reason == 0) ||
                (vote_.verdict != Verdict.Positive && vote_.lossAfter != 0)
            ) {
                revert InvalidVote(i, vote_.verdict, vote_.reason, vote_.lossAfter);
            }
            recorded[i].verdict = vote_.verdict;
            recorded[i].lossAfter = vote_.lossAfter;
        }
    }

    function _tally(
        TaskId taskId,
        uint256 number,
        uint256[] calldata contenders,
        Attester[] memory attesters_,
        ITrainingMarket.TaskParams memory params
    ) internal view returns (Tally.Result[] memory results) {
        uint256 commitEndsAt =
            uint256(MARKET.round(taskId, number).seededAt) + params.leafCheckSeconds + params.commitSeconds;
        uint256 total = panels[taskId][number].total;
        uint256 quorumWeight = Math.mulDiv(total, params.quorumBps, BPS, Math.Rounding.Ceil);
        results = new Tally.Result[](contenders.length);
        for (uint256 c = 0; c < contenders.length; c++) {
            Tally.Ballot[] memory ballots = new Tally.Ballot[](attesters_.length);
            for (uint256 i = 0; i < attesters_.length; i++) {
                ballots[i] = _ballot(taskId, number, contenders[c], attesters_[i], commitEndsAt);
            }
            results[c] = Tally.count(
                ballots,
                quorumWeight,
                params.minImprovementMicroNats,
                params.toleranceMicroNats
            );
        }
    }

    function _ballot(
        TaskId taskId,
        uint256 number,
        uint256 proposal,
        Attester memory attester,
        uint256 commitEndsAt
    ) internal view returns (Tally.Ballot memory ballot) {
        Vote storage vote_ = votesOf[taskId][number][attester.account][proposal];
        ballot.weight = attester.weight;
        ballot.verdict = vote_.verdict;
        ballot.lossAfter = vote_.lossAfter;
        ballot.lossBefore = attestations[taskId][number][attester.account].lossBefore;
        if (ballot.verdict == Verdict.Unavailable) {
            // Later ones don't count: nobody turns a vote when others' are known.
            uint256 demandedAt = DISPUTES.demandOf(taskId, number, proposal, attester.account).firstAt;
            ballot.demanded = demandedAt != 0 && demandedAt < commitEndsAt;
        }
    }

    /// @return winner the confirmed one that improves most, of equals the first; the number of results if there is none
    function _best(Tally.Result[] memory results) internal pure returns (uint256 winner) {
        winner = results.length;
        for (uint256 c = 0; c < results.length; c++) {
            if (results[c].outcome != ITrainingMarket.Outcome.Confirmed) continue;
            if (winner == results.length || results[c].improvement > results[winner].improvement) winner = c;
        }
    }

    function _emitTallied(
        TaskId taskId,
        uint256 number,
        uint256 proposal,
        Tally.Result memory result
    ) internal {
        emit ProposalTallied(
            taskId,
            number,
            proposal,
            result.outcome,
            result.improvement,
            result.positiveWeight,
            result.negativeWeight
        );
    }
}
