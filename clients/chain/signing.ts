// Signatures of digests, by a library that is several times faster than ethers' and checked against it.
import { randomBytes } from "node:crypto";
// The package's root would load some 200 modules for other chains.
import { instantiateSecp256k1 } from "@bitauth/libauth/build/lib/crypto/secp256k1.js";
import { Contract, type Provider } from "ethers";
import { fromHex, isHex, toHex } from "../model/bytes.ts";
import { keccak256Bytes } from "../model/keccak.ts";

// WebAssembly: recovers in half the time that `tiny-secp256k1` takes, and in less than a tenth of what ethers does.
const secp256k1 = await instantiateSecp256k1(randomBytes(32));

const ERC1271_MAGIC = "0x1626ba7e";

/**
 * A signature that the contracts take: r, s and v, 65 bytes.
 * @param privateKey 32 bytes as 0x-prefixed hex
 * @param digest 32 bytes likewise
 */
export function signDigest(privateKey: string, digest: string): string {
  const signed = secp256k1.signMessageHashRecoverableCompact(fromHex(privateKey, 32), fromHex(digest, 32));
  // The library returns what is wrong as a text: that the key is none, which ethers' wallets rule out.
  if (typeof signed === "string") throw new Error(signed);
  return toHex(Buffer.concat([signed.signature, Uint8Array.of(27 + signed.recoveryId)]));
}

/** Half of the order of secp256k1's group: contracts take no larger s, which would be a second signature of the same. */
const LARGEST_S = fromHex("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

/** The account that signed a digest, in lower case; undefined where the signature is none. */
export function recoverSigner(digest: string, signature: string): string | undefined {
  if (!isHex(signature, 65)) return undefined;
  const bytes = fromHex(signature);
  const recoveryId = bytes[64]! - 27;
  if (recoveryId !== 0 && recoveryId !== 1) return undefined;
  if (Buffer.compare(bytes.subarray(32, 64), LARGEST_S) > 0) return undefined;
  const key = secp256k1.recoverPublicKeyUncompressed(bytes.subarray(0, 64), recoveryId, fromHex(digest, 32));
  return typeof key === "string" ? undefined : `0x${keccak256Bytes(key.subarray(1)).slice(-40)}`;
}

/** Whether an account signed a digest: by its key, or where it is a contract by what that says (ERC-1271). */
export async function isSignedBy(
  provider: Provider,
  account: string,
  digest: string,
  signature: string,
): Promise<boolean> {
  if (recoverSigner(digest, signature) === account.toLowerCase()) return true;
  if ((await provider.getCode(account)) === "0x") return false;
  const abi = ["function isValidSignature(bytes32, bytes) view returns (bytes4)"];
  try {
    const contract = new Contract(account, abi, provider);
    return (await contract.getFunction("isValidSignature")(digest, signature)) === ERC1271_MAGIC;
  } catch {
    return false;
  }
}
