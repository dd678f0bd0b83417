// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INodeRegistry} from "../../contracts/interfaces/INodeRegistry.sol";
import {IQualityMarket, QueryId} from "../../contracts/interfaces/IQualityMarket.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {deploy} from "../invariants/Cheats.sol";
import {Invariants} from "../invariants/Invariants.sol";
import {IGame} from "../invariants/Play.sol";
import {QueryStage} from "../invariants/QueryStage.sol";
import {QueryTrespasses} from "../invariants/QueryTrespasses.sol";

/// @title QueryHandler
/// @notice Plays all parties of a quality market at once, each step from a seed: mostly what takes a query on, now and then
/// anything.
contract QueryHandler is QueryTrespasses {
    /* CONSTANTS */

    /// @dev In the order of `Action`.
    string internal constant ACTIONS =
        "registerModel announce join addStake setPrice quit evict collect ask select expire commitAnswer "
        "relayAnswer commitScores relayScores revealScores settle settleFast convict trespass";

    /// @dev In the order of `Outcome`.
    string internal constant OUTCOMES =
        "Settled Unselected Unfilled Unanswered Unassessed Foreseen Slow Fast SlowAsFast Outlying Silent Unjudged "
        "Convicted Discounted";

    uint256 internal constant QUERIES_AT_ONCE = 3;

    /// @dev Queries before a game, after which nodes are trusted differently.
    uint256 internal constant QUERIES_BEFORE = 12;

    /// @dev Within this many calls every query can be ended.
    uint256 internal constant MOST_CALLS_TO_END = 4;

    constructor(IStakeVault vault, IQualityMarket market) QueryStage(vault, market) {
        _mine(0, 0);
        for (uint256 i = 0; i < ACCOUNTS; i++) _deposit(accounts[i], 500_000_000);
        for (uint256 kind = 0; kind < KINDS; kind++) {
            uint256 model = _registerModel(kind);
            for (uint256 i = 0; i < RESPONDERS; i++) _joinSomehow(model, true, FIRST_RESPONDER + i);
            for (uint256 i = 0; i < ASSESSORS; i++) _joinSomehow(model, false, FIRST_ASSESSOR + i);
        }
        while (MARKET.queryCount() < QUERIES_BEFORE || openQueries.length != 0) {
            if (MARKET.queryCount() < QUERIES_BEFORE) _askSomething();
            uint256 id = openQueries[0];
            if (!_play(_look(id))) _passTo(_deadlineOf(id));
            _watch();
        }
        _pass(2 hours);
        _forgetCounts();
    }

    /* STEPS */

    function _step() internal override {
        _foresee();
        uint256 kind = _below(32);
        if (kind < 2) _doAnything();
        else if (kind == 2) _trespass(_lookAtAny());
        else if (kind < 5) _stake();
        else if (kind < 9) _tend();
        else _advance();
    }

    /// @inheritdoc IGame
    function takeEverythingOut() external {
        random = uint256(fingerprint);
        while (openQueries.length != 0) _endQuery(openQueries[0]);
        for (uint256 model = 0; model < kinds.length; model++) {
            for (uint256 i = 0; i < ACCOUNTS; i++) {
                _leave(model, INodeRegistry.Role.Responder, accounts[i]);
                _leave(model, INodeRegistry.Role.Assessor, accounts[i]);
            }
        }
        _checkStakes();
        _requireEqual("earned and not collected", held[EARNED], 0);
        for (uint256 id = 0; id < MARKET.queryCount(); id++) {
            _require(MARKET.phase(QueryId.wrap(id)) == IQualityMarket.Phase.Ended, "ended for good");
        }
        _takeOut();
    }

    function _doAnything() internal {
        Scene memory s = _lookAtAny();
        uint256 kind = _below(8);
        if (kind == 0) _select(s);
        else if (kind == 1) _expire(s);
        else if (kind == 2) _pass(_below(200));
        else if (kind == 3) _mine(30, 300);
        else if (kind == 4) _pass(_below(4) == 0 ? DAY : 1 hours);
        else if (s.nodes.length == 0) _trespass(s);
        else if (kind == 5) _commit(s, _below(s.nodes.length), 0, _below(2) == 0);
        else if (kind == 6) _reveal(s, _below(s.query.assessors));
        else if (_below(2) == 0) _settle(s);
        else _settleFast(s);
    }

    /// @dev What those with money do on their own.
    function _stake() internal {
        address account = accounts[_below(accounts.length)];
        uint256 kind = _below(8);
        if (kind < 2) _completeSomeWithdrawal();
        else if (kind == 2) _deposit(account, 1 + _below(40_000_000));
        else if (kind == 3) _requestWithdrawal(account, 1 + _below(2_000_000));
        else _claim(account);
    }

    /// @dev What nodes do between queries.
    function _tend() internal {
        uint256 model = _below(kinds.length);
        bool isResponder = _below(2) == 0;
        INodeRegistry.Role role = isResponder ? INodeRegistry.Role.Responder : INodeRegistry.Role.Assessor;
        uint256 index =
            isResponder ? FIRST_RESPONDER + _below(RESPONDERS) : FIRST_ASSESSOR + _below(ASSESSORS);
        address account = accounts[index];
        uint256 kind = _below(16);
        if (!_isJoined(records[model][role][account]) && kind < 10) _joinSomehow(model, isResponder, index);
        else if (kind < 4) _addStake(model, role, account, uint96(_below(8_000_000)));
        else if (kind < 6) _setPrice(model, account, _somePrice());
        else if (kind < 10) _collectSome(model, role);
        else if (kind < 13) _evictSome(model, role);
        else if (kind == 13) _quit(model, role, account);
        else if (kind == 14) _announce(account);
        else if (kinds.length < KINDS + 1) _registerModel(_below(KINDS));
        else _joinSomehow(model, isResponder, index);
    }

    function _joinSomehow(uint256 model, bool isResponder, uint256 index) internal {
        INodeRegistry.Role role = isResponder ? INodeRegistry.Role.Responder : INodeRegistry.Role.Assessor;
        // Now and then too little.
        uint96 amount = uint96(16_000_003 + _below(17_000_000) - (_below(24) == 0 ? 16_000_000 : 0));
        _join(model, role, accounts[index], amount, isResponder ? _somePrice() : 0);
    }

    function _somePrice() internal returns (uint72) {
        return uint72([uint256(0), 1_009, 30_011, 30_013, 100_003, 200_001][_below(6)]);
    }

    /// @dev Who earned something, if anybody did.
    function _collectSome(uint256 model, INodeRegistry.Role role) internal {
        uint256 first = _below(ACCOUNTS);
        for (uint256 i = 0; i < ACCOUNTS; i++) {
            address account = accounts[(first + i) % ACCOUNTS];
            if (records[model][role][account].earned != 0) return _collect(model, role, account);
        }
        _collect(model, role, accounts[first]);
    }

    /// @dev Who has too little, if anybody has.
    function _evictSome(uint256 model, INodeRegistry.Role role) internal {
        uint256 pool = (model << 1) | uint256(role);
        uint256 first = _below(ACCOUNTS);
        for (uint256 i = 0; i < ACCOUNTS; i++) {
            address account = accounts[(first + i) % ACCOUNTS];
            if (!_isJoined(records[model][role][account])) continue;
            if (VAULT.pooled(address(REGISTRY), pool, account) < _paramsOf(kinds[model]).nodeStake) {
                return _evict(model, role, account);
            }
        }
        _evict(model, role, accounts[first]);
    }

    /// @dev Asks, or takes on some query; lets time pass where there is nothing to do but wait.
    function _advance() internal {
        if (_below(4) == 0) _mine(_below(9), _below(2));
        uint256 count = openQueries.length;
        if (count == 0 || (count < QUERIES_AT_ONCE && _below(2) == 0)) return _askSomething();
        uint256 first = _below(count);
        // Now and then everybody forgets.
        for (uint256 i = 0; i < count && _below(32) != 0; i++) {
            if (_play(_look(openQueries[(first + i) % count]))) return;
        }
        _passTo(_deadlineOf(_mostUrgent()));
    }

    function _askSomething() internal {
        uint256 fee = [uint256(20_011), 300_017, 300_019, 2_000_003, 5_000_011][_below(5)] + _below(1_000);
        uint256 answerBy = time + (_below(4) == 0 ? 1 + _below(300) : 300);
        uint8 responders = uint8(_below(12) == 0 ? RESPONDERS : 1 + _below(3));
        uint8 assessors = uint8(_below(12) == 0 ? ASSESSORS : 3 + _below(3));
        address asker = accounts[_below(16) == 0 ? _below(ACCOUNTS) : _below(ASKERS)];
        _ask(asker, _below(kinds.length), responders, assessors, uint96(fee), uint48(answerBy));
    }

    /// @return whether there was anything to do but wait
    function _play(Scene memory s) internal returns (bool) {
        if (s.phase == IQualityMarket.Phase.Selecting) return _playSelecting(s);
        if (s.phase == IQualityMarket.Phase.Expired) _expire(s);
        else if (s.phase == IQualityMarket.Phase.Settling) _settle(s);
        else if (_below(12) == 0) _convictSome(s);
        else if (_below(_isHasty(s) ? 2 : 32) == 0) _settleFast(s);
        else return _playParty(s);
        return true;
    }

    function _isHasty(Scene memory s) internal view returns (bool) {
        return _trait(s.id, "hasty", 0, 3) == 0;
    }

    function _playSelecting(Scene memory s) internal returns (bool) {
        (bool isReadable, bool isLost) = _seedOf(s);
        if (isLost) _expire(s);
        else if (_trait(s.id, "forgotten", 0, 16) == 0) return false;
        else if (isReadable) _select(s);
        else _mine(3, _below(64) == 0 ? 300 : 3);
        return true;
    }

    /// @dev Who answers, commits or reveals next.
    function _playParty(Scene memory s) internal returns (bool) {
        bool isAnswering = s.phase == IQualityMarket.Phase.Answering;
        bool isRevealing = s.phase == IQualityMarket.Phase.Revealing;
        uint256 from = isAnswering ? 0 : s.query.responders;
        uint256 count = isAnswering ? s.query.responders : s.query.assessors;
        uint256 first = _below(count);
        for (uint256 i = 0; i < count; i++) {
            uint256 party = (first + i) % count;
            uint256 index = from + party;
            if (_isSilent(s, index)) continue;
            if (isRevealing) {
                if (committed[s.id][index] == 0 || (s.query.revealed >> party) % 2 == 1) continue;
                // What can't be revealed is tried, and then left.
                if (_below(3) == 0 && _trait(s.id, "manner", index, 24) == 7) continue;
                _reveal(s, party);
            } else {
                if (committed[s.id][index] != 0) continue;
                _commit(s, index, _someVersion(s, index), _below(2) == 0);
            }
            return true;
        }
        return false;
    }

    /// @dev Somebody that equivocates, if anybody does.
    function _convictSome(Scene memory s) internal {
        uint256 first = _below(s.nodes.length);
        for (uint256 i = 0; i < s.nodes.length; i++) {
            uint256 index = (first + i) % s.nodes.length;
            if (_isEquivocal(s, index)) return _convict(s, index);
        }
        _convict(s, first);
    }

    /// @dev By calls that anybody can make and by time, within a bound.
    function _endQuery(uint256 id) internal {
        for (uint256 left = MOST_CALLS_TO_END; left > 0; left--) {
            Scene memory s = _look(id);
            if (s.phase == IQualityMarket.Phase.Ended) return;
            if (s.phase == IQualityMarket.Phase.Expired) _expire(s);
            else if (s.phase == IQualityMarket.Phase.Settling) _settle(s);
            else _passTo(_deadlineOf(id));
            _watch();
        }
        _require(_look(id).phase == IQualityMarket.Phase.Ended, "query ended");
    }

    function _leave(uint256 model, INodeRegistry.Role role, address account) internal {
        Record storage record = records[model][role][account];
        if (_isJoined(record)) _quit(model, role, account);
        if (record.earned != 0) _collect(model, role, account);
    }

    /* REPORT */

    function _actions() internal pure override returns (string memory names, uint256 count) {
        return (string.concat(VAULT_ACTION_NAMES, ACTIONS), VAULT_ACTIONS + uint256(type(Action).max) + 1);
    }

    function _outcomes() internal pure override returns (string memory names, uint256 first, uint256 end) {
        return (OUTCOMES, 0, uint256(type(Outcome).max) + 1);
    }

    /* INVARIANTS */

    /// @inheritdoc IGame
    function requireSolvent() external view {
        uint256 escrow = held[EARNED];
        for (uint256 i = 0; i < openQueries.length; i++) escrow += held[openQueries[i]];
        _requireEqual("registry", VAULT.balanceOf(address(REGISTRY)), escrow);
        _requireEqual("market", VAULT.balanceOf(address(MARKET)), 0);
        _requireSolvent(escrow);
    }
}

/// @notice What always holds of the quality market, its registry and the vault (docs/queries.md), whatever their parties do.
/// @dev Takes the contracts from the artifacts of the last build: build before you run this file alone.
contract QualityMarketInvariants is Invariants {
    function setUp() public {
        address token = deploy("TestToken.sol:TestToken", "");
        address vault = deploy("StakeVault.sol:StakeVault", abi.encode(token, WITHDRAWAL_DELAY_SECONDS));
        address randomness = deploy("BlockHashRandomness.sol:BlockHashRandomness", "");
        IQualityMarket market = IQualityMarket(
            deploy("QualityMarket.sol:QualityMarket", abi.encode(vault, randomness))
        );
        address[] memory protocols = new address[](1);
        protocols[0] = address(market.REGISTRY());
        IStakeVault(vault).fixProtocols(protocols);
        game = IGame(address(new QueryHandler(IStakeVault(vault), market)));
    }

    function _reportPath() internal pure override returns (string memory) {
        return "cache/invariants.QualityMarket.txt";
    }
}
