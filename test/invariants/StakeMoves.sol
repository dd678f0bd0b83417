// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ICommittee} from "../../contracts/interfaces/ICommittee.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {ITrainingMarket, TaskId} from "../../contracts/interfaces/ITrainingMarket.sol";
import {Stage} from "./Stage.sol";
import {VM} from "./Cheats.sol";
import {TinyModels} from "./TinyModels.sol";

/// @title StakeMoves
/// @notice What stakers, verifiers between rounds, and owners can call, and what nobody may.
abstract contract StakeMoves is Stage {
    using TinyModels for uint256;
    using TinyModels for TinyModels.Transition;

    /* STAKE */

    function _deposit(address account, uint256 amount) internal returns (bool ok) {
        ok = _act(Action.Deposit, account, address(VAULT), abi.encodeCall(IStakeVault.deposit, (amount)));
        if (!ok) return ok;
        _expect(account, Purse.Wallet, -int256(amount));
        _expect(account, Purse.Stake, int256(amount));
        _check(NO_TASK);
    }

    function _requestWithdrawal(address account, uint256 amount) internal returns (bool ok) {
        bytes memory data = abi.encodeCall(IStakeVault.requestWithdrawal, (amount));
        ok = _act(Action.RequestWithdrawal, account, address(VAULT), data);
        if (ok) _check(NO_TASK);
    }

    function _completeWithdrawal(address account) internal returns (bool ok) {
        IStakeVault.Account memory state = VAULT.accounts(account);
        bytes memory data = abi.encodeCall(IStakeVault.completeWithdrawal, ());
        ok = _act(Action.CompleteWithdrawal, account, address(VAULT), data);
        if (!ok) return ok;
        _require(state.withdrawableAt <= time, "withdrawn after the delay");
        _expect(account, Purse.Stake, -int256(uint256(state.withdrawing)));
        _expect(account, Purse.Wallet, int256(uint256(state.withdrawing)));
        _check(NO_TASK);
    }

    function _claim(address account) internal returns (bool ok) {
        uint256 balance = VAULT.balanceOf(account);
        bytes memory data = abi.encodeCall(IStakeVault.claim, (account));
        ok = _act(Action.Claim, accounts[_below(ACCOUNTS)], address(VAULT), data);
        if (!ok) return ok;
        _expect(account, Purse.Balance, -int256(balance));
        _expect(account, Purse.Wallet, int256(balance));
        _check(NO_TASK);
    }

    function _enrol(TaskId id, address verifier, uint96 amount) internal {
        bytes memory data = abi.encodeCall(ICommittee.enrol, (id, amount));
        if (!_act(Action.Enrol, verifier, address(COMMITTEE), data)) return;
        _check(NO_TASK);
        _checkPool(id);
    }

    function _disenrol(TaskId id, address verifier) internal returns (bool ok) {
        bytes memory data = abi.encodeCall(ICommittee.disenrol, (id));
        ok = _act(Action.Disenrol, verifier, address(COMMITTEE), data);
        if (!ok) return ok;
        _check(NO_TASK);
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
        _check(NO_TASK);
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
        uint256 kind = _below(13);
        address stranger = accounts[_below(ACCOUNTS)];
        address victim = accounts[_below(ACCOUNTS)];
        uint96 amount = uint96(_below(100));
        uint256 pool = TaskId.unwrap(id);
        address target =
            kind < 9
                ? address(VAULT)
                : kind < 12
                    ? address(MARKET)
                    : address(COMMITTEE);
        bytes memory data;
        if (kind == 0) data = abi.encodeCall(IStakeVault.fixProtocols, (accounts));
        else if (kind == 1) data = abi.encodeCall(IStakeVault.collect, (victim, amount));
        else if (kind == 2) data = abi.encodeCall(IStakeVault.pay, (stranger, amount));
        else if (kind == 3) data = abi.encodeCall(IStakeVault.lock, (victim, amount));
        else if (kind == 4) data = abi.encodeCall(IStakeVault.unlock, (stranger, amount));
        else if (kind == 5) data = abi.encodeCall(IStakeVault.joinPool, (pool, victim, amount));
        else if (kind == 6) data = abi.encodeCall(IStakeVault.leavePool, (pool, victim));
        else if (kind == 7) data = abi.encodeCall(IStakeVault.slashLocked, (victim, amount, stranger));
        else if (kind == 8) data = abi.encodeCall(IStakeVault.slashPooled, (pool, victim, amount, stranger));
        else if (kind == 9) {
            ITrainingMarket.Outcome cause = ITrainingMarket.Outcome.Fraud;
            data = abi.encodeCall(ITrainingMarket.convict, (id, MARKET.task(id).round, 0, cause, stranger));
        } else if (kind == 10) data = abi.encodeCall(ITrainingMarket.poison, (id, stranger));
        else if (kind == 11) data = abi.encodeCall(
            ITrainingMarket.recordDemands,
            (id, MARKET.task(id).round, 0, 0, time + DAY)
        );
        else data = abi.encodeCall(ICommittee.settle, (id, MARKET.task(id).round, new uint256[](0)));
        calls[Action.Trespass]++;
        VM.prank(stranger);
        (bool ok, ) = target.call(data);
        _require(!ok, "trespassers are refused");
        successes[Action.Trespass]++;
        _check(NO_TASK);
    }
}
