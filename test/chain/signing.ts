import { expect } from "chai";
import { id, recoverAddress, SigningKey, Wallet } from "ethers";
import { recoverSigner, signDigest } from "../../clients/chain/signing.ts";
import { malleated } from "../contracts/support/malleated.ts";

describe("signatures of digests", () => {
  it("are those of ethers, and recovered by both to the signer", () => {
    for (let i = 0; i < 50; i++) {
      const wallet = new Wallet(id(`key ${i}`));
      const digest = id(`digest ${i}`);
      const signature = signDigest(wallet.privateKey, digest);
      expect(signature).to.equal(new SigningKey(wallet.privateKey).sign(digest).serialized);
      expect(recoverAddress(digest, signature)).to.equal(wallet.address);
      expect(recoverSigner(digest, signature)).to.equal(wallet.address.toLowerCase());
    }
  });

  it("recover to another account, or none, when they or the digest were changed", () => {
    const wallet = new Wallet(id("key"));
    const signature = signDigest(wallet.privateKey, id("digest"));
    expect(recoverSigner(id("other"), signature)).not.to.equal(wallet.address.toLowerCase());
    const changed = `0x${signature.slice(4, 6)}${signature.slice(2, 4)}${signature.slice(6)}`;
    expect(recoverSigner(id("digest"), changed)).not.to.equal(wallet.address.toLowerCase());
    for (const bad of ["0x", "0x1234", `0x${"00".repeat(65)}`, `${signature.slice(0, -2)}05`, "no hex"]) {
      expect(recoverSigner(id("digest"), bad), bad).to.equal(undefined);
    }
  });

  it("are refused where contracts refuse them: with s in its upper half, which convicts nobody", () => {
    const wallet = new Wallet(id("key"));
    const signature = signDigest(wallet.privateKey, id("digest"));
    expect(recoverSigner(id("digest"), signature)).to.equal(wallet.address.toLowerCase());
    expect(recoverSigner(id("digest"), malleated(signature))).to.equal(undefined);
  });
});
