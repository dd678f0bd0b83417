// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {ITestToken} from "../../contracts/interfaces/ITestToken.sol";
import {VM} from "./Cheats.sol";

/// @title Books
/// @notice Accounts for every wei: before a call's effects are accepted, its caller says by how much each account's wallet,
/// stake and balance may have changed and for what; any other change is a violation.
abstract contract Books {
    /* TYPES */

    enum Purse {
        Wallet,
        Stake,
        Balance
    }

    /// @dev Inclusive bounds on the change of one purse.
    struct Range {
        int128 least;
        int128 most;
    }

    /* CONSTANTS */

    address internal constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;

    uint256 internal constant WEALTH = 10 ** 12;

    /// @dev `_check` of what leaves the escrow as it is.
    uint256 internal constant NO_ESCROW = type(uint256).max;

    /* IMMUTABLES */

    IERC20 internal immutable TOKEN;
    IStakeVault internal immutable VAULT;
    /// @dev The contract that holds the escrow in the vault.
    address internal immutable HOLDER;

    /* STORAGE */

    /// @dev All that can hold stake or a balance, but for the protocol's contracts.
    address[] internal accounts;

    /// @dev As of the last check.
    mapping(address account => uint256[3] byPurse) internal known;

    mapping(address account => Range[3] byPurse) internal expected;

    uint256 internal knownEscrow;

    uint256 internal knownTokens;

    /// @dev What is held in escrow for each task or query: paid in less what was paid out.
    mapping(uint256 purpose => uint256) internal held;

    error Violated(string what, uint256 given, uint256 wanted);

    error Strayed(Purse purse, address account, int256 change, int256 least, int256 most);

    /// @param accounts_ all but the burn address
    constructor(IStakeVault vault, address holder, address[] memory accounts_) {
        TOKEN = vault.TOKEN();
        VAULT = vault;
        HOLDER = holder;
        accounts = accounts_;
        for (uint256 i = 0; i < accounts_.length; i++) {
            address account = accounts_[i];
            known[account][uint256(Purse.Wallet)] = WEALTH;
            VM.prank(account);
            ITestToken(address(TOKEN)).faucet(WEALTH);
            VM.prank(account);
            TOKEN.approve(address(VAULT), type(uint256).max);
        }
        accounts.push(BURN_ADDRESS);
    }

    /* EXPECTATIONS */

    /// @dev Must change by `change`.
    function _expect(address account, Purse purse, int256 change) internal {
        Range storage range = expected[account][uint256(purse)];
        range.least += int128(change);
        range.most += int128(change);
    }

    /// @dev May change by up to `change`.
    function _allow(address account, Purse purse, int256 change) internal {
        Range storage range = expected[account][uint256(purse)];
        if (change < 0) range.least += int128(change);
        else range.most += int128(change);
    }

    function _expectEarned(address account, uint256 amount) internal {
        _expect(account, Purse.Balance, int256(amount));
    }

    /// @dev Half, rounded down, is the prover's, if there is one; the rest is burned.
    function _expectSlash(address account, uint256 amount, address prover) internal {
        uint256 paid = prover == address(0) ? 0 : amount / 2;
        _expect(account, Purse.Stake, -int256(amount));
        _expectEarned(prover, paid);
        _expectEarned(BURN_ADDRESS, amount - paid);
    }

    /* CHECKS */

    /// @dev Settles what was expected, and puts what the holder got or paid on the account of `purpose`.
    function _check(uint256 purpose) internal {
        // Where no token came or went, only a wallet that was to change is looked into.
        uint256 tokens = TOKEN.balanceOf(address(VAULT));
        bool hasMoved = tokens != knownTokens;
        knownTokens = tokens;
        for (uint256 i = 0; i < accounts.length; i++) {
            Range storage range = expected[accounts[i]][uint256(Purse.Wallet)];
            if (hasMoved || range.least != 0 || range.most != 0) _checkPurse(accounts[i], Purse.Wallet);
            _checkPurse(accounts[i], Purse.Stake);
            _checkPurse(accounts[i], Purse.Balance);
        }
        uint256 escrow = VAULT.balanceOf(HOLDER);
        if (purpose == NO_ESCROW) _requireEqual("escrow", escrow, knownEscrow);
        else held[purpose] = held[purpose] + escrow - knownEscrow;
        knownEscrow = escrow;
    }

    /// @dev What is held is what is owed, to the wei. What is owed to an account is what was read after the last call that
    /// succeeded.
    /// @param escrow that is owed
    function _requireSolvent(uint256 escrow) internal view {
        uint256 owed = escrow;
        uint256 outside = 0;
        for (uint256 i = 0; i < accounts.length; i++) {
            uint256[3] storage purses = known[accounts[i]];
            owed += purses[uint256(Purse.Stake)] + purses[uint256(Purse.Balance)];
            outside += purses[uint256(Purse.Wallet)];
        }
        uint256 inVault = TOKEN.balanceOf(address(VAULT));
        _requireEqual("vault", inVault, owed);
        _requireEqual("supply", TOKEN.totalSupply(), outside + inVault);
        _requireEqual("minted", TOKEN.totalSupply(), WEALTH * (accounts.length - 1));
    }

    function _checkPurse(address account, Purse purse) private {
        Range memory range = expected[account][uint256(purse)];
        uint256 was = known[account][uint256(purse)];
        uint256 is_ = _read(account, purse);
        int256 change = int256(is_) - int256(was);
        if (change < range.least || change > range.most) {
            revert Strayed(purse, account, change, range.least, range.most);
        }
        if (change != 0) known[account][uint256(purse)] = is_;
        if (range.least != 0 || range.most != 0) delete expected[account][uint256(purse)];
    }

    function _read(address account, Purse purse) internal view returns (uint256) {
        if (purse == Purse.Wallet) return TOKEN.balanceOf(account);
        return purse == Purse.Stake ? VAULT.stakeOf(account) : VAULT.balanceOf(account);
    }

    function _requireEqual(string memory what, uint256 given, uint256 wanted) internal pure {
        if (given != wanted) revert Violated(what, given, wanted);
    }

    function _require(bool condition, string memory what) internal pure {
        if (!condition) revert Violated(what, 0, 1);
    }
}
