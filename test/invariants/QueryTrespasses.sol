// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INodeRegistry, ModelId} from "../../contracts/interfaces/INodeRegistry.sol";
import {IQualityMarket, QueryId} from "../../contracts/interfaces/IQualityMarket.sol";
import {Scores} from "../../contracts/libraries/Scores.sol";
import {QueryMoves} from "./QueryMoves.sol";

/// @title QueryTrespasses
/// @notice Calls that must be refused, and change nothing, though all about them but one thing is right.
abstract contract QueryTrespasses is QueryMoves {
    function _trespass(Scene memory s) internal {
        uint256 kind = _below(8);
        address stranger = _anybody();
        if (kind == 0) {
            bytes memory data = _vaultTrespass(_below(VAULT_TRESPASSES), s.query.model << 1, stranger);
            return _refuse(stranger, address(VAULT), data);
        }
        if (kind == 1) return _refuse(stranger, address(REGISTRY), _registryTrespass(s, stranger));
        if (kind == 2) return _refuse(stranger, address(REGISTRY), _nodeTrespass(s));
        if (kind == 3 || s.nodes.length == 0) return _refuse(stranger, address(MARKET), _askTrespass(s));
        if (kind == 4) return _refuse(stranger, address(MARKET), _convictionTrespass(s));
        if (s.phase == IQualityMarket.Phase.Revealing && kind == 5) {
            return _refuse(stranger, address(MARKET), _revealTrespass(s));
        }
        if (kind >= 6) return _refuse(stranger, address(MARKET), _fastTrespass(s));
        _commitmentTrespass(s, stranger);
    }

    function _refuse(address sender, address target, bytes memory data) private {
        _requireRefused(VAULT_ACTIONS + uint256(Action.Trespass), sender, target, data);
    }

    /// @dev What only the market may.
    function _registryTrespass(Scene memory s, address stranger) private returns (bytes memory) {
        uint256 kind = _below(4);
        ModelId model = ModelId.wrap(s.query.model);
        address victim = _anybody();
        if (kind == 0) return abi.encodeCall(INodeRegistry.hold, (victim, 100, 10));
        if (kind == 1) return abi.encodeCall(INodeRegistry.release, (stranger, 1));
        INodeRegistry.Role role = INodeRegistry.Role.Responder;
        if (kind == 2) return abi.encodeCall(INodeRegistry.slash, (model, role, victim, 1, stranger));
        address[] memory nodes = new address[](1);
        nodes[0] = stranger;
        uint256[] memory one = new uint256[](1);
        one[0] = 1;
        return
            abi.encodeCall(
                INodeRegistry.settle,
                (model, s.id, nodes, uint256(1), one, one, stranger, uint256(0), uint256(0))
            );
    }

    /// @dev What nobody may of a registry.
    function _nodeTrespass(Scene memory s) private returns (bytes memory) {
        uint256 kind = _below(6);
        ModelId unknown = ModelId.wrap(kinds.length);
        INodeRegistry.Role role = INodeRegistry.Role.Assessor;
        if (kind == 0) return abi.encodeCall(INodeRegistry.announce, ("", bytes32(0)));
        string memory long = string(new bytes(257));
        if (kind == 1) return abi.encodeCall(INodeRegistry.announce, (long, bytes32(random | 1)));
        if (kind == 2) return abi.encodeCall(INodeRegistry.join, (unknown, role, s.params.nodeStake, 0));
        if (kind == 3) return abi.encodeCall(INodeRegistry.evict, (unknown, role, _anybody()));
        if (kind == 4) return abi.encodeCall(INodeRegistry.registerModel, (s.params, bytes32(0), long));
        uint256 wrong = _below(8);
        if (wrong == 0) s.params.answerSeconds = 3_601;
        else if (wrong == 1) (s.params.commitSeconds, s.params.revealSeconds) = (86_400, 10_000);
        else if (wrong == 2) s.params.nodeStake = 0;
        else if (wrong == 3) s.params.stakeCap = 2 * s.params.nodeStake + 1;
        else if (wrong == 4) s.params.trimShare = 500_000;
        else if (wrong == 5) s.params.assessorShare = 1_000_001 - s.params.burnShare;
        else if (wrong == 6) s.params.quorumShare = 500_000;
        else s.params.trustFloor = 124_999;
        return abi.encodeCall(INodeRegistry.registerModel, (s.params, bytes32(0), ""));
    }

    function _askTrespass(Scene memory s) private returns (bytes memory) {
        uint256 kind = _below(8);
        ModelId model = ModelId.wrap(kind == 0 ? kinds.length : s.query.model);
        bytes32 prompt = bytes32(kind == 1 ? 0 : random | 1);
        uint8 responders =
            kind == 2
                ? 0
                : kind == 3
                    ? 9
                    : 1;
        uint8 assessors = kind == 4 ? 2 : 3;
        uint96 fee =
            kind == 5
                ? 20
                : kind == 6
                    ? s.params.nodeStake
                    : 300_000;
        uint256 answerBy = kind == 7 ? time + (_below(2) == 0 ? 0 : s.params.answerSeconds + 1) : time + 1;
        return
            abi.encodeCall(IQualityMarket.ask, (model, prompt, responders, assessors, fee, uint48(answerBy)));
    }

    function _convictionTrespass(Scene memory s) private returns (bytes memory) {
        uint256 kind = _below(4);
        uint256 index = _below(s.nodes.length);
        bytes32[2] memory statements;
        bytes[2] memory signatures;
        statements[0] = _statement(s, index, 0);
        signatures[0] = _signStatement(s, index, 0);
        // The same twice; nothing, as of who committed nothing; another signed statement, but of another query, or not of
        // commitments.
        if (kind == 0) (statements[1], signatures[1]) = (statements[0], signatures[0]);
        else if (kind != 1) {
            statements[1] = keccak256(abi.encode(random));
            bytes32 typeHash = kind == 2 ? _typeHashOf(s, index) : REVEAL_TYPEHASH;
            uint256 id = kind == 2 ? s.id + 1 : s.id;
            signatures[1] = _sign(s.nodes[index].node, _digest(block.chainid, typeHash, id, statements[1]));
        }
        return abi.encodeCall(IQualityMarket.convict, (QueryId.wrap(s.id), index, statements, signatures));
    }

    function _revealTrespass(Scene memory s) private returns (bytes memory) {
        uint256 kind = _below(4);
        uint256 assessor = _below(s.query.assessors);
        uint256 index = s.query.responders + assessor;
        uint256 version = committed[s.id][index] == 2 ? 1 : 0;
        uint256 scores = _scoresOf(s, index, version);
        bytes32 salt = _saltOf(s, index, version);
        if (kind == 0) scores ^= 1 << _below(20);
        else if (kind == 1) salt = bytes32(random);
        else if (kind == 2) assessor = s.query.assessors + _below(9);
        else scores |= 1 << (20 * uint256(s.query.responders) + _below(20));
        return
            abi.encodeCall(
                IQualityMarket.revealScores,
                (QueryId.wrap(s.id), assessor, Scores.wrap(scores), salt)
            );
    }

    /// @dev A commitment that its node did not make: by anybody else, signed by somebody else, for something else.
    function _commitmentTrespass(Scene memory s, address sender) private {
        uint256 kind = _below(6);
        bool isAnswer = s.phase != IQualityMarket.Phase.Committing;
        uint256 index =
            isAnswer ? _below(s.query.responders) : s.query.responders + _below(s.query.assessors);
        address node = s.nodes[index].node;
        bytes32 statement = kind == 0 ? bytes32(0) : _statement(s, index, 0);
        bytes memory signature = "";
        if (kind == 0) sender = node;
        else if (kind == 1 && sender == node) sender = accounts[0];
        else if (kind == 2) signature = _forge(s, index, statement);
        else if (kind > 2) {
            uint256 chain = kind == 3 ? block.chainid + 1 : block.chainid;
            uint256 id = kind == 4 ? s.id + 1 : s.id;
            bytes32 typeHash = isAnswer ? ANSWER_TYPEHASH : SCORE_TYPEHASH;
            if (kind == 5) typeHash = isAnswer ? SCORE_TYPEHASH : ANSWER_TYPEHASH;
            signature = _sign(node, _digest(chain, typeHash, id, statement));
        }
        if (!isAnswer) index -= s.query.responders;
        // Assessors give no answers, and behind them is nobody.
        if (kind == 1 && _below(2) == 0) {
            index = (isAnswer ? s.query.responders : s.query.assessors) + _below(9);
            if (index < s.nodes.length) sender = s.nodes[index].node;
        }
        QueryId id_ = QueryId.wrap(s.id);
        bytes memory data =
            isAnswer
                ? abi.encodeCall(IQualityMarket.commitAnswer, (id_, index, statement, signature))
                : abi.encodeCall(IQualityMarket.commitScores, (id_, index, statement, signature));
        _refuse(sender, address(MARKET), data);
    }

    function _fastTrespass(Scene memory s) private returns (bytes memory) {
        uint256[] memory versions = new uint256[](s.nodes.length);
        uint256[] memory scores = new uint256[](s.query.assessors);
        for (uint256 i = 0; i < versions.length; i++) {
            versions[i] = _someVersion(s, i);
            if (i >= s.query.responders) scores[i - s.query.responders] = _scoresOf(s, i, versions[i]);
        }
        uint256 kind = _below(6);
        // What is signed must be what is on chain.
        uint256 index = _below(versions.length);
        for (uint256 i = 0; i < versions.length && kind == 0 && committed[s.id][index] == 0; i++) {
            index = (index + 1) % versions.length;
        }
        if (kind == 0 && committed[s.id][index] != 0) {
            versions[index] ^= 1;
            uint256 n = s.query.responders;
            if (index >= n) scores[index - n] = _scoresOf(s, index, versions[index]);
        } else if (kind == 0) kind = 1;
        // Signed as of one answer's scores, and sent with another's.
        if (kind == 1) scores[_below(scores.length)] ^= 1 << _below(20);
        FastCall memory given = _fastCall(s, versions, scores);
        if (kind == 2) given.signatures[index] = _forge(s, index, keccak256(abi.encode(random)));
        else if (kind == 3) given.signatures[index] = "";
        else if (kind == 4) given.salts[_below(scores.length)] ^= bytes32(uint256(1));
        else if (kind == 5) (given.scores, given.salts) = (new uint256[](2), new bytes32[](2));
        return _encode(given);
    }
}
