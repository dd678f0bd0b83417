// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ICommittee} from "./ICommittee.sol";
import {IDisputes} from "./IDisputes.sol";
import {ILeafChecker} from "./ILeafChecker.sol";
import {IRandomness} from "./IRandomness.sol";
import {IStakeVault} from "./IStakeVault.sol";
import {ITaskRules} from "./ITaskRules.sol";
import {LeafVerdict} from "../libraries/LeafCheck.sol";

/// @dev Numbers tasks from 0. Not a round, not an amount.
type TaskId is uint256;

/// @title ITrainingMarket
/// @notice PoGO (arXiv 2504.07540): a task's owner pays for updates that lower a model's loss. A round takes some sealed
/// proposals, checks random leaves of each, lets a drawn committee attest what it measured, and moves the head to the best
/// confirmed one, or leaves it where it was. Phases follow from the clock and recorded facts; every step's call may be made
/// by anyone.
/// @dev Amounts are in token wei, times in seconds, losses in micro-nats. The committee and the disputes are contracts of
/// their own, made by this one; they and it trust each other.
interface ITrainingMarket {
    /* TYPES */

    /// @notice What a task fixes for good.
    /// @param minerReward paid to the miner of the proposal to which the head moves
    /// @param verifierReward shared by weight among the verifiers of that proposal that measured well
    /// @param proposalFee paid by the miner with each proposal to the verifiers on its final side
    /// @param minerBond locked with each proposal
    /// @param missedRevealPenalty lost by a verifier that commits and does not reveal
    /// @param deviationPenalty lost, for each proposal, for losses outside tolerance or a verdict against the outcome; and by
    /// a drawn verifier that never committed
    /// @param demandDeposit what a demand costs while no other is open; the j-th open one costs 1 + j times that
    /// @param answerRefund the part of a deposit that an answer pays to the miner
    /// @param verifierStake least stake with which a verifier enrols and attests
    /// @param leafChecks random leaves that a proposal must open
    /// @param maxProposals most proposals in a round
    /// @param committeeSize expected number of drawn verifiers; fewer are enrolled: all of them
    /// @param answerSeconds least time to answer a demand
    /// @param answerSlotSeconds more time for each demand that was open before
    /// @param quorumBps least weight of positive and negative verdicts, as a share of the enrolled stake, that decides
    /// @param rejectionBps share of the bond lost when a proposal is rejected
    /// @param minImprovementMicroNats ε: least improvement that confirms
    /// @param toleranceMicroNats honest measurements differ by less
    struct TaskParams {
        uint96 minerReward;
        uint96 verifierReward;
        uint96 proposalFee;
        uint96 minerBond;
        uint96 missedRevealPenalty;
        uint96 deviationPenalty;
        uint96 demandDeposit;
        uint96 answerRefund;
        uint96 verifierStake;
        uint32 openingSeconds;
        uint32 leafCheckSeconds;
        uint32 commitSeconds;
        uint32 revealSeconds;
        uint8 leafChecks;
        uint8 maxProposals;
        uint8 committeeSize;
        uint32 disputeSeconds;
        uint32 answerSeconds;
        uint32 answerSlotSeconds;
        uint32 proposalSeconds;
        uint32 closeDelaySeconds;
        uint16 quorumBps;
        uint16 rejectionBps;
        uint64 minImprovementMicroNats;
        uint64 toleranceMicroNats;
    }

    /// @notice A model: the Merkle roots of θ and of its MXFP4 form, and how many parameters it has.
    struct Head {
        bytes32 fullRoot;
        bytes32 quantRoot;
        uint64 parameterCount;
    }

    /// @param escrow what rounds to come can reserve
    /// @param round number of the last round, 0 before the first
    /// @param closableAt 0 while no closing was requested
    /// @param headRound the round that moved the head last; 0 for the genesis
    /// @param headProposal the proposal of that round, whose bond answers for the head
    struct Task {
        address owner;
        uint96 escrow;
        uint64 round;
        uint64 headRound;
        uint48 closableAt;
        uint8 headProposal;
        bool closed;
        bytes32 manifestHash;
        string location;
        Head head;
    }

