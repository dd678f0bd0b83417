// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";

/// @title StakeVault
contract StakeVault is IStakeVault, ReentrancyGuardTransient {
    using Checkpoints for Checkpoints.Trace208;
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /* CONSTANTS */

    /// @inheritdoc IStakeVault
    address public constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;

    uint48 internal constant MAX_WITHDRAWAL_DELAY_SECONDS = 365 days;

    /* IMMUTABLES */

    /// @inheritdoc IStakeVault
    IERC20 public immutable TOKEN;

    /// @inheritdoc IStakeVault
    uint48 public immutable withdrawalDelaySeconds;

    /// @dev May call `fixProtocols` once and nothing else.
    address internal immutable DEPLOYER;

    /* STORAGE */

    /// @inheritdoc IStakeVault
    mapping(address protocol => bool) public isProtocol;

    bool internal protocolsFixed;

    mapping(address account => Account) internal accountOf;

    mapping(address account => uint256) internal pooledTotalOf;

    /// @inheritdoc IStakeVault
    mapping(address account => uint256) public balanceOf;

    mapping(address protocol => mapping(uint256 pool => mapping(address account => Checkpoints.Trace208)))
        internal poolStakes;

    mapping(address protocol => mapping(uint256 pool => Checkpoints.Trace208)) internal poolTotals;

    /* CONSTRUCTOR */

    constructor(IERC20 token, uint48 delaySeconds) {
        if (delaySeconds == 0 || delaySeconds > MAX_WITHDRAWAL_DELAY_SECONDS) {
            revert WithdrawalDelayOutOfRange(delaySeconds, MAX_WITHDRAWAL_DELAY_SECONDS);
        }
        TOKEN = token;
        withdrawalDelaySeconds = delaySeconds;
        DEPLOYER = msg.sender;
    }

    modifier onlyProtocol() {
        if (!isProtocol[msg.sender]) revert NotProtocol(msg.sender);
        _;
    }

    /* DEPLOYMENT */

    /// @inheritdoc IStakeVault
    function fixProtocols(address[] calldata protocols) external {
        if (msg.sender != DEPLOYER) revert NotDeployer(msg.sender);
        if (protocolsFixed) revert ProtocolsAlreadyFixed();
        if (protocols.length == 0) revert NoProtocols();
        protocolsFixed = true;
        for (uint256 i = 0; i < protocols.length; i++) isProtocol[protocols[i]] = true;
        emit ProtocolsFixed(protocols);
    }

    /* STAKERS */

    /// @inheritdoc IStakeVault
    function deposit(uint256 amount) external nonReentrant {
        if (!protocolsFixed) revert ProtocolsNotFixed();
        if (amount == 0) revert ZeroAmount();
        accountOf[msg.sender].free += amount.toUint96();
        emit Deposited(msg.sender, amount);
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IStakeVault
    function requestWithdrawal(uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        Account storage account = accountOf[msg.sender];
        _takeFree(account, msg.sender, amount);
        _queueWithdrawal(account, msg.sender, uint96(amount));
    }

    /// @inheritdoc IStakeVault
    function completeWithdrawal() external nonReentrant {
        Account storage account = accountOf[msg.sender];
        uint96 amount = account.withdrawing;
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        if (block.timestamp < account.withdrawableAt) {
            revert WithdrawalNotReady(block.timestamp, account.withdrawableAt);
        }
        account.withdrawing = 0;
        emit Withdrawn(msg.sender, amount);
        TOKEN.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function claim(address account) external nonReentrant {
        if (isProtocol[account]) revert NotClaimable(account);
        uint256 amount = balanceOf[account];
        if (amount == 0) revert NothingToClaim(account);
        balanceOf[account] = 0;
        emit Claimed(account, amount);
        TOKEN.safeTransfer(account, amount);
    }

    /* PROTOCOL: BALANCES */

    /// @inheritdoc IStakeVault
    function collect(address from, uint256 amount) external onlyProtocol nonReentrant {
        if (amount == 0) return;
        balanceOf[msg.sender] += amount;
        emit Collected(msg.sender, from, amount);
        TOKEN.safeTransferFrom(from, address(this), amount);
    }

    /// @inheritdoc IStakeVault
    function pay(address to, uint256 amount) external onlyProtocol {
        if (amount == 0) return;
        uint256 held = balanceOf[msg.sender];
        if (amount > held) revert InsufficientBalance(msg.sender, amount, held);
        balanceOf[msg.sender] = held - amount;
        balanceOf[to] += amount;
        emit Paid(msg.sender, to, amount);
    }

    /* PROTOCOL: STAKE */

    /// @inheritdoc IStakeVault
    function lock(address account, uint96 amount) external onlyProtocol {
        Account storage state = accountOf[account];
        _takeFree(state, account, amount);
        state.locked += amount;
        emit Locked(msg.sender, account, amount);
    }

    /// @inheritdoc IStakeVault
    function unlock(address account, uint96 amount) external onlyProtocol {
        Account storage state = accountOf[account];
        _takeLocked(state, account, amount);
        state.free += amount;
        emit Unlocked(msg.sender, account, amount);
    }

    /// @inheritdoc IStakeVault
    function joinPool(uint256 pool, address account, uint96 amount) external onlyProtocol {
        _takeFree(accountOf[account], account, amount);
        uint256 stake = pooled(msg.sender, pool, account);
        _setPooled(pool, account, stake, stake + amount);
        emit Pooled(msg.sender, pool, account, amount);
    }

    /// @inheritdoc IStakeVault
    function leavePool(uint256 pool, address account) external onlyProtocol {
        uint256 stake = pooled(msg.sender, pool, account);
        if (stake == 0) revert NothingPooled(account, pool);
        _setPooled(pool, account, stake, 0);
        emit Unpooled(msg.sender, pool, account, stake);
        _queueWithdrawal(accountOf[account], account, stake.toUint96());
    }

    /// @inheritdoc IStakeVault
    function slashLocked(address account, uint96 amount, address prover) external onlyProtocol {
        _takeLocked(accountOf[account], account, amount);
        _forfeit(account, amount, prover);
    }

    /// @inheritdoc IStakeVault
    function slashPooled(uint256 pool, address account, uint96 amount, address prover) external onlyProtocol {
        uint256 stake = pooled(msg.sender, pool, account);
        uint256 fromPool = Math.min(stake, amount);
        if (fromPool != 0) _setPooled(pool, account, stake, stake - fromPool);
        uint256 fromWithdrawal = 0;
        if (fromPool != amount) {
            Account storage state = accountOf[account];
            fromWithdrawal = Math.min(state.withdrawing, amount - fromPool);
            state.withdrawing -= uint96(fromWithdrawal);
        }
        _forfeit(account, fromPool + fromWithdrawal, prover);
    }

    /* VIEWS */

    /// @inheritdoc IStakeVault
    function accounts(address account) external view returns (Account memory) {
        return accountOf[account];
    }

    /// @inheritdoc IStakeVault
    function pooled(address protocol, uint256 pool, address account) public view returns (uint256) {
        return poolStakes[protocol][pool][account].latest();
    }

    /// @inheritdoc IStakeVault
    function pooledAt(
        address protocol,
        uint256 pool,
        address account,
        uint48 timestamp
    ) external view returns (uint256) {
        return poolStakes[protocol][pool][account].upperLookupRecent(timestamp);
    }

    /// @inheritdoc IStakeVault
    function poolTotalAt(address protocol, uint256 pool, uint48 timestamp) external view returns (uint256) {
        return poolTotals[protocol][pool].upperLookupRecent(timestamp);
    }

    /// @inheritdoc IStakeVault
    function stakeOf(address account) external view returns (uint256) {
        Account memory state = accountOf[account];
        return uint256(state.free) + state.locked + state.withdrawing + pooledTotalOf[account];
    }

    /* INTERNAL */

    function _takeFree(Account storage state, address account, uint256 amount) internal {
        if (amount > state.free) revert InsufficientFree(account, amount, state.free);
        state.free -= uint96(amount);
    }

    function _takeLocked(Account storage state, address account, uint96 amount) internal {
        if (amount > state.locked) revert InsufficientLocked(account, amount, state.locked);
        state.locked -= amount;
    }

    function _queueWithdrawal(Account storage state, address account, uint96 amount) internal {
        uint48 withdrawableAt = uint48(block.timestamp) + withdrawalDelaySeconds;
        state.withdrawing += amount;
        state.withdrawableAt = withdrawableAt;
        emit WithdrawalRequested(account, amount, withdrawableAt);
    }

    function _setPooled(uint256 pool, address account, uint256 from, uint256 to) internal {
        uint48 now48 = uint48(block.timestamp);
        Checkpoints.Trace208 storage total = poolTotals[msg.sender][pool];
        poolStakes[msg.sender][pool][account].push(now48, uint208(to));
        total.push(now48, (uint256(total.latest()) + to - from).toUint208());
        pooledTotalOf[account] = pooledTotalOf[account] + to - from;
    }

    /// @dev Burned stake stays here as a balance that only the burn address can be sent: no call of the token, which
    /// may call back, in the midst of a settlement.
    function _forfeit(address account, uint256 amount, address prover) internal {
        uint256 paid = prover == address(0) ? 0 : amount / 2;
        balanceOf[BURN_ADDRESS] += amount - paid;
        if (paid != 0) balanceOf[prover] += paid;
        emit Slashed(msg.sender, account, amount - paid, prover, paid);
    }
}
