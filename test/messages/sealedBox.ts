import { expect } from "chai";
import { newReaderSecret, openReader, seal } from "../../clients/messages/sealedBox.ts";
import { expectCode } from "../contracts/support/expectCode.ts";

const message = new TextEncoder().encode("Call me Ishmael.");

describe("sealed messages", () => {
  it("are opened by their reader, for their purpose", async () => {
    const reader = await openReader(newReaderSecret());
    expect(await reader.open(await seal(reader.publicKey, "prompt 1", message), "prompt 1")).to.deep.equal(
      message,
    );
    expect(await reader.open(await seal(reader.publicKey, "", new Uint8Array()), "")).to.have.length(0);
  });

  it("differ each time, and show nothing of what is in them", async () => {
    const reader = await openReader(newReaderSecret());
    const [first, second] = [
      await seal(reader.publicKey, "", message),
      await seal(reader.publicKey, "", message),
    ];
    expect(first).not.to.deep.equal(second);
    expect(Buffer.from(first).includes(Buffer.from(message))).to.equal(false);
  });

  it("are opened by nobody else, for no other purpose, and not when they were changed", async () => {
    const [reader, other] = [await openReader(newReaderSecret()), await openReader(newReaderSecret())];
    const sealed = await seal(reader.publicKey, "prompt 1", message);
    await expectCode(other.open(sealed, "prompt 1"), "SEAL_BROKEN");
    await expectCode(reader.open(sealed, "prompt 2"), "SEAL_BROKEN");
    for (const at of [0, 40, sealed.length - 1]) {
      const changed = Uint8Array.from(sealed);
      changed[at]! ^= 1;
      await expectCode(reader.open(changed, "prompt 1"), "SEAL_BROKEN");
    }
    await expectCode(reader.open(new Uint8Array(8), "prompt 1"), "SEAL_BROKEN");
  });

  it("go to keys of 32 bytes that follow from a secret", async () => {
    const secret = newReaderSecret();
    expect((await openReader(secret)).publicKey).to.equal((await openReader(secret)).publicKey);
    expect((await openReader(secret)).publicKey).to.match(/^0x[0-9a-f]{64}$/);
    await expectCode(seal("0x1234", "", message), "INVALID_HEX");
    // The point at infinity, with which anybody could open it.
    await expectCode(seal(`0x${"00".repeat(32)}`, "", message), "SEAL_BAD_KEY");
  });
});
