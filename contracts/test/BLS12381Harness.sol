// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BLS12381} from "../libraries/BLS12381.sol";

/// @title BLS12381Harness
/// @notice The library as calls, for tests.
contract BLS12381Harness {
    function verify(
        bytes calldata message,
        bytes calldata signature,
        bytes calldata publicKey
    ) external view returns (bool) {
        return BLS12381.verify(message, signature, publicKey);
    }

    function hashToG1(bytes calldata message) external view returns (bytes memory) {
        return BLS12381.hashToG1(message);
    }

    function compress(bytes calldata point) external pure returns (bytes memory) {
        return BLS12381.compress(point);
    }
}