    /// @notice What has been recorded of a round. `Phase` is this and the clock.
    enum Stage {
        None,
        Proposed,
        Seeded,
        Final
    }

    enum Phase {
        Idle,
        Proposing,
        Opening,
        Seeding,
        LeafChecking,
        Committing,
        Revealing,
        Disputing,
        Ended,
        Closed
    }

    /// @param proposals how many were sealed
    /// @param opened how many of them are opened and neither checked nor refuted
    /// @param checked how many passed the leaf check and are not refuted
    /// @param winner the proposal to which the head moved; `NO_WINNER` before, or if it did not
    /// @param disputesEndAt when the last demand of the round is settled; 0 without any
    /// @param seedTicket what the randomness source was asked for, 0 before
    /// @param oldRoot `fullRoot` of the head that the round started from
    struct Round {
        Stage stage;
        uint8 proposals;
        uint8 opened;
        uint8 checked;
        uint8 winner;
        uint48 proposalEndsAt;
        uint48 seededAt;
        uint48 disputesEndAt;
        uint64 seedTicket;
        bytes32 oldRoot;
        bytes32 seed;
    }

    enum Status {
        None,
        Sealed,
        Opened,
        Checked,
        Final
    }

    /// @notice How a proposal ended.
    enum Outcome {
        None,
        /// The head moved to it.
        Confirmed,
        /// Good enough, but another was better.
        Outdone,
        Rejected,
        Void,
        /// Its model is the head's, or that of an earlier proposal from the same head.
        Duplicate,
        Unopened,
        Unseeded,
        Unchecked,
        Fraud,
        /// A demand for a leaf was not answered in time.
        Unanswered,
        /// The head was never a model; nobody is to blame but who made the head.
        PoisonedHead
    }

    /// @param bond what is left of the miner's bond; 0 once it is returned or lost
    /// @param openDemands how many demands are open on it, which keep its bond
    struct Proposal {
        address miner;
        uint96 bond;
        Status status;
        Outcome outcome;
        uint8 openDemands;
        bytes32 commitment;
        bytes32 fullRoot;
        bytes32 quantRoot;
        bytes32 updateRoot;
    }

    /// @notice What disputes need to know of a proposal and its task: all but `openDemands` is 0 where no bond answers for
    /// an opened proposal.
    /// @param isHead whether the head is the proposal's model
    /// @param phase of the proposal's round, `Idle` once that is final; of a closed task `Closed`
    struct Disputed {
        address miner;
        uint96 demandDeposit;
        uint96 answerRefund;
        uint32 answerSeconds;
        uint32 answerSlotSeconds;
        uint64 parameterCount;
        uint8 openDemands;
        bool isHead;
        Phase phase;
    }

    /// @notice Who opened a model first, while a head stands.
    struct Priority {
        address miner;
        uint64 round;
        uint8 proposal;
    }

    /* EVENTS */

    event EndpointAnnounced(address indexed account, string endpoint);
    event TaskRegistered(
        TaskId indexed taskId,
        address indexed owner,
        bytes32 manifestHash,
        string location,
        Head genesis,
        TaskParams params
    );
    event TaskFunded(TaskId indexed taskId, address indexed from, uint256 amount);
    event TaskCloseRequested(TaskId indexed taskId, uint256 closableAt);
    event TaskClosed(TaskId indexed taskId, uint256 returned);
    event Proposed(
        TaskId indexed taskId,
        uint256 indexed round,
        address indexed miner,
        uint256 proposal,
        bytes32 commitment,
        uint256 proposalEndsAt
    );
    event ProposalOpened(
        TaskId indexed taskId,
        uint256 indexed round,
        uint256 indexed proposal,
        bytes32 fullRoot,
        bytes32 quantRoot,
        bytes32 updateRoot,
        string location
    );
    event SeedRequested(TaskId indexed taskId, uint256 indexed round, uint64 ticket);
    event SeedRecorded(TaskId indexed taskId, uint256 indexed round, bytes32 seed);
    event LeavesChecked(TaskId indexed taskId, uint256 indexed round, uint256 indexed proposal);
    event LeafRefuted(
        TaskId indexed taskId,
        uint256 indexed round,
        uint256 indexed proposal,
        uint256 leafIndex,
        LeafVerdict verdict,
        uint256 element
    );
    /// @notice The bond that still answered for a proposal is lost, by something that was shown on chain.
    event ProposalRefuted(
        TaskId indexed taskId,
        uint256 indexed round,
        uint256 indexed proposal,
        Outcome cause,
        address prover
    );
    event ProposalEnded(
        TaskId indexed taskId,
        uint256 indexed round,
        uint256 indexed proposal,
        Outcome outcome
    );
    event RoundFinalized(TaskId indexed taskId, uint256 indexed round, uint256 winner);
    event HeadMoved(
        TaskId indexed taskId,
        uint256 indexed round,
        uint256 indexed proposal,
        bytes32 fullRoot,
        bytes32 quantRoot,
        bytes32 updateRoot
    );
    event HeadPoisoned(TaskId indexed taskId, address prover);
    event DisputesExtended(TaskId indexed taskId, uint256 indexed round, uint256 disputesEndAt);

