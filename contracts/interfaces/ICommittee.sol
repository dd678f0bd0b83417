// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITrainingMarket, TaskId} from "./ITrainingMarket.sol";

/// @title ICommittee
/// @notice The verifiers of a market's tasks: they enrol with stake, a round's seed draws some of them by that stake, and
/// those attest in two phases what they measured of each proposal (protocol, §2.4).
/// @dev No loop grows with the number of enrolled verifiers: whether one is drawn is decided in its own call.
interface ICommittee {
    /* TYPES */

    /// @notice Positive: the data came and everything rebuilds. Unavailable: an abstention, but for who also demanded a
    /// leaf of that proposal on chain before the commit window closed: then it counts as negative.
    enum Verdict {
        None,
        Positive,
        Negative,
        Unavailable
    }

    /// @param reason why a verdict is negative; 0 otherwise. The clients' codes, no contract reads them.
    /// @param lossAfter of the proposal's model on the drawn sequences; 0 unless positive
    struct Vote {
        Verdict verdict;
        uint8 reason;
        uint64 lossAfter;
    }

    /// @param weight what the verifier's votes count for, in wei of stake: its stake divided by its chance to be drawn
    struct Attester {
        address account;
        uint96 weight;
    }

    /// @param lossBefore of the head on the drawn sequences
    /// @param reported whether its absence was
    struct Attestation {
        bytes32 commitment;
        uint64 lossBefore;
        bool revealed;
        bool reported;
    }

    /// @notice What a round's committee is drawn from, fixed when its seed is recorded.
    /// @param total stake enrolled in the task
    /// @param least stake that a verifier must have enrolled
    /// @param readAt the second of which both are: the last of the proposal window
    /// @param size expected number of verifiers
    /// @param attesters how many have committed
    struct Panel {
        uint96 total;
        uint96 least;
        uint48 readAt;
        uint8 size;
        uint8 attesters;
    }

    /// @param outcomes of the contenders, in their order
    /// @param verifiers who committed
    /// @param earned what each of them is to be paid, in token wei
    struct Settlement {
        ITrainingMarket.Outcome[] outcomes;
        address[] verifiers;
        uint256[] earned;
    }

    /// @param misses rounds in a row in which it was drawn, did not commit, and was reported, 3 at most: only a commitment
    /// takes them back, not leaving and enrolling again
    struct Enrolment {
        bool active;
        uint8 misses;
    }

    /* EVENTS */

    event Enrolled(TaskId indexed taskId, address indexed verifier, uint256 amount);
    event Disenrolled(TaskId indexed taskId, address indexed verifier);
    event Convened(TaskId indexed taskId, uint256 indexed round, uint256 total, uint256 readAt);
    event AttestationCommitted(
        TaskId indexed taskId,
        uint256 indexed round,
        address indexed verifier,
        bytes32 commitment,
        uint256 weight
    );
    event AttestationRevealed(
        TaskId indexed taskId,
        uint256 indexed round,
        address indexed verifier,
        uint64 lossBefore,
        Vote[] votes
    );
    event AbsenceReported(
        TaskId indexed taskId,
        uint256 indexed round,
        address indexed verifier,
        address reporter,
        uint256 misses
    );
    event ProposalTallied(
        TaskId indexed taskId,
        uint256 indexed round,
        uint256 indexed proposal,
        ITrainingMarket.Outcome outcome,
        int256 improvementMicroNats,
        uint256 positiveWeight,
        uint256 negativeWeight
    );
    event VerifierPenalized(
        TaskId indexed taskId,
        uint256 indexed round,
        address indexed verifier,
        uint256 amount
    );
    event VerifierRewarded(
        TaskId indexed taskId,
        uint256 indexed round,
        address indexed verifier,
        uint256 amount
    );

    /* ERRORS */

