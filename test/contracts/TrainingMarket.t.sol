// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IRandomness} from "../../contracts/interfaces/IRandomness.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {ITrainingMarket, TaskId} from "../../contracts/interfaces/ITrainingMarket.sol";
import {deploy} from "../invariants/Cheats.sol";
import {DisputeMoves} from "../invariants/DisputeMoves.sol";
import {Invariants} from "../invariants/Invariants.sol";
import {IGame} from "../invariants/Play.sol";
import {TaskStage} from "../invariants/TaskStage.sol";
import {TinyModels} from "../invariants/TinyModels.sol";

/// @title MarketHandler
/// @notice Plays all parties of a market at once, each step from a seed: mostly what takes a round on, now and then
/// anything.
contract MarketHandler is DisputeMoves {
    /* CONSTANTS */

    /// @dev In the order of `Action`.
    string internal constant ACTIONS =
        "registerTask fundTask requestClose closeTask propose "
        "openProposal requestSeed recordSeed checkLeaves finalize releaseBond enrol disenrol commitAttestation "
        "revealAttestation reportAbsence proveFraud provePoison demand answer closeDemand trespass";

    /// @dev In the order of `ITrainingMarket.Outcome`.
    string internal constant OUTCOMES =
        "Confirmed Outdone Rejected Void Duplicate Unopened Unseeded Unchecked Fraud Unanswered PoisonedHead";

    uint256 internal constant TASKS_AT_ONCE = 2;

    /// @dev Within this many calls every task can be ended.
    uint256 internal constant MOST_CALLS_TO_END = 40;

    constructor(IStakeVault vault, ITrainingMarket market) TaskStage(vault, market) {
        _mine(0, 0);
        for (uint256 i = FIRST_MINER; i < FIRST_VERIFIER + VERIFIERS; i++) _deposit(accounts[i], 20_000);
        // A task with a miner's head, and a bond that answers for it: not many runs come to a second one otherwise.
        TaskId id = _startTask(0, false);
        while (_look(id).task.headRound == 0) {
            if (openTasks.length == 0) id = _startTask(0, false);
            if (!_play(_look(id))) _passTo(_deadlineOf(id));
            _watch();
        }
        _startTask(1, true);
        _forgetCounts();
    }

    /* STEPS */

    function _step() internal override {
        uint256 kind = _below(32);
        // Both tasks can be closed.
        if (openTasks.length == 0) _advance();
        else if (kind == 0) _doAnything();
        else if (kind < 3) _stake();
        else if (kind < 8) _dispute();
        else _advance();
    }

    /// @inheritdoc IGame
    function takeEverythingOut() external {
        random = uint256(fingerprint);
        while (openTasks.length != 0) _endTask(openTasks[0]);
        // Demands of heads that are no more.
        _pass(DAY);
        while (openDemands.length != 0) _closeDemand(0);
        while (bonded.length != 0) _releaseBond(bonded[0]);
        for (uint256 i = 0; i < accounts.length; i++) {
            address account = accounts[i];
            for (uint256 id = 0; id < MARKET.taskCount(); id++) {
                if (COMMITTEE.enrolment(TaskId.wrap(id), account).active) {
                    _require(_disenrol(TaskId.wrap(id), account), "disenrolled");
                }
            }
        }
        _takeOut();
    }

    function _doAnything() internal {
        Scene memory s = _lookAtAny();
        uint256 kind = _below(16);
        if (kind == 0) _trespass(s.id);
        else if (kind == 1) _requestClose(s);
        else if (kind == 2) _closeTask(s);
        else if (kind == 3) _propose(s);
        else if (kind == 4) _openProposal(s, _below(3));
        else if (kind == 5) _requestSeed(s);
        else if (kind == 6) _recordSeed(s);
        else if (kind == 7) _checkLeaves(s, _below(3));
        else if (kind == 8) _commit(s, _verifier());
        else if (kind == 9) _reveal(s, _verifier());
        else if (kind == 10) _reportAbsence(s, _verifier());
        else if (kind == 11) _finalize(s);
        else if (kind == 12) _provePoison(s);
        else if (kind == 13) _pass(_below(200));
        else if (kind == 14) _mine(30, 300);
        else _pass(DAY + _below(DAY));
    }

    /// @dev What those with money do on their own.
    function _stake() internal {
        address account = accounts[_below(accounts.length)];
        TaskId id = _lookAtAny().id;
        uint256 kind = _below(8);
        if (kind < 2) _completeSomeWithdrawal();
        else if (VAULT.balanceOf(account) != 0 && kind < 6) _claim(account);
        else if (kind == 2) _deposit(account, 1 + _below(2_000));
        else if (kind == 3) _requestWithdrawal(account, 1 + _below(2_000));
        else if (kind == 4) _disenrol(id, _verifier());
        else if (kind == 5) _fundTask(_look(id), account, 1 + _below(500));
        else if (kind == 6) _enrol(id, _verifier(), uint96(1 + _below(300)));
        else _claim(account);
    }

    /// @dev Shows what was forged, demands, answers.
    function _dispute() internal {
        uint256 kind = _below(8);
        if (kind == 0) return _provePoison(_lookAtAny());
        if (kind < 3 && openDemands.length != 0) {
            uint256 demandIndex = _below(openDemands.length);
            if (kind == 1 || _dueAt(demandIndex) <= time) _closeDemand(demandIndex);
            else _answer(demandIndex);
            return;
        }
        if (bonded.length == 0) return;
        uint256 first = _below(bonded.length);
        if (kind == 3) _releaseBonds();
        else if (kind == 4) _proveFraud(bonded[_firstForged(first)]);
        else _demand(bonded[kind == 5 ? 0 : first], accounts[_below(ACCOUNTS)]);
    }

    function _releaseBonds() internal {
        for (uint256 i = bonded.length; i > 0; i--) _releaseBond(bonded[i - 1]);
    }

    /// @return the first proposal with a bond, from one on, that is forged and opened; that one where none is
    function _firstForged(uint256 first) internal view returns (uint256) {
        for (uint256 i = first; i < first + bonded.length; i++) {
            Ref storage ref = bonded[i % bonded.length];
            Candidate storage candidate = candidates[ref.task][ref.number][ref.index];
            bool isForged = candidate.transition.forgery != TinyModels.Forgery.None;
            if (isForged && candidate.opened) return i % bonded.length;
        }
        return first;
    }

    function _startTask(uint256 kind, bool isPoisoned) internal returns (TaskId id) {
        id = TaskId.wrap(_registerTask(kind, isPoisoned));
        Scene memory s = _look(id);
        _fundTask(s, s.task.owner, 1_000);
        for (uint256 i = 0; i < VERIFIERS; i++) {
            _enrol(id, accounts[FIRST_VERIFIER + i], uint96(150 + 97 * i));
        }
    }

    /// @dev Takes on some task, else the one with the least time left, or lets that time pass.
    function _advance() internal {
        if (openTasks.length < TASKS_AT_ONCE) {
            _startTask(_below(3), _below(8) == 0);
            return;
        }
        if (_below(4) == 0 && _play(_lookAtAny())) return;
        TaskId urgent = _mostUrgent();
        // Now and then somebody forgets.
        if (_below(24) == 0 || !_play(_look(urgent))) _passTo(_deadlineOf(urgent));
    }

    /// @return whether there was anything to do but wait
    function _play(Scene memory s) internal returns (bool) {
        if (s.phase == ITrainingMarket.Phase.Idle) return _playIdle(s);
        if (s.phase == ITrainingMarket.Phase.Seeding) return _playSeeding(s);
        if (s.phase == ITrainingMarket.Phase.Ended) return _playEnded(s);
        if (s.phase == ITrainingMarket.Phase.Disputing) return _playDisputing(s);
        (bool found, uint256 index) = _next(s);
        if (!found) return false;
        if (s.phase == ITrainingMarket.Phase.Proposing) _propose(s);
        else if (s.phase == ITrainingMarket.Phase.Opening) _openProposal(s, index);
        else if (s.phase == ITrainingMarket.Phase.LeafChecking) _checkLeaves(s, index);
        else if (s.phase == ITrainingMarket.Phase.Committing) _commit(s, accounts[index]);
        else if (_ballotOf(s, accounts[index]).committed) _reveal(s, accounts[index]);
        else _reportAbsence(s, accounts[index]);
        return true;
    }

    /// @dev Whom the phase still waits for: the index of a proposal or of an account.
    function _next(Scene memory s) internal returns (bool found, uint256 index) {
        if (s.phase == ITrainingMarket.Phase.Proposing) {
            return (s.proposals.length < s.params.maxProposals && _below(4) != 0, 0);
        }
        if (s.phase == ITrainingMarket.Phase.Committing || s.phase == ITrainingMarket.Phase.Revealing) {
            uint256 first = _below(VERIFIERS);
            for (uint256 i = 0; i < VERIFIERS; i++) {
                index = FIRST_VERIFIER + ((first + i) % VERIFIERS);
                if (_isAwaited(s, accounts[index])) return (true, index);
            }
            return (false, 0);
        }
        ITrainingMarket.Status status =
            s.phase == ITrainingMarket.Phase.Opening
                ? ITrainingMarket.Status.Sealed
                : ITrainingMarket.Status.Opened;
        for (; index < s.proposals.length; index++) {
            if (s.proposals[index].status == status) return (true, index);
        }
    }

    function _isAwaited(Scene memory s, address verifier) internal view returns (bool) {
        Ballot storage ballot = ballots[TaskId.unwrap(s.id)][s.number][verifier];
        if (ballot.revealed) return false;
        if (ballot.committed) return s.phase == ITrainingMarket.Phase.Revealing;
        if (COMMITTEE.weightOf(s.id, s.number, verifier) == 0) return false;
        return !COMMITTEE.attestation(s.id, s.number, verifier).reported;
    }

    function _playIdle(Scene memory s) internal returns (bool) {
        uint256 kind = _below(24);
        if (s.task.closableAt != 0 && s.task.closableAt <= time) _closeTask(s);
        else if (kind < 16 && _settlePast(s)) return true;
        else if (s.task.escrow < s.params.minerReward + s.params.verifierReward) {
            _fundTask(s, s.task.owner, 1_000);
        } else if (kind == 16) _requestClose(s);
        else _propose(s);
        return true;
    }

    /// @dev What is left of heads that are no more: demands, and bonds that those kept.
    function _settlePast(Scene memory s) internal returns (bool) {
        for (uint256 i = 0; i < openDemands.length; i++) {
            Ref storage ref = openDemands[i].ref;
            if (ref.task != TaskId.unwrap(s.id) || ref.number == s.task.headRound) continue;
            if (_isAtStake(MARKET.proposal(s.id, ref.number, ref.index))) _answer(i);
            else _closeDemand(i);
            return true;
        }
        for (uint256 i = 0; i < bonded.length; i++) {
            if (bonded[i].task != TaskId.unwrap(s.id) || bonded[i].number == s.task.headRound) continue;
            _releaseBond(bonded[i]);
            return true;
        }
        return false;
    }

    function _playSeeding(Scene memory s) internal returns (bool) {
        IRandomness.Availability availability = IRandomness.Availability.OutOfReach;
        if (s.round.seedTicket != 0) (availability, ) = MARKET.RANDOMNESS().read(s.round.seedTicket);
        if (_below(128) == 0) _pass(MARKET.MAX_SEEDING_SECONDS());
        else if (availability == IRandomness.Availability.OutOfReach) _requestSeed(s);
        else if (availability == IRandomness.Availability.Ready) _recordSeed(s);
        else _mine(3, _below(8) == 0 ? 300 : 3);
        return true;
    }

    function _playDisputing(Scene memory s) internal returns (bool) {
        (bool found, uint256 index) = _demandOn(s);
        if (found && _below(2) == 0) _answer(index);
        else if (_isAtStake(s.head) && _below(3) == 0) {
            // So that it is open when the head moves.
            _demand(Ref(TaskId.unwrap(s.id), s.task.headRound, s.task.headProposal), _verifier());
        } else return false;
        return true;
    }

    function _playEnded(Scene memory s) internal returns (bool) {
        (bool found, uint256 index) = _demandOn(s);
        if (found && _dueAt(index) <= time) _closeDemand(index);
        else _finalize(s);
        return true;
    }

    /// @dev By calls that anybody can make and by time, within a bound.
    function _endTask(uint256 id) internal {
        TaskId taskId = TaskId.wrap(id);
        for (uint256 left = MOST_CALLS_TO_END; left > 0; left--) {
            Scene memory s = _look(taskId);
            if (s.phase == ITrainingMarket.Phase.Closed) return;
            if (s.phase == ITrainingMarket.Phase.Ended) _playEnded(s);
            else if (s.phase == ITrainingMarket.Phase.Seeding) _pass(MARKET.MAX_SEEDING_SECONDS());
            else if (s.phase != ITrainingMarket.Phase.Idle) _passTo(_deadlineOf(s.id));
            else if (s.task.closableAt == 0) _requestClose(s);
            else if (s.task.closableAt > time) _passTo(s.task.closableAt);
            else _closeTask(s);
            _watch();
        }
        revert Violated("task not ended", id, MOST_CALLS_TO_END);
    }

    /* REPORT */

    function _actions() internal pure override returns (string memory names, uint256 count) {
        return (string.concat(VAULT_ACTION_NAMES, ACTIONS), VAULT_ACTIONS + uint256(type(Action).max) + 1);
    }

    /// @dev But for `None`.
    function _outcomes() internal pure override returns (string memory names, uint256 first, uint256 end) {
        return (OUTCOMES, 1, uint256(type(ITrainingMarket.Outcome).max) + 1);
    }

    /* INVARIANTS */

    /// @inheritdoc IGame
    function requireSolvent() external view {
        uint256 deposits = 0;
        for (uint256 i = 0; i < openDemands.length; i++) deposits += openDemands[i].deposit;
        uint256 escrow = 0;
        for (uint256 i = 0; i < openTasks.length; i++) escrow += held[openTasks[i]];
        _requireEqual("market", VAULT.balanceOf(address(MARKET)), escrow);
        _requireEqual("disputes", VAULT.balanceOf(address(DISPUTES)), deposits);
        _requireEqual("committee", VAULT.balanceOf(address(COMMITTEE)), 0);
        _requireSolvent(escrow + deposits);
    }
}

