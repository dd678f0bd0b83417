// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title BLS12381
/// @notice BLS signatures on G1 under public keys on G2, by the precompiles of EIP-2537. The ciphersuite is
/// BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_ (draft-irtf-cfrg-bls-signature-05, hashing by RFC 9380).
/// @dev Points are encoded as in EIP-2537. A field element is 64 bytes, big-endian, below the prime; a point of G1 is x, y;
/// one of G2 is x.c0, x.c1, y.c0, y.c1; infinity is all zero.
///
/// Assumptions: the pairing precompile fails for coordinates that are not below the prime and for points that are not on
/// the curve or not in the subgroup of prime order, so that a point has one encoding and a message one signature; the map
/// precompile clears the cofactor.
library BLS12381 {
    uint256 internal constant G1_BYTES = 2 * FIELD_BYTES;

    uint256 private constant FIELD_BYTES = 64;

    address private constant MODEXP = address(0x05);
    address private constant G1_ADD = address(0x0b);
    address private constant PAIRING_CHECK = address(0x0f);
    address private constant MAP_FP_TO_G1 = address(0x10);

    /// @dev RFC 9380's DST_prime: the ciphersuite's name and its length.
    bytes private constant DST_PRIME = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_\x2b";

    bytes private constant PRIME =
        hex"000000000000000000000000000000001a0111ea397fe69a4b1ba7b6434bacd7"
        hex"64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";

    /// @dev (prime − 1) / 2.
    uint256 private constant HALF_HIGH = 0x0d0088f51cbff34d258dd3db21a5d66b;
    uint256 private constant HALF_LOW = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;

    bytes private constant NEGATED_G2_GENERATOR =
        hex"00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051"
        hex"c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
        hex"0000000000000000000000000000000013e02b6052719f607dacd3a088274f65"
        hex"596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        hex"000000000000000000000000000000000d1b3cc2c7027888be51d9ef691d77bc"
        hex"b679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa"
        hex"0000000000000000000000000000000013fa4d4a0ad8b1ce186ed5061789213d"
        hex"993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed";

    error WrongPointLength(uint256 given, uint256 expected);
    /// @dev On a chain without EIP-2537 an account without code answers a call with nothing.
    error PrecompileFailed(address precompile);

    /// @notice Whether `signature` is the message's signature under a valid public key.
    /// @dev Warning: where the signature is no point of G1, the pairing precompile takes all gas that may be forwarded.
    function verify(
        bytes memory message,
        bytes memory signature,
        bytes memory publicKey
    ) internal view returns (bool) {
        if (signature.length != G1_BYTES) revert WrongPointLength(signature.length, G1_BYTES);
        // e(signature, −G2) · e(H(message), publicKey) = 1
        (bool ok, bytes memory answer) = PAIRING_CHECK.staticcall(
            bytes.concat(signature, NEGATED_G2_GENERATOR, hashToG1(message), publicKey)
        );
        return ok && bytes32(answer) == bytes32(uint256(1));
    }

    /// @notice The 48 bytes of a valid point of G1, infinity excepted, in the compressed form that is published: x, with
    /// the highest bit set, and the third highest where y is the larger one of y and −y.
    function compress(bytes calldata point) internal pure returns (bytes memory) {
        uint256 yHigh = uint256(bytes32(point[64:96]));
        uint256 yLow = uint256(bytes32(point[96:128]));
        bool isLarger = yHigh > HALF_HIGH || (yHigh == HALF_HIGH && yLow > HALF_LOW);
        bytes16 flags = bytes16(bytes1(isLarger ? 0xa0 : 0x80));
        return bytes.concat(bytes16(point[16:32]) | flags, point[32:64]);
    }

    /// @notice RFC 9380, hash_to_curve.
    function hashToG1(bytes memory message) internal view returns (bytes memory point) {
        (bytes memory first, bytes memory second) = _hashToField(message);
        return
            _call(
                G1_ADD,
                bytes.concat(_call(MAP_FP_TO_G1, first, G1_BYTES), _call(MAP_FP_TO_G1, second, G1_BYTES)),
                G1_BYTES
            );
    }

    /// @dev RFC 9380, hash_to_field of two elements: expand_message_xmd with SHA-256 to 128 bytes, 64 for each.
    function _hashToField(
        bytes memory message
    ) private view returns (bytes memory first, bytes memory second) {
        bytes32 b0 = sha256(bytes.concat(new bytes(64), message, hex"008000", DST_PRIME));
        bytes32 b1 = sha256(bytes.concat(b0, hex"01", DST_PRIME));
        bytes32 b2 = sha256(bytes.concat(b0 ^ b1, hex"02", DST_PRIME));
        bytes32 b3 = sha256(bytes.concat(b0 ^ b2, hex"03", DST_PRIME));
        bytes32 b4 = sha256(bytes.concat(b0 ^ b3, hex"04", DST_PRIME));
        return (_reduce(b1, b2), _reduce(b3, b4));
    }

    /// @dev 64 bytes mod the prime.
    function _reduce(bytes32 high, bytes32 low) private view returns (bytes memory element) {
        bytes memory lengths = abi.encode(FIELD_BYTES, 1, FIELD_BYTES);
        return _call(MODEXP, bytes.concat(lengths, high, low, hex"01", PRIME), FIELD_BYTES);
    }

    function _call(
        address precompile,
        bytes memory input,
        uint256 answerBytes
    ) private view returns (bytes memory answer) {
        bool ok;
        (ok, answer) = precompile.staticcall(input);
        if (!ok || answer.length != answerBytes) revert PrecompileFailed(precompile);
    }
}
