// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @dev The test runner's own calls, as far as they are used here.
interface ICheats {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function prank(address sender) external;

    function warp(uint256 timestamp) external;

    function roll(uint256 blockNumber) external;

    function recordLogs() external;

    function getRecordedLogs() external returns (Log[] memory);

    function addr(uint256 key) external pure returns (address);

    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);

    function getCode(string calldata artifact) external view returns (bytes memory);

    function writeLine(string calldata path, string calldata line) external;

    function toString(uint256 value) external pure returns (string memory);

    function toString(bytes32 value) external pure returns (string memory);
}

ICheats constant VM = ICheats(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @dev The very bytecode that is deployed elsewhere, not what a test's compiler settings would make of it.
function deploy(string memory artifact, bytes memory arguments) returns (address made) {
    bytes memory code = bytes.concat(VM.getCode(artifact), arguments);
    assembly ("memory-safe") {
        made := create(0, add(code, 32), mload(code))
    }
    require(made != address(0), artifact);
}