/// @notice What always holds of the market, its committee, its disputes and the vault (protocol, §4), whatever their
/// parties do.
/// @dev Takes the contracts from the artifacts of the last build: build before you run this file alone.
contract TrainingMarketInvariants is Invariants {
    function setUp() public {
        address token = deploy("TestToken.sol:TestToken", "");
        address vault = deploy("StakeVault.sol:StakeVault", abi.encode(token, WITHDRAWAL_DELAY_SECONDS));
        address randomness = deploy("BlockHashRandomness.sol:BlockHashRandomness", "");
        address checker = deploy("LeafChecker.sol:LeafChecker", "");
        address rules = deploy("TaskRules.sol:TaskRules", "");
        ITrainingMarket market = ITrainingMarket(
            deploy("TrainingMarket.sol:TrainingMarket", abi.encode(vault, randomness, checker, rules))
        );
        address[] memory protocols = new address[](3);
        protocols[0] = address(market);
        protocols[1] = address(market.COMMITTEE());
        protocols[2] = address(market.DISPUTES());
        IStakeVault(vault).fixProtocols(protocols);
        game = IGame(address(new MarketHandler(IStakeVault(vault), market)));
    }

    function _reportPath() internal pure override returns (string memory) {
        return "cache/invariants.TrainingMarket.txt";
    }
}
