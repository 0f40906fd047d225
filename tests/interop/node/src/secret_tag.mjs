// The secret tag (sharing.md, 4 and 5).
//
// Terms are an object { n, k, initiator, responders, keyBytes }; a party is { client, encryptor }.

import { concat, u64 } from "./bytes.mjs";
import { poly1305 } from "./crypto.mjs";
import { bytesOf, element, integer, modulo } from "./gfp.mjs";
import { AMD_DIRECT_KEY_BYTES, PROTOCOL_VERSION } from "./limits.mjs";

const BLOCK_BYTES = 15;

/** Whether keys of this length are hashed under the secret tag, with an r that is shared as well. */
export const isLong = (keyBytes) => keyBytes > AMD_DIRECT_KEY_BYTES;

/** h, of a long key: Poly1305 under r | 16 zero bytes. */
export const hashOf = (key, r) => poly1305(concat(r, Buffer.alloc(16)), key);

const named = (name) => concat(Buffer.of(Buffer.byteLength(name)), name);
const partyBytes = (party) => concat(named(party.client), named(party.encryptor));

/** M: what the tag covers. `r` only with a long key. */
export function messageUnder(terms, keyId, key, r) {
  const responders = Buffer.alloc(2);
  responders.writeUInt16BE(terms.responders.length);
  return concat(
    "DSKE",
    Buffer.of(PROTOCOL_VERSION, terms.n, terms.k),
    keyId,
    partyBytes(terms.initiator),
    responders,
    ...terms.responders.map(partyBytes),
    u64(BigInt(terms.keyBytes)),
    ...(isLong(terms.keyBytes) ? [hashOf(key, r), r] : [key]),
  );
}

/** M in blocks of 15 bytes, the last padded with zeros: little-endian integers. */
export function blocksOf(message) {
  const count = Math.ceil(message.length / BLOCK_BYTES);
  return Array.from({ length: count }, (_, i) => integer(message.subarray(BLOCK_BYTES * i, BLOCK_BYTES * (i + 1))));
}

/** f = x^(d+2) + m_1 x^d + ... + m_d x, from and to 16 bytes. */
export function tagOf(message, xBytes) {
  const x = element(xBytes);
  const sum = blocksOf(message).reduce((f, block, i) => modulo((i === 0 ? x * x : f * x) + block), 0n);
  return bytesOf(modulo(sum * x));
}
