// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ITestToken
/// @notice An ERC-20 with permit (EIP-2612) and a faucet, for test networks: it is worth nothing.
interface ITestToken {
    event FaucetUsed(address indexed account, uint256 amount);

    error FaucetCapExceeded(address account, uint256 given, uint256 limit);

    /// @notice Mints `amount` to the caller, `FAUCET_CAP` in all for each account.
    function faucet(uint256 amount) external;

    /// @notice What one account can mint in all, in wei.
    // solhint-disable-next-line func-name-mixedcase
    function FAUCET_CAP() external view returns (uint256);

    /// @notice What an account has minted, in wei.
    function minted(address account) external view returns (uint256);
}
