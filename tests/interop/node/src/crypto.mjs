// The primitives: what node:crypto has, and Poly1305, which it has not.

import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, scryptSync } from "node:crypto";

import { poly1305 as onetime } from "@noble/ciphers/_poly1305";

import { concat, u64 } from "./bytes.mjs";

/** RFC 8439, 2.5: the key is r | s; r is clamped inside. */
export const poly1305 = (key, ...message) => Buffer.from(onetime(concat(...message), key));

export const sha256 = (...parts) =>
  createHash("sha256")
    .update(concat(...parts))
    .digest();

export const hmacSha256 = (key, ...parts) =>
  createHmac("sha256", key)
    .update(concat(...parts))
    .digest();

/** RFC 5869, with SHA-256. */
export const hkdf = (key, salt, info, length) => Buffer.from(hkdfSync("sha256", key, salt, info, length));

/** RFC 7914. */
export const scrypt = (passphrase, salt, N, r, p) =>
  scryptSync(passphrase, salt, 32, { N, r, p, maxmem: 256 * N * r + (1 << 20) });

/** A counter as a nonce of 12 bytes, big-endian. */
export const counterNonce = (counter) => concat(Buffer.alloc(4), u64(BigInt(counter)));

const AEAD = "chacha20-poly1305";

/** RFC 8439, 2.8: the ciphertext followed by its tag of 16 bytes. */
export function seal(key, nonce, plaintext, associated) {
  const cipher = createCipheriv(AEAD, key, nonce, { authTagLength: 16 });
  cipher.setAAD(associated, { plaintextLength: plaintext.length });
  return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

/** The plaintext, or null where the tag does not verify. */
export function open(key, nonce, sealed, associated) {
  if (sealed.length < 16) return null;
  const length = sealed.length - 16;
  const cipher = createDecipheriv(AEAD, key, nonce, { authTagLength: 16 });
  cipher.setAAD(associated, { plaintextLength: length });
  cipher.setAuthTag(sealed.subarray(length));
  try {
    return concat(cipher.update(sealed.subarray(0, length)), cipher.final());
  } catch {
    return null;
  }
}
