// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Scores} from "../libraries/Scores.sol";
import {INodeRegistry, ModelId} from "./INodeRegistry.sol";
import {IRandomness} from "./IRandomness.sol";

type QueryId is uint256;

/// @title IQualityMarket
/// @notice PoQ (arXiv 2405.17934): whoever asks pays responders by the quality of their answers, which drawn assessors
/// score and agree upon in two phases. Answers and scores are committed before anybody reveals. On the slow path each step
/// is a transaction; on the fast path all parties sign the same statements to each other, and whoever has them all settles
/// in one. On equal scores both settle to the same wei.
/// @dev Prompts and answers travel outside the chain; here are their hashes. Amounts are in token wei, times in seconds,
/// scores and shares in millionths. Phases follow from the clock and recorded facts; anyone may make each step's call for
/// whoever signed it, and every query reaches an end by calls that anyone may make.
interface IQualityMarket {
    /* TYPES */

    enum Stage {
        None,
        Asked,
        Selected,
        Ended
    }

    /// @notice Expired: not selected in time. Settling: nothing is left to do but `settle`.
    enum Phase {
        None,
        Selecting,
        Expired,
        Answering,
        Committing,
        Revealing,
        Settling,
        Ended
    }

    /// @notice How a query ended. Settled: answers were paid by quality. Unselected: nobody recorded the seed's draw in
    /// time. Unfilled: fewer nodes were to be drawn than wanted. Unanswered: no answer was committed. Unassessed: too few
    /// assessors revealed, and each answer was paid its price.
    enum End {
        Settled,
        Unselected,
        Unfilled,
        Unanswered,
        Unassessed
    }

    /// @notice A query. Sets are bits, by index.
    /// @param convicted nodes, responders first
    /// @param responderPlaces how many there were when it was asked, and of assessors
    /// @param answered responders that committed on chain
    /// @param committed assessors, from 0
    struct Query {
        address asker;
        uint48 askedAt;
        Stage stage;
        uint8 responders;
        uint8 assessors;
        uint24 convicted;
        uint96 fee;
        uint32 model;
        uint32 responderPlaces;
        uint32 assessorPlaces;
        uint64 seedTicket;
        uint48 answersEndAt;
        uint48 commitsEndAt;
        uint48 revealsEndAt;
        uint8 answered;
        uint16 committed;
        uint16 revealed;
    }

    /* EVENTS */

    event Asked(
        QueryId indexed query,
        ModelId indexed model,
        address indexed asker,
        bytes32 promptHash,
        uint256 responders,
        uint256 assessors,
        uint256 fee,
        uint256 answerBy,
        uint256 seedTicket
    );
    /// @param nodes drawn, responders first; an assessor weighs what it is trusted
    event Selected(QueryId indexed query, bytes32 seed, INodeRegistry.Drawn[] nodes);
    event AnswerCommitted(QueryId indexed query, uint256 indexed index, bytes32 commitment);
    event ScoresCommitted(QueryId indexed query, uint256 indexed index, bytes32 commitment);
    event ScoresRevealed(QueryId indexed query, uint256 indexed index, Scores scores);
    event Convicted(QueryId indexed query, address indexed node, address indexed prover);
    /// @notice A query ended with what its nodes are paid, see the registry's `NodesSettled`.
    /// @param isFast by which path
    /// @param refunded to the asker
    /// @param consensus of each answer, 0 where there is none
    /// @param spread deviation of each
    event Settled(
        QueryId indexed query,
        End end,
        bool isFast,
        uint256 refunded,
        uint256[] consensus,
        uint256[] spread
    );
    event AssessorPenalized(QueryId indexed query, address indexed assessor, uint256 amount);
    /// @notice A query ended without: Unselected, Unfilled or Unanswered.
    event Released(QueryId indexed query, End end, uint256 refunded);

    /* ERRORS */

    error WrongPhase(Phase given, Phase expected);
    error CountOutOfRange(uint256 given, uint256 least, uint256 most);
    error TooFewNodes(INodeRegistry.Role role, uint256 places, uint256 wanted);
    error DeadlineOutOfRange(uint256 given, uint256 least, uint256 most);
    /// @param given most that an answer can earn of the fee
    /// @param limit the model's `leastFee`
    error FeeTooSmall(uint256 given, uint256 limit);
    /// @param given most that an assessor can earn of the fee
    /// @param limit of which a node's least stake is a multiple
    error FeeTooLarge(uint256 given, uint256 limit);
    error ZeroCommitment();
    error SeedPending(uint64 ticket);
    error SeedOutOfReach(uint64 ticket);
    error NotSelected(QueryId query, uint256 index);
    error AlreadyCommitted(QueryId query, uint256 index);
    error AlreadyRevealed(QueryId query, uint256 index);
    error AlreadyConvicted(QueryId query, uint256 index);
    error NothingCommitted(QueryId query, uint256 index);
    error InvalidSignature(address signer);
    error InvalidScores(Scores scores);
    error CommitmentMismatch(bytes32 given, bytes32 expected);
    error WrongMessageCount(uint256 given, uint256 expected);
    error SameStatement(bytes32 commitment);

