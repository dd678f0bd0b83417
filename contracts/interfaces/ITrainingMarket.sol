// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILeafChecker} from "./ILeafChecker.sol";
import {IRandomness} from "./IRandomness.sol";
import {LeafVerdict} from "../libraries/LeafCheck.sol";

/// @dev Numbers tasks from 0. Not a round, not an amount.
type TaskId is uint256;

/// @title ITrainingMarket
/// @notice PoGO (arXiv 2504.07540): a task's owner pays for updates that lower a model's loss. A round takes one
/// sealed proposal, checks random leaves of it, lets enrolled verifiers attest in two phases what they measured, and
/// confirms the update, rejects it, or leaves things as they were. Phases follow from the clock and recorded facts;
/// every step's call may be made by anyone.
/// @dev Amounts are in token wei, times in seconds, losses in micro-nats.
interface ITrainingMarket {
    /* TYPES */

    /// @notice What a task fixes for good.
    /// @param minerReward paid to the miner of a confirmed proposal
    /// @param verifierReward shared by stake among the verifiers on the final side
    /// @param proposalFee paid by the miner with each proposal, joins the verifiers' reward
    /// @param minerBond locked with each proposal
    /// @param verifierStake least stake with which a verifier enrols and attests
    /// @param missedRevealPenalty lost by a verifier that commits and does not reveal
    /// @param deviationPenalty lost for losses outside tolerance or a verdict against the outcome
    /// @param quorumBps least committed share of the enrolled stake for a round to count
    /// @param rejectionBps share of the bond lost when a proposal is rejected by vote
    /// @param leafChecks random leaves that a proposal must open
    /// @param minImprovementMicroNats ε: least improvement that confirms
    /// @param toleranceMicroNats honest measurements differ by less
    struct TaskParams {
        uint96 minerReward;
        uint96 verifierReward;
        uint96 proposalFee;
        uint96 minerBond;
        uint96 verifierStake;
        uint96 missedRevealPenalty;
        uint96 deviationPenalty;
        uint32 proposalSeconds;
        uint32 openingSeconds;
        uint32 leafCheckSeconds;
        uint32 commitSeconds;
        uint32 revealSeconds;
        uint32 disputeSeconds;
        uint32 closeDelaySeconds;
        uint16 quorumBps;
        uint16 rejectionBps;
        uint8 leafChecks;
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
    /// @param enrolled accounts with stake in the task's pool
    /// @param closableAt 0 while no closing was requested
    /// @param headMiner whose bond is locked for the present head; zero for the genesis
    /// @param headBond how much of it
    struct Task {
        address owner;
        uint96 escrow;
        uint64 round;
        uint16 enrolled;
        uint48 closableAt;
        bool closed;
        address headMiner;
        uint96 headBond;
        bytes32 manifestHash;
        string location;
        Head head;
    }

    /// @notice What has been recorded of a round. `Phase` is this and the clock.
    enum Stage {
        None,
        Sealed,
        Opened,
        Seeded,
        Checked,
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

    enum Outcome {
        None,
        Confirmed,
        Rejected,
        Void,
        Unopened,
        Unseeded,
        Unchecked,
        Fraud,
        PoisonedHead
    }

    /// @notice Positive: the data came and everything rebuilds. Unavailable: an abstention.
    enum Verdict {
        None,
        Positive,
        Negative,
        Unavailable
    }

    /// @param bond what is left of the miner's bond while the round is not final
    /// @param committedStake stake of the verifiers that committed
    /// @param seedTicket what the randomness source was asked for, 0 before
    /// @param commitment the sealed proposal
    struct Round {
        address miner;
        uint96 bond;
        Stage stage;
        Outcome outcome;
        uint16 attesters;
        uint48 proposalEndsAt;
        uint48 seededAt;
        uint96 committedStake;
        uint64 seedTicket;
        bytes32 commitment;
        bytes32 fullRoot;
        bytes32 quantRoot;
        bytes32 updateRoot;
        bytes32 seed;
    }

