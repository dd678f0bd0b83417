// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title ContractSigner
/// @notice A party without a key, whose statements its owner signs (ERC-1271), as long as it has a mind to.
contract ContractSigner is IERC1271 {
    enum Manner {
        Signing,
        Refusing,
        WastingGas
    }

    address internal immutable OWNER;

    Manner internal manner;

    constructor(address owner) {
        OWNER = owner;
    }

    function behave(Manner manner_) external {
        manner = manner_;
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

    /// @inheritdoc IERC1271
    function isValidSignature(
        bytes32 digest,
        bytes calldata signature
    ) external view returns (bytes4 magicValue) {
        uint256 count = 0;
        while (manner == Manner.WastingGas) ++count;
        if (manner == Manner.Refusing) return 0;
        return
            ECDSA.recoverCalldata(digest, signature) == OWNER
                ? IERC1271.isValidSignature.selector
                : bytes4(0);
    }
}
