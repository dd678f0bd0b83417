// Messages that one reader can open: HPKE (RFC 9180) in base mode, with X25519, HKDF-SHA256 and AES-256-GCM.
import { randomBytes } from "node:crypto";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { fromHex, toHex } from "../model/bytes.ts";
import { GradworkError } from "../model/errors.ts";

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

/** Of the encapsulated key, which stands before the ciphertext. */
const ENCAPSULATED_BYTES = 32;

/** Of the secret that a reader's keys are derived from. */
export const READER_SECRET_BYTES = 32;

/** Whoever opens what is sealed to it. */
export type Reader = {
  /** X25519, 32 bytes as 0x-prefixed hex: what is announced. */
  readonly publicKey: string;
  /**
   * @param purpose what the sender sealed it for
   * @throws {GradworkError} `SEAL_BROKEN` where it was sealed to another, for another purpose, or changed
   */
  readonly open: (sealed: Uint8Array, purpose: string) => Promise<Uint8Array>;
};

export function newReaderSecret(): Uint8Array {
  return new Uint8Array(randomBytes(READER_SECRET_BYTES));
}

/** @param secret 32 random bytes; equal ones give equal keys */
export async function openReader(secret: Uint8Array): Promise<Reader> {
  const { publicKey, privateKey } = await suite.kem.deriveKeyPair(bufferOf(secret));
  return {
    publicKey: toHex(new Uint8Array(await suite.kem.serializePublicKey(publicKey))),
    async open(sealed, purpose) {
      try {
        const parameters = {
          recipientKey: privateKey,
          enc: bufferOf(sealed.subarray(0, ENCAPSULATED_BYTES)),
          info: bufferOf(new TextEncoder().encode(purpose)),
        };
        return new Uint8Array(await suite.open(parameters, bufferOf(sealed.subarray(ENCAPSULATED_BYTES))));
      } catch {
        throw new GradworkError(
          "SEAL_BROKEN",
          `Expected a message sealed to this reader for "${purpose}", got ${sealed.length} bytes that are not`,
          { purpose, byteLength: sealed.length },
        );
      }
    },
  };
}

/**
 * @param publicKey X25519, 32 bytes as 0x-prefixed hex
 * @param purpose which the reader must expect
 * @throws {GradworkError} `INVALID_HEX`, `SEAL_BAD_KEY` for bytes that are no key
 */
export async function seal(publicKey: string, purpose: string, message: Uint8Array): Promise<Uint8Array> {
  const bytes = fromHex(publicKey, 32);
  try {
    const recipientPublicKey = await suite.kem.deserializePublicKey(bufferOf(bytes));
    const info = bufferOf(new TextEncoder().encode(purpose));
    const { enc, ct } = await suite.seal({ recipientPublicKey, info }, bufferOf(message));
    return Buffer.concat([new Uint8Array(enc), new Uint8Array(ct)]);
  } catch (error) {
    throw new GradworkError(
      "SEAL_BAD_KEY",
      `nothing can be sealed to ${publicKey}: ${(error as Error).message}`,
      {
        publicKey,
      },
    );
  }
}

/** In an ArrayBuffer of its own, as WebCrypto takes it. */
function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}
