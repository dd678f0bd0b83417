import { expect } from "chai";
import { concat, id, recoverAddress, Signature, SigningKey, toBeHex, Wallet } from "ethers";
import { recoverSigner, signDigest } from "../../clients/chain/signing.ts";

/** Of secp256k1. */
const GROUP_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

describe("signatures of digests", () => {
  it("are those of ethers, and recovered by both to the signer", () => {
    for (let i = 0; i < 50; i++) {
      const wallet = new Wallet(id(`key ${i}`));
      const digest = id(`digest ${i}`);
      const signature = signDigest(wallet.privateKey, digest);
      expect(signature).to.equal(new SigningKey(wallet.privateKey).sign(digest).serialized);
      expect(recoverAddress(digest, signature)).to.equal(wallet.address);
      expect(recoverSigner(digest, signature)).to.equal(wallet.address);
    }
  });

  it("recover to another account, or none, when they or the digest were changed", () => {
    const wallet = new Wallet(id("key"));
    const signature = signDigest(wallet.privateKey, id("digest"));
    expect(recoverSigner(id("other"), signature)).not.to.equal(wallet.address);
    const changed = `0x${signature.slice(4, 6)}${signature.slice(2, 4)}${signature.slice(6)}`;
    expect(recoverSigner(id("digest"), changed)).not.to.equal(wallet.address);
    for (const bad of ["0x", "0x1234", `0x${"00".repeat(65)}`, `${signature.slice(0, -2)}05`, "no hex"]) {
      expect(recoverSigner(id("digest"), bad), bad).to.equal(undefined);
    }
  });

  it("are refused where contracts refuse them: with s in its upper half, which convicts nobody", () => {
    const wallet = new Wallet(id("key"));
    const { r, s, yParity } = Signature.from(signDigest(wallet.privateKey, id("digest")));
    const upper = toBeHex(GROUP_ORDER - BigInt(s), 32);
    expect(recoverSigner(id("digest"), concat([r, s, toBeHex(27 + yParity)]))).to.equal(wallet.address);
    expect(recoverSigner(id("digest"), concat([r, upper, toBeHex(28 - yParity)]))).to.equal(undefined);
  });
});
