// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @dev The test runner's own calls, as far as they are used here.
interface ICheats {
    function prank(address sender) external;

    function warp(uint256 timestamp) external;

    function roll(uint256 blockNumber) external;

    function getCode(string calldata artifact) external view returns (bytes memory);

    function writeLine(string calldata path, string calldata line) external;

    function toString(uint256 value) external pure returns (string memory);

    function toString(bytes32 value) external pure returns (string memory);
}

ICheats constant VM = ICheats(address(uint160(uint256(keccak256("hevm cheat code")))));
