// The body of each message (messages.md): who sends it, and its fields.

import { xorInto } from "./bytes.mjs";
import { malformed } from "./errors.mjs";
import { NAMES_ONLY } from "./identifiers.mjs";
import {
  MAX_BLOCK_BYTES,
  MAX_ENCRYPTORS_PER_CLIENT,
  MAX_FRAME_PAD_BYTES,
  MAX_KEYS_PER_FRAME,
  MAX_KEY_BYTES,
  MAX_RESPONDERS,
} from "./limits.mjs";
import { decode, encode } from "./msgpack.mjs";
import {
  bin,
  bin16,
  bool,
  clientRef,
  encryptorName,
  keyIds,
  list,
  nodeName,
  optional,
  record,
  secret,
  text,
  uint,
  uint32,
  uint64,
  uint8,
} from "./types.mjs";

export const Type = Object.freeze({
  REGISTER: 0x01,
  REGISTERED: 0x02,
  UNREGISTER: 0x03,
  PING: 0x04,
  ERROR: 0x05,
  WRAP: 0x06,
  NAMES: 0x07,
  PSRD_REQUEST: 0x08,
  PSRD_BLOCK: 0x09,
  PUT_SHARES: 0x10,
  PUT_SHARES_ACK: 0x11,
  GET_SHARES: 0x12,
  SHARES: 0x13,
  LOCATE: 0x18,
  LOCATED: 0x19,
});

/** Whose pool a block continues (PSRD_REQUEST). */
export const Owner = Object.freeze({ CLIENT: 0, HUB: 1 });

const column = keyIds(MAX_KEYS_PER_FRAME);
const upTo = (type, most = MAX_KEYS_PER_FRAME) => list(type, 0, most);
const secretBin = secret(MAX_FRAME_PAD_BYTES);
const owner = uint(Owner.CLIENT, Owner.HUB);

const party = record({ client: clientRef, encryptor: encryptorName });
const confirmed = record({ initiator: clientRef, keyIds: column });
const responders = list(party, 1, MAX_RESPONDERS);
const hubCount = uint(1, 255);
const keyLength = uint(1, MAX_KEY_BYTES);

// Ranges of single fields are the form of a body, which is refused as a whole. That 2 <= k <= n, the order of
// responders and the lengths of columns are rules, which a group breaks by itself: others in the same frame are as
// good as before.
const putGroup = record({
  initiator: encryptorName,
  responders,
  n: hubCount,
  k: hubCount,
  ttlMs: uint32,
  keyBytes: keyLength,
  keyIds: column,
  offset: uint32,
  shares: secretBin,
  codes: secretBin,
});

const shareGroup = record({
  initiator: party,
  responders,
  n: hubCount,
  k: hubCount,
  keyBytes: keyLength,
  keyIds: column,
  offset: uint32,
  shares: secretBin,
  codes: secretBin,
});

const message = (from, fields) => ({ from, body: record(fields) });

/** By type: `from` is "C", "H" or both; `body` the fields. */
export const MESSAGES = new Map([
  [Type.REGISTER, message("C", { encryptors: upTo(encryptorName, MAX_ENCRYPTORS_PER_CLIENT) })],
  [
    Type.REGISTERED,
    message("H", { code: uint8, refused: upTo(encryptorName, MAX_ENCRYPTORS_PER_CLIENT), shareTimeoutMs: uint32 }),
  ],
  [Type.UNREGISTER, message("C", {})],
  [Type.PING, message("CH", { reply: bool, clientEnd: uint64, hubEnd: uint64, done: upTo(confirmed) })],
  [Type.ERROR, message("CH", { code: uint8, reason: text(0, 256) })],
  [Type.WRAP, message("CH", {})],
  [Type.NAMES, message("H", { names: list(record({ identifier: uint32, name: nodeName }), 1, MAX_KEYS_PER_FRAME) })],
  [Type.PSRD_REQUEST, message("C", { owner, stream: bin16, sequence: uint32, size: uint32 })],
  [
    Type.PSRD_BLOCK,
    message("H", { owner, stream: bin16, sequence: uint32, uuid: bin16, data: bin(1, MAX_BLOCK_BYTES) }),
  ],
  [Type.PUT_SHARES, message("C", { groups: list(putGroup, 1, MAX_KEYS_PER_FRAME) })],
  [Type.PUT_SHARES_ACK, message("H", { codes: bin(0, MAX_KEYS_PER_FRAME) })],
  [
    Type.GET_SHARES,
    message("C", {
      groups: upTo(record({ initiator: clientRef, keyIds: column, offset: uint32 })),
      waitMs: uint32,
      done: upTo(confirmed),
    }),
  ],
  [
    Type.SHARES,
    message("H", {
      groups: upTo(shareGroup),
      missing: upTo(record({ initiator: clientRef, code: uint8, keyIds: column })),
    }),
  ],
  [Type.LOCATE, message("C", { encryptors: list(encryptorName, 1, MAX_KEYS_PER_FRAME) })],
  [Type.LOCATED, message("H", { clients: upTo(optional(clientRef)) })],
]);

/** Whether a frame of this type from this side ("C", "H") has a body that its receiver reads. */
export const isKnown = (type, from) => MESSAGES.has(type) && MESSAGES.get(type).from.includes(from);

export const isSealed = (type) => type === Type.PSRD_REQUEST || type === Type.PSRD_BLOCK;

/** The body's bytes before pads, and how many of them are secret. */
export function encodeBody(type, fields, names = NAMES_ONLY) {
  const { body } = MESSAGES.get(type);
  const secretBytes = body.secrets(fields).reduce((sum, bytes) => sum + bytes.length, 0);
  return { plain: encode(body.wire(fields, names)), secretBytes };
}

/** The fields of a body that has no pads, or of one from which they have been taken. */
export function decodeBody(type, bytes, names = NAMES_ONLY) {
  const fields = MESSAGES.get(type).body.read(decode(bytes), names);
  const keys = columnsOf(fields).reduce((sum, ids) => sum + ids.length, 0);
  if (keys > MAX_KEYS_PER_FRAME) throw malformed(`${keys} keys in one frame`);
  return fields;
}

const columnsOf = (fields) =>
  [fields.groups, fields.missing, fields.done].flatMap((entries) => (entries ?? []).map((entry) => entry.keyIds));

/**
 * XOR the secret bins with `pads`, in the order in which they stand (frames.md, 2): the new bytes of the body, and its
 * fields, whose binaries are views of these bytes. Once puts pads on, twice takes them off.
 */
export function underPads(type, bytes, pads, names = NAMES_ONLY) {
  const changed = Buffer.from(bytes);
  const fields = decodeBody(type, changed, names);
  const bins = MESSAGES.get(type).body.secrets(fields);
  if (bins.reduce((sum, bytes) => sum + bytes.length, 0) !== pads.length)
    throw malformed(`${pads.length} pads for other secret bins`);
  let used = 0;
  for (const one of bins) {
    xorInto(one, pads.subarray(used, used + one.length));
    used += one.length;
  }
  return { bytes: changed, fields };
}
