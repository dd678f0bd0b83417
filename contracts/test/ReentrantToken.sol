// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TestToken} from "../TestToken.sol";

/// @title ReentrantToken
/// @notice A token that calls back in the middle of a transfer, and is itself a party that can stake and earn.
contract ReentrantToken is TestToken {
    address internal target;

    bytes internal callback;

    /// @notice How the callback ended.
    event CalledBack(bool succeeded, bytes answer);

    /// @notice The next transfer calls `target_`, once.
    function arm(address target_, bytes calldata callback_) external {
        target = target_;
        callback = callback_;
    }

    /// @notice Makes a call as this contract.
    function act(address callee, bytes calldata data) external {
        // solhint-disable-next-line avoid-low-level-calls
        (bool succeeded, bytes memory answer) = callee.call(data);
        if (succeeded) return;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (target == address(0)) return;
        address callee = target;
        target = address(0);
        // solhint-disable-next-line avoid-low-level-calls
        (bool succeeded, bytes memory answer) = callee.call(callback);
        emit CalledBack(succeeded, answer);
    }
}
