// Frames (frames.md). A frame is handled as raw bytes, length prefix included.

import { concat, equal, u32, u64 } from "./bytes.mjs";
import { poly1305 } from "./crypto.mjs";
import { malformed, ProtocolError } from "./errors.mjs";
import { MAX_FRAME_BYTES, MAX_FRAME_PAD_BYTES } from "./limits.mjs";
import { encodeBody, isKnown, isSealed, Type, underPads } from "./messages.mjs";

export const FRAME_HEAD = 0x97; // an array of 7
export const HEADER_BYTES = 39;
const TAG_HEAD = Buffer.of(0xc4, 0x10);
export const MASK_BYTES = 16;
const WRAP_PADS = 32;
const EMPTY_BODY = Buffer.of(0x90); // []

/** All before the body (section 1). `bodyBytes` as it is sent. */
export function header(type, requestId, position, pads, ack, bodyBytes) {
  return concat(
    u32(bodyBytes + 53),
    Buffer.of(FRAME_HEAD, type, 0xce),
    u32(requestId),
    Buffer.of(0xcf),
    u64(position),
    Buffer.of(0xce),
    u32(pads),
    Buffer.of(0xcf),
    u64(ack),
    Buffer.of(0xc6),
    u32(bodyBytes),
  );
}

export const withTag = (headerAndBody, tag) => concat(headerAndBody, TAG_HEAD, tag);

/** The fields of a frame, after step 2 of section 4: all fixed bytes are right, and all lengths agree. */
export function parse(raw) {
  const fixed = [
    [4, FRAME_HEAD],
    [6, 0xce],
    [11, 0xcf],
    [20, 0xce],
    [25, 0xcf],
    [34, 0xc6],
  ];
  if (raw.length < HEADER_BYTES + 18) throw malformed("shorter than any frame");
  if (fixed.some(([at, byte]) => raw[at] !== byte) || raw[5] > 0x7f)
    throw malformed("a fixed byte of a frame is wrong");
  const bodyEnd = HEADER_BYTES + raw.readUInt32BE(35);
  if (raw.length !== bodyEnd + 18 || raw.readUInt32BE(0) !== raw.length - 4) throw malformed("lengths disagree");
  if (!raw.subarray(bodyEnd, bodyEnd + 2).equals(TAG_HEAD)) throw malformed("the tag's head is wrong");
  return {
    type: raw[5],
    requestId: raw.readUInt32BE(7),
    position: raw.readBigUInt64BE(12),
    pads: raw.readUInt32BE(21),
    ack: raw.readBigUInt64BE(26),
    header: raw.subarray(0, HEADER_BYTES),
    body: raw.subarray(HEADER_BYTES, bodyEnd),
    tagged: raw.subarray(0, bodyEnd + 2),
    tag: raw.subarray(bodyEnd + 2),
  };
}

/** Section 3. `session`: { direction: "C" or "H", receiverNonce, hashKey, names } of one direction. */
const tagOf = (session, mask, tagged) =>
  poly1305(concat(session.hashKey, mask), session.receiverNonce, session.direction, tagged);

/** Bytes that a frame with so many secret bytes takes from the pool (section 2). */
export const poolBytes = (pads) => BigInt(MASK_BYTES + pads);

/** A whole frame at the position that `pool` (pools.mjs) takes for it. */
export function build(session, pool, { type, requestId, fields, ack }) {
  const { plain, secretBytes } = encodeBody(type, fields, session.names);
  const { position, bytes } = pool.take(MASK_BYTES + secretBytes);
  const { bytes: body } = underPads(type, plain, bytes.subarray(MASK_BYTES), session.names);
  return tagged(session, bytes, header(type, requestId, position, secretBytes, ack, body.length), body);
}

/** A frame of any type with these bytes as its body, whose pads cover none of them. */
export function buildPlain(session, pool, { type, requestId, body, pads, ack }) {
  const { position, bytes } = pool.take(MASK_BYTES + pads);
  return tagged(session, bytes, header(type, requestId, position, pads, ack, body.length), body);
}

function tagged(session, poolBytes, start, body) {
  const covered = concat(start, body, TAG_HEAD);
  if (covered.length + 16 - 4 > MAX_FRAME_BYTES) throw new RangeError("the frame is too long");
  return concat(covered, tagOf(session, poolBytes.subarray(0, MASK_BYTES), covered));
}

/** WRAP (wrapping.md, 2): { raw, key }. Its pads cover nothing: they are the key. */
export function buildWrap(session, pool, ack) {
  const key = pool.peek(MASK_BYTES, WRAP_PADS);
  return {
    raw: buildPlain(session, pool, { type: Type.WRAP, requestId: 0, body: EMPTY_BODY, pads: WRAP_PADS, ack }),
    key,
  };
}

/**
 * What a frame says, after steps 2 to 9 of section 4: { type, requestId, ack, fields }. `fields` is null where the type
 * is not known from this side; of WRAP they are { key }. `pool` (pools.mjs) is the sender's, as its receiver keeps it.
 */
export function accept(session, pool, raw, maxPads = MAX_FRAME_PAD_BYTES) {
  const frame = parse(raw);
  if (isSealed(frame.type)) throw malformed("a type that is never tagged");
  if (frame.pads > Math.min(maxPads, pool.mostPads)) throw malformed("too many pads");
  const end = frame.position + poolBytes(frame.pads);
  pool.check(frame.position, end);
  const bytes = pool.read(frame.position, MASK_BYTES + frame.pads);
  if (!equal(tagOf(session, bytes.subarray(0, MASK_BYTES), frame.tagged), frame.tag))
    throw new ProtocolError("TAG", "the tag is wrong");
  pool.moveTo(end);
  const { type, requestId, ack } = frame;
  if (!isKnown(type, session.direction)) return { type, requestId, ack, fields: null };
  if (type === Type.WRAP) return { type, requestId, ack, fields: { key: wrappingKey(frame, bytes) } };
  const { fields } = underPads(type, frame.body, bytes.subarray(MASK_BYTES), session.names);
  return { type, requestId, ack, fields };
}

function wrappingKey({ requestId, pads, body }, bytes) {
  if (pads !== WRAP_PADS || requestId !== 0 || !body.equals(EMPTY_BODY)) throw malformed("a WRAP of another form");
  return bytes.subarray(MASK_BYTES);
}
