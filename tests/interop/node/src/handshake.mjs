// The handshake (handshake.md): messages, MACs and tags. Messages are raw bytes, length prefix included.

import { hmacSha256, poly1305 } from "./crypto.mjs";
import { checkValues } from "./additions.mjs";
import { concat, equal, u32 } from "./bytes.mjs";
import { malformed, ProtocolError, rule } from "./errors.mjs";
import { MAX_HANDSHAKE_BYTES, MIN_FRAME_PAD_BYTES, PROTOCOL_VERSION } from "./limits.mjs";
import { decode, encode } from "./msgpack.mjs";
import { additions, bin16, bin32, list, nodeName, record, text, uint32, uint64, uint8 } from "./types.mjs";

export const Flag = Object.freeze({ JUST_STARTED: 1, SIMULATED: 2, BEGIN_ANEW: 4 });
export const ZEROS = Buffer.alloc(16);

/** The optional field of M1 and M2 that tells the sender's own `next` (pools.md, 4). */
export const OWN_NEXT = 1;

const holdings = record({
  clientStream: bin16,
  hubStream: bin16,
  clientEnd: uint64,
  hubEnd: uint64,
  exactMark: uint64,
  durableMark: uint64,
});

// Section 1.
export const MESSAGES = {
  M0: record({ magic: text(4, 4), versions: list(uint8, 1, 16), nonce: bin16 }),
  M1: record({
    version: uint8,
    client: nodeName,
    hub: nodeName,
    nonce: bin16,
    bootId: bin16,
    provedBoot: bin16,
    flags: uint8,
    holdings,
    maxPads: uint32,
    optional: additions,
    mac: bin32,
  }),
  M2: record({
    version: uint8,
    code: uint8,
    reason: text(0, 128),
    bootId: bin16,
    provedBoot: bin16,
    flags: uint8,
    holdings,
    maxPads: uint32,
    optional: additions,
    mac: bin32,
  }),
  M3: record({
    position: uint64,
    clientStream: bin16,
    hubStream: bin16,
    clientEnd: uint64,
    hubEnd: uint64,
    tag: bin16,
  }),
  M4: record({ position: uint64, ack: uint64, tag: bin16 }),
};

/** Section 2: what is written before the bytes under the MAC or tag, and how many bytes that has at the end. */
const LABELS = { M1: "M1", M2: "M2", M3: "C", M4: "H" };
const PROOF_BYTES = { M1: 32, M2: 32, M3: 16, M4: 16 };

/** The bytes under the MAC or tag of `raw`; `before`: the raw messages before it on this connection. */
export const covered = (name, before, raw) =>
  concat(LABELS[name], ...before, raw.subarray(0, raw.length - PROOF_BYTES[name]));

/** `key`: the gate key, or r | s of M3 and M4. */
export function proofOf(name, key, before, raw) {
  const message = covered(name, before, raw);
  return PROOF_BYTES[name] === 32 ? hmacSha256(key, message) : poly1305(key, message);
}

/** A raw message. Its MAC or tag is its last bytes, and covers the length prefix of the whole. */
export function build(name, fields, key, before) {
  const last = name === "M0" ? {} : { [PROOF_BYTES[name] === 32 ? "mac" : "tag"]: Buffer.alloc(PROOF_BYTES[name]) };
  const piece = encode(MESSAGES[name].wire({ ...fields, ...last }));
  if (piece.length > MAX_HANDSHAKE_BYTES) throw new RangeError(`${name} is too long`);
  const raw = concat(u32(piece.length), piece);
  if (name !== "M0") proofOf(name, key, before, raw).copy(raw, raw.length - PROOF_BYTES[name]);
  return raw;
}

/** The fields of a raw message, in form. Its MAC or tag is not looked at. */
export function parse(name, raw) {
  if (raw.length - 4 > MAX_HANDSHAKE_BYTES || raw.readUInt32BE(0) !== raw.length - 4) throw malformed("a wrong length");
  const fields = MESSAGES[name].read(decode(raw.subarray(4)));
  if (name === "M1") checkRules(fields, "C");
  if (name === "M2") checkRules(fields, "H");
  return fields;
}

function checkRules({ bootId, maxPads, optional }, direction) {
  if (bootId.equals(ZEROS)) throw malformed("a boot ID of zeros");
  if (maxPads < MIN_FRAME_PAD_BYTES) throw rule("max_pads is too small");
  if (optional.has(OWN_NEXT) && optional.get(OWN_NEXT).length !== 8) throw rule("a `next` of other than 8 bytes");
  checkValues(optional, direction);
}

/** Whether the MAC or tag of a raw message is right. */
export const verifies = (name, key, before, raw) =>
  equal(proofOf(name, key, before, raw), raw.subarray(raw.length - PROOF_BYTES[name]));

/** M0 as a client takes it (section 3). */
export function parseM0(raw) {
  const fields = parse("M0", raw);
  if (fields.magic !== "DSKE") throw malformed("this is no DSKE");
  if (!fields.versions.includes(PROTOCOL_VERSION)) throw new ProtocolError("VERSION", "no version in common");
  return fields;
}