    /* THE SLOW PATH */

    /// @notice Pays `fee` into escrow for answers to a prompt. The model's `burnShare` of it is burned at once, whatever comes
    /// of the query: trust, and shopping for another selection, have a price.
    /// @param promptHash keccak256(abi.encode(salt, keccak256(prompt)))
    /// @param responders how many answer, 1 to 8
    /// @param assessors how many score, 3 to 16
    /// @param answerBy when answers must be committed, within the model's `answerSeconds`
    function ask(
        ModelId model,
        bytes32 promptHash,
        uint8 responders,
        uint8 assessors,
        uint96 fee,
        uint48 answerBy
    ) external returns (QueryId query);

    /// @notice Records whom the seed draws.
    function select(QueryId query) external;

    /// @notice Ends a query that was not selected in time, or whose seed is out of reach.
    function expire(QueryId query) external;

    /// @notice Records a responder's commitment, see `answerCommitment`. Early and once.
    /// @param signature of its `AnswerCommitment`; empty where the responder calls
    function commitAnswer(
        QueryId query,
        uint256 index,
        bytes32 commitment,
        bytes calldata signature
    ) external;

    /// @notice Records an assessor's commitment, see `scoreCommitment`.
    /// @param index counts assessors from 0
    /// @param signature of its `ScoreCommitment`; empty where the assessor calls
    function commitScores(
        QueryId query,
        uint256 index,
        bytes32 commitment,
        bytes calldata signature
    ) external;

    /// @notice Opens an assessor's commitment. Anyone who knows what is in it may.
    function revealScores(QueryId query, uint256 index, Scores scores, bytes32 salt) external;

    /// @notice Pays and penalizes by what was revealed. Once.
    function settle(QueryId query) external;

    /* THE FAST PATH */

    /// @notice Settles a query by what all its parties signed, before it can be settled by what is on chain. What is on chain already must be
    /// what they signed.
    /// @param answers what each responder committed to, in their order
    /// @param scores of each assessor, in theirs
    /// @param salts of the assessors' commitments
    /// @param signatures of all nodes, responders first: of an `AnswerCommitment`, and of the `ScoreReveal` of the hash of
    /// all commitments, in this order
    function settleFast(
        QueryId query,
        bytes32[] calldata answers,
        Scores[] calldata scores,
        bytes32[] calldata salts,
        bytes[] calldata signatures
    ) external;

    /* EQUIVOCATION */

    /// @notice Slashes a node that made two commitments for one query by the model's `nodeStake`, half of it for the
    /// caller; until the query is settled it then counts for nothing.
    /// @param index of the node, responders first
    /// @param commitments both, of which one may be on chain
    /// @param signatures of each; empty for the one on chain
    function convict(
        QueryId query,
        uint256 index,
        bytes32[2] calldata commitments,
        bytes[2] calldata signatures
    ) external;

    /* VIEWS */

    function queryCount() external view returns (uint256);

    function query(QueryId queryId) external view returns (Query memory);

    function phase(QueryId query) external view returns (Phase);

    /// @notice Who was drawn, responders first; nobody of a query that was not selected.
    function selected(QueryId query) external view returns (INodeRegistry.Drawn[] memory);

    /// @notice What a node committed on chain, responders first; or zero.
    function commitmentOf(QueryId query, uint256 index) external view returns (bytes32);

    /// @notice What an assessor revealed on chain.
    function scoresOf(QueryId query, uint256 index) external view returns (Scores);

    /// @notice keccak256(abi.encode(chain id, this contract, query, responder, answerHash, salt)): what a responder
    /// commits to.
    /// @param answerHash keccak-256 of the answer's UTF-8 bytes
    function answerCommitment(
        QueryId query,
        address responder,
        bytes32 answerHash,
        bytes32 salt
    ) external view returns (bytes32);

    /// @notice The same of an assessor: keccak256(abi.encode(chain id, this contract, query, assessor, scores, salt)).
    function scoreCommitment(
        QueryId query,
        address assessor,
        Scores scores,
        bytes32 salt
    ) external view returns (bytes32);

    // solhint-disable-next-line func-name-mixedcase
    function RANDOMNESS() external view returns (IRandomness);

    // solhint-disable-next-line func-name-mixedcase
    function REGISTRY() external view returns (INodeRegistry);
}