    /* ERRORS */

    error ParameterOutOfRange(string name, uint256 given, uint256 limit);
    error TextTooLong(uint256 given, uint256 limit);
    error ZeroAmount();
    error UnknownTask(TaskId taskId);
    error TaskAlreadyClosed(TaskId taskId);
    error NotOwner(address caller, address owner);
    error NotDisputes(address caller);
    error NotClosable(uint256 timestamp, uint256 closableAt);
    error TaskClosing(TaskId taskId, uint256 closableAt);
    error InsufficientEscrow(uint256 given, uint256 limit);
    error WrongPhase(Phase given, Phase expected);
    error WrongStatus(Status given, Status expected);
    error WrongRound(uint256 given, uint256 expected);
    error AlreadyProposed(address miner, uint256 round);
    error TooManyProposals(uint256 limit);
    error CommitmentMismatch(bytes32 given, bytes32 expected);
    error SeedPending(uint64 ticket);
    error SeedOutOfReach(uint64 ticket);
    error SeedNotRequested(uint256 round);
    error SeedStillReadable(uint64 ticket);
    error WrongLeafCount(uint256 given, uint256 expected);
    error NothingAtStake(TaskId taskId, uint256 round, uint256 proposal);
    error DemandsOpen(TaskId taskId, uint256 round, uint256 proposal);

    /* PARTIES */

    /// @notice Says where the caller serves blobs.
    /// @param endpoint an HTTP URL, at most 256 bytes
    function announce(string calldata endpoint) external;

    /* TASKS */

    /// @notice Registers a task for training from `genesis`.
    /// @param manifestHash keccak-256 of the manifest's bytes
    /// @param location where the manifest is served, at most 256 bytes
    function registerTask(
        TaskParams calldata params,
        Head calldata genesis,
        bytes32 manifestHash,
        string calldata location
    ) external returns (TaskId taskId);

    /// @notice Adds `amount` from the caller's wallet to the task's escrow. Anyone may.
    function fundTask(TaskId taskId, uint256 amount) external;

    /// @notice Owner only: from `closeDelaySeconds` on no round starts and the task can be closed.
    function requestClose(TaskId taskId) external;

    /// @notice Ends a task whose closing was requested, between rounds: the escrow goes to its owner, the head's bond
    /// to its miner. Anyone may call.
    function closeTask(TaskId taskId) external;

    /* ROUNDS */

    /// @notice Makes a sealed proposal (protocol, §2.1), the first of a round or one more while its window is open; locks
    /// the bond, takes the fee. The first reserves the round's rewards.
    /// @param number of the round that the commitment is for: a proposal that arrives in another is refused, not lost
    /// @param commitment keccak256(abi.encode(chainId, market, taskId, round, miner, fullRoot, quantRoot, updateRoot,
    /// location, salt))
    function propose(TaskId taskId, uint256 number, bytes32 commitment) external;

    /// @notice Opens a sealed proposal, after the proposal window. The salt makes it the miner's to call. The bond of a
    /// duplicate goes back at once; its fee does not.
    function openProposal(
        TaskId taskId,
        uint256 proposalIndex,
        bytes32 fullRoot,
        bytes32 quantRoot,
        bytes32 updateRoot,
        string calldata location,
        bytes32 salt
    ) external;

