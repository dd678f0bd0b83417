// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ICommittee} from "../../contracts/interfaces/ICommittee.sol";
import {ITrainingMarket, TaskId} from "../../contracts/interfaces/ITrainingMarket.sol";
import {TaskStage} from "./TaskStage.sol";
import {TinyModels} from "./TinyModels.sol";

/// @title TaskMoves
/// @notice What verifiers between rounds and owners can call, and what nobody may.
abstract contract TaskMoves is TaskStage {
    using TinyModels for uint256;
    using TinyModels for TinyModels.Transition;

    /* COMMITTEES */

    function _enrol(TaskId id, address verifier, uint96 amount) internal {
        bytes memory data = abi.encodeCall(ICommittee.enrol, (id, amount));
        if (!_act(Action.Enrol, verifier, address(COMMITTEE), data)) return;
        _check(NO_ESCROW);
        _checkPool(id);
    }

    function _disenrol(TaskId id, address verifier) internal returns (bool ok) {
        bytes memory data = abi.encodeCall(ICommittee.disenrol, (id));
        ok = _act(Action.Disenrol, verifier, address(COMMITTEE), data);
        if (!ok) return ok;
        _check(NO_ESCROW);
        _checkPool(id);
    }

    /* TASKS */

    /// @param kind of its parameters
    /// @param isPoisoned whether the genesis holds a value that is not finite
    function _registerTask(uint256 kind, bool isPoisoned) internal returns (uint256 id) {
        id = MARKET.taskCount();
        TinyModels.Transition memory genesis;
        ITrainingMarket.Head memory head;
        head.parameterCount = uint64([672, 512, 160][kind]);
        for (uint256 place = 0; place < TinyModels.leafCount(head.parameterCount); place++) {
            // The greatest of all floats can overflow.
            uint256 value = [0x3f800000, 0x7f7fffff, 0xbe000000][place];
            if (isPoisoned && place == id % TinyModels.leafCount(head.parameterCount)) value = 0x7f800000;
            genesis.to = genesis.to.set(place, value, TinyModels.liveBlocks(head.parameterCount, place));
        }
        uint256 depth = TinyModels.depthOf(head.parameterCount);
        head.fullRoot = genesis.node(TinyModels.Tree.New, depth, 0);
        head.quantRoot = genesis.node(TinyModels.Tree.Quant, depth, 0);
        address owner = accounts[_below(OWNERS)];
        bytes memory data = abi.encodeCall(
            ITrainingMarket.registerTask,
            (_paramsOf(kind), head, bytes32(0), "")
        );
        if (!_act(Action.RegisterTask, owner, address(MARKET), data)) revert Violated("registered", id, kind);
        openTasks.push(id);
        TaskGhost storage ghost = ghosts[id];
        ghost.kind = kind;
        ghost.model = genesis.to;
        ghost.fullRoot = head.fullRoot;
        _check(NO_ESCROW);
    }

    function _fundTask(Scene memory s, address from, uint256 amount) internal {
        bytes memory data = abi.encodeCall(ITrainingMarket.fundTask, (s.id, amount));
        if (!_act(Action.FundTask, from, address(MARKET), data)) return;
        _expect(from, Purse.Wallet, -int256(amount));
        _checkRound(s);
    }

    function _requestClose(Scene memory s) internal {
        address sender = _below(4) == 0 ? accounts[_below(ACCOUNTS)] : s.task.owner;
        bytes memory data = abi.encodeCall(ITrainingMarket.requestClose, (s.id));
        bool ok = _act(Action.RequestClose, sender, address(MARKET), data);
        _require(!ok || sender == s.task.owner, "closing asked for by the owner");
        if (ok) _checkRound(s);
    }

    function _closeTask(Scene memory s) internal {
        bytes memory data = abi.encodeCall(ITrainingMarket.closeTask, (s.id));
        bool ok = _act(Action.CloseTask, accounts[_below(ACCOUNTS)], address(MARKET), data);
        bool isDue = s.task.closableAt != 0 && s.task.closableAt <= time;
        _require(ok == (s.phase == ITrainingMarket.Phase.Idle && isDue), "closed when due");
        if (!ok) return;
        _expectEarned(s.task.owner, s.task.escrow);
        _checkRound(s);
    }

    /* TRESPASS */

    /// @dev What only the protocol's contracts may do, or was for the deployer to do once.
    function _trespass(TaskId id) internal {
        uint256 kind = _below(VAULT_TRESPASSES + 4);
        address stranger = accounts[_below(ACCOUNTS)];
        address target = address(VAULT);
        bytes memory data;
        if (kind < VAULT_TRESPASSES) data = _vaultTrespass(kind, TaskId.unwrap(id), stranger);
        else if (kind == VAULT_TRESPASSES) {
            target = address(COMMITTEE);
            data = abi.encodeCall(ICommittee.settle, (id, MARKET.task(id).round, new uint256[](0)));
        } else {
            target = address(MARKET);
            data = _marketTrespass(kind - VAULT_TRESPASSES, id, stranger);
        }
        _requireRefused(VAULT_ACTIONS + uint256(Action.Trespass), stranger, target, data);
    }

    function _marketTrespass(uint256 kind, TaskId id, address stranger) private view returns (bytes memory) {
        uint256 round = MARKET.task(id).round;
        ITrainingMarket.Outcome cause = ITrainingMarket.Outcome.Fraud;
        if (kind == 1) return abi.encodeCall(ITrainingMarket.convict, (id, round, 0, cause, stranger));
        if (kind == 2) return abi.encodeCall(ITrainingMarket.poison, (id, stranger));
        return abi.encodeCall(ITrainingMarket.recordDemands, (id, round, 0, 0, time + DAY));
    }
}