    struct Attester {
        address account;
        uint96 stake;
    }

    /// @param reason why a verdict is negative; 0 otherwise. The clients' codes, no contract reads them.
    struct Attestation {
        bytes32 commitment;
        Verdict verdict;
        uint8 reason;
        uint64 lossBefore;
        uint64 lossAfter;
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
    event Enrolled(TaskId indexed taskId, address indexed verifier, uint256 amount);
    event Disenrolled(TaskId indexed taskId, address indexed verifier);
    event Proposed(
        TaskId indexed taskId,
        uint256 indexed round,
        address indexed miner,
        bytes32 commitment,
        uint256 proposalEndsAt
    );
    event ProposalOpened(
        TaskId indexed taskId,
        uint256 indexed round,
        bytes32 fullRoot,
        bytes32 quantRoot,
        bytes32 updateRoot,
        string location
    );
    event SeedRequested(TaskId indexed taskId, uint256 indexed round, uint64 ticket);
    event SeedRecorded(TaskId indexed taskId, uint256 indexed round, bytes32 seed);
    event LeavesChecked(TaskId indexed taskId, uint256 indexed round);
    event LeafRefuted(
        TaskId indexed taskId,
        uint256 indexed round,
        uint256 leafIndex,
        LeafVerdict verdict,
        uint256 element
    );
    event AttestationCommitted(
        TaskId indexed taskId,
        uint256 indexed round,
        address indexed verifier,
        bytes32 commitment,
        uint256 stake
    );
    event AttestationRevealed(
        TaskId indexed taskId,
        uint256 indexed round,
        address indexed verifier,
        Verdict verdict,
        uint8 reason,
        uint64 lossBefore,
        uint64 lossAfter
    );
    event VerifierPenalized(
        TaskId indexed taskId,
        uint256 indexed round,
        address indexed verifier,
        uint256 amount
    );
    event RoundFinalized(
        TaskId indexed taskId,
        uint256 indexed round,
        Outcome outcome,
        int256 improvementMicroNats,
        uint256 positiveStake,
        uint256 negativeStake
    );
    event HeadMoved(
        TaskId indexed taskId,
        uint256 indexed round,
        bytes32 fullRoot,
        bytes32 quantRoot,
        bytes32 updateRoot
    );
    event Earned(TaskId indexed taskId, address indexed account, uint256 amount);
    event Claimed(address indexed account, uint256 amount);

    /* ERRORS */

    error ParameterOutOfRange(string name, uint256 given, uint256 limit);
    error TextTooLong(uint256 given, uint256 limit);
    error ZeroAmount();
    error UnknownTask(TaskId taskId);
    error TaskAlreadyClosed(TaskId taskId);
    error NotOwner(address caller, address owner);
    error NotClosable(uint256 timestamp, uint256 closableAt);
    error TaskClosing(TaskId taskId, uint256 closableAt);
    error InsufficientEscrow(uint256 given, uint256 limit);
    error WrongPhase(Phase given, Phase expected);
    error WrongStage(Stage given, Stage expected);
    error AlreadyProposed(address miner, uint256 round);
    error RoundTaken(uint256 round, address miner);
    error CommitmentMismatch(bytes32 given, bytes32 expected);
    error SeedPending(uint64 ticket);
    error SeedOutOfReach(uint64 ticket);
    error SeedNotRequested(uint256 round);
    error SeedStillReadable(uint64 ticket);
    error WrongLeafCount(uint256 given, uint256 expected);
    error StakeTooSmall(uint256 given, uint256 limit);
    error TooManyVerifiers(uint256 limit);
    error OwnProposal(address miner);
    error AlreadyAttested(address verifier, uint256 round);
    error NothingCommitted(address verifier, uint256 round);
    error InvalidVerdict(Verdict verdict, uint8 reason);
    error NotEnrolled(TaskId taskId, address verifier);
    error ZeroCommitment();
    error NothingToClaim(address account);

    /* PARTIES */

