import { concat, dataSlice, toBeHex } from "ethers";

/** The order of secp256k1's group (SEC 2). */
const GROUP_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** The second signature that anybody can make of one of 65 bytes: with s in the upper half of its range. */
export function malleated(signature: string): string {
  const s = GROUP_ORDER - BigInt(dataSlice(signature, 32, 64));
  const v = 27n + 28n - BigInt(dataSlice(signature, 64));
  return concat([dataSlice(signature, 0, 32), toBeHex(s, 32), toBeHex(v)]);
}
