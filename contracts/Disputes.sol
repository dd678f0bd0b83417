// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {ILeafChecker} from "./interfaces/ILeafChecker.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ITrainingMarket, TaskId} from "./interfaces/ITrainingMarket.sol";
import {LeafVerdict} from "./libraries/LeafCheck.sol";
import {MXFP4} from "./libraries/MXFP4.sol";
import {PositionalMerkle} from "./libraries/PositionalMerkle.sol";

/// @title Disputes
contract Disputes is IDisputes, ReentrancyGuardTransient {
    using SafeCast for uint256;

    /* CONSTANTS */

    /// @inheritdoc IDisputes
    uint256 public constant MAX_OPEN_DEMANDS = 64;

    /* IMMUTABLES */

    /// @inheritdoc IDisputes
    ITrainingMarket public immutable MARKET;

    IStakeVault internal immutable STAKE_VAULT;

    ILeafChecker internal immutable LEAF_CHECKER;

    /* STORAGE */

    mapping(TaskId taskId => mapping(uint256 number => mapping(uint256 proposal => mapping(address => Demand))))
        internal demands;

    /* CONSTRUCTOR */

    /// @dev The caller is the market.
    constructor(IStakeVault vault, ILeafChecker leafChecker) {
        MARKET = ITrainingMarket(msg.sender);
        STAKE_VAULT = vault;
        LEAF_CHECKER = leafChecker;
    }

    /* FRAUD PROOFS */

    /// @inheritdoc IDisputes
    function proveFraud(
        TaskId taskId,
        uint256 number,
        uint256 proposal,
        uint256 leafIndex,
        ILeafChecker.LeafOpening calldata opening
    ) external nonReentrant {
        // First, so that who loses the race for a proof pays little.
        _disputed(taskId, number, proposal);
        (ILeafChecker.Trees memory trees, uint256 parameterCount) = MARKET.trees(taskId, number, proposal);
        (LeafVerdict verdict, uint256 element) = LEAF_CHECKER.refute(
            trees,
            parameterCount,
            leafIndex,
            opening
        );
        if (verdict == LeafVerdict.Valid || verdict == LeafVerdict.NonFiniteOld) revert NoFraud(verdict);
        emit FraudProved(taskId, number, proposal, msg.sender, leafIndex, verdict, element);
        MARKET.convict(taskId, number, proposal, ITrainingMarket.Outcome.Fraud, msg.sender);
    }

    /// @inheritdoc IDisputes
    function provePoison(
        TaskId taskId,
        uint256 leafIndex,
        bytes calldata leaf,
        bytes32[] calldata proof
    ) external nonReentrant {
        ITrainingMarket.Task memory task = MARKET.task(taskId);
        if (task.closed) revert TaskIsClosed(taskId);
        uint256 element = LEAF_CHECKER.firstNonFinite(
            task.head.fullRoot,
            task.head.parameterCount,
            leafIndex,
            leaf,
            proof
        );
        if (element == MXFP4.NONE) revert NotPoisoned(taskId, leafIndex);
        emit PoisonProved(taskId, msg.sender, leafIndex, element);
        MARKET.poison(taskId, msg.sender);
    }

    /* DEMANDS */

    /// @inheritdoc IDisputes
    function demand(
        TaskId taskId,
        uint256 number,
        uint256 proposal,
        uint256 leafIndex
    ) external nonReentrant {
        ITrainingMarket.Disputed memory disputed = _disputed(taskId, number, proposal);
        if (disputed.phase == ITrainingMarket.Phase.Closed) revert TaskIsClosed(taskId);
        uint256 depth = PositionalMerkle.depthOf(MXFP4.leafCount(disputed.parameterCount));
        if (leafIndex >> depth != 0) revert IndexOutOfRange(leafIndex, (1 << depth) - 1);
        Demand storage demand_ = demands[taskId][number][proposal][msg.sender];
        if (demand_.deposit != 0) revert DemandStillOpen(msg.sender, demand_.leafIndex);
        if (!disputed.isHead) _requireDemandable(disputed.phase, demand_, depth);

        uint256 open = disputed.openDemands;
        if (open == MAX_OPEN_DEMANDS) revert TooManyDemands(MAX_OPEN_DEMANDS);
        uint256 deposit = (1 + open) * disputed.demandDeposit;
        uint256 dueAt = block.timestamp + disputed.answerSeconds + open * disputed.answerSlotSeconds;
        demand_.deposit = deposit.toUint96();
        demand_.dueAt = dueAt.toUint48();
        // Of the head, an account may demand as often as it pays for it.
        if (demand_.count <= depth) demand_.count++;
        if (demand_.firstAt == 0) demand_.firstAt = uint48(block.timestamp);
        demand_.leafIndex = uint40(leafIndex);
        emit LeafDemanded(taskId, number, proposal, msg.sender, leafIndex, deposit, dueAt);
        MARKET.recordDemands(taskId, number, proposal, uint8(open + 1), disputed.isHead ? 0 : dueAt);
        STAKE_VAULT.collect(msg.sender, deposit);
    }

    /// @inheritdoc IDisputes
    function answer(
        TaskId taskId,
        uint256 number,
        uint256 proposal,
        address demander,
        ILeafChecker.LeafOpening calldata opening
    ) external nonReentrant {
        ITrainingMarket.Disputed memory disputed = _disputed(taskId, number, proposal);
        Demand storage demand_ = demands[taskId][number][proposal][demander];
        uint256 deposit = demand_.deposit;
        if (deposit == 0) revert NoDemand(demander);
        if (block.timestamp >= demand_.dueAt) revert DemandOverdue(block.timestamp, demand_.dueAt);
        uint256 leafIndex = demand_.leafIndex;
        (ILeafChecker.Trees memory trees, uint256 parameterCount) = MARKET.trees(taskId, number, proposal);
        (LeafVerdict verdict, uint256 element) = LEAF_CHECKER.check(
            trees,
            parameterCount,
            leafIndex,
            opening
        );

        demand_.deposit = 0;
        emit DemandAnswered(
            taskId,
            number,
            proposal,
            demander,
            leafIndex,
            verdict,
            opening.newProof,
            opening.quantProof
        );
        bool isPresent =
            disputed.phase != ITrainingMarket.Phase.Idle && disputed.phase != ITrainingMarket.Phase.Closed;
        uint256 followableUntil = 0;
        if (verdict == LeafVerdict.Valid) {
            demand_.dueAt = (block.timestamp + disputed.answerSeconds).toUint48();
            uint256 depth = opening.newProof.length;
            if (isPresent && demand_.count <= depth) followableUntil = demand_.dueAt;
        }
        MARKET.recordDemands(taskId, number, proposal, disputed.openDemands - 1, followableUntil);
        if (verdict == LeafVerdict.Valid) {
            STAKE_VAULT.pay(disputed.miner, disputed.answerRefund);
            STAKE_VAULT.pay(STAKE_VAULT.BURN_ADDRESS(), deposit - disputed.answerRefund);
            return;
        }
        STAKE_VAULT.pay(demander, deposit);
        if (verdict == LeafVerdict.NonFiniteOld) {
            // Of a past head, the present one is what counts: `provePoison` shows that.
            if (isPresent) MARKET.poison(taskId, demander);
            return;
        }
        emit FraudProved(taskId, number, proposal, demander, leafIndex, verdict, element);
        MARKET.convict(taskId, number, proposal, ITrainingMarket.Outcome.Fraud, demander);
    }

    /// @inheritdoc IDisputes
    function closeDemand(
        TaskId taskId,
        uint256 number,
        uint256 proposal,
        address demander
    ) external nonReentrant {
        Demand storage demand_ = demands[taskId][number][proposal][demander];
        uint256 deposit = demand_.deposit;
        if (deposit == 0) revert NoDemand(demander);
        ITrainingMarket.Disputed memory disputed = MARKET.disputed(taskId, number, proposal);
        bool unanswered = disputed.miner != address(0);
        if (unanswered && block.timestamp < demand_.dueAt) {
            revert DemandNotDue(block.timestamp, demand_.dueAt);
        }
        demand_.deposit = 0;
        emit DemandClosed(taskId, number, proposal, demander, unanswered);
        MARKET.recordDemands(taskId, number, proposal, disputed.openDemands - 1, 0);
        STAKE_VAULT.pay(demander, deposit);
        if (unanswered) {
            MARKET.convict(taskId, number, proposal, ITrainingMarket.Outcome.Unanswered, demander);
        }
    }

    /* VIEWS */

    /// @inheritdoc IDisputes
    function openDemands(TaskId taskId, uint256 number, uint256 proposal) external view returns (uint256) {
        return MARKET.disputed(taskId, number, proposal).openDemands;
    }

    /// @inheritdoc IDisputes
    function demandOf(
        TaskId taskId,
        uint256 number,
        uint256 proposal,
        address demander
    ) external view returns (Demand memory) {
        return demands[taskId][number][proposal][demander];
    }

    /* INTERNAL */

    function _disputed(
        TaskId taskId,
        uint256 number,
        uint256 proposal
    ) internal view returns (ITrainingMarket.Disputed memory disputed) {
        disputed = MARKET.disputed(taskId, number, proposal);
        if (disputed.miner == address(0)) revert NothingAtStake(taskId, number, proposal);
    }

    /// @dev Of a round's proposals, leaves are demanded from when blobs are served to the end of reveals; then only to go on
    /// where an answer led, and at most once for each level and once for the leaf.
    function _requireDemandable(
        ITrainingMarket.Phase phase,
        Demand storage demand_,
        uint256 depth
    ) internal view {
        if (phase == ITrainingMarket.Phase.Disputing) {
            uint256 until = demand_.count > depth ? 0 : demand_.dueAt;
            if (block.timestamp >= until) revert NoFollowUp(block.timestamp, until);
            return;
        }
        if (phase < ITrainingMarket.Phase.Seeding || phase > ITrainingMarket.Phase.Revealing) {
            revert DemandsClosed(phase);
        }
    }
}
