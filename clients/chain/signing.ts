// Signatures of digests, by a library that is several times faster than ethers' and checked against it.
import { Contract, getAddress, keccak256, type Provider } from "ethers";
import { recover, signRecoverable } from "tiny-secp256k1";
import { fromHex, toHex } from "../model/bytes.ts";

const ERC1271_MAGIC = "0x1626ba7e";

/**
 * A signature that the contracts take: r, s and v, 65 bytes.
 * @param privateKey 32 bytes as 0x-prefixed hex
 * @param digest 32 bytes likewise
 */
export function signDigest(privateKey: string, digest: string): string {
  const { signature, recoveryId } = signRecoverable(fromHex(digest, 32), fromHex(privateKey, 32));
  return toHex(Buffer.concat([signature, Uint8Array.of(27 + recoveryId)]));
}

/** What was recovered last: in a query everybody checks the same signatures. */
const recovered = new Map<string, string | undefined>();
const MAX_RECOVERED = 4_096;

/** The account that signed a digest; undefined where the signature is none. */
export function recoverSigner(digest: string, signature: string): string | undefined {
  const key = digest + signature;
  if (!recovered.has(key)) {
    if (recovered.size === MAX_RECOVERED) recovered.delete(recovered.keys().next().value!);
    recovered.set(key, recoverAnew(digest, signature));
  }
  return recovered.get(key);
}

function recoverAnew(digest: string, signature: string): string | undefined {
  let key: Uint8Array | null;
  try {
    const bytes = fromHex(signature, 65);
    const recoveryId = bytes[64]! - 27;
    if (recoveryId !== 0 && recoveryId !== 1) return undefined;
    key = recover(fromHex(digest, 32), bytes.subarray(0, 64), recoveryId, false);
  } catch {
    return undefined;
  }
  return key === null ? undefined : getAddress(`0x${keccak256(key.subarray(1)).slice(-40)}`);
}

/** Whether an account signed a digest: by its key, or where it is a contract by what that says (ERC-1271). */
export async function isSignedBy(
  provider: Provider,
  account: string,
  digest: string,
  signature: string,
): Promise<boolean> {
  if (recoverSigner(digest, signature) === account) return true;
  if ((await provider.getCode(account)) === "0x") return false;
  const abi = ["function isValidSignature(bytes32, bytes) view returns (bytes4)"];
  try {
    const contract = new Contract(account, abi, provider);
    return (await contract.getFunction("isValidSignature")(digest, signature)) === ERC1271_MAGIC;
  } catch {
    return false;
  }
}
