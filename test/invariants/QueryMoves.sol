// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INodeRegistry, ModelId} from "../../contracts/interfaces/INodeRegistry.sol";
import {IQualityMarket, QueryId} from "../../contracts/interfaces/IQualityMarket.sol";
import {Scores} from "../../contracts/libraries/Scores.sol";
import {ICheats, VM} from "./Cheats.sol";
import {NodeMoves} from "./NodeMoves.sol";
import {Reckoning} from "./Reckoning.sol";

/// @title QueryMoves
/// @notice What takes a query on, from asking to its end, by either path.
abstract contract QueryMoves is NodeMoves {
    /* TYPES */

    /// @dev What a settlement's events say.
    struct Announced {
        IQualityMarket.End end;
        bool isFast;
        uint256 refund;
        uint256[] consensus;
        uint256[] spread;
        uint256[] paid;
        uint256[] trust;
    }

    /// @dev Arguments of `settleFast`.
    struct FastCall {
        QueryId id;
        bytes32[] answers;
        uint256[] scores;
        bytes32[] salts;
        bytes[] signatures;
    }

    error Rehearsed(bytes32 digest);

    /* STORAGE */

    /// @dev Hash of the nodes that each query's seed draws.
    mapping(uint256 query => bytes32) internal foreseen;

    /* ASKING */

    function _ask(
        address asker,
        uint256 model,
        uint8 responders,
        uint8 assessors,
        uint96 fee,
        uint48 answerBy
    ) internal {
        INodeRegistry.ModelParams memory params = _paramsOf(kinds[model]);
        IQualityMarket.Query memory query;
        query.asker = asker;
        query.askedAt = uint48(time);
        query.stage = IQualityMarket.Stage.Asked;
        (query.responders, query.assessors, query.fee) = (responders, assessors, fee);
        query.model = uint32(model);
        query.responderPlaces = _places(model, INodeRegistry.Role.Responder);
        query.assessorPlaces = _places(model, INodeRegistry.Role.Assessor);
        query.seedTicket = uint64(height + 2);
        query.answersEndAt = answerBy;
        query.commitsEndAt = answerBy + params.commitSeconds;
        query.revealsEndAt = query.commitsEndAt + params.revealSeconds;
        uint256 id = MARKET.queryCount();
        bytes memory data = abi.encodeCall(
            IQualityMarket.ask,
            (ModelId.wrap(model), bytes32(random | 1), responders, assessors, fee, answerBy)
        );
        bool ok = _act(Action.Ask, asker, address(MARKET), data, _mayAsk(query, params));
        if (!ok) return;
        ghosts[id] = query;
        seeds[id] = random;
        openQueries.push(id);
        _expect(asker, Purse.Wallet, -int256(uint256(fee)));
        _expectEarned(BURN_ADDRESS, Reckoning.burned(fee, params));
        _checkQuery(id);
    }

    function _mayAsk(
        IQualityMarket.Query memory query,
        INodeRegistry.ModelParams memory params
    ) private view returns (bool) {
        if (query.responders == 0 || query.responders > 8) return false;
        if (query.assessors < 3 || query.assessors > 16) return false;
        if (query.responderPlaces < query.responders || query.assessorPlaces < query.assessors) return false;
        if (query.answersEndAt <= time || query.answersEndAt > time + params.answerSeconds) return false;
        uint256 dutyMost = Reckoning.dutyMost(query.fee, query.assessors, params);
        return
            dutyMost != 0 &&
            dutyMost <= params.nodeStake / 16 &&
            Reckoning.answerMost(query.fee, query.responders, params) >= params.leastFee;
    }

    function _places(uint256 model, INodeRegistry.Role role) private view returns (uint32) {
        return uint32(REGISTRY.placeCount(ModelId.wrap(model), role));
    }

    /* SELECTION */

    function _select(Scene memory s) internal {
        (bool isReadable, ) = _seedOf(s);
        bool may = isReadable && s.phase == IQualityMarket.Phase.Selecting;
        bytes memory data = abi.encodeCall(IQualityMarket.select, (QueryId.wrap(s.id)));
        if (!_act(Action.Select, _anybody(), address(MARKET), data, may)) return;
        s.nodes = MARKET.selected(QueryId.wrap(s.id));
        if (foreseen[s.id] != 0) {
            _require(foreseen[s.id] == keccak256(abi.encode(s.nodes)), "drawn as it would have been");
            outcomes[uint256(Outcome.Foreseen)]++;
        }
        if (s.nodes.length == 0) return _checkReleased(s, Outcome.Unfilled);
        ghosts[s.id].stage = IQualityMarket.Stage.Selected;
        _checkQuery(s.id);
        _requireEqual("nodes", s.nodes.length, uint256(s.query.responders) + s.query.assessors);
        for (uint256 i = 0; i < s.nodes.length; i++) _checkDrawn(s, i);
    }

    /// @dev Whom the seed of each new query would draw now. Nothing that happens from here on may change it.
    function _foresee() internal {
        for (uint256 i = 0; i < openQueries.length; i++) {
            Scene memory s = _look(openQueries[i]);
            (bool isReadable, bool isLost) = _seedOf(s);
            // What happens in the second of asking still counts.
            bool isNew = s.query.askedAt == time;
            bool isSelectable = s.phase == IQualityMarket.Phase.Selecting && !isLost;
            if (isNew || !isSelectable || foreseen[s.id] != 0) continue;
            if (!isReadable) VM.roll(uint256(s.query.seedTicket) + 1);
            foreseen[s.id] = _undone(abi.encodeCall(this.foresee, (s.id)));
            _mine(0, 0);
        }
    }

    /// @notice Selects, says whom, and undoes it: always reverts.
    function foresee(uint256 id) external {
        MARKET.select(QueryId.wrap(id));
        revert Rehearsed(keccak256(abi.encode(MARKET.selected(QueryId.wrap(id)))));
    }

    /// @dev Once, of those that had joined when it was asked, with what they asked, had at stake and were trusted then.
    function _checkDrawn(Scene memory s, uint256 index) private view {
        INodeRegistry.Drawn memory node = s.nodes[index];
        for (uint256 i = 0; i < index; i++) _require(s.nodes[i].node != node.node, "drawn once");
        Record storage record = _recordOf(s, index);
        uint256 askedAt = s.query.askedAt;
        _requireEqual("joined when it was asked", _asOf(record.membership, askedAt), 1);
        _requireEqual("price when it was asked", node.price, _asOf(record.prices, askedAt));
        // What queries changed in that hour came too late.
        uint256 hourBegan = askedAt - (askedAt % 1 hours);
        _requireEqual("trust of then", node.trust, _trustAsOf(record, hourBegan - 1, s.params));
        uint256 pool = (s.query.model << 1) | uint256(_roleOf(s, index));
        uint256 stake = VAULT.pooledAt(address(REGISTRY), pool, node.node, uint48(askedAt));
        _require(stake >= s.params.nodeStake, "at stake when it was asked");
        uint256 most = Reckoning.answerMost(s.query.fee, s.query.responders, s.params);
        _require(node.price <= most, "no dearer than what it can earn");
    }

    function _expire(Scene memory s) internal {
        (, bool isLost) = _seedOf(s);
        bool may =
            s.phase == IQualityMarket.Phase.Expired || (s.phase == IQualityMarket.Phase.Selecting && isLost);
        bytes memory data = abi.encodeCall(IQualityMarket.expire, (QueryId.wrap(s.id)));
        bool ok = _act(Action.Expire, _anybody(), address(MARKET), data, may);
        if (ok) _checkReleased(s, Outcome.Unselected);
    }

    function _checkReleased(Scene memory s, Outcome outcome) private {
        outcomes[uint256(outcome)]++;
        ghosts[s.id].stage = IQualityMarket.Stage.Ended;
        _expectEarned(s.query.asker, s.query.fee - Reckoning.burned(s.query.fee, s.params));
        _checkQuery(s.id);
    }

    /* THE SLOW PATH */

    /// @param index of a node, responders first
    /// @param isRelayed by anybody, with its signature
    function _commit(Scene memory s, uint256 index, uint256 version, bool isRelayed) internal {
        bool isAnswer = index < s.query.responders;
        bytes memory signature = isRelayed ? _signStatement(s, index, version) : bytes("");
        bytes32 statement = _statement(s, index, version);
        bytes memory data =
            isAnswer
                ? abi.encodeCall(
                    IQualityMarket.commitAnswer,
                    (QueryId.wrap(s.id), index, statement, signature)
                )
                : abi.encodeCall(
                    IQualityMarket.commitScores,
                    (QueryId.wrap(s.id), index - s.query.responders, statement, signature)
                );
        Action action = isAnswer ? Action.CommitAnswer : Action.CommitScores;
        if (isRelayed) action = isAnswer ? Action.RelayAnswer : Action.RelayScores;
        IQualityMarket.Phase due =
            isAnswer ? IQualityMarket.Phase.Answering : IQualityMarket.Phase.Committing;
        bool may = s.phase == due && committed[s.id][index] == 0;
        address sender = isRelayed ? _anybody() : s.nodes[index].node;
        if (!_act(action, sender, address(MARKET), data, may)) return;
        stated[s.id][index] |= 1 << version;
        committed[s.id][index] = version + 1;
        _recordCommitment(ghosts[s.id], index);
        _checkQuery(s.id);
        _require(MARKET.commitmentOf(QueryId.wrap(s.id), index) == statement, "committed");
    }

    /// @dev Who is the last ends the phase.
    function _recordCommitment(IQualityMarket.Query storage ghost, uint256 index) private {
        if (index < ghost.responders) {
            ghost.answered |= uint8(1 << index);
            if (ghost.answered != (1 << ghost.responders) - 1) return;
            uint48 early = ghost.answersEndAt - uint48(time);
            ghost.answersEndAt = uint48(time);
            ghost.commitsEndAt -= early;
            ghost.revealsEndAt -= early;
        } else {
            ghost.committed |= uint16(1 << (index - ghost.responders));
            if (ghost.committed != (1 << ghost.assessors) - 1) return;
            uint48 early = ghost.commitsEndAt - uint48(time);
            ghost.commitsEndAt = uint48(time);
            ghost.revealsEndAt -= early;
        }
    }

    /// @param assessor from 0
    function _reveal(Scene memory s, uint256 assessor) internal {
        uint256 index = s.query.responders + assessor;
        bool isCommitted = committed[s.id][index] != 0;
        uint256 version = isCommitted ? committed[s.id][index] - 1 : 0;
        uint256 scores = _scoresOf(s, index, version);
        bytes memory data = abi.encodeCall(
            IQualityMarket.revealScores,
            (QueryId.wrap(s.id), assessor, Scores.wrap(scores), _saltOf(s, index, version))
        );
        bool may =
            s.phase == IQualityMarket.Phase.Revealing &&
                isCommitted &&
                (s.query.revealed >> assessor) % 2 == 0 &&
                Reckoning.areValid(scores, s.query.responders);
        if (!_act(Action.RevealScores, _anybody(), address(MARKET), data, may)) return;
        IQualityMarket.Query storage ghost = ghosts[s.id];
        ghost.revealed |= uint16(1 << assessor);
        if (ghost.revealed == (1 << ghost.assessors) - 1) ghost.revealsEndAt = uint48(time);
        _checkQuery(s.id);
    }

    /// @return digest of all that it came to, but for the path
    function _settle(Scene memory s) internal returns (bytes32 digest) {
        uint256[] memory scores = new uint256[](s.query.assessors);
        for (uint256 i = 0; i < scores.length; i++) {
            uint256 index = s.query.responders + i;
            if ((s.query.revealed >> i) % 2 == 1) scores[i] = _scoresOf(s, index, committed[s.id][index] - 1);
        }
        uint256[] memory slashable = _slashable(s);
        VM.recordLogs();
        bytes memory data = abi.encodeCall(IQualityMarket.settle, (QueryId.wrap(s.id)));
        bool may = s.phase == IQualityMarket.Phase.Settling;
        if (!_act(Action.Settle, _anybody(), address(MARKET), data, may)) return 0;
        if (s.query.answered == 0) _checkReleased(s, Outcome.Unanswered);
        else digest = _checkSettled(s, scores, slashable, false);
    }

    /* THE FAST PATH */

    /// @dev By what all would sign, whoever they are.
    function _settleFast(Scene memory s) internal {
        uint256[] memory versions = new uint256[](s.nodes.length);
        for (uint256 i = 0; i < versions.length; i++) versions[i] = _someVersion(s, i);
        uint256[] memory scores = new uint256[](s.query.assessors);
        bool may =
            s.phase == IQualityMarket.Phase.Answering ||
                s.phase == IQualityMarket.Phase.Committing ||
                s.phase == IQualityMarket.Phase.Revealing;
        for (uint256 i = 0; i < scores.length; i++) {
            uint256 index = s.query.responders + i;
            scores[i] = _scoresOf(s, index, versions[index]);
            if (!Reckoning.areValid(scores[i], s.query.responders)) may = false;
        }
        bytes32 slowly =
            may && _canEndSlowly(s) ? _undone(abi.encodeCall(this.rehearse, (s.id, versions))) : bytes32(0);
        uint256[] memory slashable = _slashable(s);
        bytes memory data = _encode(_fastCall(s, versions, scores));
        VM.recordLogs();
        if (!_act(Action.SettleFast, _anybody(), address(MARKET), data, may)) return;
        s.query.answered = uint8((1 << s.query.responders) - 1);
        s.query.revealed = uint16((1 << s.query.assessors) - 1);
        bytes32 digest = _checkSettled(s, scores, slashable, true);
        if (slowly == 0) return;
        _require(digest == slowly, "the same by both paths");
        outcomes[uint256(Outcome.SlowAsFast)]++;
    }

    /// @param scores to be sent with what is signed
    function _fastCall(
        Scene memory s,
        uint256[] memory versions,
        uint256[] memory scores
    ) internal returns (FastCall memory given) {
        uint256 n = s.query.responders;
        given.id = QueryId.wrap(s.id);
        given.answers = new bytes32[](n);
        given.scores = scores;
        given.salts = new bytes32[](scores.length);
        given.signatures = new bytes[](s.nodes.length);
        bytes32[] memory all = new bytes32[](s.nodes.length);
        for (uint256 i = 0; i < all.length; i++) {
            all[i] = _statement(s, i, versions[i]);
            if (i >= n) given.salts[i - n] = _saltOf(s, i, versions[i]);
            else (given.answers[i], given.signatures[i]) = (all[i], _signStatement(s, i, versions[i]));
        }
        bytes32 commitments = keccak256(abi.encodePacked(all));
        bytes32 digest = _digest(block.chainid, REVEAL_TYPEHASH, s.id, commitments);
        for (uint256 i = n; i < all.length; i++) given.signatures[i] = _sign(s.nodes[i].node, digest);
    }

    function _encode(FastCall memory given) internal pure returns (bytes memory) {
        Scores[] memory scores = _wrapped(given.scores);
        return
            abi.encodeCall(
                IQualityMarket.settleFast,
                (given.id, given.answers, scores, given.salts, given.signatures)
            );
    }

    function _wrapped(uint256[] memory words) private pure returns (Scores[] memory scores) {
        assembly ("memory-safe") {
            scores := words
        }
    }

    /// @dev Whether everybody can still do its part, for which no time has to pass.
    function _canEndSlowly(Scene memory s) private pure returns (bool) {
        bool areAnswered =
            s.phase == IQualityMarket.Phase.Answering || s.query.answered == (1 << s.query.responders) - 1;
        bool areCommitted =
            s.phase != IQualityMarket.Phase.Revealing || s.query.committed == (1 << s.query.assessors) - 1;
        return areAnswered && areCommitted;
    }

    /// @param data of a call of this contract that always reverts
    function _undone(bytes memory data) private returns (bytes32 digest) {
        (, bytes memory answer) = address(this).call(data);
        if (bytes4(answer) != Rehearsed.selector) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
        assembly ("memory-safe") {
            digest := mload(add(answer, 36))
        }
    }

    /// @notice Ends a query by the slow path, says what that came to, and undoes it: always reverts.
    function rehearse(uint256 id, uint256[] calldata versions) external {
        _require(msg.sender == address(this), "by itself");
        Scene memory s = _look(id);
        for (uint256 i = 0; i < versions.length; i++) {
            if (committed[id][i] != 0) continue;
            _commit(s, i, versions[i], true);
            s = _look(id);
        }
        for (uint256 i = 0; i < s.query.assessors; i++) {
            if ((s.query.revealed >> i) % 2 == 0) _reveal(s, i);
            s = _look(id);
        }
        revert Rehearsed(_settle(s));
    }

    /* SETTLEMENT */

    /// @return amounts that penalties can reach, of each node
    function _slashable(Scene memory s) internal view returns (uint256[] memory amounts) {
        amounts = new uint256[](s.nodes.length);
        for (uint256 i = 0; i < amounts.length; i++) {
            address node = s.nodes[i].node;
            uint256 pooled = REGISTRY.stakeOf(ModelId.wrap(s.query.model), _roleOf(s, i), node);
            amounts[i] = pooled + VAULT.accounts(node).withdrawing;
        }
    }

    /// @param s as it was before, but with what answers and scores count
    function _checkSettled(
        Scene memory s,
        uint256[] memory scores,
        uint256[] memory slashable,
        bool isFast
    ) private returns (bytes32) {
        Reckoning.Result memory r = Reckoning.reckon(
            Reckoning.Case(
                s.params,
                s.nodes,
                s.query.responders,
                s.query.fee,
                scores,
                s.query.answered,
                s.query.revealed,
                s.query.convicted
            )
        );
        _countSettled(s, r, isFast);
        uint256 burned = Reckoning.burned(s.query.fee, s.params);
        uint256[] memory trust = new uint256[](s.nodes.length);
        uint256 paid = 0;
        for (uint256 i = 0; i < s.nodes.length; i++) {
            uint256 lost = r.lost[i] < slashable[i] ? r.lost[i] : slashable[i];
            _expectSlash(s.nodes[i].node, lost, address(0));
            paid += r.paid[i];
            trust[i] = _recordSettled(s, i, r.paid[i], r.qualities[i], burned);
        }
        uint256 most = s.query.fee - burned;
        if (paid > most) revert Violated("paid", paid, most);
        _expectEarned(s.query.asker, most - paid);
        // What was paid is not the query's any more.
        held[s.id] -= paid;
        held[EARNED] += paid;
        ghosts[s.id].stage = IQualityMarket.Stage.Ended;
        _checkQuery(s.id);
        return _checkAnnounced(s, r, isFast, most - paid, trust);
    }

    function _countSettled(Scene memory s, Reckoning.Result memory r, bool isFast) private {
        outcomes[uint256(isFast ? Outcome.Fast : Outcome.Slow)]++;
        outcomes[uint256(r.isQuorate ? Outcome.Settled : Outcome.Unassessed)]++;
        outcomes[uint256(Outcome.Outlying)] += r.outlying;
        outcomes[uint256(Outcome.Silent)] += r.silent;
        outcomes[uint256(Outcome.Unjudged)] += r.unjudged;
        if (s.query.convicted != 0) outcomes[uint256(Outcome.Discounted)]++;
    }

    /// @return trust that the node has now
    function _recordSettled(
        Scene memory s,
        uint256 index,
        uint256 paid,
        uint256 quality,
        uint256 burned
    ) private returns (uint256 trust) {
        Record storage record = _recordOf(s, index);
        record.earned += paid;
        uint256 before = _trustAsOf(record, time, s.params);
        trust = Reckoning.trustAfter(before, quality, s.nodes.length, burned, s.params);
        if (trust < s.params.trustFloor || trust > ONE) revert Violated("trust", trust, s.params.trustFloor);
        if (trust != before) _mark(record.trusts, trust);
        ModelId model = ModelId.wrap(s.query.model);
        address node = s.nodes[index].node;
        _requireEqual("earned", REGISTRY.earnedOf(model, _roleOf(s, index), node), record.earned);
        _requireEqual("trust", REGISTRY.trustOf(model, _roleOf(s, index), node), trust);
    }

    /// @dev Events say what happened.
    function _checkAnnounced(
        Scene memory s,
        Reckoning.Result memory r,
        bool isFast,
        uint256 refund,
        uint256[] memory trust
    ) private returns (bytes32) {
        Announced memory a = _announced();
        _require(a.isFast == isFast, "by which path");
        _require((a.end == IQualityMarket.End.Settled) == r.isQuorate, "settled if quorate");
        _requireEqual("refund", a.refund, refund);
        _requireSame("consensus", a.consensus, r.consensus);
        _requireSame("spread", a.spread, r.spread);
        _requireSame("paid", a.paid, r.paid);
        _requireSame("trust after", a.trust, trust);
        uint256[] memory stakes = new uint256[](s.nodes.length);
        for (uint256 i = 0; i < stakes.length; i++) stakes[i] = VAULT.stakeOf(s.nodes[i].node);
        return keccak256(abi.encode(a.end, refund, a.consensus, a.spread, a.paid, a.trust, stakes));
    }

    function _announced() private returns (Announced memory a) {
        ICheats.Log[] memory logs = VM.getRecordedLogs();
        uint256 found = 0;
        for (uint256 i = 0; i < logs.length; i++) {
            bytes32 topic = logs[i].topics[0];
            if (topic == IQualityMarket.Settled.selector) {
                (a.end, a.isFast, a.refund, a.consensus, a.spread) = abi.decode(
                    logs[i].data,
                    (IQualityMarket.End, bool, uint256, uint256[], uint256[])
                );
                found++;
            } else if (topic == INodeRegistry.NodesSettled.selector) {
                (a.paid, a.trust) = abi.decode(logs[i].data, (uint256[], uint256[]));
                found++;
            }
        }
        _requireEqual("settled once", found, 2);
    }

    function _requireSame(string memory what, uint256[] memory given, uint256[] memory wanted) private pure {
        _requireEqual(what, given.length, wanted.length);
        for (uint256 i = 0; i < given.length; i++) _requireEqual(what, given[i], wanted[i]);
    }

    /* EQUIVOCATION */

    /// @dev Of who signs both statements; or with a forged signature, in vain, of who does not.
    function _convict(Scene memory s, uint256 index) internal {
        bytes32[2] memory statements;
        bytes[2] memory signatures;
        bool isForged = false;
        uint256 first = _below(2);
        for (uint256 i = 0; i < 2; i++) {
            uint256 version = i == 0 ? first : 1 - first;
            statements[i] = _statement(s, index, version);
            if (committed[s.id][index] == version + 1 && _below(2) == 0) continue;
            if (version == 0 || _isEquivocal(s, index)) {
                signatures[i] = _signStatement(s, index, version);
            } else {
                signatures[i] = _forge(s, index, statements[i]);
                isForged = true;
            }
        }
        uint256[] memory slashable = _slashable(s);
        address prover = _anybody();
        bytes memory data = abi.encodeCall(
            IQualityMarket.convict,
            (QueryId.wrap(s.id), index, statements, signatures)
        );
        bool isConvicted = (s.query.convicted >> index) % 2 == 1;
        bool may = stated[s.id][index] == 3 && !isForged && !isConvicted;
        if (!_act(Action.Convict, prover, address(MARKET), data, may)) return;
        outcomes[uint256(Outcome.Convicted)]++;
        ghosts[s.id].convicted |= uint24(1 << index);
        uint256 amount = slashable[index] < s.params.nodeStake ? slashable[index] : s.params.nodeStake;
        _expectSlash(s.nodes[index].node, amount, prover);
        _checkQuery(s.id);
    }

    /// @return signature of somebody else's
    function _forge(Scene memory s, uint256 index, bytes32 statement) internal returns (bytes memory) {
        address forger = _anybody();
        if (forger == s.nodes[index].node) forger = accounts[0];
        return _sign(forger, _digest(block.chainid, _typeHashOf(s, index), s.id, statement));
    }
}
