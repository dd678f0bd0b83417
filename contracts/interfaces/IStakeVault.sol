// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title IStakeVault
/// @notice Holds all money, in one ERC-20: every party's stake, and a balance for each account. Stake is free, locked (a
/// miner's bond), pooled (a verifier's enrolment, checkpointed by time) or on its way out; all of it but the free part can
/// be slashed. A balance is what an account has earned and not claimed; a protocol contract's balance is what it keeps in
/// escrow.
/// @dev The tokens held are always the sum of all stakes and balances. Assumptions about the token: no fee on transfer, no
/// rebasing, fewer than 2^96 units in all. It may call back: every entry point that moves tokens is guarded against
/// reentrancy.
interface IStakeVault {
    /// @param free may be locked, pooled or withdrawn
    /// @param locked bonds held by protocol contracts
    /// @param withdrawing leaves at `withdrawableAt`, slashable until it is withdrawn
    /// @param withdrawableAt time in seconds; restarted by each new request
    struct Account {
        uint96 free;
        uint96 locked;
        uint48 withdrawableAt;
        uint96 withdrawing;
    }

    /// @notice The protocol contracts were fixed, for good.
    event ProtocolsFixed(address[] protocols);
    event Deposited(address indexed account, uint256 amount);
    event WithdrawalRequested(address indexed account, uint256 amount, uint256 withdrawableAt);
    event Withdrawn(address indexed account, uint256 amount);
    event Locked(address indexed protocol, address indexed account, uint256 amount);
    event Unlocked(address indexed protocol, address indexed account, uint256 amount);
    event Pooled(address indexed protocol, uint256 indexed pool, address indexed account, uint256 amount);
    event Unpooled(address indexed protocol, uint256 indexed pool, address indexed account, uint256 amount);
    /// @param paid the prover's share; the prover is zero where a slash has none
    event Slashed(
        address indexed protocol,
        address indexed account,
        uint256 burned,
        address indexed prover,
        uint256 paid
    );
    event Collected(address indexed protocol, address indexed from, uint256 amount);
    event Paid(address indexed protocol, address indexed to, uint256 amount);
    event Claimed(address indexed account, uint256 amount);

    error NotDeployer(address caller);
    error ProtocolsAlreadyFixed();
    error ProtocolsNotFixed();
    error NoProtocols();
    error NotProtocol(address caller);
    error ZeroAmount();
    error WithdrawalDelayOutOfRange(uint256 given, uint256 limit);
    error InsufficientFree(address account, uint256 given, uint256 limit);
    error InsufficientLocked(address account, uint256 given, uint256 limit);
    error InsufficientBalance(address account, uint256 given, uint256 limit);
    error NotClaimable(address protocol);
    error NothingToClaim(address account);
    error NothingToWithdraw(address account);
    error NothingPooled(address account, uint256 pool);
    error WithdrawalNotReady(uint256 timestamp, uint256 withdrawableAt);

    /// @notice Names the contracts that may lock, pool and slash. Once, by the deployer; no deposit is taken before.
    function fixProtocols(address[] calldata protocols) external;

    /// @notice Moves `amount` from the caller's wallet into its free stake.
    function deposit(uint256 amount) external;

    /// @notice Starts the withdrawal of `amount` of the caller's free stake. A request joins one that is pending and
    /// restarts its delay.
    function requestWithdrawal(uint256 amount) external;

    /// @notice Sends the caller what it requested, after the delay.
    function completeWithdrawal() external;

    /// @notice Sends `account` its balance. Anyone may call, for anyone but a protocol contract.
    function claim(address account) external;

    /// @notice Protocol only: from the wallet of `from`, which approved this contract, into the protocol's balance.
    /// @dev Warning: a protocol must name no other account than its caller.
    function collect(address from, uint256 amount) external;

    /// @notice Protocol only: from the protocol's balance into that of `to`, which may be another protocol contract.
    function pay(address to, uint256 amount) external;

    /// @notice Protocol only: free to locked.
    function lock(address account, uint96 amount) external;

    /// @notice Protocol only: locked to free.
    function unlock(address account, uint96 amount) external;

    /// @notice Protocol only: free into the caller's pool.
    function joinPool(uint256 pool, address account, uint96 amount) external;

    /// @notice Protocol only: all of the account's stake in the caller's pool starts its withdrawal, so that it stays
    /// slashable for the duties it was read for.
    function leavePool(uint256 pool, address account) external;

    /// @notice Protocol only: takes `amount` of the account's locked stake. Half, rounded down, goes to the balance of
    /// `prover`, or nothing where that is zero; the rest is burned.
    function slashLocked(address account, uint96 amount, address prover) external;

    /// @notice Protocol only: takes up to `amount` of the account's stake in the caller's pool, then of what it has
    /// under withdrawal; shared as by `slashLocked`.
    function slashPooled(uint256 pool, address account, uint96 amount, address prover) external;

    /// @notice The account's state outside pools.
    function accounts(address account) external view returns (Account memory);

    /// @notice The account's present stake in a pool.
    function pooled(address protocol, uint256 pool, address account) external view returns (uint256);

    /// @notice The account's stake in a pool after every change made at or before `timestamp`.
    function pooledAt(
        address protocol,
        uint256 pool,
        address account,
        uint48 timestamp
    ) external view returns (uint256);

    /// @notice A pool's total after every change made at or before `timestamp`.
    function poolTotalAt(address protocol, uint256 pool, uint48 timestamp) external view returns (uint256);

    /// @notice What the account can claim; of a protocol contract, what it keeps in escrow.
    function balanceOf(address account) external view returns (uint256);

    /// @notice All stake of the account: free, locked, pooled anywhere, and under withdrawal.
    function stakeOf(address account) external view returns (uint256);

    /// @notice Seconds between a withdrawal's request and its completion.
    function withdrawalDelaySeconds() external view returns (uint48);

    function isProtocol(address protocol) external view returns (bool);

    /// @notice Where slashed stake goes: no key is known for it, and it works for every ERC-20, burnable or not. It is
    /// this account's balance until somebody claims it for it.
    // solhint-disable-next-line func-name-mixedcase
    function BURN_ADDRESS() external view returns (address);

    // solhint-disable-next-line func-name-mixedcase
    function TOKEN() external view returns (IERC20);
}
