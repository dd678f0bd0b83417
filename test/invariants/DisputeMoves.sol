// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {ILeafChecker} from "../../contracts/interfaces/ILeafChecker.sol";
import {ITrainingMarket, TaskId} from "../../contracts/interfaces/ITrainingMarket.sol";
import {LeafVerdict} from "../../contracts/libraries/LeafCheck.sol";
import {RoundMoves} from "./RoundMoves.sol";
import {TinyModels} from "./TinyModels.sol";

/// @title DisputeMoves
/// @notice Fraud proofs, demands and their answers.
abstract contract DisputeMoves is RoundMoves {
    using TinyModels for uint256;
    using TinyModels for TinyModels.Transition;

    /* DISPUTES */

    function _proveFraud(Ref memory ref) internal {
        TaskId id = TaskId.wrap(ref.task);
        Scene memory s = _look(id);
        TinyModels.Transition memory t = candidates[ref.task][ref.number][ref.index].transition;
        ITrainingMarket.Proposal memory proposal = MARKET.proposal(id, ref.number, ref.index);
        uint256 depth = TinyModels.depthOf(s.task.head.parameterCount);
        bool isForged = t.forgery != TinyModels.Forgery.None;
        uint256 place = isForged ? t.place : _below(1 << depth);
        ILeafChecker.LeafOpening memory opening =
            _below(4) == 0 ? t.open(depth, place) : t.openForgery(depth, place);
        address prover = accounts[_below(ACCOUNTS)];
        bytes memory data = abi.encodeCall(IDisputes.proveFraud, (id, ref.number, ref.index, place, opening));
        bool ok = _act(Action.ProveFraud, prover, address(DISPUTES), data);
        _require(ok == (isForged && _isAtStake(proposal)), "fraud proved of a forger");
        if (!ok) return;
        _expectSlash(proposal.miner, proposal.bond, prover);
        _checkRound(s);
    }

    function _provePoison(Scene memory s) internal {
        TinyModels.Transition memory t;
        t.from = ghosts[TaskId.unwrap(s.id)].model;
        uint256 depth = TinyModels.depthOf(s.task.head.parameterCount);
        uint256 place = _below(1 << depth);
        address prover = accounts[_below(ACCOUNTS)];
        bytes memory data = abi.encodeCall(
            IDisputes.provePoison,
            (s.id, place, t.leaf(TinyModels.Tree.Old, place), t.proof(TinyModels.Tree.Old, depth, place))
        );
        bool ok = _act(Action.ProvePoison, prover, address(DISPUTES), data);
        _require(ok == !t.from.isFinite(place), "poison proved of a poisoned head");
        if (!ok) return;
        _expectPoison(s, prover);
        _checkRound(s);
    }

    function _demand(Ref memory ref, address demander) internal {
        TaskId id = TaskId.wrap(ref.task);
        Scene memory s = _look(id);
        uint256 leafIndex = _below(1 << TinyModels.depthOf(s.task.head.parameterCount));
        uint256 open = DISPUTES.openDemands(id, ref.number, ref.index);
        bytes memory data = abi.encodeCall(IDisputes.demand, (id, ref.number, ref.index, leafIndex));
        if (!_act(Action.Demand, demander, address(DISPUTES), data)) return;
        uint256 deposit = (1 + open) * s.params.demandDeposit;
        openDemands.push(OpenDemand(ref, demander, deposit, leafIndex));
        uint256 dueAt = time + s.params.answerSeconds + open * s.params.answerSlotSeconds;
        _requireEqual("due", _dueAt(openDemands.length - 1), dueAt);
        _expect(demander, Purse.Wallet, -int256(deposit));
        _checkRound(s);
    }

    function _answer(uint256 demandIndex) internal {
        OpenDemand memory demand = openDemands[demandIndex];
        Ref memory ref = demand.ref;
        Scene memory s = _look(TaskId.wrap(ref.task));
        TinyModels.Transition memory t = candidates[ref.task][ref.number][ref.index].transition;
        ITrainingMarket.Proposal memory proposal = MARKET.proposal(s.id, ref.number, ref.index);
        bool isDue = _isAtStake(proposal) && time < _dueAt(demandIndex);
        bytes memory data = abi.encodeCall(
            IDisputes.answer,
            (
                s.id,
                ref.number,
                ref.index,
                demand.demander,
                t.open(TinyModels.depthOf(s.task.head.parameterCount), demand.leafIndex)
            )
        );
        bool ok = _act(Action.Answer, accounts[_below(ACCOUNTS)], address(DISPUTES), data);
        _require(ok == isDue, "answered in time");
        if (!ok) return;
        _removeDemand(demandIndex);
        LeafVerdict verdict = t.verdict(demand.leafIndex);
        if (verdict == LeafVerdict.Valid) {
            _expectEarned(proposal.miner, s.params.answerRefund);
            _expectEarned(BURN_ADDRESS, demand.deposit - s.params.answerRefund);
        } else {
            _expectEarned(demand.demander, demand.deposit);
            bool isPresent = s.number == ref.number && s.round.stage != ITrainingMarket.Stage.Final;
            if (verdict != LeafVerdict.NonFiniteOld) {
                _expectSlash(proposal.miner, proposal.bond, demand.demander);
            } else if (isPresent) _expectPoison(s, demand.demander);
        }
        _checkRound(s);
    }

    function _closeDemand(uint256 demandIndex) internal {
        OpenDemand memory demand = openDemands[demandIndex];
        Ref memory ref = demand.ref;
        Scene memory s = _look(TaskId.wrap(ref.task));
        ITrainingMarket.Proposal memory proposal = MARKET.proposal(s.id, ref.number, ref.index);
        bool isAtStake = _isAtStake(proposal);
        bool isOverdue = time >= _dueAt(demandIndex);
        bytes memory data = abi.encodeCall(
            IDisputes.closeDemand,
            (s.id, ref.number, ref.index, demand.demander)
        );
        bool ok = _act(Action.CloseDemand, accounts[_below(ACCOUNTS)], address(DISPUTES), data);
        _require(ok == (isOverdue || !isAtStake), "demand closed when due");
        if (!ok) return;
        _removeDemand(demandIndex);
        _expectEarned(demand.demander, demand.deposit);
        if (isAtStake) _expectSlash(proposal.miner, proposal.bond, demand.demander);
        _checkRound(s);
    }

    function _isAtStake(ITrainingMarket.Proposal memory proposal) internal pure returns (bool) {
        return proposal.bond != 0 && proposal.status != ITrainingMarket.Status.Sealed;
    }

    function _dueAt(uint256 demandIndex) internal view returns (uint256) {
        OpenDemand storage demand = openDemands[demandIndex];
        Ref storage ref = demand.ref;
        return DISPUTES.demandOf(TaskId.wrap(ref.task), ref.number, ref.index, demand.demander).dueAt;
    }

    function _removeDemand(uint256 demandIndex) internal {
        openDemands[demandIndex] = openDemands[openDemands.length - 1];
        openDemands.pop();
    }
}
