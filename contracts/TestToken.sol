// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ITestToken} from "./interfaces/ITestToken.sol";

/// @title TestToken
contract TestToken is ITestToken, ERC20, ERC20Permit {
    /* CONSTANTS */

    /// @inheritdoc ITestToken
    uint256 public constant FAUCET_CAP = 100_000 ether;

    /* STORAGE */

    /// @inheritdoc ITestToken
    mapping(address account => uint256) public minted;

    /* CONSTRUCTOR */

    constructor() ERC20("Gradwork Test Token", "tGRAD") ERC20Permit("Gradwork Test Token") {}

    /* FAUCET */

    /// @inheritdoc ITestToken
    function faucet(uint256 amount) external {
        uint256 left = FAUCET_CAP - minted[msg.sender];
        if (amount > left) revert FaucetCapExceeded(msg.sender, amount, left);
        minted[msg.sender] += amount;
        emit FaucetUsed(msg.sender, amount);
        _mint(msg.sender, amount);
    }
}
