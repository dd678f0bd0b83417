// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INodeRegistry} from "../../contracts/interfaces/INodeRegistry.sol";
import {IQualityMarket, QueryId} from "../../contracts/interfaces/IQualityMarket.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {VM, deploy} from "./Cheats.sol";
import {Reckoning} from "./Reckoning.sol";
import {VaultMoves} from "./VaultMoves.sol";

/// @title QueryStage
/// @notice Who plays a quality market, what each of them says, and what is known of nodes and queries beside what the
/// contracts say.
abstract contract QueryStage is VaultMoves {
    /* TYPES */

    /// @dev Behind those of `VaultMoves`.
    enum Action {
        RegisterModel,
        Announce,
        Join,
        AddStake,
        SetPrice,
        Quit,
        Evict,
        Collect,
        Ask,
        Select,
        Expire,
        CommitAnswer,
        RelayAnswer,
        CommitScores,
        RelayScores,
        RevealScores,
        Settle,
        SettleFast,
        Convict,
        Trespass
    }

    /// @dev The ends of queries, in the order of `IQualityMarket.End`; draws that were as they would have been before; by which
    /// path, and how often both were compared; what settlements found.
    enum Outcome {
        Settled,
        Unselected,
        Unfilled,
        Unanswered,
        Unassessed,
        Foreseen,
        Slow,
        Fast,
        SlowAsFast,
        Outlying,
        Silent,
        Unjudged,
        Convicted,
        Discounted
    }

    /// @dev A query as it is before a call.
    /// @param nodes nobody, unless it was selected
    struct Scene {
        uint256 id;
        IQualityMarket.Phase phase;
        IQualityMarket.Query query;
        INodeRegistry.ModelParams params;
        INodeRegistry.Drawn[] nodes;
    }

    struct Mark {
        uint48 since;
        uint208 value;
    }

    /// @dev A node in a role for a model, since it first joined. Each list is in the order of time.
    /// @param membership 1 from when it joined, 0 from when it left
    struct Record {
        Mark[] membership;
        Mark[] prices;
        Mark[] trusts;
        uint256 earned;
    }

    /* CONSTANTS */

    /// @dev Of the accounts: two askers, five responders, seven assessors of whom the first is the last responder too, and
    /// one that only watches. One responder and one assessor are contracts.
    uint256 internal constant ACCOUNTS = 14;
    uint256 internal constant ASKERS = 2;
    uint256 internal constant FIRST_RESPONDER = 2;
    uint256 internal constant RESPONDERS = 5;
    uint256 internal constant FIRST_ASSESSOR = 6;
    uint256 internal constant ASSESSORS = 7;
    uint256 internal constant FIRST_CONTRACT = 5;
    uint256 internal constant SECOND_CONTRACT = 11;

    uint256 internal constant FIRST_KEY = 0x6b6579;

    uint256 internal constant KINDS = 4;

    /// @dev `held` of what nodes earned and did not collect.
    uint256 internal constant EARNED = type(uint256).max - 1;

    uint256 internal constant ONE = 1_000_000;

    bytes32 internal constant ANSWER_TYPEHASH = keccak256(
        "AnswerCommitment(uint256 query,bytes32 commitment)"
    );
    bytes32 internal constant SCORE_TYPEHASH = keccak256("ScoreCommitment(uint256 query,bytes32 commitment)");
    bytes32 internal constant REVEAL_TYPEHASH = keccak256("ScoreReveal(uint256 query,bytes32 commitments)");

    /* IMMUTABLES */

    IQualityMarket internal immutable MARKET;
    INodeRegistry internal immutable REGISTRY;

    /* STORAGE */

    /// @dev Of each model.
    uint256[] internal kinds;

    uint256[] internal openQueries;

    mapping(uint256 query => IQualityMarket.Query) internal ghosts;

    /// @dev How far a query was seen to be.
    mapping(uint256 query => IQualityMarket.Phase) internal ranks;

    /// @dev What a query's parties are like and say.
    mapping(uint256 query => uint256) internal seeds;

    /// @dev What of a node's two statements (bits) it signed, or committed itself.
    mapping(uint256 query => mapping(uint256 index => uint256)) internal stated;

    /// @dev Which of the two is on chain, plus 1.
    mapping(uint256 query => mapping(uint256 index => uint256)) internal committed;

    mapping(uint256 model => mapping(INodeRegistry.Role role => mapping(address account => Record)))
        internal records;

    mapping(address account => uint256) internal keyOf;

    constructor(
        IStakeVault vault,
        IQualityMarket market
    ) VaultMoves(vault, address(market.REGISTRY()), _parties()) {
        MARKET = market;
        REGISTRY = market.REGISTRY();
        for (uint256 i = 0; i < ACCOUNTS; i++) keyOf[accounts[i]] = FIRST_KEY + i;
    }

    function _parties() private returns (address[] memory list) {
        list = new address[](ACCOUNTS);
        for (uint256 i = 0; i < ACCOUNTS; i++) {
            list[i] = VM.addr(FIRST_KEY + i);
            if (i != FIRST_CONTRACT && i != SECOND_CONTRACT) continue;
            list[i] = deploy("ContractSigner.sol:ContractSigner", abi.encode(list[i]));
        }
    }

    /* CALLS */

    /// @param may whether it must succeed, or else must not
    function _act(
        Action action,
        address sender,
        address target,
        bytes memory data,
        bool may
    ) internal returns (bool ok) {
        ok = _call(VAULT_ACTIONS + uint256(action), sender, target, data);
        if (ok != may) revert Violated("succeeded, of an action", ok ? 1 : 0, uint256(action));
    }

    /* LOOKS */

    function _look(uint256 id) internal view returns (Scene memory s) {
        s.id = id;
        s.query = ghosts[id];
        s.phase = _phaseOf(s.query);
        s.params = _paramsOf(kinds[s.query.model]);
        s.nodes = MARKET.selected(QueryId.wrap(id));
    }

    /// @dev Also of queries that ended.
    function _lookAtAny() internal returns (Scene memory) {
        uint256 count = MARKET.queryCount();
        return _look(count - 1 - _below(count < 6 ? count : 6));
    }

    function _phaseOf(IQualityMarket.Query memory query) internal view returns (IQualityMarket.Phase) {
        if (query.stage == IQualityMarket.Stage.Ended) return IQualityMarket.Phase.Ended;
        bool isSelected = query.stage == IQualityMarket.Stage.Selected;
        if (time < query.answersEndAt) {
            return isSelected ? IQualityMarket.Phase.Answering : IQualityMarket.Phase.Selecting;
        }
        if (!isSelected) return IQualityMarket.Phase.Expired;
        if (query.answered == 0 || time >= query.revealsEndAt) return IQualityMarket.Phase.Settling;
        return time < query.commitsEndAt ? IQualityMarket.Phase.Committing : IQualityMarket.Phase.Revealing;
    }

    /// @dev When the present window ends; at once where a call is due.
    function _deadlineOf(uint256 id) internal view returns (uint256) {
        IQualityMarket.Query memory query = ghosts[id];
        IQualityMarket.Phase phase = _phaseOf(query);
        if (phase == IQualityMarket.Phase.Committing) return query.commitsEndAt;
        if (phase == IQualityMarket.Phase.Revealing) return query.revealsEndAt;
        bool isOver = phase == IQualityMarket.Phase.Expired || phase == IQualityMarket.Phase.Settling;
        return isOver ? time : query.answersEndAt;
    }

    /// @dev The one whose window ends first.
    function _mostUrgent() internal view returns (uint256 id) {
        uint256 least = type(uint256).max;
        for (uint256 i = 0; i < openQueries.length; i++) {
            uint256 deadline = _deadlineOf(openQueries[i]);
            if (deadline < least) (id, least) = (openQueries[i], deadline);
        }
    }

    /// @dev Whether a query's seed can be read, and whether it never will be any more.
    function _seedOf(Scene memory s) internal view returns (bool isReadable, bool isLost) {
        uint256 ticket = s.query.seedTicket;
        return (height > ticket && height <= ticket + 256, height > ticket + 256);
    }

    function _roleOf(Scene memory s, uint256 index) internal pure returns (INodeRegistry.Role) {
        bool isResponder = index < s.query.responders;
        return isResponder ? INodeRegistry.Role.Responder : INodeRegistry.Role.Assessor;
    }

    /* RECORDS */

    function _recordOf(Scene memory s, uint256 index) internal view returns (Record storage) {
        return records[s.query.model][_roleOf(s, index)][s.nodes[index].node];
    }

    function _mark(Mark[] storage marks, uint256 value) internal {
        marks.push(Mark(uint48(time), uint208(value)));
    }

    /// @return the last value until then; 0 where there was none
    function _asOf(Mark[] storage marks, uint256 moment) internal view returns (uint256) {
        for (uint256 i = marks.length; i > 0; i--) {
            if (marks[i - 1].since <= moment) return marks[i - 1].value;
        }
        return 0;
    }

    function _isJoined(Record storage record) internal view returns (bool) {
        return _asOf(record.membership, time) == 1;
    }

    /// @return the trust that a record has, after its last change or from the start
    function _trustAsOf(
        Record storage record,
        uint256 moment,
        INodeRegistry.ModelParams memory params
    ) internal view returns (uint256) {
        uint256 trust = _asOf(record.trusts, moment);
        return trust == 0 ? params.trustFloor : trust;
    }

    /* WHAT PARTIES SAY */

    /// @return from 0 to below `limit`, always the same for a query
    function _trait(
        uint256 id,
        string memory name,
        uint256 index,
        uint256 limit
    ) internal view returns (uint256) {
        return uint256(keccak256(abi.encode(seeds[id], name, index))) % limit;
    }

    /// @dev Signs either of two statements, as it pleases.
    function _isEquivocal(Scene memory s, uint256 index) internal view returns (bool) {
        return _trait(s.id, "equivocal", index, 6) == 0;
    }

    /// @dev Never does its part by itself.
    function _isSilent(Scene memory s, uint256 index) internal view returns (bool) {
        if (index < s.query.responders) {
            return _trait(s.id, "answerless", 0, 10) == 0 || _trait(s.id, "silent", index, 10) == 0;
        }
        return _trait(s.id, "silent", index, _trait(s.id, "deserted", 0, 6) == 0 ? 2 : 12) == 0;
    }

    /// @return word of scores: mostly near the truth; else noise, all, nothing, or out of range
    function _scoresOf(Scene memory s, uint256 index, uint256 version) internal view returns (uint256 word) {
        uint256 manner = version == 1 ? 0 : _trait(s.id, "manner", index, 24);
        for (uint256 j = 0; j < s.query.responders; j++) {
            uint256 score = _trait(s.id, "truth", j, ONE + 1);
            uint256 noise = _trait(s.id, "noise", index * 16 + version * 8 + j, ONE + 1);
            if (manner < 3) score = noise;
            else if (manner < 5) score = ONE;
            else if (manner < 7) score = 0;
            else if (_trait(s.id, "missing", j, 10) == 0) score = Reckoning.UNAVAILABLE;
            else if (manner == 7) score = ONE + 1 + (noise % 40_000);
            else score = score + (noise % 30_000) > ONE ? ONE : score + (noise % 30_000);
            word |= score << (20 * j);
        }
    }

    function _saltOf(Scene memory s, uint256 index, uint256 version) internal view returns (bytes32) {
        return keccak256(abi.encode(seeds[s.id], "salt", index, version));
    }

    /// @return what a node commits to
    function _statement(Scene memory s, uint256 index, uint256 version) internal view returns (bytes32) {
        bytes32 content =
            index < s.query.responders
                ? keccak256(abi.encode(seeds[s.id], "answer", index, version))
                : bytes32(_scoresOf(s, index, version));
        bytes32 salt = _saltOf(s, index, version);
        return keccak256(abi.encode(block.chainid, MARKET, s.id, s.nodes[index].node, content, salt));
    }

    /// @dev What is on chain already, if anything is.
    function _someVersion(Scene memory s, uint256 index) internal returns (uint256) {
        if (committed[s.id][index] != 0) return committed[s.id][index] - 1;
        return _isEquivocal(s, index) ? _below(2) : 0;
    }

    function _typeHashOf(Scene memory s, uint256 index) internal pure returns (bytes32) {
        return index < s.query.responders ? ANSWER_TYPEHASH : SCORE_TYPEHASH;
    }

    function _digest(
        uint256 chain,
        bytes32 typeHash,
        uint256 id,
        bytes32 content
    ) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Gradwork Quality"),
                keccak256("1"),
                chain,
                MARKET
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, keccak256(abi.encode(typeHash, id, content))));
    }

    function _sign(address account, bytes32 digest) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(keyOf[account], digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev What it signs it has stated.
    function _signStatement(Scene memory s, uint256 index, uint256 version) internal returns (bytes memory) {
        stated[s.id][index] |= 1 << version;
        bytes32 content = _statement(s, index, version);
        return _sign(s.nodes[index].node, _digest(block.chainid, _typeHashOf(s, index), s.id, content));
    }

    /* WATCH */

    /// @dev Phases are where the clock has them, and never go back.
    function _watch() internal override {
        for (uint256 i = 0; i < openQueries.length; i++) {
            uint256 id = openQueries[i];
            IQualityMarket.Phase phase = MARKET.phase(QueryId.wrap(id));
            _requireEqual("phase", uint256(phase), uint256(_phaseOf(ghosts[id])));
            if (phase < ranks[id]) revert Violated("phase went back", uint256(phase), uint256(ranks[id]));
            ranks[id] = phase;
        }
    }

    /// @dev A query is what its parties made of it. One that has ended holds nothing any more.
    function _checkQuery(uint256 id) internal {
        _check(id);
        IQualityMarket.Query memory query = MARKET.query(QueryId.wrap(id));
        _require(keccak256(abi.encode(query)) == keccak256(abi.encode(ghosts[id])), "as was done");
        uint256 most = query.fee - Reckoning.burned(query.fee, _paramsOf(kinds[query.model]));
        bool isOver = query.stage == IQualityMarket.Stage.Ended;
        _requireEqual("held for a query", held[id], isOver ? 0 : most);
        for (uint256 i = 0; i < openQueries.length && isOver; i++) {
            if (openQueries[i] != id) continue;
            openQueries[i] = openQueries[openQueries.length - 1];
            openQueries.pop();
        }
    }

    /* PARAMETERS */

    /// @dev Odd, so that every rounding happens: median and trimmed mean, with trust that adapts and that does not.
    function _paramsOf(uint256 kind) internal pure returns (INodeRegistry.ModelParams memory params) {
        params.nodeStake = 16_000_003;
        params.stakeCap = uint96([32_000_005, 32_000_006, 16_000_003, 20_000_001][kind]);
        params.answerSeconds = 300;
        params.commitSeconds = uint32(200 + 50 * kind);
        params.revealSeconds = 200;
        params.aggregate =
            kind % 2 == 0 ? INodeRegistry.Aggregate.Median : INodeRegistry.Aggregate.TrimmedMean;
        params.trimShare = kind == 1 ? 201_001 : 0;
        params.burnShare = 50_001;
        params.assessorShare = 300_007;
        params.qualityFactor = uint24([1_000_000, 1_000_000, 900_001, 700_001][kind]);
        params.costFactor = 250_003;
        params.toleranceScore = 50_001;
        params.quorumShare = 666_667;
        params.trustFloor = uint24([500_000, 1_000_000, 125_000, 600_001][kind]);
        params.trustRate = uint24([100_003, 0, 400_007, 200_003][kind]);
        params.leastFee = 1_009;
        params.trustPrice = uint64([1, 3, 2, 1][kind]);
        params.deviationMultiple = uint8([3, 2, 1, 3][kind]);
    }
}
