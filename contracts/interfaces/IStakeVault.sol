// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IStakeVault
/// @notice Holds every party's stake in one ERC-20. Stake is free, locked (a miner's bond), pooled (a verifier's
/// enrolment, checkpointed by time) or on its way out; all of it but the free part can be slashed.
/// @dev Assumptions about the token: no fee on transfer, no rebasing, fewer than 2^96 units in all. It may call
/// back: every entry point that moves tokens is guarded against reentrancy.
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
    event Slashed(address indexed protocol, address indexed account, uint256 burned, uint256 paid);

    error NotDeployer(address caller);
    error ProtocolsAlreadyFixed();
    error ProtocolsNotFixed();
    error NoProtocols();
    error NotProtocol(address caller);
    error ZeroAmount();
    error WithdrawalDelayOutOfRange(uint256 given, uint256 limit);
    error InsufficientFree(address account, uint256 given, uint256 limit);
    error InsufficientLocked(address account, uint256 given, uint256 limit);
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

    /// @notice Protocol only: free to locked.
    function lock(address account, uint96 amount) external;

    /// @notice Protocol only: locked to free.
    function unlock(address account, uint96 amount) external;

    /// @notice Protocol only: free into the caller's pool.
    function joinPool(uint256 pool, address account, uint96 amount) external;

    /// @notice Protocol only: all of the account's stake in the caller's pool starts its withdrawal, so that it stays
    /// slashable for the duties it was read for.
    function leavePool(uint256 pool, address account) external;

    /// @notice Protocol only: takes `amount` of the account's locked stake.
    /// @return paid what the calling protocol received: half, rounded down; the rest is burned
    function slashLocked(address account, uint96 amount) external returns (uint256 paid);

    /// @notice Protocol only: takes up to `amount` of the account's stake in the caller's pool, then of what it has
    /// under withdrawal.
    /// @return paid what the calling protocol received: half of what was taken, rounded down; the rest is burned
    function slashPooled(uint256 pool, address account, uint96 amount) external returns (uint256 paid);

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

    /// @notice Everything the vault owes the account: free, locked, pooled anywhere, and under withdrawal.
    function stakeOf(address account) external view returns (uint256);

    /// @notice Seconds between a withdrawal's request and its completion.
    function withdrawalDelaySeconds() external view returns (uint48);

    function isProtocol(address protocol) external view returns (bool);
}