    /// @notice Says where the caller serves blobs.
    /// @param endpoint an HTTP URL, at most 256 bytes
    function announce(string calldata endpoint) external;

    /// @notice Sends `account` what it earned. Anyone may call.
    function claim(address account) external;

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

    /* VERIFIERS */

    /// @notice Moves `amount` of the caller's free stake into the task's pool and accepts the duty to attest.
    function enrol(TaskId taskId, uint96 amount) external;

    /// @notice Takes all of the caller's stake out of the task's pool and starts its withdrawal.
    function disenrol(TaskId taskId) external;

    /* ROUNDS */

    /// @notice Starts a round with a sealed proposal (protocol, §2.1); locks the bond, takes the fee, reserves the
    /// rewards.
    /// @param commitment keccak256(abi.encode(chainId, market, taskId, round, miner, fullRoot, quantRoot, updateRoot,
    /// location, salt))
    function propose(TaskId taskId, bytes32 commitment) external;

    /// @notice Opens the round's sealed proposal, after the proposal window. The salt makes it the miner's to call.
    function openProposal(
        TaskId taskId,
        bytes32 fullRoot,
        bytes32 quantRoot,
        bytes32 updateRoot,
        string calldata location,
        bytes32 salt
    ) external;

    /// @notice Fixes which seed the round will use, after the opening window. Where a fixed one went out of reach
    /// before it was recorded, fixes another, and a small share of the bond is lost.
    function requestSeed(TaskId taskId) external;

    /// @notice Records the seed once it is known.
    function recordSeed(TaskId taskId) external;

    /// @notice Opens the drawn leaves. A leaf that is in its trees and breaks the transition or quantization rule
    /// forfeits the miner's bond; one that is not in its trees reverts.
    /// @param openings one for each j < leafChecks, in order
    function checkLeaves(TaskId taskId, ILeafChecker.LeafOpening[] calldata openings) external;

    /// @notice Commits to an attestation with the stake that was enrolled when the proposal window closed.
    /// @param commitment keccak256(abi.encode(chainId, market, taskId, round, verifier, verdict, reason, lossBefore,
    /// lossAfter, salt))
    function commitAttestation(TaskId taskId, bytes32 commitment) external;

    /// @notice Reveals what the caller committed to.
    function revealAttestation(
        TaskId taskId,
        Verdict verdict,
        uint8 reason,
        uint64 lossBefore,
        uint64 lossAfter,
        bytes32 salt
    ) external;

    /// @notice Ends a round: moves the head or not, pays, penalizes. Once, in phase `Ended`.
    function finalize(TaskId taskId) external;

    /* VIEWS */

    // solhint-disable func-name-mixedcase
    function VAULT() external view returns (address);

    function TOKEN() external view returns (address);

    function RANDOMNESS() external view returns (IRandomness);

    function LEAF_CHECKER() external view returns (ILeafChecker);

    /// @notice Most verifiers that one task takes.
    function MAX_VERIFIERS() external view returns (uint256);

    /// @notice Most seconds from the opening window's end to a recorded seed; later the round ends without.
    function MAX_SEEDING_SECONDS() external view returns (uint256);

    // solhint-enable func-name-mixedcase

    function taskCount() external view returns (uint256);

    function task(TaskId taskId) external view returns (Task memory);

    function params(TaskId taskId) external view returns (TaskParams memory);

    function round(TaskId taskId, uint256 number) external view returns (Round memory);

    /// @notice The phase of the task's last round now.
    function phase(TaskId taskId) external view returns (Phase);

    /// @notice The verifiers that committed in a round, in order.
    function attesters(TaskId taskId, uint256 number) external view returns (Attester[] memory);

    function attestation(
        TaskId taskId,
        uint256 number,
        address verifier
    ) external view returns (Attestation memory);

    /// @notice Whether the verifier is enrolled now.
    function isEnrolled(TaskId taskId, address verifier) external view returns (bool);

    /// @notice What `account` can claim, in token wei.
    function claimable(address account) external view returns (uint256);
}
