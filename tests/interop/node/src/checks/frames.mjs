// frames.json, refused_frames.json, sealed.json.

import assert from "node:assert/strict";

import { hex, unhex } from "../bytes.mjs";
import { ProtocolError } from "../errors.mjs";
import { accept, build, buildPlain, parse } from "../frames.mjs";
import { decodeBody, encodeBody, isKnown, MESSAGES } from "../messages.mjs";
import { Bytes, OwnPool, PeerPool } from "../pools.mjs";
import { Sealing } from "../sealed.mjs";
import { fromJson, RAW, toJson } from "./json.mjs";

const sessionOf = (vector) => ({
  direction: vector.direction,
  receiverNonce: unhex(vector.receiver_nonce),
  hashKey: unhex(vector.hash_key),
  names: RAW,
});

/** A pool whose bytes begin at a position. */
export function bytesAt(position, text) {
  const bytes = new Bytes(BigInt(position));
  bytes.append(unhex(text));
  return bytes;
}

export function* frames({ frames }) {
  for (const vector of frames) {
    const pool = () => bytesAt(vector.position, vector.pool_bytes);
    yield [`${vector.name}: built`, () => assert.equal(hex(built(vector, pool())), vector.frame)];
    yield [
      `${vector.name}: accepted`,
      () => {
        const peer = new PeerPool(pool(), null, BigInt(vector.position));
        const { type, requestId, ack, fields } = accept(sessionOf(vector), peer, unhex(vector.frame));
        assert.deepEqual([type, requestId, ack], [vector.type, vector.request_id, BigInt(vector.ack)]);
        assert.equal(peer.mark, BigInt(vector.position + 16 + vector.pads));
        if (fields === null) assert.ok(!isKnown(vector.type, vector.direction));
        else assert.deepEqual(toJson(MESSAGES.get(type).body.wire(fields, RAW)), vector.fields);
      },
    ];
  }
}

function built(vector, bytes) {
  const { type, request_id: requestId, ack } = vector;
  const told = { type, requestId, ack: BigInt(ack) };
  const pool = new OwnPool(bytes, null, BigInt(vector.position));
  if (!isKnown(type, vector.direction)) {
    const body = unhex(vector.plain_body);
    return buildPlain(sessionOf(vector), pool, { ...told, body, pads: vector.pads });
  }
  const fields = MESSAGES.get(type).body.read(fromJson(vector.fields), RAW);
  const { plain, secretBytes } = encodeBody(type, fields, RAW);
  assert.deepEqual([hex(plain), secretBytes], [vector.plain_body, vector.pads]);
  return build(sessionOf(vector), pool, { ...told, fields });
}

export function* refusedFrames({ frames }) {
  for (const vector of frames)
    yield [
      vector.name,
      () => {
        const pool = new PeerPool(heldBytes(vector), BigInt(vector.window_bytes), BigInt(vector.mark));
        pool.told = BigInt(vector.window_end) - pool.window;
        const raw = unhex(vector.frame);
        assert.equal(
          resultOf(() => acceptAndRead(sessionOf(vector), pool, raw)),
          vector.result,
        );
        assert.equal(pool.mark, BigInt(vector.mark_after));
      },
    ];
}

/** Also the body of a type that is not for this side, which its receiver need not read (specification.md, 6). */
function acceptAndRead(session, pool, raw) {
  const { type, fields } = accept(session, pool, raw);
  if (fields === null && MESSAGES.has(type)) decodeBody(type, parse(raw).body);
}

/** Bytes up to `end`, of which those that matter are given. */
function heldBytes({ mark, end, pool_position: position, pool_bytes: text }) {
  const start = Math.min(mark, position);
  const bytes = new Bytes(BigInt(start));
  bytes.append(Buffer.alloc(position - start));
  bytes.append(unhex(text).subarray(0, end - position));
  bytes.append(Buffer.alloc(end - Number(bytes.end)));
  return bytes;
}

/** The kind of the ProtocolError that `act` throws, or OK. */
export function resultOf(act) {
  try {
    act();
    return "OK";
  } catch (error) {
    if (error instanceof ProtocolError) return { FORM: "FRAME", RULE: "FRAME" }[error.kind] ?? error.kind;
    throw error;
  }
}

export function* sealed({ gate_key: gateKey, hub_nonce: hubNonce, client_nonce: clientNonce, frames }) {
  const keys = [gateKey, hubNonce, clientNonce].map(unhex);
  const [building, accepting] = [0, 1].map(() => ({ C: new Sealing(...keys, "C"), H: new Sealing(...keys, "H") }));
  for (const vector of frames)
    yield [
      `${vector.name} ${vector.direction} ${vector.counter}`,
      () => {
        const fields = MESSAGES.get(vector.type).body.read(fromJson(vector.fields), RAW);
        const [builder, accepter] = [building, accepting].map((ends) => ends[vector.direction]);
        assert.deepEqual([builder.counter, accepter.counter], [vector.counter, vector.counter]);
        assert.equal(hex(builder.build(vector.type, vector.request_id, fields)), vector.frame);
        const read = accepter.accept(unhex(vector.frame));
        assert.deepEqual(toJson(MESSAGES.get(read.type).body.wire(read.fields)), vector.fields);
        assert.equal(hex(encodeBody(read.type, read.fields).plain), vector.plain_body);
      },
    ];
}
