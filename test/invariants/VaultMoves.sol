// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {Books} from "./Books.sol";
import {Play} from "./Play.sol";

/// @title VaultMoves
/// @notice What anybody with money can call, and what only the protocol's contracts may.
abstract contract VaultMoves is Play {
    /* TYPES */

    enum VaultAction {
        Deposit,
        RequestWithdrawal,
        CompleteWithdrawal,
        Claim
    }

    /* CONSTANTS */

    uint256 internal constant VAULT_ACTIONS = 4;

    /// @dev In the order of `VaultAction`.
    string internal constant VAULT_ACTION_NAMES = "deposit requestWithdrawal completeWithdrawal claim ";

    uint256 internal constant VAULT_TRESPASSES = 9;

    constructor(
        IStakeVault vault,
        address holder,
        address[] memory accounts_
    ) Books(vault, holder, accounts_) {}

    /* MOVES */

    function _deposit(address account, uint256 amount) internal returns (bool ok) {
        ok = _act(VaultAction.Deposit, account, abi.encodeCall(IStakeVault.deposit, (amount)));
        if (!ok) return ok;
        _expect(account, Purse.Wallet, -int256(amount));
        _expect(account, Purse.Stake, int256(amount));
        _check(NO_ESCROW);
    }

    function _requestWithdrawal(address account, uint256 amount) internal returns (bool ok) {
        bytes memory data = abi.encodeCall(IStakeVault.requestWithdrawal, (amount));
        ok = _act(VaultAction.RequestWithdrawal, account, data);
        if (ok) _check(NO_ESCROW);
    }

    function _completeWithdrawal(address account) internal returns (bool ok) {
        IStakeVault.Account memory state = VAULT.accounts(account);
        ok = _act(
            VaultAction.CompleteWithdrawal,
            account,
            abi.encodeCall(IStakeVault.completeWithdrawal, ())
        );
        if (!ok) return ok;
        _require(state.withdrawableAt <= time, "withdrawn after the delay");
        _expect(account, Purse.Stake, -int256(uint256(state.withdrawing)));
        _expect(account, Purse.Wallet, int256(uint256(state.withdrawing)));
        _check(NO_ESCROW);
    }

    function _claim(address account) internal returns (bool ok) {
        uint256 balance = VAULT.balanceOf(account);
        ok = _act(VaultAction.Claim, _anybody(), abi.encodeCall(IStakeVault.claim, (account)));
        if (!ok) return ok;
        _expect(account, Purse.Balance, -int256(balance));
        _expect(account, Purse.Wallet, int256(balance));
        _check(NO_ESCROW);
    }

    /// @dev Now and then after the delay.
    function _completeSomeWithdrawal() internal {
        if (_below(5) == 0) _pass(VAULT.withdrawalDelaySeconds());
        uint256 first = _below(accounts.length);
        uint256 chosen = first;
        for (uint256 i = 0; i < accounts.length; i++) {
            uint256 index = (first + i) % accounts.length;
            IStakeVault.Account memory state = VAULT.accounts(accounts[index]);
            if (state.withdrawing == 0 || state.withdrawableAt > time) continue;
            chosen = index;
            break;
        }
        _completeWithdrawal(accounts[chosen]);
    }

    /// @dev Has everybody leave whom no pool holds any more, after which nothing is left.
    function _takeOut() internal {
        for (uint256 i = 0; i < accounts.length; i++) {
            address account = accounts[i];
            if (VAULT.balanceOf(account) != 0) _require(_claim(account), "claimed");
            uint256 free = VAULT.accounts(account).free;
            if (free != 0) _require(_requestWithdrawal(account, free), "requested");
        }
        _pass(VAULT.withdrawalDelaySeconds());
        for (uint256 i = 0; i < accounts.length; i++) {
            if (VAULT.accounts(accounts[i]).withdrawing == 0) continue;
            _require(_completeWithdrawal(accounts[i]), "withdrawn");
        }
        _requireEqual("left in the vault", TOKEN.balanceOf(address(VAULT)), 0);
    }

    /// @return but for the burn address
    function _anybody() internal returns (address) {
        return accounts[_below(accounts.length - 1)];
    }

    /// @return data of a call that only a protocol's contract may make, or that was for the deployer to make once
    function _vaultTrespass(
        uint256 kind,
        uint256 pool,
        address stranger
    ) internal returns (bytes memory data) {
        address victim = _anybody();
        uint96 amount = uint96(_below(100));
        if (kind == 0) return abi.encodeCall(IStakeVault.fixProtocols, (accounts));
        if (kind == 1) return abi.encodeCall(IStakeVault.collect, (victim, amount));
        if (kind == 2) return abi.encodeCall(IStakeVault.pay, (stranger, amount));
        if (kind == 3) return abi.encodeCall(IStakeVault.lock, (victim, amount));
        if (kind == 4) return abi.encodeCall(IStakeVault.unlock, (stranger, amount));
        if (kind == 5) return abi.encodeCall(IStakeVault.joinPool, (pool, victim, amount));
        if (kind == 6) return abi.encodeCall(IStakeVault.leavePool, (pool, victim));
        if (kind == 7) return abi.encodeCall(IStakeVault.slashLocked, (victim, amount, stranger));
        return abi.encodeCall(IStakeVault.slashPooled, (pool, victim, amount, stranger));
    }

    function _act(VaultAction action, address sender, bytes memory data) private returns (bool) {
        return _call(uint256(action), sender, address(VAULT), data);
    }
}