    /// @notice Fixes which seed the round will use, after the opening window. Where a fixed one went out of reach
    /// before it was recorded, fixes another, and a small share of every open bond is burned.
    function requestSeed(TaskId taskId) external;

    /// @notice Records the seed once it is known.
    function recordSeed(TaskId taskId) external;

    /// @notice Opens the drawn leaves of a proposal. A leaf that is in its trees and breaks the transition or quantization
    /// rule burns the miner's bond; one that is not in its trees reverts.
    /// @param openings one for each j < leafChecks, in order
    function checkLeaves(
        TaskId taskId,
        uint256 proposalIndex,
        ILeafChecker.LeafOpening[] calldata openings
    ) external;

    /// @notice Ends a round: moves the head or not, pays, penalizes. Once, in phase `Ended`, when no demand is open.
    function finalize(TaskId taskId) external;

    /// @notice Returns the bond of a past head's proposal that a demand, open at the time, kept locked.
    function releaseBond(TaskId taskId, uint256 number, uint256 proposalIndex) external;

    /* DISPUTES */

    /// @notice Disputes only: takes the bond that answers for a proposal. One of a live round is out of it; a past one is
    /// the head's, which stays where it is.
    function convict(
        TaskId taskId,
        uint256 number,
        uint256 proposalIndex,
        Outcome cause,
        address prover
    ) external;

    /// @notice Disputes only: the head holds a value that is not finite. Ends the round and the task and returns the
    /// round's bonds and fees; a miner that made the head loses its bond.
    function poison(TaskId taskId, address prover) external;

    /// @notice Disputes only: so many demands are open on a proposal, and the present round does not end before `time`.
    function recordDemands(
        TaskId taskId,
        uint256 number,
        uint256 proposalIndex,
        uint8 openDemands,
        uint256 time
    ) external;

    /* VIEWS */

    // solhint-disable func-name-mixedcase
    function VAULT() external view returns (IStakeVault);

    function RANDOMNESS() external view returns (IRandomness);

    function LEAF_CHECKER() external view returns (ILeafChecker);

    function TASK_RULES() external view returns (ITaskRules);

    function COMMITTEE() external view returns (ICommittee);

    function DISPUTES() external view returns (IDisputes);

    /// @notice Most seconds from the opening window's end to a recorded seed; later the round ends without.
    function MAX_SEEDING_SECONDS() external view returns (uint256);

    /// @notice `Round.winner` of a round that did not move the head.
    function NO_WINNER() external view returns (uint8);

    // solhint-enable func-name-mixedcase

    function taskCount() external view returns (uint256);

    function task(TaskId taskId) external view returns (Task memory);

    function params(TaskId taskId) external view returns (TaskParams memory);

    function round(TaskId taskId, uint256 number) external view returns (Round memory);

    function proposal(TaskId taskId, uint256 number, uint256 index) external view returns (Proposal memory);

    /// @notice All proposals of a round, in the order of their commitments.
    function proposals(TaskId taskId, uint256 number) external view returns (Proposal[] memory);

    /// @notice Who first opened the model under `fullRoot` from the head of round `headRound`.
    function priority(
        TaskId taskId,
        uint256 headRound,
        bytes32 fullRoot
    ) external view returns (address miner, uint64 round, uint8 proposal);

    /// @notice The phase of the task's last round now.
    function phase(TaskId taskId) external view returns (Phase);

    /// @notice The phase of the task's last round now, and the round; its seed is 0 before it is recorded.
    function presentRound(TaskId taskId) external view returns (Phase phase, uint256 number, bytes32 seed);

    /// @notice The least stake with which a verifier enrols in an open task.
    function verifierStake(TaskId taskId) external view returns (uint96);

    /// @notice Who made the proposals of a round, in their order.
    function miners(TaskId taskId, uint256 number) external view returns (address[] memory);

    /// @notice What disputes read at each call: less than a task's and a proposal's structs.
    function disputed(TaskId taskId, uint256 number, uint256 index) external view returns (Disputed memory);

    /// @notice The trees of an opened proposal, and how many parameters they are of.
    function trees(
        TaskId taskId,
        uint256 number,
        uint256 index
    ) external view returns (ILeafChecker.Trees memory, uint256 parameterCount);
}
