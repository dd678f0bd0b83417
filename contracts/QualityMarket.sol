// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {INodeRegistry, ModelId} from "./interfaces/INodeRegistry.sol";
import {IQualityMarket, QueryId} from "./interfaces/IQualityMarket.sol";
import {IRandomness} from "./interfaces/IRandomness.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Appraisal} from "./libraries/Appraisal.sol";
import {Scores} from "./libraries/Scores.sol";
import {NodeRegistry} from "./NodeRegistry.sol";

/// @title QualityMarket
/// @dev Hands over control only where a token is collected, the last step of `ask`, and in static calls of signers: no guard
/// against reentrancy is needed. Responders come first wherever nodes of a query are counted. A contract may sign by ERC-1271; it is believed what
/// it says when it is asked, and so can take back a signature: who shows two of its commitments must do so before.
contract QualityMarket is IQualityMarket, EIP712 {
    using SafeCast for uint256;

    /* CONSTANTS */

    uint256 internal constant MAX_RESPONDERS = 8;

    /// @dev Fewer can't tell an outlier.
    uint256 internal constant MIN_ASSESSORS = 3;

    uint256 internal constant MAX_ASSESSORS = 16;

    /// @dev A node's least stake outlasts the silence of some queries at once.
    uint256 internal constant STAKE_PER_DUTY = 16;

    uint256 internal constant ONE = 1_000_000;

    /// @dev keccak256("AnswerCommitment(uint256 query,bytes32 commitment)")
    bytes32 internal constant ANSWER_COMMITMENT_TYPEHASH =
        0x0960262dc27cfd08b99795ef4b9f035a023016026f23816d506f491963c77c24;

    /// @dev keccak256("ScoreCommitment(uint256 query,bytes32 commitment)")
    bytes32 internal constant SCORE_COMMITMENT_TYPEHASH =
        0xd7d9dc1d2012b649de12f9b5ff98e7b49411c560534b8fc42892323674d10047;

    /// @dev keccak256("ScoreReveal(uint256 query,bytes32 commitments)")
    bytes32 internal constant SCORE_REVEAL_TYPEHASH =
        0x661c4705d968a56e101161e9fb894149b65f9d7521f057269cc06625533eecd2;

    /* IMMUTABLES */

    /// @inheritdoc IQualityMarket
    IRandomness public immutable RANDOMNESS;

    /// @inheritdoc IQualityMarket
    INodeRegistry public immutable REGISTRY;

    /* STORAGE */

    /// @inheritdoc IQualityMarket
    uint256 public queryCount;

    mapping(QueryId queryId => Query) internal queries;

    mapping(QueryId queryId => mapping(uint256 index => INodeRegistry.Drawn)) internal drawn;

    /// @inheritdoc IQualityMarket
    mapping(QueryId queryId => mapping(uint256 index => bytes32)) public commitmentOf;

    /// @inheritdoc IQualityMarket
    mapping(QueryId queryId => mapping(uint256 index => Scores)) public scoresOf;

    /* CONSTRUCTOR */

    /// @dev Makes the registry, which it trusts and which trusts it.
    constructor(IStakeVault vault, IRandomness randomness) EIP712("Gradwork Quality", "1") {
        RANDOMNESS = randomness;
        REGISTRY = new NodeRegistry(vault);
    }

    /* THE SLOW PATH */

    /// @inheritdoc IQualityMarket
    function ask(
        ModelId model,
        bytes32 promptHash,
        uint8 responders,
        uint8 assessors,
        uint96 fee,
        uint48 answerBy
    ) external returns (QueryId queryId) {
        if (promptHash == 0) revert ZeroCommitment();
        INodeRegistry.ModelParams memory params = REGISTRY.params(model);
        _requireCounts(responders, assessors);
        uint256 latest = block.timestamp + params.answerSeconds;
        if (answerBy <= block.timestamp || answerBy > latest) {
            revert DeadlineOutOfRange(answerBy, block.timestamp + 1, latest);
        }
        uint64 ticket = RANDOMNESS.next();
        Query memory query_;
        query_.asker = msg.sender;
        query_.askedAt = uint48(block.timestamp);
        query_.stage = Stage.Asked;
        query_.responders = responders;
        query_.assessors = assessors;
        query_.fee = fee;
        query_.model = ModelId.unwrap(model).toUint32();
        query_.responderPlaces = _places(model, INodeRegistry.Role.Responder, responders);
        query_.assessorPlaces = _places(model, INodeRegistry.Role.Assessor, assessors);
        query_.seedTicket = ticket;
        query_.answersEndAt = answerBy;
        query_.commitsEndAt = answerBy + params.commitSeconds;
        query_.revealsEndAt = answerBy + params.commitSeconds + params.revealSeconds;
        uint256 burned = _requireFee(query_, params);
        queryId = QueryId.wrap(queryCount++);
        queries[queryId] = query_;
        emit Asked(queryId, model, msg.sender, promptHash, responders, assessors, fee, answerBy, ticket);
        REGISTRY.hold(msg.sender, fee, burned);
    }

    /// @inheritdoc IQualityMarket
    function select(QueryId queryId) external {
        Query memory query_ = _queryIn(queryId, Phase.Selecting);
        (IRandomness.Availability availability, bytes32 seed) = RANDOMNESS.read(query_.seedTicket);
        if (availability == IRandomness.Availability.Pending) revert SeedPending(query_.seedTicket);
        if (availability == IRandomness.Availability.OutOfReach) revert SeedOutOfReach(query_.seedTicket);

        ModelId model = ModelId.wrap(query_.model);
        (uint256 answerMost, , ) = _split(query_, REGISTRY.params(model));
        (INodeRegistry.Drawn[] memory nodes, bool isFilled) = REGISTRY.draw(
            INodeRegistry.Draw({
                model: model,
                query: QueryId.unwrap(queryId),
                seed: seed,
                askedAt: query_.askedAt,
                responderPlaces: query_.responderPlaces,
                assessorPlaces: query_.assessorPlaces,
                responders: query_.responders,
                assessors: query_.assessors,
                maxPrice: answerMost
            })
        );
        if (!isFilled) {
            _release(queryId, query_, End.Unfilled);
            return;
        }
        queries[queryId].stage = Stage.Selected;
        for (uint256 i = 0; i < nodes.length; i++) drawn[queryId][i] = nodes[i];
        emit Selected(queryId, seed, nodes);
    }

    /// @inheritdoc IQualityMarket
    function expire(QueryId queryId) external {
        Query memory query_ = queries[queryId];
        Phase now_ = _phase(query_);
        if (now_ == Phase.Selecting) {
            (IRandomness.Availability availability, ) = RANDOMNESS.read(query_.seedTicket);
            if (availability != IRandomness.Availability.OutOfReach) {
                revert WrongPhase(now_, Phase.Expired);
            }
        } else if (now_ != Phase.Expired) {
            revert WrongPhase(now_, Phase.Expired);
        }
        _release(queryId, query_, End.Unselected);
    }

    /// @inheritdoc IQualityMarket
    function commitAnswer(
        QueryId queryId,
        uint256 index,
        bytes32 commitment,
        bytes calldata signature
    ) external {
        Query memory query_ = _queryIn(queryId, Phase.Answering);
        if (index >= query_.responders) revert NotSelected(queryId, index);
        _commit(queryId, index, commitment, ANSWER_COMMITMENT_TYPEHASH, signature);
        emit AnswerCommitted(queryId, index, commitment);
        query_.answered |= uint8(1 << index);
        if (query_.answered == (1 << query_.responders) - 1) {
            uint48 early = query_.answersEndAt - uint48(block.timestamp);
            query_.answersEndAt -= early;
            query_.commitsEndAt -= early;
            query_.revealsEndAt -= early;
        }
        _setProgress(queryId, query_);
    }

    /// @inheritdoc IQualityMarket
    function commitScores(
        QueryId queryId,
        uint256 index,
        bytes32 commitment,
        bytes calldata signature
    ) external {
        Query memory query_ = _queryIn(queryId, Phase.Committing);
        if (index >= query_.assessors) revert NotSelected(queryId, index);
        _commit(queryId, query_.responders + index, commitment, SCORE_COMMITMENT_TYPEHASH, signature);
        emit ScoresCommitted(queryId, index, commitment);
        query_.committed |= uint16(1 << index);
        if (query_.committed == (1 << query_.assessors) - 1) {
            uint48 early = query_.commitsEndAt - uint48(block.timestamp);
            query_.commitsEndAt -= early;
            query_.revealsEndAt -= early;
        }
        _setProgress(queryId, query_);
    }

    /// @inheritdoc IQualityMarket
    function revealScores(QueryId queryId, uint256 index, Scores scores, bytes32 salt) external {
        Query memory query_ = _queryIn(queryId, Phase.Revealing);
        if (index >= query_.assessors) revert NotSelected(queryId, index);
        if ((query_.committed >> index) & 1 == 0) revert NothingCommitted(queryId, index);
        if ((query_.revealed >> index) & 1 == 1) revert AlreadyRevealed(queryId, index);
        uint256 place = query_.responders + index;
        bytes32 commitment = scoreCommitment(queryId, drawn[queryId][place].node, scores, salt);
        bytes32 expected = commitmentOf[queryId][place];
        if (commitment != expected) revert CommitmentMismatch(commitment, expected);
        if (!scores.isValid(query_.responders)) revert InvalidScores(scores);
        scoresOf[queryId][index] = scores;
        emit ScoresRevealed(queryId, index, scores);
        query_.revealed |= uint16(1 << index);
        if (query_.revealed == (1 << query_.assessors) - 1) query_.revealsEndAt = uint48(block.timestamp);
        _setProgress(queryId, query_);
    }

    /// @inheritdoc IQualityMarket
    function settle(QueryId queryId) external {
        Query memory query_ = _queryIn(queryId, Phase.Settling);
        if (query_.answered == 0) {
            _release(queryId, query_, End.Unanswered);
            return;
        }
        Scores[] memory scores = new Scores[](query_.assessors);
        for (uint256 i = 0; i < scores.length; i++) {
            if ((query_.revealed >> i) & 1 == 1) scores[i] = scoresOf[queryId][i];
        }
        _settle(queryId, query_, selected(queryId), scores, false);
    }

    /* THE FAST PATH */

    /// @inheritdoc IQualityMarket
    function settleFast(
        QueryId queryId,
        bytes32[] calldata answers,
        Scores[] calldata scores,
        bytes32[] calldata salts,
        bytes[] calldata signatures
    ) external {
        Query memory query_ = queries[queryId];
        Phase now_ = _phase(query_);
        if (now_ != Phase.Answering && now_ != Phase.Committing && now_ != Phase.Revealing) {
            revert WrongPhase(now_, Phase.Answering);
        }
        _requireCount(answers.length, query_.responders);
        _requireCount(scores.length, query_.assessors);
        _requireCount(salts.length, query_.assessors);
        _requireCount(signatures.length, answers.length + scores.length);

        INodeRegistry.Drawn[] memory nodes = selected(queryId);
        bytes32[] memory commitments = new bytes32[](nodes.length);
        for (uint256 j = 0; j < answers.length; j++) {
            bytes32 commitment = answers[j];
            if (commitment == 0) revert ZeroCommitment();
            if ((query_.answered >> j) & 1 == 1) _requireCommitted(queryId, j, commitment);
            commitments[j] = commitment;
            bytes32 structHash = keccak256(abi.encode(ANSWER_COMMITMENT_TYPEHASH, queryId, commitment));
            _requireSigned(nodes[j].node, _hashTypedDataV4(structHash), signatures[j]);
        }
        uint256 place = answers.length;
        for (uint256 i = 0; i < scores.length; i++) {
            if (!scores[i].isValid(answers.length)) revert InvalidScores(scores[i]);
            bytes32 commitment = scoreCommitment(queryId, nodes[place].node, scores[i], salts[i]);
            if ((query_.committed >> i) & 1 == 1) _requireCommitted(queryId, place, commitment);
            commitments[place++] = commitment;
        }
        // They open what is signed: the same for all.
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(SCORE_REVEAL_TYPEHASH, queryId, keccak256(abi.encodePacked(commitments))))
        );
        for (uint256 i = answers.length; i < nodes.length; i++) {
            _requireSigned(nodes[i].node, digest, signatures[i]);
        }
        query_.answered = uint8((1 << answers.length) - 1);
        query_.revealed = uint16((1 << scores.length) - 1);
        _settle(queryId, query_, nodes, scores, true);
    }

    /* EQUIVOCATION */

    /// @inheritdoc IQualityMarket
    function convict(
        QueryId queryId,
        uint256 index,
        bytes32[2] calldata commitments,
        bytes[2] calldata signatures
    ) external {
        Query memory query_ = queries[queryId];
        INodeRegistry.Drawn memory node = drawn[queryId][index];
        if (node.node == address(0)) revert NotSelected(queryId, index);
        if ((query_.convicted >> index) & 1 == 1) revert AlreadyConvicted(queryId, index);
        if (commitments[0] == commitments[1]) revert SameStatement(commitments[0]);
        bool isResponder = index < query_.responders;
        bytes32 typeHash = isResponder ? ANSWER_COMMITMENT_TYPEHASH : SCORE_COMMITMENT_TYPEHASH;
        for (uint256 i = 0; i < 2; i++) {
            // What is on chain of who committed nothing.
            if (commitments[i] == 0) revert ZeroCommitment();
            if (signatures[i].length == 0) _requireCommitted(queryId, index, commitments[i]);
            else _requireCommitmentSigned(queryId, node.node, commitments[i], typeHash, signatures[i]);
        }
        queries[queryId].convicted = query_.convicted | uint24(1 << index);
        emit Convicted(queryId, node.node, msg.sender);
        ModelId model = ModelId.wrap(query_.model);
        REGISTRY.slash(
            model,
            isResponder ? INodeRegistry.Role.Responder : INodeRegistry.Role.Assessor,
            node.node,
            REGISTRY.params(model).nodeStake,
            msg.sender
        );
    }

    /* VIEWS */

    /// @inheritdoc IQualityMarket
    function query(QueryId queryId) external view returns (Query memory) {
        return queries[queryId];
    }

    /// @inheritdoc IQualityMarket
    function phase(QueryId queryId) external view returns (Phase) {
        return _phase(queries[queryId]);
    }

    /// @inheritdoc IQualityMarket
    function selected(QueryId queryId) public view returns (INodeRegistry.Drawn[] memory nodes) {
        Query storage query_ = queries[queryId];
        if (drawn[queryId][0].node == address(0)) return nodes;
        nodes = new INodeRegistry.Drawn[](uint256(query_.responders) + query_.assessors);
        for (uint256 i = 0; i < nodes.length; i++) nodes[i] = drawn[queryId][i];
    }

    /// @inheritdoc IQualityMarket
    function answerCommitment(
        QueryId queryId,
        address responder,
        bytes32 answerHash,
        bytes32 salt
    ) external view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), queryId, responder, answerHash, salt));
    }

    /// @inheritdoc IQualityMarket
    function scoreCommitment(
        QueryId queryId,
        address assessor,
        Scores scores,
        bytes32 salt
    ) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), queryId, assessor, scores, salt));
    }

    /* INTERNAL: STATE */

    /// @return answerMost that an answer can earn; this and the others rounded down
    /// @return dutyMost that an assessor can earn
    /// @return burned when it is asked
    function _split(
        Query memory query_,
        INodeRegistry.ModelParams memory params
    ) internal pure returns (uint256 answerMost, uint256 dutyMost, uint256 burned) {
        uint256 fee = query_.fee;
        burned = (fee * params.burnShare) / ONE;
        uint256 assessing = (fee * params.assessorShare) / ONE;
        dutyMost = assessing / query_.assessors;
        answerMost = (fee - burned - assessing) / query_.responders;
    }

    function _phase(Query memory query_) internal view returns (Phase) {
        if (query_.stage == Stage.None) return Phase.None;
        if (query_.stage == Stage.Ended) return Phase.Ended;
        bool isAnswering = block.timestamp < query_.answersEndAt;
        if (query_.stage == Stage.Asked) return isAnswering ? Phase.Selecting : Phase.Expired;
        if (isAnswering) return Phase.Answering;
        if (query_.answered == 0) return Phase.Settling;
        if (block.timestamp < query_.commitsEndAt) return Phase.Committing;
        if (block.timestamp < query_.revealsEndAt) return Phase.Revealing;
        return Phase.Settling;
    }

    function _queryIn(QueryId queryId, Phase expected) internal view returns (Query memory query_) {
        query_ = queries[queryId];
        Phase now_ = _phase(query_);
        if (now_ != expected) revert WrongPhase(now_, expected);
    }

    function _requireCounts(uint256 responders, uint256 assessors) internal pure {
        if (responders == 0 || responders > MAX_RESPONDERS) {
            revert CountOutOfRange(responders, 1, MAX_RESPONDERS);
        }
        if (assessors < MIN_ASSESSORS || assessors > MAX_ASSESSORS) {
            revert CountOutOfRange(assessors, MIN_ASSESSORS, MAX_ASSESSORS);
        }
    }

    /// @dev An answer can earn the model's least, and a node's least stake is many times what a duty can earn.
    function _requireFee(
        Query memory query_,
        INodeRegistry.ModelParams memory params
    ) internal pure returns (uint256 burned) {
        uint256 answerMost;
        uint256 dutyMost;
        (answerMost, dutyMost, burned) = _split(query_, params);
        if (answerMost < params.leastFee) revert FeeTooSmall(answerMost, params.leastFee);
        if (dutyMost == 0) revert FeeTooSmall(dutyMost, 1);
        uint256 most = params.nodeStake / STAKE_PER_DUTY;
        if (dutyMost > most) revert FeeTooLarge(dutyMost, most);
    }

    function _places(ModelId model, INodeRegistry.Role role, uint256 wanted) internal view returns (uint32) {
        uint256 places = REGISTRY.placeCount(model, role);
        if (places < wanted) revert TooFewNodes(role, places, wanted);
        return places.toUint32();
    }

    /// @dev One word of the query. Who is the last ends the phase, which brings those after it forward.
    function _setProgress(QueryId queryId, Query memory query_) internal {
        Query storage stored = queries[queryId];
        stored.answersEndAt = query_.answersEndAt;
        stored.commitsEndAt = query_.commitsEndAt;
        stored.revealsEndAt = query_.revealsEndAt;
        stored.answered = query_.answered;
        stored.committed = query_.committed;
        stored.revealed = query_.revealed;
    }

    /* INTERNAL: STATEMENTS */

    function _requireCount(uint256 given, uint256 expected) internal pure {
        if (given != expected) revert WrongMessageCount(given, expected);
    }

    function _commit(
        QueryId queryId,
        uint256 index,
        bytes32 commitment,
        bytes32 typeHash,
        bytes calldata signature
    ) internal {
        if (commitment == 0) revert ZeroCommitment();
        if (commitmentOf[queryId][index] != 0) revert AlreadyCommitted(queryId, index);
        address node = drawn[queryId][index].node;
        if (signature.length != 0 || msg.sender != node) {
            _requireCommitmentSigned(queryId, node, commitment, typeHash, signature);
        }
        commitmentOf[queryId][index] = commitment;
    }

    function _requireCommitted(QueryId queryId, uint256 index, bytes32 commitment) internal view {
        bytes32 recorded = commitmentOf[queryId][index];
        if (recorded != commitment) revert CommitmentMismatch(commitment, recorded);
    }

    function _requireCommitmentSigned(
        QueryId queryId,
        address node,
        bytes32 commitment,
        bytes32 typeHash,
        bytes calldata signature
    ) internal view {
        bytes32 structHash = keccak256(abi.encode(typeHash, queryId, commitment));
        _requireSigned(node, _hashTypedDataV4(structHash), signature);
    }

    /// @dev Most signers are keys, and a signer without code needs no look at its code.
    function _requireSigned(address node, bytes32 digest, bytes calldata signature) internal view {
        (address signer, ECDSA.RecoverError failure, ) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure == ECDSA.RecoverError.NoError && signer == node) return;
        if (!SignatureChecker.isValidERC1271SignatureNowCalldata(node, digest, signature)) {
            revert InvalidSignature(node);
        }
    }

    /* INTERNAL: SETTLEMENT */

    /// @param scores of each assessor, looked at where `query_.revealed` says so
    function _settle(
        QueryId queryId,
        Query memory query_,
        INodeRegistry.Drawn[] memory nodes,
        Scores[] memory scores,
        bool isFast
    ) internal {
        ModelId model = ModelId.wrap(query_.model);
        INodeRegistry.ModelParams memory params = REGISTRY.params(model);
        (uint256 answerMost, uint256 dutyMost, uint256 burned) = _split(query_, params);
        Appraisal.Verdict memory verdict = Appraisal.appraise(
            Appraisal.Case({
                nodes: nodes,
                scores: scores,
                responders: query_.responders,
                answered: query_.answered,
                revealed: query_.revealed,
                convicted: query_.convicted,
                answerMost: answerMost,
                dutyMost: dutyMost
            }),
            params
        );
        queries[queryId].stage = Stage.Ended;

        uint256 paid = 0;
        address[] memory accounts = new address[](nodes.length);
        for (uint256 i = 0; i < nodes.length; i++) {
            accounts[i] = nodes[i].node;
            paid += verdict.paid[i];
            if (verdict.lost[i] == 0) continue;
            emit AssessorPenalized(queryId, nodes[i].node, verdict.lost[i]);
            // Nobody is paid from it: there is nothing to gain by making others deviate.
            REGISTRY.slash(
                model,
                INodeRegistry.Role.Assessor,
                nodes[i].node,
                uint96(verdict.lost[i]),
                address(0)
            );
        }
        uint256 refund = query_.fee - burned - paid;
        End end = verdict.isQuorate ? End.Settled : End.Unassessed;
        emit Settled(queryId, end, isFast, refund, verdict.consensus, verdict.spread);
        REGISTRY.settle(
            model,
            QueryId.unwrap(queryId),
            accounts,
            query_.responders,
            verdict.paid,
            verdict.qualities,
            query_.asker,
            refund,
            burned
        );
    }

    /// @dev What was burned when it was asked stays burned: nobody shops for another selection.
    function _release(QueryId queryId, Query memory query_, End end) internal {
        (, , uint256 burned) = _split(query_, REGISTRY.params(ModelId.wrap(query_.model)));
        uint256 refund = query_.fee - burned;
        queries[queryId].stage = Stage.Ended;
        emit Released(queryId, end, refund);
        REGISTRY.release(query_.asker, refund);
    }
}