    error NotMarket(address caller);
    error WrongPhase(ITrainingMarket.Phase given, ITrainingMarket.Phase expected);
    error WrongRound(uint256 given, uint256 expected);
    error ZeroAmount();
    error ZeroCommitment();
    error StakeTooSmall(uint256 given, uint256 limit);
    error NotEnrolled(TaskId taskId, address verifier);
    error NotDrawn(address verifier, uint256 round);
    error TooManyAttesters(uint256 limit);
    error AlreadyAttested(address verifier, uint256 round);
    error NothingCommitted(address verifier, uint256 round);
    error CommitmentMismatch(bytes32 given, bytes32 expected);
    error WrongVoteCount(uint256 given, uint256 expected);
    error OwnProposal(address miner, uint256 proposal);
    error InvalidVote(uint256 proposal, Verdict verdict, uint8 reason, uint64 lossAfter);
    error AlreadyReported(address verifier, uint256 round);

    /* ENROLMENT */

    /// @notice Moves `amount` of the caller's free stake into the task's pool and accepts the duty to attest whenever
    /// drawn.
    function enrol(TaskId taskId, uint96 amount) external;

    /// @notice Takes all of the caller's stake out of the task's pool and starts its withdrawal.
    function disenrol(TaskId taskId) external;

    /* ATTESTATION */

    /// @notice Commits to votes on all proposals of a round. The caller must be drawn, by the stake that was enrolled when
    /// the proposal window closed.
    /// @param number of the round that the commitment is for
    /// @param commitment keccak256(abi.encode(chainId, market, taskId, round, verifier, lossBefore, votes, salt))
    function commitAttestation(TaskId taskId, uint256 number, bytes32 commitment) external;

    /// @notice Reveals what the caller committed to.
    /// @param votes one for each proposal of the round, in order; those that no longer matter are not read, the caller's
    /// own must be `None`
    function revealAttestation(
        TaskId taskId,
        uint64 lossBefore,
        Vote[] calldata votes,
        bytes32 salt
    ) external;

    /// @notice Shows that a drawn verifier did not commit, from the end of the commit window to that of the disputes: it
    /// loses `deviationPenalty`, half of it to the caller, and its place after the third time in a row.
    function reportAbsence(TaskId taskId, address verifier) external;

    /* SETTLEMENT */

    /// @notice Market only: fixes what a round's committee is drawn from, when its seed is recorded.
    /// @param readAt the last second of the proposal window, which is over
    function convene(TaskId taskId, uint256 number, uint48 readAt, uint96 least, uint8 size) external;

    /// @notice Market only: decides the contenders of a round, penalizes its attesters, and says what each earned.
    /// @param contenders indices of the proposals that passed every check
    function settle(
        TaskId taskId,
        uint256 number,
        uint256[] calldata contenders
    ) external returns (Settlement memory);

    /* VIEWS */

    // solhint-disable func-name-mixedcase
    function MARKET() external view returns (ITrainingMarket);

    /// @notice Most attestations of one round.
    function MAX_ATTESTERS() external view returns (uint256);

    // solhint-enable func-name-mixedcase

    function enrolment(TaskId taskId, address verifier) external view returns (Enrolment memory);

    /// @notice What a round's committee is drawn from; all 0 before it is.
    function panel(TaskId taskId, uint256 number) external view returns (Panel memory);

    /// @notice What the verifier's votes in a seeded round count for; 0 where it is not drawn.
    function weightOf(TaskId taskId, uint256 number, address verifier) external view returns (uint256 weight);

    /// @notice The verifiers that committed in a round, in order.
    function attesters(TaskId taskId, uint256 number) external view returns (Attester[] memory);

    function attestation(
        TaskId taskId,
        uint256 number,
        address verifier
    ) external view returns (Attestation memory);

    /// @notice A revealed vote, without its reason, which is in the event.
    function vote(
        TaskId taskId,
        uint256 number,
        address verifier,
        uint256 proposal
    ) external view returns (Verdict verdict, uint64 lossAfter);
}
