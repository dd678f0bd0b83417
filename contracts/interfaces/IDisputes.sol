// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILeafChecker} from "./ILeafChecker.sol";
import {ITrainingMarket, TaskId} from "./ITrainingMarket.sol";
import {LeafVerdict} from "../libraries/LeafCheck.sol";

/// @title IDisputes
/// @notice Fraud proofs and demands (protocol, §2.5): what takes a miner's bond without a vote. They hold against the
/// proposals of the present round and against the one that made the head.
interface IDisputes {
    /* TYPES */

    /// @notice What one account demands of a proposal; it has one demand open at a time.
    /// @param deposit in the contract's balance while the demand is open, else 0
    /// @param firstAt when the account demanded a leaf of this proposal first
    /// @param dueAt the answer must come before; of an answered demand, until when it may be followed by another
    /// @param count demands of this account on this proposal, this one included
    struct Demand {
        uint96 deposit;
        uint48 firstAt;
        uint48 dueAt;
        uint8 count;
        uint40 leafIndex;
    }

    /* EVENTS */

    event FraudProved(
        TaskId indexed taskId,
        uint256 indexed round,
        uint256 indexed proposal,
        address prover,
        uint256 leafIndex,
        LeafVerdict verdict,
        uint256 element
    );
    event PoisonProved(TaskId indexed taskId, address indexed prover, uint256 leafIndex, uint256 element);
    event LeafDemanded(
        TaskId indexed taskId,
        uint256 indexed round,
        uint256 indexed proposal,
        address demander,
        uint256 leafIndex,
        uint256 deposit,
        uint256 dueAt
    );
    /// @param newProof siblings of the new leaf, bottom up: where they differ from one's own is what was forged
    /// @param quantProof those of the quantized leaf
    event DemandAnswered(
        TaskId indexed taskId,
        uint256 indexed round,
        uint256 indexed proposal,
        address demander,
        uint256 leafIndex,
        LeafVerdict verdict,
        bytes32[] newProof,
        bytes32[] quantProof
    );
    event DemandClosed(
        TaskId indexed taskId,
        uint256 indexed round,
        uint256 indexed proposal,
        address demander,
        bool unanswered
    );

    /* ERRORS */

    error NoFraud(LeafVerdict verdict);
    error NotPoisoned(TaskId taskId, uint256 leafIndex);
    error TaskIsClosed(TaskId taskId);
    error NothingAtStake(TaskId taskId, uint256 round, uint256 proposal);
    error DemandsClosed(ITrainingMarket.Phase phase);
    error NoFollowUp(uint256 timestamp, uint256 followableUntil);
    error TooManyDemands(uint256 limit);
    error IndexOutOfRange(uint256 given, uint256 limit);
    error DemandStillOpen(address demander, uint256 leafIndex);
    error NoDemand(address demander);
    error DemandOverdue(uint256 timestamp, uint256 dueAt);
    error DemandNotDue(uint256 timestamp, uint256 dueAt);

    /* FRAUD PROOFS */

    /// @notice Shows one leaf that breaks the rules, and takes the bond: half of it is the caller's. Leaves that the proof
    /// does not need stay empty, and so do their proofs: an encoding is shown by the update leaf; a sum that is not finite
    /// by the old and the update leaf; a wrong sum by these and the new one; a wrong quantization by the new and the
    /// quantized one.
    function proveFraud(
        TaskId taskId,
        uint256 number,
        uint256 proposal,
        uint256 leafIndex,
        ILeafChecker.LeafOpening calldata opening
    ) external;

    /// @notice Shows a leaf of the head that is not finite, which ends the task.
    function provePoison(
        TaskId taskId,
        uint256 leafIndex,
        bytes calldata leaf,
        bytes32[] calldata proof
    ) external;

    /* DEMANDS */

    /// @notice Demands that a leaf be shown on chain. Takes the deposit from the caller's wallet. From the opening window's
    /// end to the end of reveals, then only to follow an answer; of the head, until it moves.
    /// @param leafIndex any place of the trees
    function demand(TaskId taskId, uint256 number, uint256 proposal, uint256 leafIndex) external;

    /// @notice Shows the demanded leaf: anyone may. A leaf that keeps to the rules pays `answerRefund` to the miner, and
    /// the rest of the deposit is burned; one that breaks them is a fraud that the demander proved.
    function answer(
        TaskId taskId,
        uint256 number,
        uint256 proposal,
        address demander,
        ILeafChecker.LeafOpening calldata opening
    ) external;

    /// @notice Ends an open demand: overdue, it takes the miner's bond; of a proposal whose bond is gone or returned, it
    /// gives the deposit back.
    function closeDemand(TaskId taskId, uint256 number, uint256 proposal, address demander) external;

    /* VIEWS */

    // solhint-disable func-name-mixedcase
    function MARKET() external view returns (ITrainingMarket);

    /// @notice Most demands open on one proposal.
    function MAX_OPEN_DEMANDS() external view returns (uint256);

    // solhint-enable func-name-mixedcase

    function openDemands(TaskId taskId, uint256 number, uint256 proposal) external view returns (uint256);

    function demandOf(
        TaskId taskId,
        uint256 number,
        uint256 proposal,
        address demander
    ) external view returns (Demand memory);
}
